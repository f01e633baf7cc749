"""One task, as the engine sees it."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, NamedTuple

from aioclock._engine.cursor import Cursor
from aioclock._engine.history import History
from aioclock._engine.present import Moment
from aioclock._engine.run import LiveRun
from aioclock.custom_types import Triggers
from aioclock.logger import logger
from aioclock.policies import Overlap
from aioclock.task import Task
from aioclock.utils import longer_delay

if TYPE_CHECKING:
    from aioclock._engine.stored import Stored  # a program without a store is spared what stores need

__all__ = ["LIFECYCLE", "Entry", "Pause"]

SKIP = Overlap()

LIFECYCLE = frozenset({Triggers.ON_START_UP, Triggers.ON_SHUT_DOWN})
"""Types of the triggers that no schedule has: the serving itself gives their ticks."""


class Pause(NamedTuple):
    """Why a task is paused."""

    note: str | None


class Entry:
    """What is going on of a task and how it has fared; while its app serves also where its schedule stands."""

    __slots__ = (
        "anchor", "call", "changes", "cursors", "failures", "grace", "history", "jitter", "key", "last",
        "last_manual_us", "last_success", "most_going", "overlap", "parked", "pause", "pause_after", "pending",
        "retry", "run_delay_s", "runs", "stored", "task", "timeout", "trigger_delay_s",
    )  # fmt: skip

    call: Callable[[], Awaitable[object]]

    def __init__(self, task: Task, history_size: int) -> None:
        policies = task.policies
        self.task = task
        self.key = task.key
        self.timeout = policies.timeout
        self.retry = policies.retry
        self.grace = policies.grace
        self.jitter = None if task.trigger.type_ in LIFECYCLE else policies.jitter
        self.pause_after = policies.pause_after_failures
        self.overlap = policies.overlap or SKIP
        self.most_going = self.overlap.most_going
        self.history = History(history_size)
        self.stored: Stored | None = None
        """What holds between it and the app's store; None without a store, and while it is not known yet."""
        self.pause: Pause | None = None
        self.runs: list[LiveRun] = []
        """Those that are going, the stuck ones included."""
        self.pending = 0
        """How many have neither started nor been skipped: those in a queue and those held back by jitter."""
        # Tuples are shared while they are empty, as these mostly are in a fleet of thousands.
        self.changes: tuple[asyncio.Future[None], ...] = ()
        self.forget()
        self.reset()

    def forget(self) -> None:
        """Forget how the task has fared."""
        self.history.clear()
        self.failures = 0
        """In a row."""
        self.last_manual_us = 0
        """When a run was last asked for by hand, in microseconds since the epoch."""
        self.last_success: float | None = None
        """The latest tick whose run succeeded, in seconds since the epoch."""

    def forget_dead_runs(self) -> None:
        """Free the places of runs whose event loop was closed under them: nothing of them can end any more."""
        self.runs = [run for run in self.runs if run.handle is not None and not run.handle.get_loop().is_closed()]

    def reset(self) -> None:
        """Forget the schedule of a serving that is over."""
        self.anchor: float | None = None
        """When its schedule began, in seconds since the epoch."""
        self.cursors: tuple[Cursor, ...] = ()
        self.parked: tuple[Cursor, ...] = ()
        """Cursors whose next tick follows the end of a run, while one is going."""
        self.last: float | None = None
        """The latest tick so far, in seconds since the epoch."""
        self.run_delay_s = 0.0
        """Back-off after failed runs, for ticks that follow runs without a pause."""
        self.trigger_delay_s = 0.0
        """Back-off after failures of the trigger itself."""

    def trigger_failed(self, error: BaseException) -> float:
        """Log that the trigger failed; return in how many seconds it is asked again."""
        delay_s = self.trigger_delay_s = longer_delay(self.trigger_delay_s)
        logger.error(
            "the trigger of %s failed; it is asked again in %g s", self.key, delay_s, exc_info=error,
            extra={"task": self.key, "delay_s": delay_s},
        )  # fmt: skip
        return delay_s

    def cancel_runs(self) -> None:
        """Cancel those that are going."""
        for run in list(self.runs):
            run.cancel()

    def prepare(self) -> None:
        """Build what calls the function.

        Raises:
            DependencyError: a parameter can't be filled.
            TaskDeclarationError: the function can't run where it is told to.
        """
        self.call = self.task.prepare()

    @property
    def in_store(self) -> "Stored":
        """What holds between it and the store, which its app has."""
        assert self.stored is not None
        return self.stored

    @property
    def most_fired(self) -> int | None:
        """How many runs its schedule may have in all; None: any number."""
        most: int | None = getattr(self.task.trigger, "max_loop_count", None)
        return most

    def possible(self, ticks: int, *, fired: int) -> int:
        """Return how many of so many *ticks* could have had a run, when the schedule has had *fired* runs."""
        return ticks if self.most_fired is None else min(ticks, max(self.most_fired - fired, 0))

    @property
    def shared(self) -> bool:
        """Whether each of its ticks must be claimed, for other processes have it too."""
        return self.stored is not None and self.stored.shared

    def had(self, fence: int | None) -> bool:
        """Tell whether the run with *fence* goes here, or went here as far as that is remembered."""
        if any(run.grant is not None and run.grant.fence == fence for run in self.runs):
            return True
        return any(facts.fence == fence for facts in self.history.newest_first(self.key))

    @property
    def idle(self) -> bool:
        """Whether no run is going or about to."""
        return not self.runs and not self.pending

    @property
    def has_failed_enough(self) -> bool:
        """Whether the failures in a row are as many as pause the task, or that many more since it was resumed."""
        return self.pause_after is not None and self.pause is None and not self.failures % self.pause_after

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
        self.parked += (cursor,)

    async def changed(self) -> None:
        """Return when a run of it has ended, or when it was resumed."""
        change = asyncio.get_running_loop().create_future()
        self.changes += (change,)
        await change

    async def settled(self) -> None:
        """Return when no run of it is going or about to."""
        while not self.idle:
            await self.changed()

    def change(self) -> None:
        """Wake all who wait for a change."""
        changes, self.changes = self.changes, ()
        for change in changes:
            if not change.done():
                change.set_result(None)
