"""What an app can be asked about its tasks and runs."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from itertools import islice
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeVar, overload

from aioclock._engine import Entry, TaskRef, key_of, keys_of
from aioclock.declarations import Declarations
from aioclock.exceptions import TaskIdNotFound
from aioclock.runs import Outcome, Run
from aioclock.task import Task
from aioclock.triggers._base import require_aware
from aioclock.utils import did_you_mean

if TYPE_CHECKING:
    from aioclock._engine.membership import Membership

__all__ = ["Health", "Inquiries"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """How an app does, for those who watch over it."""

    serving: bool
    store: str | None
    """The address of its store, without secrets; None if it has none."""
    store_error: str | None
    """Why the store can't be reached, as far as that is known; while it can't, nothing that is shared fires."""

    @property
    def ok(self) -> bool:
        """Whether all is well."""
        return self.serving and self.store_error is None


class Inquiries(Declarations):
    """The part of an app that looks at its tasks, before, during and after a serving.

    Where a task is asked for, *ref* is its key, its id, its function, or its function's name if no other task has that;
    the task itself, as `tasks` and `add_task` give it, will do as well.
    A *ref* that means no task, or several, raises `TaskIdNotFound`, which lists what is close or what is meant.
    """

    @property
    def tasks(self) -> Mapping[str, Task]:
        """All tasks by key, in the order in which they were added; read only."""
        return MappingProxyType(self._roster.tasks)

    @property
    def paused(self) -> dict[str, str | None]:
        """The keys of paused tasks, and the note that was left with each."""
        entries = list(self._roster.entries.values())
        return {entry.key: entry.pause.note for entry in entries if entry.pause is not None}

    @overload
    def next_ticks(self, ref: TaskRef, count: int = 5, after: datetime | None = None) -> list[datetime]: ...
    @overload
    def next_ticks(
        self, ref: None = None, count: int = 5, after: datetime | None = None
    ) -> dict[str, list[datetime]]: ...
    def next_ticks(
        self, ref: TaskRef | None = None, count: int = 5, after: datetime | None = None
    ) -> list[datetime] | dict[str, list[datetime]]:
        """Return when a task is due next, or a mapping of key to ticks for all tasks. Nothing moves by asking.

        While the app serves, the ticks are those it will fire. Otherwise they are those of a serving that would begin
        at *after*. What nobody can know is left out: the ticks of a trigger that waits by itself, those that follow
        the end of a run, and those of start-up and shut-down.

        ```python
        from datetime import UTC, datetime

        from aioclock import AioClock, At

        app = AioClock()


        @app.task(trigger=At(hour=9, tz="UTC"), name="report")
        async def report() -> None: ...


        ticks = app.next_ticks("report", count=2, after=datetime(2026, 1, 1, 12, tzinfo=UTC))
        assert [tick.isoformat() for tick in ticks] == ["2026-01-02T09:00:00+00:00", "2026-01-03T09:00:00+00:00"]
        ```

        Args:
            count: How many at most, for each task.
            after: Aware; left out, the present.

        Returns:
            Aware datetimes in UTC, in their order.

        Raises:
            ValueError: *after* is naive, or *count* is negative.
        """
        _require_count(count, name="count")
        moment = self._roster.runner.now() if after is None else require_aware(after)
        if ref is not None:
            return self._command(ref, lambda entry: self._roster.next_ticks(entry, moment, count))

        def look() -> dict[str, list[datetime]]:
            entries = list(self._roster.entries.values())
            return {entry.key: self._roster.next_ticks(entry, moment, count) for entry in entries}

        return self._roster.on_loop(look)

    def runs(
        self, task: TaskRef | None = None, outcome: Outcome | str | None = None, limit: int | None = 100
    ) -> list[Run]:
        """Return the latest runs and skipped ticks, those that ended last first.

        Of each task a bounded number is remembered (`AioClock(history=)`), as long as this process lives.

        Args:
            task: A *ref*; left out, all tasks.
            outcome: Only runs of this outcome.
            limit: How many at most, of all tasks together; None for all that is remembered.

        Raises:
            ValueError: *outcome* is no outcome, or *limit* is negative.
        """
        if limit is not None:
            _require_count(limit, name="limit")
        wanted = None if outcome is None else _outcome(outcome)

        def look() -> list[Run]:
            keys = None if task is None else keys_of(task, self._roster.tasks)
            return list(islice(self._roster.runs(keys, wanted), limit))

        return self._roster.on_loop(look)

    async def history(
        self,
        task: TaskRef | None = None,
        outcome: Outcome | str | None = None,
        since: datetime | None = None,
        limit: int = 100,
    ) -> list[Run]:
        """Return the latest runs and skipped ticks that the app's store has, of all processes, newest first.

        Runs that are still going are among them, unless an outcome is asked for; their `outcome` is None. Without a
        store these are the runs that this process remembers, as by `runs`.

        Args:
            task: A *ref*, or the key of a task that the store knows though the app has it no longer; left out, all.
            outcome: Only runs of this outcome.
            since: Only ticks at or after this; aware.
            limit: How many at most.

        Raises:
            ValueError: *outcome* is no outcome, *since* is naive, or *limit* is negative.
            StoreError: the store can't be asked.
        """
        _require_count(limit, name="limit")
        earliest = None if since is None else require_aware(since)
        wanted = None if outcome is None else _outcome(outcome)
        if self._membership is None:
            runs = self.runs(task, wanted, limit=None)
            return [run for run in runs if earliest is None or run.scheduled_at >= earliest][:limit]
        keys = None if task is None else await self._known_keys(task, self._membership)
        look = partial(self._membership.history, keys, wanted, since=earliest, limit=limit)
        return await self._roster.over_there(look)

    async def _known_keys(self, task: TaskRef, membership: "Membership") -> tuple[str, ...]:
        try:
            return tuple(keys_of(task, self._roster.tasks))
        except TaskIdNotFound:
            if isinstance(task, str) and await self._roster.over_there(partial(membership.knows, task)):
                return (task,)
            raise

    @property
    def health(self) -> Health:
        """Whether the app serves, and whether its store can be reached."""
        session = None if self._membership is None else self._membership.session
        return Health(
            serving=self._roster.serving is not None,
            store=None if self._membership is None else self._membership.store.name,
            store_error=None if session is None else session.link.error,
        )

    def _command(self, ref: TaskRef, command: Callable[[Entry], T]) -> T:
        # The task is looked up where the command is carried out: until then another one may have removed it.
        return self._roster.on_loop(lambda: command(self._entry(ref)))

    def _entry(self, ref: TaskRef) -> Entry:
        return self._roster.entries[key_of(ref, self._roster.tasks)]


def _outcome(value: Outcome | str) -> Outcome:
    try:
        return Outcome(value)
    except ValueError:
        known = [outcome.value for outcome in Outcome]
        raise ValueError(
            f"outcome must be one of {', '.join(known)}, got {value!r}{did_you_mean(str(value), known)}"
        ) from None


def _require_count(value: Any, *, name: str) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueError(f"{name} must be a whole number, 0 or more, got {value!r}")
