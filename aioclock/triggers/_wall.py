"""Wall-clock patterns: from the times that a clock shows to the instants at which they happen.

The rules are those of Vixie and Debian cron (cron(8), "daylight saving time"): a fixed time that a clock change skips
happens once, right after the gap; one that is shown twice happens once; a wildcard follows what the clock shows.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Protocol
from zoneinfo import ZoneInfo

from aioclock.triggers._zones import (
    LAST_UTC,
    Stretch,
    aware_utc,
    change_around,
    naive_utc,
    offset_at,
    offset_shown,
    stretches,
)

__all__ = ["DailyPattern", "WallPattern", "latest_instant", "next_instant"]

_SECOND = timedelta(seconds=1)
_DAY = timedelta(days=1)


class WallPattern(Protocol):
    """What the clock shows when a task is due, in naive whole seconds; a wildcard follows the clock as it jumps."""

    @property
    def wildcard(self) -> bool: ...

    def next_wall(self, at: datetime) -> datetime | None:
        """Return the first match at or after *at*, or None if there is none any more."""

    def latest_wall(self, low: datetime, high: datetime) -> tuple[datetime, int] | None:
        """Return the last match in [*low*, *high*) and how many there are, or None if there is none."""


@dataclass(frozen=True, slots=True)
class DailyPattern:
    """One time of day, every day or on one weekday (0 is Monday)."""

    hour: int
    minute: int
    second: int
    weekday: int | None = None

    @property
    def wildcard(self) -> bool:
        return False

    def next_wall(self, at: datetime) -> datetime | None:
        wall = datetime.combine(at, time(self.hour, self.minute, self.second))
        try:
            if self.weekday is not None:
                wall += timedelta(days=(self.weekday - wall.weekday()) % 7)
            return wall if wall >= at else wall + self._period
        except OverflowError:
            return None

    def latest_wall(self, low: datetime, high: datetime) -> tuple[datetime, int] | None:
        first = self.next_wall(low)
        if first is None or first >= high:
            return None
        further = (high - _SECOND - first) // self._period
        return first + further * self._period, further + 1

    @property
    def _period(self) -> timedelta:
        return _DAY if self.weekday is None else 7 * _DAY


def next_instant(pattern: WallPattern, zone: ZoneInfo, after: datetime) -> datetime | None:
    """Return the first tick of *pattern* strictly after *after*, in UTC, or None if there is none any more.

    The rules are Vixie and Debian cron's (see the top of this module). Nothing but the arguments counts, and of
    *after* not the fraction of a second.

    Args:
        after: Any instant; aware, in any zone.

    ```python
    from datetime import UTC, datetime
    from zoneinfo import ZoneInfo

    from aioclock.triggers._wall import DailyPattern, next_instant

    half_past_two = DailyPattern(hour=2, minute=30, second=0)
    tick = next_instant(half_past_two, ZoneInfo("Europe/Berlin"), datetime(2024, 3, 30, 12, tzinfo=UTC))
    assert tick == datetime(2024, 3, 31, 1, tzinfo=UTC)  # 03:00 in Berlin, right after the gap
    ```
    """
    try:
        if zone.key == "UTC":  # the most frequent zone, where the clock shows every instant once
            tick = pattern.next_wall(naive_utc(after) + _SECOND)
        else:
            tick = (_next_wildcard if pattern.wildcard else _next_fixed)(pattern, zone, naive_utc(after))
    except OverflowError:  # past the year 9999
        return None
    return None if tick is None or tick > LAST_UTC else aware_utc(tick)


def latest_instant(
    pattern: WallPattern, zone: ZoneInfo, after: datetime, until: datetime
) -> tuple[datetime, int] | None:
    """Return the last tick in (*after*, *until*], in UTC, and how many ticks there are; None if there is none.

    It equals stepping through the span with `next_instant`, but costs microseconds per day, not per tick.

    Args:
        after: Start of the span, not part of it; aware, in any zone.
        until: End of the span, part of it; aware, in any zone.
    """
    # Ticks are whole seconds, so the span is [begin, end) in whole seconds too.
    begin, end = naive_utc(after) + _SECOND, naive_utc(until) + _SECOND
    latest, count = None, 0
    # A second pass lasts less than a day, so the change that began it is found two days earlier at most.
    for stretch in stretches(zone, begin - 2 * _DAY, end):
        for tick, ticks in _ticks(pattern, stretch, begin):
            latest, count = tick, count + ticks
    return None if latest is None else (aware_utc(latest), count)


# Below, "utc", "tick" and "after" are naive datetimes in UTC, "wall" are naive too and what the clock shows.


def _first_shown(zone: ZoneInfo, wall: datetime) -> datetime | None:
    # When the clock shows this for the first time; None inside a gap, where the old offset no longer holds.
    offset = offset_shown(zone, wall)
    tick = wall - offset
    return tick if offset_at(zone, tick) == offset else None


def _next_fixed(pattern: WallPattern, zone: ZoneInfo, after: datetime) -> datetime | None:
    wall = pattern.next_wall(after + offset_at(zone, after) + _SECOND)
    while wall is not None:
        tick = _first_shown(zone, wall)
        if tick is None:
            return change_around(zone, wall).instant
        if tick > after:
            return tick
        # Asked in the second pass: what it shows had its turn in the first.
        wall = pattern.next_wall(change_around(zone, wall).old_wall)
    return None


def _next_wildcard(pattern: WallPattern, zone: ZoneInfo, after: datetime) -> datetime | None:
    offset = offset_at(zone, after)
    now = after + offset
    wall = pattern.next_wall(now + _SECOND)
    if offset_shown(zone, now, fold=1) < offset:
        # Asked in the first pass: when it is over, the clock goes back to where the second one starts.
        change = change_around(zone, now)
        if wall is None or wall >= change.old_wall:
            wall = pattern.next_wall(change.new_wall)
    while wall is not None:
        tick = _first_shown(zone, wall)
        if tick is not None:  # the first pass if that is still to come, else the second
            return tick if tick > after else wall - offset_shown(zone, wall, fold=1)
        wall = pattern.next_wall(change_around(zone, wall).new_wall)
    return None


def _ticks(pattern: WallPattern, stretch: Stretch, begin: datetime) -> Iterator[tuple[datetime, int]]:
    # The ticks at or after begin, in groups: the last of the group and how many it has.
    low, high = max(stretch.start, begin) + stretch.offset, stretch.stop + stretch.offset
    if not pattern.wildcard:
        old_wall, new_wall = stretch.start + stretch.offset_before, stretch.start + stretch.offset
        swallowed = pattern.next_wall(old_wall)
        if swallowed is not None and swallowed < new_wall:
            if stretch.start >= begin:
                yield stretch.start, 1
            new_wall += _SECOND  # a match at that very instant is the same tick
        low = max(low, old_wall, new_wall)
    found = pattern.latest_wall(low, high) if low < high else None
    if found is not None:
        yield found[0] - stretch.offset, found[1]
