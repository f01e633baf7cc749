"""Where clock changes make two schedulers disagree."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from aioclock.cli._exporting._calendar import Calendar
from aioclock.cli._exporting._refusal import Refusal
from aioclock.triggers._zones import aware_utc, changes_between, naive_utc

__all__ = ["ClockChange", "Touch", "clock_changes", "is_steady", "require_agreement", "touches"]

HORIZON = timedelta(days=28 * 366)
"""After 28 years weekdays and dates meet again in the same way, so no later year holds a surprise."""

_SECOND = timedelta(seconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockChange:
    """An instant at which the clock of a zone jumps."""

    zone: str
    instant: datetime
    before: timedelta
    after: timedelta

    @property
    def old_wall(self) -> datetime:
        """What the clock would have shown."""
        return self.instant.replace(tzinfo=None) + self.before

    @property
    def new_wall(self) -> datetime:
        """What it does show."""
        return self.instant.replace(tzinfo=None) + self.after

    @property
    def is_gap(self) -> bool:
        return self.after > self.before

    def __str__(self) -> str:
        old, new = self.old_wall, self.new_wall
        until = f"{new:%H:%M}" if new.date() == old.date() else f"{new:%Y-%m-%d %H:%M}"
        return f"on {old.date()} the clock in {self.zone} goes from {old:%H:%M} to {until}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Touch:
    """A clock change that skips or repeats times of a calendar."""

    change: ClockChange
    calendar: Calendar
    matches: int
    """How many of its times are skipped or repeated; 2 for all that are more than one."""
    at_end: bool
    """Whether one of its times is the very end of a gap."""

    @property
    def is_gap(self) -> bool:
        return self.change.is_gap

    @property
    def fixed(self) -> bool:
        return not self.calendar.wildcard


@lru_cache(maxsize=64)
def clock_changes(zone: str, start: datetime) -> tuple[ClockChange, ...]:
    """Return the clock changes of *zone* from *start* (aware) on, as far as they can matter."""
    return tuple(_changes(zone, start))


def _changes(zone: str, start: datetime) -> Iterator[ClockChange]:
    begin = naive_utc(start)
    for utc, old_wall, new_wall in changes_between(ZoneInfo(zone), begin, begin + HORIZON):
        yield ClockChange(zone=zone, instant=aware_utc(utc), before=old_wall - utc, after=new_wall - utc)


def is_steady(zone: str, period: timedelta, start: datetime) -> bool:
    """Tell whether times that a wall clock in *zone* shows every *period* stay that far apart, always."""
    return all(not (change.after - change.before) % period for change in clock_changes(zone, start))


def touches(calendar: Calendar, start: datetime) -> Iterator[Touch]:
    """Yield the clock changes from *start* (aware) on that skip or repeat times of *calendar*."""
    for change in clock_changes(calendar.zone, start):
        low, high = sorted((change.old_wall, change.new_wall))
        matches, wall = 0, calendar.pattern.next_wall(low)
        while matches < 2 and wall is not None and wall < high:
            matches, wall = matches + 1, calendar.pattern.next_wall(wall + _SECOND)
        if matches:
            at_end = change.is_gap and calendar.pattern.next_wall(high) == high
            yield Touch(change=change, calendar=calendar, matches=matches, at_end=at_end)


def require_agreement(
    calendar: Calendar, now: datetime, disagreement: Callable[[Touch], str | None], *, ignored: bool
) -> tuple[str, ...]:
    """Check that clock changes from *now* on have the same effect on the target as here.

    Args:
        disagreement: What the target does at a clock change, if it is something else.
        ignored: Whether the user takes a difference; it is a note then.

    Returns:
        The notes.

    Raises:
        Refusal: there is a difference.
    """
    for touch in touches(calendar, now):
        effect = disagreement(touch)
        if effect is not None:
            deed = "skips" if touch.is_gap else "repeats"
            message = f"{calendar.said}: {touch.change}, which {deed} a time of it, and {effect}"
            if ignored:
                return (message,)
            raise Refusal(f"{message}; --ignore-clock-changes exports it all the same")
    return ()
