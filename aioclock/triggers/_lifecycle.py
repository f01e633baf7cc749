"""Ticks that belong to the life of the app: once, again and again, at start-up and at shut-down."""

import warnings
from datetime import datetime, timedelta
from typing import Any, ClassVar, Literal

from aioclock.custom_types import Triggers
from aioclock.triggers._base import BaseTrigger, require_aware

__all__ = ["Forever", "OnShutDown", "OnStartUp", "Once"]


class Once(BaseTrigger):
    """One tick, at once when serving starts."""

    counts_elapsed_time: ClassVar[bool] = True

    type_: Literal[Triggers.ONCE] = Triggers.ONCE

    def next_after(self, moment: datetime, anchor: datetime) -> datetime | None:
        return anchor if require_aware(moment) < require_aware(anchor) else None

    def first_tick(self, anchor: datetime) -> datetime | None:
        return anchor


class Forever(BaseTrigger):
    """A tick as soon as the previous run ended. A run that fails delays the next: 0.1 s, doubling to 30 s."""

    counts_elapsed_time: ClassVar[bool] = True

    type_: Literal[Triggers.FOREVER] = Triggers.FOREVER

    def next_after(self, moment: datetime, anchor: datetime) -> datetime | None:
        """Return the earliest instant after *moment*: the real next tick is the end of a run that nobody knows yet."""
        return max(require_aware(anchor), require_aware(moment) + timedelta.resolution)

    def first_tick(self, anchor: datetime) -> datetime | None:
        return anchor

    @property
    def pause_after_run(self) -> timedelta:
        return timedelta(0)

    def _upcoming(self, now: datetime) -> datetime | None:
        return now


class _LifecycleTrigger(BaseTrigger):
    """A tick that the app gives by itself, at one point of its life."""

    counts_elapsed_time: ClassVar[bool] = True

    def __init__(self, **fields: Any) -> None:
        super().__init__(**fields)
        warnings.warn(
            f"{type(self).__name__} is deprecated; use AioClock(lifespan=...) instead",
            DeprecationWarning,
            stacklevel=2,
        )

    def next_after(self, moment: datetime, anchor: datetime) -> datetime | None:
        return anchor if require_aware(moment) < require_aware(anchor) else None

    def first_tick(self, anchor: datetime) -> datetime | None:
        return anchor


class OnStartUp(_LifecycleTrigger):
    """Once, before everything else. Deprecated: use `AioClock(lifespan=...)`."""

    type_: Literal[Triggers.ON_START_UP] = Triggers.ON_START_UP


class OnShutDown(_LifecycleTrigger):
    """Once, after everything else. Deprecated: use `AioClock(lifespan=...)`."""

    type_: Literal[Triggers.ON_SHUT_DOWN] = Triggers.ON_SHUT_DOWN
