"""Where a running task stands in its schedule: the state that a trigger itself never has."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, ClassVar

from aioclock._engine.present import Moment
from aioclock.triggers import BaseTrigger, Every, OrTrigger
from aioclock.triggers._base import is_pure_trigger, require_aware

__all__ = ["Awaited", "Cursor", "Quota", "cursors_of"]


class Quota:
    """How many runs a `max_loop_count` still allows; shared by all children of an `OrTrigger`."""

    __slots__ = ("left",)

    def __init__(self, left: int) -> None:
        self.left = left


class Cursor:
    """One leaf of a task's trigger: when its next tick is due. *due* is None while nobody knows."""

    __slots__ = ("due", "entry", "open", "quotas", "trigger")

    elapsed: ClassVar[bool] = True
    """Whether *due* is on the event loop's clock, else it is in seconds since the epoch."""
    after_run: ClassVar[bool] = False
    """Whether the next tick follows the end of a run, by *pause_s*, instead of the tick before."""
    pause_s: float = 0.0

    def __init__(self, trigger: BaseTrigger, quotas: tuple[Quota, ...]) -> None:
        self.trigger = trigger
        self.quotas = quotas
        self.entry: Any = None
        self.open = True
        self.due: float | None = None

    def begin(self, anchor: Moment) -> None:
        """Set the first tick of a schedule that begins at *anchor*."""
        self.due = anchor.elapsed

    def take(self, now: Moment) -> tuple[float, int]:
        """Return the latest tick that is due (epoch seconds) and how many it stands for (0: none), and move on.

        However many passed, this is arithmetic and takes no longer.
        """
        tick = now.epoch - (now.elapsed - self.due if self.due is not None else 0.0)
        self.due = None
        return tick, 1

    def reopen(self) -> None:
        """Set the tick that follows the last one, of a schedule that was closed before it ended."""

    def shift(self, step_s: float) -> None:
        """Take note that the wall clock was stepped by *step_s* against elapsed time."""


class AfterRunCursor(Cursor):
    """No grid: the next tick is due a pause after the end of a run."""

    __slots__ = ("pause_s",)

    after_run: ClassVar[bool] = True

    def __init__(self, trigger: BaseTrigger, quotas: tuple[Quota, ...], pause_s: float) -> None:
        super().__init__(trigger, quotas)
        self.pause_s = pause_s

    def begin(self, anchor: Moment) -> None:
        waits = isinstance(self.trigger, Every) and self.trigger.first_run_strategy == "wait"
        self.due = anchor.elapsed + (self.pause_s if waits else 0.0)


class IntervalCursor(Cursor):
    """A grid in elapsed time. Ticks are numbered, so that no rounding ever adds up."""

    __slots__ = ("anchor", "number", "period_s")

    def __init__(self, trigger: Every, quotas: tuple[Quota, ...]) -> None:
        super().__init__(trigger, quotas)
        self.period_s = trigger.total_seconds
        self.number = 0 if trigger.first_run_strategy == "immediate" else 1

    def begin(self, anchor: Moment) -> None:
        self.anchor = anchor
        self.due = anchor.elapsed + self.number * self.period_s

    def take(self, now: Moment) -> tuple[float, int]:
        number, period_s, ticks = self.number, self.period_s, 1
        anchor_elapsed, anchor_epoch = self.anchor
        late_s = now.elapsed - (anchor_elapsed + number * period_s)
        if late_s >= period_s:
            ticks += int(late_s // period_s)
            number += ticks - 1
        self.number = following = number + 1
        self.due = anchor_elapsed + following * period_s
        return anchor_epoch + number * period_s, ticks

    def reopen(self) -> None:
        self.due = self.anchor.elapsed + self.number * self.period_s

    def shift(self, step_s: float) -> None:
        self.anchor = Moment(self.anchor.elapsed, self.anchor.epoch + step_s)


class WallCursor(Cursor):
    """Ticks on the wall clock. It only ever moves ahead, so a clock that is set back doubles nothing."""

    __slots__ = ("anchor", "tick")

    elapsed: ClassVar[bool] = False
    tick: datetime | None

    def begin(self, anchor: Moment) -> None:
        self.tick = None
        self.anchor = datetime.fromtimestamp(anchor.epoch, UTC)
        first = self.trigger.first_tick(self.anchor)
        self._move_to(None if first is None else require_aware(first))

    def _move_to(self, tick: datetime | None) -> None:
        self.tick = tick
        self.due = None if tick is None else tick.timestamp()

    def _next_after(self, tick: datetime) -> datetime | None:
        following = self.trigger.next_after(tick, self.anchor)
        if following is not None and (following.tzinfo is None or following <= tick):
            require_aware(following)
            raise ValueError(f"next_after({tick.isoformat()}) must be strictly later, got {following.isoformat()}")
        return following

    def take(self, now: Moment) -> tuple[float, int]:
        tick, ticks = self.tick, 1
        if tick is None:  # the trigger failed when it was asked for its first tick
            self._move_to(self._next_after(datetime.fromtimestamp(now.epoch, UTC)))
            return now.epoch, 0
        following = self._next_after(tick)
        if following is not None and following.timestamp() <= now.epoch:
            until = datetime.fromtimestamp(now.epoch, UTC)
            if (passed := self.trigger.latest_between(tick, until, self.anchor)) is not None:
                tick, ticks = passed[0], ticks + passed[1]
                following = self._next_after(tick)
        self._move_to(following)
        return tick.timestamp(), ticks

    def reopen(self) -> None:
        self._move_to(self.tick)


class Awaited:
    """A trigger that waits by itself, followed by a coroutine of its own."""

    __slots__ = ("dismissed", "entry", "quotas", "trigger")

    def __init__(self, trigger: BaseTrigger, quotas: tuple[Quota, ...]) -> None:
        self.trigger = trigger
        self.quotas = quotas
        self.entry: Any = None
        self.dismissed = False

    @property
    def used_up(self) -> bool:
        """Whether it has had all the runs that it may have."""
        return any(quota.left <= 0 for quota in self.quotas)


def cursors_of(trigger: BaseTrigger, quotas: tuple[Quota, ...] = ()) -> Iterator[Cursor | Awaited]:
    """Yield a fresh cursor for every leaf of *trigger*."""
    if not is_pure_trigger(trigger):
        # What such a trigger counts must not be shared; what it waits for (a queue, say) must be: a shallow copy.
        yield Awaited(trigger.model_copy(), quotas)
        return
    limit: int | None = getattr(trigger, "max_loop_count", None)
    if limit is not None:
        quotas = (*quotas, Quota(limit))
    if isinstance(trigger, OrTrigger):
        for child in trigger.triggers:
            yield from cursors_of(child, quotas)
    elif (pause := trigger.pause_after_run) is not None:
        yield AfterRunCursor(trigger, quotas, pause.total_seconds())
    elif isinstance(trigger, Every):
        yield IntervalCursor(trigger, quotas)
    else:
        yield (Cursor if trigger.counts_elapsed_time else WallCursor)(trigger, quotas)
