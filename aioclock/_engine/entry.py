"""One task in one serving."""

from collections.abc import Iterable
from typing import NamedTuple

from aioclock._engine.cursor import Cursor, Moment, Quota
from aioclock._engine.run import LiveRun
from aioclock.task import Task

__all__ = ["Entry", "longer_delay"]

FIRST_DELAY_S = 0.1
LONGEST_DELAY_S = 30.0


def longer_delay(delay_s: float) -> float:
    """Return how long to wait after one more failure in a row: 0.1 s at first, doubling to 30 s."""
    return min(max(delay_s * 2, FIRST_DELAY_S), LONGEST_DELAY_S)


class Entry:
    """What is known of a task while its app serves: where its schedule stands and which run is going."""

    __slots__ = ("call", "cursors", "key", "last", "parked", "run", "run_delay_s", "timeout", "trigger_delay_s")

    def __init__(self, task: Task) -> None:
        self.key = task.key
        self.call = task.prepare()
        self.timeout = task.timeout
        self.cursors: list[Cursor] = []
        self.parked: list[Cursor] = []
        """Cursors that wait for the end of a run."""
        self.run: LiveRun | None = None
        self.last: float | None = None
        """The latest tick so far, in seconds since the epoch."""
        self.run_delay_s = 0.0
        """Back-off after failed runs, for ticks that follow runs without a pause."""
        self.trigger_delay_s = 0.0
        """Back-off after failures of the trigger itself."""

    def due_cursors(self, now: Moment) -> list[Cursor]:
        """Return all cursors that are due: what they stand for is answered by one run."""
        return [
            cursor
            for cursor in self.cursors
            if cursor.due is not None and cursor.due <= (now.elapsed if cursor.elapsed else now.epoch)
        ]

    def take(self, cursors: Iterable[Cursor], now: Moment) -> "DueTick | None":
        """Move *cursors* on and return the tick that answers all that they had due.

        None if there is nothing to answer: a child of an `OrTrigger` was due at an instant that is answered already,
        or one that follows runs was due while there is a run to follow.
        """
        latest, ticks = float("-inf"), 0
        quotas: set[Quota] = set()
        for cursor in cursors:
            if cursor.after_run:
                self.parked.append(cursor)
                if ticks or self.run is not None:
                    cursor.due = None
                    continue
            tick, count = cursor.take(now)
            quotas.update(cursor.quotas)
            if tick == self.last and not cursor.after_run:
                continue
            ticks += count - (tick == latest)
            latest = max(latest, tick)
        if not ticks:
            return None
        self.last = latest
        return DueTick(latest, ticks - 1, quotas)


class DueTick(NamedTuple):
    """The latest of the ticks that were due together."""

    scheduled: float
    """Seconds since the epoch."""
    missed: int
    """How many earlier ticks it stands for."""
    quotas: set[Quota]
    """What its run is counted against."""
