"""Where a task stands whose ticks all processes share."""

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from aioclock._engine.cursor import WallCursor
from aioclock._engine.present import Moment
from aioclock.stores._words import EXHAUSTED, TaskState
from aioclock.triggers import BaseTrigger
from aioclock.triggers._base import require_aware

if TYPE_CHECKING:
    from aioclock._engine.stored import Stored

__all__ = ["SharedCursor", "missed_before", "moment", "tick_after"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def moment(micros: int) -> datetime:
    """Return *micros* since the epoch as an aware datetime in UTC, exactly."""
    return _EPOCH + timedelta(microseconds=micros)


class SharedCursor(WallCursor):
    """A schedule that begins where the store says, at its anchor, and goes on after the latest tick on record."""

    __slots__ = ("_stored",)

    def __init__(self, stored: "Stored") -> None:
        super().__init__(stored.trigger_now(), ())
        self._stored = stored

    def begin(self, anchor: Moment) -> None:
        state = self._stored.known
        self.tick = None
        self.anchor = moment(state.anchor)
        self._move_to(tick_after(self.trigger, state))


def tick_after(trigger: BaseTrigger, state: TaskState) -> datetime | None:
    """Return the first tick of *trigger* that is not accounted for (aware, UTC), or None when there is none."""
    if state.cursor == EXHAUSTED:
        return None
    anchor = moment(state.anchor)
    if state.cursor < state.anchor:
        tick = trigger.first_tick(anchor)
    else:
        tick = trigger.next_after(moment(state.cursor), anchor)
    return None if tick is None else require_aware(tick).astimezone(UTC)


def missed_before(trigger: BaseTrigger, tick: int, *, covers_from: int, anchor: int) -> int:
    """Return how many ticks lie between *covers_from* and *tick*, both left out (microseconds since the epoch)."""
    began, until = moment(anchor), moment(tick)
    first = trigger.first_tick(began) if covers_from < anchor else trigger.next_after(moment(covers_from), began)
    if first is None or first >= until:
        return 0
    passed = trigger.latest_between(first, until, began)
    return 0 if passed is None else passed[1]
