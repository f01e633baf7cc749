"""How many ticks there will be, told before any time is spent on them."""

from contextlib import suppress
from datetime import datetime

from aioclock.triggers import BaseTrigger, OrTrigger
from aioclock.triggers._base import is_pure_trigger

__all__ = ["estimate"]


def estimate(trigger: BaseTrigger, start: datetime, end: datetime) -> int:
    """Return how many ticks *trigger* has from *start* to *end* (aware), counted without walking through them.

    0 where nobody knows; of a trigger of the user's some thousand at most.
    """
    if isinstance(trigger, OrTrigger):
        ticks = sum(estimate(child, start, end) for child in trigger.triggers)
    elif not is_pure_trigger(trigger):
        ticks = 0
    elif (pause := trigger.pause_after_run) is not None:
        ticks = int((end - start) / pause) if pause else 0
    else:
        ticks = _counted(trigger, start, end)
    limit: int | None = getattr(trigger, "max_loop_count", None)
    return ticks if limit is None else min(ticks, limit)


def _counted(trigger: BaseTrigger, start: datetime, end: datetime) -> int:
    with suppress(Exception):  # of a trigger of the user's; when it is served, that is logged
        found = trigger.latest_between(start, end, start)
        return (trigger.first_tick(start) == start) + (0 if found is None else found[1])
    return 0
