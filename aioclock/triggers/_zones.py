"""The clock of a zone: what it shows at an instant, and where it jumps."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import NamedTuple
from zoneinfo import ZoneInfo

__all__ = [
    "LAST_UTC",
    "Change",
    "Stretch",
    "aware_utc",
    "change_around",
    "changes_between",
    "naive_utc",
    "offset_at",
    "offset_shown",
    "stretches",
]

_SECOND = timedelta(seconds=1)
_DAY = timedelta(days=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_START = _EPOCH.replace(tzinfo=None)
# The calendar stops some days short of what datetime can hold, so that its last wall times have instants in every zone.
_FIRST = datetime(1, 1, 4, tzinfo=UTC) - _EPOCH
_LAST = datetime(9999, 12, 28, tzinfo=UTC) - _EPOCH
LAST_UTC = _START + _LAST
"""No tick is later."""

# Below, "utc", "tick" and "after" are naive datetimes in UTC, "wall" are naive too and what the clock shows.
# Differences convert them: datetime.replace() takes five times as long, and a tick has a few microseconds in all.


def naive_utc(moment: datetime) -> datetime:
    elapsed = moment - _EPOCH
    if not _FIRST <= elapsed <= _LAST:
        elapsed = max(_FIRST, min(elapsed, _LAST))
    utc = _START + elapsed
    return utc - timedelta(microseconds=utc.microsecond)


def aware_utc(utc: datetime) -> datetime:
    return _EPOCH + (utc - _START)


def offset_at(zone: ZoneInfo, utc: datetime) -> timedelta:
    offset = aware_utc(utc).astimezone(zone).utcoffset()
    assert offset is not None
    return offset


def offset_shown(zone: ZoneInfo, wall: datetime, *, fold: int = 0) -> timedelta:
    # PEP 495: fold 0 is the offset before, fold 1 the one after a change that skips or repeats this wall time.
    offset = zone.utcoffset(wall.replace(fold=1) if fold else wall)
    assert offset is not None
    return offset


class Change(NamedTuple):
    """A change of the clock, and what the clock would have shown at that instant, and did show."""

    instant: datetime
    old_wall: datetime
    new_wall: datetime


def change_around(zone: ZoneInfo, wall: datetime) -> Change:
    # The change that skips or repeats a wall time lies between its two readings.
    old, new = offset_shown(zone, wall), offset_shown(zone, wall, fold=1)
    instant = _first_change(zone, wall - max(old, new), wall - min(old, new))
    return Change(instant, instant + old, instant + new)


def _first_change(zone: ZoneInfo, low: datetime, high: datetime) -> datetime:
    # The first instant in (low, high] with another offset than low has; there must be just one change between them.
    offset = offset_at(zone, low)
    while high - low > _SECOND:
        middle = low + (high - low) // _SECOND // 2 * _SECOND
        if offset_at(zone, middle) == offset:
            low = middle
        else:
            high = middle
    return high


class Stretch(NamedTuple):
    """A span [start, stop) of UTC with one offset, and the offset just before it."""

    start: datetime
    stop: datetime
    offset: timedelta
    offset_before: timedelta


def stretches(zone: ZoneInfo, start: datetime, stop: datetime) -> Iterator[Stretch]:
    # Looking once a day is enough: the closest two changes on record (Freetown, 1939) are almost four days apart.
    offset = offset_before = offset_at(zone, start)
    probe = start
    while probe < stop:
        low, probe = probe, min(probe + _DAY, stop)
        if offset_at(zone, probe) != offset:
            change = _first_change(zone, low, probe)
            yield Stretch(start, change, offset, offset_before)
            start, offset, offset_before = change, offset_at(zone, change), offset
    if start < stop:
        yield Stretch(start, stop, offset, offset_before)


def changes_between(zone: ZoneInfo, start: datetime, stop: datetime) -> Iterator[Change]:
    for early, late in pairwise(stretches(zone, start, stop)):
        yield Change(late.start, late.start + early.offset, late.start + late.offset)
