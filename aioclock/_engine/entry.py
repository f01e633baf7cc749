"""One task in one serving."""

from aioclock._engine.cursor import Cursor, Moment
from aioclock._engine.run import LiveRun
from aioclock.task import Task

__all__ = ["Entry"]


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

    def park(self, cursor: Cursor) -> None:
        """Let *cursor* wait for the end of the run that is going or about to start."""
        cursor.due = None
        self.parked.append(cursor)
