"""The tasks of one app, whether it serves or not."""

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import Future
from datetime import datetime
from heapq import merge
from typing import TYPE_CHECKING, Any, TypeVar

from aioclock._engine.entry import LIFECYCLE, Entry
from aioclock._engine.listeners import Listeners
from aioclock._engine.log_records import mark_log_records
from aioclock._engine.preview import preview
from aioclock._engine.runner import Runner
from aioclock._engine.serving import Serving
from aioclock.events import TaskAdded, TaskRemoved, TaskRescheduled
from aioclock.exceptions import ServingError
from aioclock.runs import Outcome, Run, RunFacts, run_of
from aioclock.task import Task
from aioclock.triggers import BaseTrigger
from aioclock.utils import running_loop

if TYPE_CHECKING:
    from aioclock._engine.membership import Membership

__all__ = ["Roster"]

T = TypeVar("T")

ANSWER_S = 30.0
"""How long a command from another thread waits for the event loop."""


class Roster:
    """Owns the tasks and hands commands on to whoever they concern: the runner, and the serving if there is one.

    Args:
        history_size: How many runs of each task are remembered.
    """

    def __init__(self, listeners: Listeners, *, history_size: int, membership: "Membership | None" = None) -> None:
        self.runner = Runner(listeners)
        self.membership = membership
        """In what the processes share that have the same store, if the app has one."""
        self.serving: Serving | None = None
        self.tasks: dict[str, Task] = {}
        self.entries: dict[str, Entry] = {}
        self._history_size = history_size
        if membership is not None:
            membership.attach(self.runner, self.entries)

    def add(self, task: Task) -> None:
        """Add *task*, whose key is free; if the app serves, its schedule begins now.

        Raises:
            DependencyError: the app serves, and a parameter of the function can't be filled.
            ServingError: the app serves, and the task belongs to a start-up that is over.
        """
        entry = Entry(task, self._history_size)
        if self.membership is not None:
            entry.stored = self.membership.stored(task)
        if self.serving is not None:
            self.serving.add(entry)
        self.tasks[task.key] = task
        self.entries[task.key] = entry
        if self.serving is not None:
            self.runner.ledger.event(TaskAdded, task_key=task.key)

    def remove(self, entry: Entry) -> None:
        """Remove a task with all that is known of it; its runs that are going may finish."""
        del self.tasks[entry.key], self.entries[entry.key]
        entry.pause_after = None  # its last runs may fail, but there is nothing left to pause
        if self.serving is not None:
            self.serving.remove(entry)
        self.runner.admission.drop_all("removed", entry)
        if self.serving is not None:
            self.runner.ledger.event(TaskRemoved, task_key=entry.key)

    def reschedule(self, entry: Entry, trigger: BaseTrigger) -> None:
        """Give a task another trigger, whose schedule begins now.

        Raises:
            TaskDeclarationError: the app's store can't keep such a trigger.
        """
        if self.membership is not None:
            self.membership.reschedule(entry, trigger)
        entry.task.trigger = trigger
        if self.serving is not None:
            self.serving.restart(entry)
        self.runner.ledger.event(TaskRescheduled, task_key=entry.key)

    def cancel(self, entry: Entry) -> int:
        """Cancel the runs of a task that are going and return how many there were."""
        going = [run for run in entry.runs if run.outcome is None]
        entry.cancel_runs()
        if self.membership is not None and entry.shared:
            self.membership.tell(key=entry.key, cancel=True)
        return len(going)

    async def run_now(self, entry: Entry, *, beside: bool = False) -> object:
        """Run a task now and return its result or raise its error; *beside* what is going, whatever its policy."""
        mark_log_records()

        async def run() -> object:
            if self.membership is None or not entry.shared:
                return await self.runner.by_hand(entry, beside=beside).wait()
            async with self.membership.visited():
                return await self.runner.by_hand(entry, beside=beside).wait()

        return await self.over_there(run)

    async def over_there(self, command: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Await *command* on the event loop that serves the app, or here if there is none.

        Raises:
            ServingError: that event loop does not run now, so it would never answer.
        """
        loop = None if self.serving is None else self.serving.loop
        if loop is None or loop is asyncio.get_running_loop():
            return await command()
        if not loop.is_running():
            raise ServingError("the event loop that serves the app stands still; in a simulation, use sim.run(...)")
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(command(), loop))

    def on_loop(self, command: Callable[[], T]) -> T:
        """Call *command* where the app serves: a sync task, which calls from its thread, may give commands, too."""
        loop = None if self.serving is None else self.serving.loop
        if loop is None or loop is running_loop() or not loop.is_running():
            return command()
        answer: Future[T] = Future()

        def call() -> None:
            if not answer.set_running_or_notify_cancel():
                return
            try:
                answer.set_result(command())
            except BaseException as error:
                answer.set_exception(error)

        loop.call_soon_threadsafe(call)
        try:
            return answer.result(ANSWER_S)
        except TimeoutError:
            answer.cancel()
            raise ServingError(f"the event loop that serves the app has not answered for {ANSWER_S:g} s") from None

    def runs(self, keys: list[str] | None, outcome: Outcome | None) -> Iterator[Run]:
        """Yield the latest runs, those that ended last first."""
        entries = [self.entries[key] for key in keys] if keys is not None else list(self.entries.values())
        histories = [entry.history.newest_first(entry.key) for entry in entries]
        for facts in merge(*histories, key=_noted, reverse=True):
            if outcome is None or facts.outcome == outcome:
                yield run_of(facts)

    def next_ticks(self, entry: Entry, after: datetime, count: int) -> list[datetime]:
        """Return when a task is due next: on the schedule that is going, else on one that would begin at *after*.

        Nothing is due here of a task that another process has given another schedule.
        """
        if entry.task.trigger.type_ in LIFECYCLE:
            return []
        if self.serving is None:
            return preview(entry, after, count, None)
        is_outdated = entry.stored is not None and entry.stored.outdated
        return [] if is_outdated else preview(entry, after, count, self.runner.present)

    async def next_tick(self, key: str) -> datetime | None:
        """Return when a task is due next (aware, UTC); None while nothing is served, and when nobody knows."""
        entry = self.entries.get(key)
        return None if self.serving is None or entry is None else await self.serving.engine.next_tick(entry)


def _noted(facts: RunFacts) -> float:
    return facts.noted
