"""The ticks of many tasks in one order, with what clock changes do to them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from heapq import heapify, heappop, heapreplace
from zoneinfo import ZoneInfo

from aioclock.app import AioClock
from aioclock.task import Task
from aioclock.triggers._clock_changes import ClockMark, dropped_between, marks_of, wall_clock_leaves

__all__ = ["Row", "Timeline", "timeline", "zone_of"]

FIRST_PORTION = 2
GROWTH = 4
"""Ticks are asked for in portions, each so many times as long as the last."""
HORIZON = timedelta(days=365)
"""How far gaps are looked for beyond the last tick, where nothing else ends the timeline."""


def zone_of(task: Task) -> ZoneInfo | None:
    """Return the one zone that the task's trigger is read in; None if there is none, or several."""
    zones = {leaf.tz for leaf in wall_clock_leaves(task.trigger)}
    return ZoneInfo(zones.pop()) if len(zones) == 1 else None


@dataclass(frozen=True, slots=True)
class Row:
    """A tick, or with `fires=False` those that a gap swallows, at the end of the gap."""

    at: datetime
    task: Task
    marks: Sequence[ClockMark] = ()
    fires: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """The answer to which ticks come after *start* (UTC).

    Attributes:
        cut: Whether there are more ticks until *until* than were asked for.
        later: The tasks whose next tick comes after the last row, and that tick.
        broken: The tasks whose trigger can't be asked, and the error.
        silent: The tasks without any tick.
    """

    start: datetime
    until: datetime | None
    rows: list[Row]
    cut: bool
    later: list[tuple[Task, datetime]]
    broken: list[tuple[Task, Exception]]
    silent: list[Task]

    @property
    def ticks(self) -> int:
        """How many ticks the rows show."""
        return sum(row.fires for row in self.rows)


class _Upcoming:
    """The ticks of one task, in order. All of them are those of one schedule, so each portion begins at the start."""

    def __init__(self, app: AioClock, task: Task, place: int, start: datetime, most: int) -> None:
        self.task = task
        self.now = start
        """The tick that it is at."""
        self.has_ticks = False
        self.error: Exception | None = None
        self._app, self._place, self._start, self._most = app, place, start, most
        self._known: list[datetime] = []
        self._size = self._taken = 0

    def advance(self) -> bool:
        """Move to the next tick and tell whether there is one."""
        if self._taken == len(self._known) and not self._know_more():
            return False
        tick = self._known[self._taken]
        if self.has_ticks and tick <= self.now:
            self.error = ValueError(
                f"next_after({self.now.isoformat()}) must be strictly later, got {tick.isoformat()}"
            )
            return False
        self.now, self.has_ticks = tick, True
        self._taken += 1
        return True

    def _know_more(self) -> bool:
        if self._taken < self._size or self._size >= self._most:
            return False  # the trigger had no more, or nobody wants more
        self._size = min(self._size * GROWTH or FIRST_PORTION, self._most)
        try:
            self._known = self._app.next_ticks(self.task, self._size, self._start)
        except Exception as error:  # of a trigger of the user's own
            self.error = error
        return self._taken < len(self._known)

    def __lt__(self, other: "_Upcoming") -> bool:
        return (self.now, self._place) < (other.now, other._place)


def timeline(
    app: AioClock, tasks: Iterable[Task], *, start: datetime, until: datetime | None = None, count: int
) -> Timeline:
    """Return the next *count* ticks of *tasks* together, as of a serving that begins at *start*.

    Args:
        start: Aware; a tick at this very instant is only shown if it is a task's first, as `Once` has it.
        until: Aware; no later tick is shown.
    """
    start = start.astimezone(UTC)
    asked = [_Upcoming(app, task, place, start, count + 1) for place, task in enumerate(tasks)]
    waiting = [upcoming for upcoming in asked if upcoming.advance()]
    silent = [upcoming.task for upcoming in asked if not upcoming.has_ticks and upcoming.error is None]
    rows = _merged(waiting, until, count)
    cut = bool(waiting) and (until is None or waiting[0].now <= until)
    last = rows[-1].at if rows else start
    # A gap after the last row is out of sight, unless the last row is the last tick.
    end = last if cut else until or max(last, start + HORIZON)
    return Timeline(
        start=start,
        until=until,
        rows=_with_dropped(rows, [upcoming.task for upcoming in asked], start, end),
        cut=cut,
        later=[(upcoming.task, upcoming.now) for upcoming in sorted(waiting)],
        broken=[(upcoming.task, upcoming.error) for upcoming in asked if upcoming.error is not None],
        silent=silent,
    )


def _merged(waiting: list[_Upcoming], until: datetime | None, count: int) -> list[Row]:
    rows: list[Row] = []
    heapify(waiting)
    while waiting and len(rows) < count and (until is None or waiting[0].now <= until):
        first = waiting[0]
        rows.append(Row(first.now, first.task, marks_of(first.task.trigger, first.now)))
        if first.advance():
            heapreplace(waiting, first)
        else:
            heappop(waiting)
    return rows


def _with_dropped(rows: list[Row], tasks: list[Task], start: datetime, end: datetime) -> list[Row]:
    dropped = [
        Row(mark.change.at, task, (mark,), fires=False)
        for task in tasks
        for mark in dropped_between(task.trigger, start, end)
        if not _used_up(task, rows, mark.change.at)
    ]
    return sorted([*dropped, *rows], key=lambda row: row.at) if dropped else rows


def _used_up(task: Task, rows: list[Row], at: datetime) -> bool:
    """Tell whether an `OrTrigger` has given all the ticks it may before *at*."""
    most: int | None = getattr(task.trigger, "max_loop_count", None)
    return most is not None and sum(row.task is task and row.at <= at for row in rows) >= most
