"""Ticks to come, told from the trigger alone, as long as that is possible."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from heapq import merge
from itertools import islice, pairwise
from typing import NamedTuple

from aioclock.triggers import BaseTrigger, OrTrigger
from aioclock.triggers._base import is_pure_trigger, require_aware
from aioclock.triggers._calendar import WallClockTrigger

__all__ = ["Outlook", "Pace", "TriggerFault", "is_foreseeable", "leaves_of", "same_schedule", "ticks_of"]

SAMPLE = 64
"""How many ticks tell the rhythm of a trigger: five years of a monthly one."""

PROBES_H = (0, 6, 12, 18, 24, 30, 36, 42, 48, 72, 96, 120, 144, 168)
"""Hours at which a long gap is looked for: a night, a weekend."""

REACH = timedelta(days=8)
WITHOUT_CLOCK_CHANGES = {"tz": "UTC"}


class TriggerFault(Exception):
    """A trigger of the user's did not answer as it must."""


class Pace(NamedTuple):
    """The seconds between two ticks, clock changes left aside."""

    shortest_s: float
    longest_s: float


def leaves_of(trigger: BaseTrigger) -> Iterator[BaseTrigger]:
    """Yield *trigger*, or those that an `OrTrigger` is made of."""
    if isinstance(trigger, OrTrigger):
        for child in trigger.triggers:
            yield from leaves_of(child)
    else:
        yield trigger


def is_foreseeable(trigger: BaseTrigger) -> bool:
    """Tell whether all ticks follow from the time at which the schedule begins."""
    return all(is_pure_trigger(leaf) and leaf.pause_after_run is None for leaf in leaves_of(trigger))


def same_schedule(trigger: BaseTrigger) -> object:
    """Return what triggers with the same ticks have in common."""
    built_in = all(type(leaf).__module__.startswith("aioclock.") for leaf in leaves_of(trigger))
    return repr(trigger) if built_in else id(trigger)


def ticks_of(trigger: BaseTrigger, anchor: datetime) -> Iterator[datetime]:
    """Yield the ticks of a schedule that begins at *anchor* (aware), in UTC; *trigger* must be foreseeable.

    Raises:
        TriggerFault: while they are asked for: *trigger* raises something, or goes back.
    """
    ticks = _merged(trigger, anchor) if isinstance(trigger, OrTrigger) else _walked(trigger, anchor)
    return islice(ticks, getattr(trigger, "max_loop_count", None))


def _merged(trigger: OrTrigger, anchor: datetime) -> Iterator[datetime]:
    last = None
    for tick in merge(*(ticks_of(child, anchor) for child in trigger.triggers)):
        if tick != last:
            yield tick
        last = tick


def _walked(trigger: BaseTrigger, anchor: datetime) -> Iterator[datetime]:
    tick = _asked(trigger, None, anchor)
    while tick is not None:
        yield tick
        tick = _asked(trigger, tick, anchor)


def _asked(trigger: BaseTrigger, after: datetime | None, anchor: datetime) -> datetime | None:
    try:
        tick = trigger.first_tick(anchor) if after is None else trigger.next_after(after, anchor)
        tick = None if tick is None else require_aware(tick)
    except Exception as error:
        raise TriggerFault(f"{type(trigger).__name__} fails: {type(error).__name__}: {error}") from error
    if tick is not None and after is not None and tick <= after:
        raise TriggerFault(
            f"{type(trigger).__name__}.next_after({after.isoformat()}) must be strictly later, got {tick.isoformat()}"
        )
    return tick


class Outlook:
    """How triggers behave from *moment* (aware) on; what was found out once is remembered."""

    def __init__(self, moment: datetime) -> None:
        self.moment = moment
        self._paces: dict[object, Pace | None] = {}

    def pace(self, trigger: BaseTrigger) -> Pace | None:
        """Return how far apart the ticks of *trigger* are; None where there are no two, and where nobody knows.

        Raises:
            TriggerFault: see `ticks_of`.
        """
        if not is_foreseeable(trigger):
            return None
        schedule = same_schedule(trigger)
        if schedule not in self._paces:
            self._paces[schedule] = _measured(_in_utc(trigger), self.moment)
        return self._paces[schedule]


def _measured(trigger: BaseTrigger, moment: datetime) -> Pace | None:
    gaps = _gaps(trigger, moment)
    # How near an interval comes to a time of day is an accident of when the program starts.
    within = [gap for part in _parts(trigger) for gap in _gaps(part, moment)]
    return Pace(min(within), max(gaps)) if within else None


def _parts(trigger: BaseTrigger) -> list[BaseTrigger]:
    """Return the parts of *trigger* that go by the wall clock, and those that count from the start."""
    if len({leaf.counts_elapsed_time for leaf in leaves_of(trigger)}) == 1:
        return [trigger]
    leaves = list(leaves_of(trigger))
    return [
        trigger.model_copy(update={"triggers": [leaf for leaf in leaves if leaf.counts_elapsed_time is elapsed]})
        for elapsed in (True, False)
    ]


def _gaps(trigger: BaseTrigger, moment: datetime) -> list[float]:
    sample = list(islice(ticks_of(trigger, moment), SAMPLE))
    gaps = [(later - tick).total_seconds() for tick, later in pairwise(sample)]
    if isinstance(trigger, WallClockTrigger) and len(sample) == SAMPLE:
        gaps.extend(_gaps_around(trigger, moment))
    return gaps


def _gaps_around(trigger: BaseTrigger, moment: datetime) -> Iterator[float]:
    for hours in PROBES_H:
        probe = moment + timedelta(hours=hours)
        before, after = trigger.latest_between(probe - REACH, probe, moment), trigger.next_after(probe, moment)
        if before is not None and after is not None:
            yield (after - before[0]).total_seconds()


def _in_utc(trigger: BaseTrigger) -> BaseTrigger:
    """Return *trigger* as it would be without clock changes, which make one gap in half a year a little shorter."""
    if isinstance(trigger, OrTrigger):
        return trigger.model_copy(update={"triggers": [_in_utc(child) for child in trigger.triggers]})
    return trigger.model_copy(update=WITHOUT_CLOCK_CHANGES) if isinstance(trigger, WallClockTrigger) else trigger
