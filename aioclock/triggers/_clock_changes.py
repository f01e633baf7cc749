"""What a clock change does to the ticks of a wall-clock pattern, for those who look ahead."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import chain
from typing import Literal, TypeAlias
from zoneinfo import ZoneInfo

from aioclock.triggers._base import BaseTrigger
from aioclock.triggers._calendar import WallClockTrigger
from aioclock.triggers._combine import OrTrigger
from aioclock.triggers._wall import WallPattern
from aioclock.triggers._zones import aware_utc, change_around, changes_between, naive_utc, offset_at, offset_shown

__all__ = ["ClockChange", "ClockMark", "dropped_between", "marks_of", "wall_clock_leaves"]

_SECOND = timedelta(seconds=1)

Effect: TypeAlias = Literal["moved", "once", "doubled", "dropped"]


@dataclass(frozen=True, slots=True)
class ClockChange:
    """The clock of a zone jumps at the instant *at* (UTC) and shows *new_wall* instead of *old_wall* (both naive)."""

    at: datetime
    old_wall: datetime
    new_wall: datetime

    @property
    def words(self) -> str:
        """Such as `the clock goes from 02:00 to 03:00`."""
        return f"the clock goes from {_shown(self.old_wall, self)} to {_shown(self.new_wall, self)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockMark:
    """What a clock change does to one tick, or to the ticks that it swallows.

    Attributes:
        effect: `moved`: fixed times in a gap are due at its end; `once`: a fixed time that is shown twice is due the
            first time only; `doubled`: a wildcard is due both times; `dropped`: a wildcard in a gap is not due.
        first: The first wall time concerned (naive), as the pattern has it.
        last: The last one.
        count: How many there are.
        joined: Of `moved`: whether the pattern matches the end of the gap too, which makes no second tick.
        second_time: Of `doubled`: whether this is the second time.
    """

    effect: Effect
    change: ClockChange
    first: datetime
    last: datetime
    count: int = 1
    joined: bool = False
    second_time: bool = False

    @property
    def reason(self) -> str:
        """The mark in words, such as `moved: 02:30 does not exist, the clock goes from 02:00 to 03:00`."""
        if self.effect in ("moved", "dropped"):
            return f"{self.effect}: {self._swallowed} exist, {self.change.words}{self._merged}"
        which = "second" if self.second_time else "first"
        only = ", the only tick" if self.effect == "once" else ""
        return f"{self.effect}: {_shown(self.first, self.change)} is shown twice, this is the {which} time{only}"

    @property
    def _swallowed(self) -> str:
        first, last = _shown(self.first, self.change), _shown(self.last, self.change)
        if self.count == 1:
            return f"{first} does not"
        between = f"{first} and {last}" if self.count == 2 else f"{self.count} times from {first} to {last}"
        return f"{between} do not"

    @property
    def _merged(self) -> str:
        if self.effect != "moved" or (self.count == 1 and not self.joined):
            return ""
        return f"; with {_shown(self.change.new_wall, self.change)} itself one tick" if self.joined else "; one tick"


def _shown(wall: datetime, change: ClockChange) -> str:
    time = f"{wall:%H:%M:%S}" if wall.second else f"{wall:%H:%M}"
    return time if change.old_wall.date() == change.new_wall.date() else f"{wall.date()} {time}"


def wall_clock_leaves(trigger: BaseTrigger) -> Iterator[WallClockTrigger]:
    """Yield those parts of *trigger*, or itself, that are read on a clock as `At` and `Cron` are."""
    if isinstance(trigger, OrTrigger):
        yield from chain.from_iterable(map(wall_clock_leaves, trigger.triggers))
    elif isinstance(trigger, WallClockTrigger) and type(trigger).next_after is WallClockTrigger.next_after:
        yield trigger


def marks_of(trigger: BaseTrigger, tick: datetime) -> list[ClockMark]:
    """Return what clock changes do to a *tick* (aware) of *trigger*; usually nothing.

    ```python
    from datetime import UTC, datetime

    from aioclock import At
    from aioclock.triggers._clock_changes import marks_of

    [mark] = marks_of(At(hour=2, minute=30, tz="Europe/Berlin"), datetime(2026, 3, 29, 1, tzinfo=UTC))
    assert mark.reason == "moved: 02:30 does not exist, the clock goes from 02:00 to 03:00"
    ```
    """
    if isinstance(trigger, OrTrigger):
        # Only the parts that are due: 02:30 of one may be another one's second time.
        leaves = [leaf for leaf in wall_clock_leaves(trigger) if leaf.next_after(tick - _SECOND, tick) == tick]
    else:
        leaves = list(wall_clock_leaves(trigger))
    marks = (_mark(leaf.pattern, ZoneInfo(leaf.tz), tick) for leaf in leaves)
    return list(dict.fromkeys(mark for mark in marks if mark is not None))


def _mark(pattern: WallPattern, zone: ZoneInfo, tick: datetime) -> ClockMark | None:
    if zone.key == "UTC" or tick.microsecond:
        return None
    utc = naive_utc(tick)
    offset = offset_at(zone, utc)
    wall = utc + offset
    first = offset_shown(zone, wall)
    if first > offset_shown(zone, wall, fold=1):
        effect: Effect = "doubled" if pattern.wildcard else "once"
        instant, old_wall, new_wall = change_around(zone, wall)
        change = ClockChange(aware_utc(instant), old_wall, new_wall)
        return ClockMark(effect=effect, change=change, first=wall, last=wall, second_time=offset != first)
    before = offset_at(zone, utc - _SECOND)
    if before >= offset or pattern.wildcard:
        return None
    change = ClockChange(tick.astimezone(UTC), utc + before, wall)
    return _swallowed("moved", pattern, change, joined=pattern.next_wall(wall) == wall)


def _swallowed(effect: Effect, pattern: WallPattern, change: ClockChange, *, joined: bool = False) -> ClockMark | None:
    first, found = pattern.next_wall(change.old_wall), pattern.latest_wall(change.old_wall, change.new_wall)
    if first is None or found is None:
        return None
    return ClockMark(effect=effect, change=change, first=first, last=found[0], count=found[1], joined=joined)


def dropped_between(trigger: BaseTrigger, after: datetime, until: datetime) -> Iterator[ClockMark]:
    """Yield the gaps in (*after*, *until*] that swallow ticks of *trigger* for good, one mark for each gap and part.

    Only wildcards lose ticks: fixed times are moved to the end of the gap.

    Args:
        after: When the schedule begins, too; aware.
        until: Aware.
    """
    for leaf in wall_clock_leaves(trigger):
        pattern = leaf.pattern
        if not pattern.wildcard or leaf.tz == "UTC":
            continue
        for change in _gaps_between(ZoneInfo(leaf.tz), after, until):
            mark = _swallowed("dropped", pattern, change)
            if mark is not None and not _used_up(leaf, after, change.at):
                yield mark


def _used_up(leaf: WallClockTrigger, after: datetime, until: datetime) -> bool:
    if leaf.max_loop_count is None:
        return False
    ticks = leaf.latest_between(after, until, after)
    return ticks is not None and ticks[1] >= leaf.max_loop_count


def _gaps_between(zone: ZoneInfo, after: datetime, until: datetime) -> Iterator[ClockChange]:
    after, until = after.astimezone(UTC), until.astimezone(UTC)
    for year in range(after.year, until.year + 1):
        yield from (change for change in _gaps_in(zone.key, year) if after < change.at <= until)


@lru_cache(maxsize=4096)
def _gaps_in(zone_key: str, year: int) -> tuple[ClockChange, ...]:
    # Many tasks share a zone, and a year takes a hundred times as long as one tick.
    zone = ZoneInfo(zone_key)
    start = naive_utc(datetime(year, 1, 1, tzinfo=UTC)) - _SECOND
    stop = naive_utc(datetime(year, 12, 31, 23, 59, 59, tzinfo=UTC)) + _SECOND
    return tuple(
        ClockChange(aware_utc(instant), old_wall, new_wall)
        for instant, old_wall, new_wall in changes_between(zone, start, stop)
        if new_wall > old_wall
    )
