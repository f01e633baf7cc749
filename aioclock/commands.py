"""What an app can be told about its tasks."""

from collections.abc import Callable
from typing import Any

from typing_extensions import Unpack

from aioclock._engine import LIFECYCLE, Entry, TaskRef
from aioclock.exceptions import TaskDeclarationError
from aioclock.inquiries import Inquiries
from aioclock.policies import PolicyArgs
from aioclock.task import Task, require_trigger
from aioclock.triggers import BaseTrigger

__all__ = ["Commands"]


class Commands(Inquiries):
    """The part of an app that commands its tasks, before, during and after a serving.

    Where a task is asked for, *ref* is its key, its id, its function, or its function's name if no other task has that;
    the task itself, as `tasks` and `add_task` give it, will do as well.
    A *ref* that means no task, or several, raises `TaskIdNotFound`, which lists what is close or what is meant.

    Sync tasks, which run in threads, may give commands too.
    """

    def pause(self, ref: TaskRef, note: str | None = None) -> None:
        """Skip the ticks of a task from now on, with the reason `paused`. Runs that are going on may finish.

        It stays paused in further servings, until `resume`. `run_now` runs it all the same.

        Args:
            note: Why, for the event and for those who look at the task.
        """
        self._command(ref, lambda entry: self._roster.runner.pause(entry, note))

    def resume(self, ref: TaskRef) -> None:
        """Let a paused task run again from its next tick on; ticks that it missed are not made up for."""
        self._command(ref, self._roster.runner.resume)

    async def run_now(self, ref: TaskRef) -> Any:
        """Run a task now, within its timeout and as its overlap policy says, and return its result.

        Its record is of the kind `manual`. The schedule does not move. Cancelling the wait cancels the run.

        Raises:
            RunSkippedError: a run is going on already, and the overlap policy allows no other; or the app is stopping
                and waits for its runs to finish.
            TaskTimeoutError: the run outlived the task's timeout.
            RunCancelledError: the run was cancelled: by `cancel`, by a newer run, by itself, or while the app stops.
            Exception: what the function raised.
        """
        return await self._roster.run_now(self._entry(ref))

    def cancel(self, ref: TaskRef) -> int:
        """Cancel the runs of a task that are going on and return how many there are; its schedule goes on."""
        return self._command(ref, self._roster.cancel)

    def reschedule(self, ref: TaskRef, trigger: BaseTrigger) -> None:
        """Give a task another trigger, whose schedule begins now, or with the next serving. Runs go on.

        Raises:
            TaskDeclarationError: *trigger* can't be that of a running task.
        """

        def reschedule(entry: Entry) -> None:
            require_trigger(trigger, owner=f"task {entry.key!r}")
            if LIFECYCLE & {trigger.type_, entry.task.trigger.type_}:
                raise TaskDeclarationError(f"task {entry.key!r}: start-up and shut-down can't be scheduled anew")
            self._roster.reschedule(entry, trigger)

        self._command(ref, reschedule)

    def add_task(
        self,
        func: Callable[..., Any],
        *,
        trigger: BaseTrigger,
        name: str | None = None,
        **policies: Unpack[PolicyArgs],
    ) -> Task:
        """Add a task; while the app serves, its schedule begins now. The arguments are those of `task`.

        Returns:
            The task; its `key` is what the other commands take.
        """

        def add() -> Task:
            self._root.task(trigger=trigger, name=name, **policies)(func)
            return self._roster.tasks[next(reversed(self._roster.tasks))]

        return self._roster.on_loop(add)

    def remove_task(self, ref: TaskRef) -> None:
        """Remove a task and what is remembered of it. A run that is going on may finish."""

        def remove(entry: Entry) -> None:
            self._roster.remove(entry)
            self._root.withdraw(entry.task)

        self._command(ref, remove)
