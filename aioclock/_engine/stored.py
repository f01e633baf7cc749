"""A task as the store of its app keeps it."""

from functools import cache
from hashlib import blake2b
from typing import Any, Literal, TypeAlias

from pydantic import TypeAdapter
from pydantic_core import to_json

from aioclock._engine.shared_cursor import SharedCursor
from aioclock.custom_types import Triggers
from aioclock.exceptions import TaskDeclarationError
from aioclock.policies import CatchUp, OnLost, Policies
from aioclock.stores import TaskState
from aioclock.triggers import BaseTrigger, Every, OrTrigger, TriggerT
from aioclock.triggers._base import is_pure_trigger

__all__ = ["Mode", "Stored", "fingerprint", "text_of"]

Mode: TypeAlias = Literal["ticks", "held", "node"]
"""How processes share a task: each tick is claimed by one of them, one of them has the whole task, or not at all."""

LATEST = CatchUp()

SHORTEST_PERIOD_S = 1.0
"""Ticks that come faster are not claimed one by one."""

_LIFECYCLE = frozenset({Triggers.ON_START_UP, Triggers.ON_SHUT_DOWN})
_NOT_SCHEDULE = {"expected_trigger_time"}


class Stored:
    """What holds between one task of this process and the store.

    Args:
        trigger: The one that the code declares.
    """

    __slots__ = (
        "behind_until", "catch_up", "fingerprint", "held_until_s", "mode", "on_lost", "readable", "scope", "state",
        "trigger",
    )  # fmt: skip

    def __init__(self, trigger: BaseTrigger, policies: Policies, *, key: str) -> None:
        self.trigger = trigger
        self.fingerprint = fingerprint(trigger)
        self.scope = policies.scope or "cluster"
        self.catch_up = policies.catch_up or LATEST
        self.on_lost: OnLost = policies.on_lost or "fail"
        self.mode: Mode = mode_of(trigger, self.scope, key=key)
        self.forget()
        self.readable = True
        """Whether this process understands the trigger that the store has for the task."""
        self.behind_until = 0
        """Ticks before this moment, in microseconds since the epoch, passed while nothing could run."""

    def forget(self) -> None:
        """Forget what another session heard: it is old, and perhaps of another store."""
        self.state: TaskState | None = None
        """What the store said last; None until it said anything."""
        self.held_until_s: float | None = None
        """Until when this process has the whole task to itself, on the steady clock; None: it has not."""

    @property
    def known(self) -> TaskState:
        """What the store said last, once it has."""
        assert self.state is not None
        return self.state

    @property
    def shared(self) -> bool:
        """Whether each tick must be claimed."""
        return self.mode == "ticks"

    @property
    def outdated(self) -> bool:
        """Whether another process declares another schedule, and did so later."""
        return self.state is not None and self.state.fingerprint != self.fingerprint

    @property
    def fits(self) -> bool:
        """Whether this process knows the schedule that holds."""
        return self.state is not None and self.readable and not self.outdated

    @property
    def runs_here(self) -> bool:
        """Whether the schedule goes on in this process, beside others or as the only one."""
        return self.fits and (self.mode != "held" or self.held_until_s is not None)

    def take_trigger(self, *, key: str) -> BaseTrigger:
        """Return the trigger that holds, after taking note of how the processes share the task then.

        Raises:
            ValueError: this process can't read it.
        """
        self.readable = False
        trigger = self.trigger_now()
        self.mode = mode_of(trigger, self.scope, key=key)
        if self.mode != "held":
            self.held_until_s = None
        self.readable = True
        return trigger

    def cursors(self) -> tuple[SharedCursor]:
        """Return a fresh cursor, on the schedule that holds."""
        return (SharedCursor(self),)

    def trigger_now(self) -> BaseTrigger:
        """Return the trigger that holds: the declared one, or what was put in its place for all processes."""
        return self.trigger if not self.known.override else trigger_of(self.known.override)


def mode_of(trigger: BaseTrigger, scope: str, *, key: str) -> Mode:
    """Return how the processes share a task.

    Raises:
        TaskDeclarationError: they can't.
    """
    if scope == "node" or trigger.type_ in _LIFECYCLE:
        return "node"
    if not _has_common_ticks(trigger):
        return "held"
    for child in _children(trigger):
        if getattr(child, "max_loop_count", None) is not None:
            raise TaskDeclarationError(
                f"task {key!r}: max_loop_count of a trigger within an OrTrigger can't be counted over all processes; "
                "set it on the OrTrigger, or use scope='node'"
            )
    return "ticks"


def _children(trigger: BaseTrigger) -> list[BaseTrigger]:
    if not isinstance(trigger, OrTrigger):
        return []
    return [leaf for child in trigger.triggers for leaf in (child, *_children(child))]


def _has_common_ticks(trigger: BaseTrigger) -> bool:
    """Tell whether all processes compute the same ticks, and not too many."""
    if isinstance(trigger, OrTrigger):
        return all(_has_common_ticks(child) for child in trigger.triggers)
    if not is_pure_trigger(trigger) or trigger.pause_after_run is not None:
        return False
    return not isinstance(trigger, Every) or trigger.total_seconds >= SHORTEST_PERIOD_S


def fingerprint(trigger: BaseTrigger) -> str:
    """Return a text that stands for the schedule of *trigger*: the same in every process, another one once edited."""
    return blake2b(to_json(_essence(trigger), fallback=_type_name), digest_size=16).hexdigest()


def _essence(trigger: BaseTrigger) -> Any:
    # Defaults are left out: a field that a later release adds must not look like an edit.
    kind = f"{type(trigger).__module__}.{type(trigger).__qualname__}"
    if isinstance(trigger, OrTrigger):
        return [kind, trigger.max_loop_count, *map(_essence, trigger.triggers)]
    fields = trigger.model_dump(exclude=_NOT_SCHEDULE, exclude_defaults=True, warnings=False)
    return [kind, dict(sorted(fields.items()))]


def _type_name(value: object) -> str:
    return type(value).__qualname__


@cache
def _adapter() -> TypeAdapter[Any]:
    return TypeAdapter(TriggerT)


def text_of(trigger: BaseTrigger) -> str:
    """Return *trigger* as JSON that `trigger_of` reads in any process.

    Raises:
        TaskDeclarationError: it is, or contains, a trigger of the user's own.
    """
    for part in (trigger, *_children(trigger)):
        if not type(part).__module__.startswith("aioclock."):
            raise TaskDeclarationError(
                f"{type(part).__name__} can't be kept in a store, from which other processes read it; "
                "reschedule to a built-in trigger"
            )
    return trigger.model_dump_json(exclude=_NOT_SCHEDULE)


def trigger_of(text: str) -> BaseTrigger:
    """Return the trigger that `text_of` wrote.

    Raises:
        ValueError: it is none.
    """
    trigger: BaseTrigger = _adapter().validate_json(text)
    return trigger
