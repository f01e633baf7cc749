"""A store whose operations are scripts; what runs them is somebody else's matter."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar

from aioclock.stores._sql import _claims, _history, _nodes, _tasks
from aioclock.stores._sql._dialects import Dialect
from aioclock.stores._sql._statements import Script, batches
from aioclock.stores._words import (
    Change,
    Claim,
    Claimed,
    Finish,
    Finished,
    Note,
    Pulse,
    PulseAnswer,
    Reaped,
    Registration,
    RunQuery,
    RunRecord,
    TaskState,
)

__all__ = ["ScriptedStore"]

T = TypeVar("T")


class ScriptedStore:
    """The methods of `Store`, told as scripts."""

    name: str
    dialect: Dialect

    async def _run(self, script: Callable[[], Script[T]]) -> T:
        """Run a script within one transaction, and again if the database wants that."""
        raise NotImplementedError

    # Tasks

    async def register(self, tasks: Sequence[Registration], *, by: str) -> list[TaskState]:
        states: list[TaskState] = []
        for some in batches(tasks):
            states += await self._run(partial(_tasks.register, self.dialect, some, by))
        return states

    async def change(self, changes: Sequence[Change]) -> list[TaskState | None]:
        states: list[TaskState | None] = []
        for some in batches(changes):
            states += await self._run(partial(_tasks.change, self.dialect, some))
        return states

    async def tasks(self, keys: Sequence[str] | None = None) -> list[TaskState]:
        return await self._run(partial(_tasks.tasks, keys))

    async def restore(self, tasks: Sequence[TaskState], *, replace: bool = False) -> None:
        await self._run(partial(_tasks.restore, self.dialect, tasks, replace))

    # Runs

    async def claim(self, claims: Sequence[Claim]) -> list[Claimed]:
        answers: list[Claimed] = []
        for some in batches(claims):
            answers += await self._run(partial(_claims.claim, self.dialect, some))
        return answers

    async def finish(self, ends: Sequence[Finish]) -> list[Finished]:
        answers: list[Finished] = []
        for some in batches(ends):
            answers += await self._run(partial(_claims.finish, self.dialect, some))
        return answers

    async def reap(self, *, owner: str, keys: Sequence[str], lease: int, limit: int = 100) -> list[Reaped]:
        return await self._run(partial(_claims.reap, self.dialect, owner, frozenset(keys), lease, limit))

    async def runs(self, query: RunQuery) -> list[RunRecord]:
        return await self._run(partial(_history.runs, query))

    # Processes

    async def pulse(self, pulse: Pulse) -> PulseAnswer:
        return await self._run(partial(_nodes.pulse, self.dialect, pulse))

    async def leave(self, node_id: str) -> None:
        await self._run(partial(_nodes.leave, self.dialect, node_id))

    # What was done

    async def notes(self, *, after: int = 0, limit: int = 100) -> list[Note]:
        return await self._run(partial(_history.notes, after, limit))

    async def prune(self, *, before: int) -> int:
        pruned = 0
        while some := await self._run(partial(_history.prune_runs, self.dialect, before)):
            pruned += some
        await self._run(partial(_history.prune_rest, self.dialect, before))
        return pruned
