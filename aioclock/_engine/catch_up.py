"""Which of the ticks that passed are answered one by one."""

from collections import deque
from datetime import datetime, timedelta

from aioclock._engine.shared_cursor import moment, tick_after
from aioclock.stores import TaskState
from aioclock.triggers import BaseTrigger
from aioclock.triggers._base import require_aware

__all__ = ["latest_ticks"]

FIRST_WINDOW = timedelta(minutes=1)


def latest_ticks(trigger: BaseTrigger, state: TaskState, *, until: datetime, limit: int) -> list[datetime]:
    """Return the ticks after the cursor up to *until* (aware), of more than *limit* the latest, in order.

    A year of minutes takes no longer than an hour of them: a window that ends at *until* grows until it holds enough.
    """
    first = tick_after(trigger, state)
    if first is None or first > until:
        return []
    anchor, window = moment(state.anchor), FIRST_WINDOW
    while (after := until - window) > first:
        passed = trigger.latest_between(after, until, anchor)
        if passed is not None and passed[1] >= limit:
            first = trigger.next_after(after, anchor) or first
            break
        window *= 2
    latest: deque[datetime] = deque(maxlen=limit)
    tick: datetime | None = first
    while tick is not None and tick <= until:
        latest.append(require_aware(tick))
        tick = trigger.next_after(tick, anchor)
    return list(latest)
