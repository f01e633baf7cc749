"""Schedules that bring fewer ticks than one would think, or none."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from zoneinfo import ZoneInfo

from aioclock._engine import LIFECYCLE
from aioclock.cli._checks._problem import Problem
from aioclock.cli._checks._ticks import Outlook, TriggerFault, is_foreseeable, leaves_of, ticks_of
from aioclock.cli._facts import place_of
from aioclock.cli._moments import shown_span
from aioclock.task import Task
from aioclock.triggers import BaseTrigger, Every, OrTrigger
from aioclock.triggers._calendar import WallClockTrigger

__all__ = ["of_schedule"]

RARE = timedelta(days=366)
"""What is due once a year is not rare, not even from one leap year to the next."""

LONG = timedelta(days=1)


def of_schedule(task: Task, outlook: Outlook) -> Iterator[Problem]:
    """Yield what is wrong with when *task* is due, from *outlook* on."""
    if task.trigger.type_ in LIFECYCLE:
        return
    place = place_of(task.func)
    foreseeable = is_foreseeable(task.trigger)
    for leaf in leaves_of(task.trigger):
        try:
            yield from (Problem(code, task.key, text, place) for code, text in _faults(leaf, task.trigger, outlook))
        except TriggerFault as fault:
            foreseeable = False
            yield Problem("AC107", task.key, str(fault), place)
    if foreseeable:
        yield from (Problem(code, task.key, text, place) for code, text in _rarity(task.trigger, outlook.moment))


def _faults(leaf: BaseTrigger, trigger: BaseTrigger, outlook: Outlook) -> Iterator[tuple[str, str]]:
    if isinstance(leaf, Every) and leaf.first_run_strategy == "wait" and leaf.period >= LONG:
        yield (
            "AC213",
            (
                f"the first tick comes {shown_span(leaf.total_seconds)} after each start of the program, "
                "and never if it is started more often; use At or Cron, or first_run_strategy='immediate'"
            ),
        )
    elif isinstance(trigger, OrTrigger) and is_foreseeable(leaf) and next(ticks_of(leaf, outlook.moment), None) is None:
        yield "AC212", f"one of its triggers has no tick any more: {leaf!r}; take it away"
    else:
        outlook.pace(leaf)  # asks a trigger of the user's for many more ticks


def _rarity(trigger: BaseTrigger, moment: datetime) -> Iterator[tuple[str, str]]:
    first = list(islice(ticks_of(trigger, moment), 2))
    zone = next((ZoneInfo(leaf.tz) for leaf in leaves_of(trigger) if isinstance(leaf, WallClockTrigger)), UTC)
    days = [tick.astimezone(zone).date().isoformat() for tick in first]
    if not first:
        yield "AC106", "its trigger has no tick any more; remove the task, or correct the years"
    elif isinstance(trigger, Every):
        return  # said of its length already
    elif first[0] - moment > RARE:
        yield "AC211", f"hardly ever due: the next tick is on {days[0]}"
    elif len(first) > 1 and first[1] - first[0] > RARE:
        yield "AC211", f"hardly ever due: the next ticks are on {days[0]} and {days[1]}"
