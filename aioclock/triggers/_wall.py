"""Wall-clock patterns: from the times that a clock shows to the instants at which they happen.

The rules are those of Vixie and Debian cron (cron(8), "daylight saving time"): a fixed time that a clock change skips
happens once, right after the gap; one that is shown twice happens once; a wildcard follows what the clock shows.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import NamedTuple, Protocol
from zoneinfo import ZoneInfo

__all__ = ["DailyPattern", "WallPattern", "latest_instant", "next_instant"]

_SECOND = timedelta(seconds=1)
_DAY = timedelta(days=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_START = _EPOCH.replace(tzinfo=None)
# The calendar stops some days short of what datetime can hold, so that its last wall times have instants in every zone.
_FIRST = datetime(1, 1, 4, tzinfo=UTC) - _EPOCH
_LAST = datetime(9999, 12, 28, tzinfo=UTC) - _EPOCH


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
            tick = pattern.next_wall(_naive(after) + _SECOND)
        else:
            tick = (_next_wildcard if pattern.wildcard else _next_fixed)(pattern, zone, _naive(after))
    except OverflowError:  # past the year 9999
        return None
    return None if tick is None or tick - _START > _LAST else _aware(tick)


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
    begin, end = _naive(after) + _SECOND, _naive(until) + _SECOND
    latest, count = None, 0
    # A second pass lasts less than a day, so the change that began it is found two days earlier at most.
    for stretch in _stretches(zone, begin - 2 * _DAY, end):
        for tick, ticks in _ticks(pattern, stretch, begin):
            latest, count = tick, count + ticks
    return None if latest is None else (_aware(latest), count)


# Below, "utc", "tick" and "after" are naive datetimes in UTC, "wall" are naive too and what the clock shows.
# Differences convert them: datetime.replace() takes five times as long, and a tick has a few microseconds in all.


def _naive(moment: datetime) -> datetime:
    elapsed = moment - _EPOCH
    if not _FIRST <= elapsed <= _LAST:
        elapsed = max(_FIRST, min(elapsed, _LAST))
    utc = _START + elapsed
    return utc - timedelta(microseconds=utc.microsecond)


def _aware(utc: datetime) -> datetime:
    return _EPOCH + (utc - _START)


def _offset_at(zone: ZoneInfo, utc: datetime) -> timedelta:
    offset = _aware(utc).astimezone(zone).utcoffset()
    assert offset is not None
    return offset


def _offset_shown(zone: ZoneInfo, wall: datetime, *, fold: int = 0) -> timedelta:
    # PEP 495: fold 0 is the offset before, fold 1 the one after a change that skips or repeats this wall time.
    offset = zone.utcoffset(wall.replace(fold=1) if fold else wall)
    assert offset is not None
    return offset


class _Change(NamedTuple):
    """A change of the clock, and what the clock would have shown at that instant, and did show."""

    instant: datetime
    old_wall: datetime
    new_wall: datetime


def _change_around(zone: ZoneInfo, wall: datetime) -> _Change:
    # The change that skips or repeats a wall time lies between its two readings.
    old, new = _offset_shown(zone, wall), _offset_shown(zone, wall, fold=1)
    instant = _first_change(zone, wall - max(old, new), wall - min(old, new))
    return _Change(instant, instant + old, instant + new)


def _first_change(zone: ZoneInfo, low: datetime, high: datetime) -> datetime:
    # The first instant in (low, high] with another offset than low has; there must be just one change between them.
    offset = _offset_at(zone, low)
    while high - low > _SECOND:
        middle = low + (high - low) // _SECOND // 2 * _SECOND
        if _offset_at(zone, middle) == offset:
            low = middle
        else:
            high = middle
    return high


def _first_shown(zone: ZoneInfo, wall: datetime) -> datetime | None:
    # When the clock shows this for the first time; None inside a gap, where the old offset no longer holds.
    offset = _offset_shown(zone, wall)
    tick = wall - offset
    return tick if _offset_at(zone, tick) == offset else None


def _next_fixed(pattern: WallPattern, zone: ZoneInfo, after: datetime) -> datetime | None:
    wall = pattern.next_wall(after + _offset_at(zone, after) + _SECOND)
    while wall is not None:
        tick = _first_shown(zone, wall)
        if tick is None:
            return _change_around(zone, wall).instant
        if tick > after:
            return tick
        # Asked in the second pass: what it shows had its turn in the first.
        wall = pattern.next_wall(_change_around(zone, wall).old_wall)
    return None


def _next_wildcard(pattern: WallPattern, zone: ZoneInfo, after: datetime) -> datetime | None:
    offset = _offset_at(zone, after)
    now = after + offset
    wall = pattern.next_wall(now + _SECOND)
    if _offset_shown(zone, now, fold=1) < offset:
        # Asked in the first pass: when it is over, the clock goes back to where the second one starts.
        change = _change_around(zone, now)
        if wall is None or wall >= change.old_wall:
            wall = pattern.next_wall(change.new_wall)
    while wall is not None:
        tick = _first_shown(zone, wall)
        if tick is not None:  # the first pass if that is still to come, else the second
            return tick if tick > after else wall - _offset_shown(zone, wall, fold=1)
        wall = pattern.next_wall(_change_around(zone, wall).new_wall)
    return None


class _Stretch(NamedTuple):
    """A span [start, stop) of UTC with one offset, and the offset just before it."""

    start: datetime
    stop: datetime
    offset: timedelta
    offset_before: timedelta


def _stretches(zone: ZoneInfo, start: datetime, stop: datetime) -> Iterator[_Stretch]:
    # Looking once a day is enough: the closest two changes on record (Freetown, 1939) are almost four days apart.
    offset = offset_before = _offset_at(zone, start)
    probe = start
    while probe < stop:
        low, probe = probe, min(probe + _DAY, stop)
        if _offset_at(zone, probe) != offset:
            change = _first_change(zone, low, probe)
            yield _Stretch(start, change, offset, offset_before)
            start, offset, offset_before = change, _offset_at(zone, change), offset
    if start < stop:
        yield _Stretch(start, stop, offset, offset_before)


def _ticks(pattern: WallPattern, stretch: _Stretch, begin: datetime) -> Iterator[tuple[datetime, int]]:
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
