"""What every trigger is: a validated description of when, with one pure method."""

from datetime import UTC, datetime, timedelta
from inspect import Signature
from typing import Any, ClassVar, Generic

from pydantic import BaseModel, ConfigDict, PositiveInt, PrivateAttr
from typing_extensions import TypeVar

from aioclock.clock import current_clock

__all__ = ["BaseTrigger", "LoopController", "is_awaitable_trigger", "require_aware"]

# The default spares the built-in triggers a class each, which `import aioclock` would have to build.
TypeT = TypeVar("TypeT", default=Any)

MOST_STEPS = 1_000
"""How many missed ticks of a user's trigger are counted one by one before the latest is searched for."""


def require_aware(moment: datetime) -> datetime:
    """Return *moment* in UTC.

    Raises:
        ValueError: *moment* is naive, so it names no instant.
    """
    if moment.tzinfo is None or moment.utcoffset() is None:
        raise ValueError(f"an aware datetime is needed, got {moment!r}; add a zone: datetime.now(ZoneInfo('UTC'))")
    return moment.astimezone(UTC)


class _SignatureOnDemand:
    """Lets whoever asks a class for its signature, as help() and hypothesis do, wait until the class is built."""

    def __get__(self, instance: object, owner: type[BaseModel]) -> Signature:
        owner.model_rebuild()
        return owner.__signature__


class BaseTrigger(BaseModel, Generic[TypeT]):
    """When a task is due. Subclass it with a literal name for your own.

    A subclass implements one of two things:

    - `next_after`, a pure function of time. Such a trigger can be previewed and shares the engine's one agenda.
    - `trigger_next`, a coroutine that returns when the event happens (a message arrives, a file changes), with
      `should_trigger` and `get_waiting_time_till_next_trigger` where they differ from the defaults.
      Such a trigger gets a coroutine of its own, on a shallow copy of the trigger made at each start.

    ```python
    from datetime import datetime, timedelta
    from typing import Literal

    from aioclock.triggers import BaseTrigger


    class Doubling(BaseTrigger[Literal["DOUBLING"]]):
        type_: Literal["DOUBLING"] = "DOUBLING"

        def next_after(self, moment: datetime, anchor: datetime) -> datetime | None:
            delay = timedelta(seconds=1)
            while anchor + delay <= moment:
                delay *= 2
            return anchor + delay
    ```
    """

    # What checks the fields takes long to build, and no program uses all triggers. So each is built with its first
    # object; those of users at once, for mistakes in their annotations show then.
    model_config = ConfigDict(extra="forbid", validate_assignment=True, arbitrary_types_allowed=True, defer_build=True)

    counts_elapsed_time: ClassVar[bool] = False
    """True for built-in triggers whose ticks follow the event loop's clock and not the wall clock."""

    type_: TypeT
    expected_trigger_time: datetime | None = None

    _anchor: datetime | None = PrivateAttr(None)
    _last: datetime | None = PrivateAttr(None)

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        if cls.__pydantic_complete__:
            return
        if cls.__module__.startswith("aioclock."):
            cls.__signature__ = _SignatureOnDemand()  # type: ignore[assignment]  # pydantic's own replaces it
        else:
            cls.model_rebuild(raise_errors=False)

    def next_after(self, moment: datetime, anchor: datetime) -> datetime | None:
        """Return the first tick strictly after *moment*, or None when there will be none.

        Args:
            moment: Aware, in any zone.
            anchor: When the schedule began; aware.
        """
        raise TypeError(f"{type(self).__name__} implements neither next_after nor trigger_next")

    def first_tick(self, anchor: datetime) -> datetime | None:
        """Return the first tick of a schedule that begins at *anchor* (aware); only here may it be *anchor* itself."""
        return self.next_after(anchor, anchor)

    def latest_between(self, after: datetime, until: datetime, anchor: datetime) -> tuple[datetime, int] | None:
        """Return the latest tick in (*after*, *until*] and how many there are, or None when there is none.

        For a trigger of the user's the count stops at `MOST_STEPS`: it is a lower bound for longer gaps.
        """
        latest, count = None, 0
        tick = self.next_after(after, anchor)
        while tick is not None and tick <= until and count < MOST_STEPS:
            latest, count = tick, count + 1
            tick = self.next_after(tick, anchor)
        if latest is None:
            return None
        if tick is not None and tick <= until:
            latest = self._latest_by_bisection(tick, until, anchor)
        return latest, count

    def _latest_by_bisection(self, known: datetime, until: datetime, anchor: datetime) -> datetime:
        known, low, high = require_aware(known), require_aware(known), require_aware(until)
        while low < high:
            middle = low + (high - low) / 2
            tick = self.next_after(middle, anchor)
            if tick is not None and require_aware(tick) <= middle:
                raise ValueError(f"next_after({middle.isoformat()}) must be strictly later, got {tick.isoformat()}")
            if tick is not None and tick <= until:
                known = low = require_aware(tick)
            else:
                high = middle
        return known

    @property
    def pause_after_run(self) -> timedelta | None:
        """Time from the end of a run to the next tick, for triggers that have no grid; None for all others."""
        return None

    # The methods below are the interface of AioClock 0.3: a trigger used by itself, outside a serving app.

    def should_trigger(self) -> bool:
        """Tell whether there will be another tick."""
        return not is_pure_trigger(self) or self._upcoming(current_clock().now()) is not None

    async def trigger_next(self) -> None:
        """Return when the next tick is due; at once when there will be none."""
        clock = current_clock()
        now = clock.now()
        due = self._upcoming(now)
        if self._anchor is None:
            self._anchor = now
        if due is not None:
            await clock.sleep_until(due)
            self._last = max(due, clock.now())

    async def get_waiting_time_till_next_trigger(self, now: datetime | None = None) -> float | None:
        """Return the seconds until the next tick, or None when there will be none.

        Args:
            now: Aware, in any zone; the present when left out.
        """
        if not is_pure_trigger(self):
            return None
        moment = current_clock().now() if now is None else require_aware(now)
        due = self._upcoming(moment)
        return None if due is None else max(0.0, (due - moment).total_seconds())

    def _upcoming(self, now: datetime) -> datetime | None:
        if self._anchor is None:
            return self.first_tick(now)
        return self.next_after(now if self._last is None else self._last, self._anchor)


class LoopController(BaseTrigger[TypeT], Generic[TypeT]):
    """A trigger that can be limited to a number of runs."""

    max_loop_count: PositiveInt | None = None

    _current_loop_count: int = PrivateAttr(0)

    def _increment_loop_counter(self) -> None:
        self._current_loop_count += 1

    @property
    def loops_left(self) -> bool:
        """False once the trigger, used by itself, has been counted `max_loop_count` times."""
        return self.max_loop_count is None or self._current_loop_count < self.max_loop_count

    def should_trigger(self) -> bool:
        """Tell whether there will be another tick."""
        return self.loops_left and super().should_trigger()

    async def trigger_next(self) -> None:
        """Return when the next tick is due, and count it."""
        await super().trigger_next()
        self._increment_loop_counter()


def _defining_class(kind: type, method: str) -> int:
    """Return how near to *kind* the class is that defines *method*: 0 for itself."""
    return next(place for place, base in enumerate(kind.__mro__) if method in base.__dict__)


def is_pure_trigger(trigger: BaseTrigger) -> bool:
    """Tell whether `next_after` describes *trigger*, as it does for all built-in ones."""
    kind = type(trigger)
    nearest = _defining_class(kind, "next_after")
    return kind.__mro__[nearest] is not BaseTrigger and nearest <= _defining_class(kind, "trigger_next")


def is_awaitable_trigger(trigger: BaseTrigger) -> bool:
    """Tell whether only the awaitable methods describe *trigger*: it sleeps, or waits for something, by itself."""
    return not is_pure_trigger(trigger) and type(trigger).trigger_next not in (
        BaseTrigger.trigger_next,
        LoopController.trigger_next,
    )
