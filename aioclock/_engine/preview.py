"""Ticks that are still to come."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from heapq import heapify, heappop, heappush
from itertools import islice

from aioclock._engine.cursor import Awaited, Cursor, IntervalCursor, WallCursor, cursors_of
from aioclock._engine.entry import Entry
from aioclock._engine.present import Moment, Present

__all__ = ["preview"]

LAST_S = datetime.max.replace(microsecond=0, tzinfo=UTC).timestamp()
"""No datetime is later."""

MOST_STEPS = 200_000
"""How many ticks are counted, where they must be counted to tell the later ones."""


def preview(entry: Entry, after: datetime, most: int, present: Present | None) -> list[datetime]:
    """Return the next ticks strictly after *after* (aware), in UTC, *most* at the most; nothing moves.

    While the app serves they lie on the grid that it is on, and a `max_loop_count` counts the runs so far. Else they
    are those of a schedule that begins at *after*, which may be the first. Nobody can tell the ticks of a trigger that
    waits by itself, nor those that follow the end of a run.

    Args:
        present: That of the serving, if there is one.

    Raises:
        ValueError: *after* is so far ahead that counting the runs until then would take too long.
    """
    after = after.astimezone(UTC)
    if after.timestamp() >= LAST_S:
        return []
    if present is None or entry.anchor is None:
        ticks = _merged(_Leaf(cursor, _ticks(cursor, None, 0.0)) for cursor in _fresh(entry, after.timestamp()))
    elif any(cursor.quotas for cursor in entry.cursors):
        ticks = _later(_merged(_Leaf(cursor, _ticks(cursor, None, present.offset)) for cursor in entry.cursors), after)
    else:
        ticks = _merged(_Leaf(cursor, _ticks(cursor, after, present.offset)) for cursor in entry.cursors)
    return list(islice(ticks, most))


def _fresh(entry: Entry, epoch: float) -> Iterator[Cursor]:
    for cursor in cursors_of(entry.task.trigger):
        if not isinstance(cursor, Awaited):
            cursor.begin(Moment(epoch, epoch))
            yield cursor


def _later(ticks: Iterator[datetime], after: datetime) -> Iterator[datetime]:
    for steps, tick in enumerate(ticks):
        if tick > after:
            yield tick
        elif steps >= MOST_STEPS:
            raise ValueError(f"{after.isoformat()} is too far ahead: more than {MOST_STEPS:,} ticks come before it")


def _ticks(cursor: Cursor, after: datetime | None, offset: float) -> Iterator[datetime]:
    if cursor.due is None:  # exhausted, or waiting for the end of a run
        return
    if isinstance(cursor, IntervalCursor):
        ticks = _on_grid(cursor, after)
    elif isinstance(cursor, WallCursor):
        ticks = _on_the_wall(cursor, after)
    else:
        ticks = iter([datetime.fromtimestamp(cursor.due + offset, UTC)])
    yield from (tick for tick in ticks if after is None or tick > after)


def _on_grid(cursor: IntervalCursor, after: datetime | None) -> Iterator[datetime]:
    anchor, period_s, number = cursor.anchor.epoch, cursor.period_s, cursor.number
    if after is not None:
        number = max(number, int((after.timestamp() - anchor) // period_s))
    while (epoch := anchor + number * period_s) < LAST_S:
        yield datetime.fromtimestamp(epoch, UTC)
        number += 1


def _on_the_wall(cursor: WallCursor, after: datetime | None) -> Iterator[datetime]:
    tick = cursor.tick
    if tick is not None and after is not None and tick <= after:
        tick = cursor.trigger.next_after(after, cursor.anchor)
    while tick is not None:
        yield tick.astimezone(UTC)
        tick = cursor.trigger.next_after(tick, cursor.anchor)


class _Leaf:
    """One trigger of an `OrTrigger`, or the only one."""

    def __init__(self, cursor: Cursor, ticks: Iterator[datetime]) -> None:
        self.quotas = cursor.quotas
        self.tick: datetime
        self._ticks = ticks

    def advance(self) -> bool:
        tick = next(self._ticks, None)
        if tick is not None:
            self.tick = tick
        return tick is not None

    def __lt__(self, other: "_Leaf") -> bool:
        return self.tick < other.tick


def _merged(all_leaves: Iterable[_Leaf]) -> Iterator[datetime]:
    leaves = [leaf for leaf in all_leaves if leaf.advance()]
    left = {quota: quota.left for leaf in leaves for quota in leaf.quotas}
    heapify(leaves)
    while leaves:
        tick, due = leaves[0].tick, []
        while leaves and leaves[0].tick == tick:
            leaf = heappop(leaves)
            if all(left[quota] > 0 for quota in leaf.quotas):
                due.append(leaf)
        if due:
            yield tick
        for quota in {quota for leaf in due for quota in leaf.quotas}:
            left[quota] -= 1
        for leaf in due:
            if leaf.advance():
                heappush(leaves, leaf)
