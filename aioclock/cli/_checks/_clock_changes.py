"""Ticks that the next clock changes move, drop or double."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import lru_cache
from itertools import islice
from zoneinfo import ZoneInfo

from aioclock.cli._checks._problem import Problem
from aioclock.cli._facts import place_of
from aioclock.task import Task
from aioclock.triggers._calendar import WallClockTrigger
from aioclock.triggers._clock_changes import ClockChange, dropped_between, marks_of, wall_clock_leaves
from aioclock.triggers._wall import WallPattern
from aioclock.triggers._zones import aware_utc, changes_between

__all__ = ["of_clock_changes"]

AHEAD = timedelta(days=400)
SECOND = timedelta(seconds=1)

MOST_WALLS = 200
"""How many times that one change concerns are looked at."""


def of_clock_changes(task: Task, moment: datetime) -> Iterator[Problem]:
    """Yield what clock changes will do to *task* in the year after *moment* (aware), each kind once."""
    told = set()
    for leaf in wall_clock_leaves(task.trigger):
        for change in _changes(leaf.tz, moment.date().toordinal()):
            found = _in_gap(leaf, change) if change.new_wall > change.old_wall else _in_fold(leaf, change)
            if found is not None and found[0] not in told and _is_served(leaf, moment, change):
                told.add(found[0])
                yield Problem(found[0], task.key, found[1], place_of(task.func))


@lru_cache(maxsize=1024)
def _changes(zone_key: str, day: int) -> tuple[ClockChange, ...]:
    if zone_key == "UTC":
        return ()
    begin = datetime.fromordinal(day)
    changes = changes_between(ZoneInfo(zone_key), begin, begin + AHEAD)
    return tuple(ClockChange(aware_utc(instant), old_wall, new_wall) for instant, old_wall, new_wall in changes)


def _is_served(leaf: WallClockTrigger, moment: datetime, change: ClockChange) -> bool:
    """Tell whether the schedule has begun by the *change*, and has not ended."""
    if change.at <= moment or leaf.max_loop_count is None:
        return change.at > moment
    before = leaf.latest_between(moment, change.at, moment)
    return before is None or before[1] <= leaf.max_loop_count


def _in_gap(leaf: WallClockTrigger, change: ClockChange) -> tuple[str, str] | None:
    if _keeps_the_rhythm(leaf.pattern, change.old_wall, change.new_wall, change):
        return None
    before = change.at - SECOND
    marks = [*marks_of(leaf, change.at), *dropped_between(leaf, before, change.at)]
    mark = next(mark for mark in marks if mark.effect in ("moved", "dropped"))
    code, then = ("AC214", f"; it is due at {_time(change.new_wall)}") if mark.effect == "moved" else ("AC215", "")
    said = mark.reason.partition(": ")[2].partition(";")[0]
    return code, f"{_when(leaf, change)} {said}{then}; choose another time, or another zone such as UTC"


def _in_fold(leaf: WallClockTrigger, change: ClockChange) -> tuple[str, str] | None:
    pattern = leaf.pattern
    if not pattern.wildcard or _keeps_the_rhythm(pattern, change.new_wall, change.old_wall, change):
        return None
    first, found = pattern.next_wall(change.new_wall), pattern.latest_wall(change.new_wall, change.old_wall)
    assert first is not None
    assert found is not None  # else nothing would break the rhythm
    which = _time(first) if found[1] == 1 else f"{found[1]} times from {_time(first)} to {_time(found[0])}"
    shown = "is" if found[1] == 1 else "are"
    return "AC216", (
        f"{_when(leaf, change)} {which} {shown} shown twice and due both times, {change.words}; "
        "a minute and an hour without '*' are due once, and so is another zone such as UTC"
    )


def _keeps_the_rhythm(pattern: WallPattern, low: datetime, high: datetime, change: ClockChange) -> bool:
    """Tell whether the change goes unnoticed: what is due every hour stays so when the clock skips or repeats one."""
    jump = abs(change.new_wall - change.old_wall)
    return all(pattern.next_wall(wall + jump) == wall + jump for wall in islice(_walls(pattern, low, high), MOST_WALLS))


def _walls(pattern: WallPattern, low: datetime, high: datetime) -> Iterator[datetime]:
    wall = pattern.next_wall(low)
    while wall is not None and wall < high:
        yield wall
        wall = pattern.next_wall(wall + SECOND)


def _when(leaf: WallClockTrigger, change: ClockChange) -> str:
    return f"on {change.old_wall.date().isoformat()} in {leaf.tz}"


def _time(wall: datetime) -> str:
    return f"{wall:%H:%M:%S}" if wall.second else f"{wall:%H:%M}"
