"""What every store can do."""

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol, runtime_checkable

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

__all__ = ["Store", "TransactionalStore"]


@runtime_checkable
class Store(Protocol):
    """Where tasks and runs outlast the process, shared by all processes that name the same store.

    What a method does to one task is atomic and isolated: no two processes ever see or make half of it. A method that
    takes several items may do each by itself. Each method may be called again after an error, with the same arguments,
    and then does nothing twice. One object serves one event loop at a time; after `close` it can be opened again.

    Raises:
        StoreUnavailableError: (every method) the store can't be reached now, or did not answer; later it may.
        StoreError: (every method) it can't work, and trying again will not help.
    """

    name: str
    """For people and logs: its address without secrets."""

    async def open(self) -> None:
        """Connect, make sure that it can keep its promises, and create or check what it keeps.

        Called by each process that joins; an empty store is made ready, one of an older version is refused with the
        command that brings it up to date, unless nothing but additions are needed.
        """

    async def close(self) -> None:
        """Let go of all connections; does nothing if none is open."""

    async def register(self, tasks: Sequence[Registration], *, by: str) -> list[TaskState]:
        """Make tasks known and return what is kept of each, in the same order.

        A task that is new gets now as its anchor and now less a microsecond as its cursor. If the fingerprint differs
        from the one on record, the schedule was edited: anchor, cursor and generation change as by `Change.override`,
        and an override is dropped. Otherwise nothing changes.
        """
        ...

    async def claim(self, claims: Sequence[Claim]) -> list[Claimed]:
        """Decide each claim, in order, as `Claim` tells; return the answers in the same order."""
        ...

    async def finish(self, ends: Sequence[Finish]) -> list[Finished]:
        """Record the end of runs, as `Finish` tells; return the answers in the same order."""
        ...

    async def pulse(self, pulse: Pulse) -> PulseAnswer:
        """Renew what a process has and tell what is new, as `Pulse` tells."""
        ...

    async def reap(self, *, owner: str, keys: Sequence[str], lease: int, limit: int = 100) -> list[Reaped]:
        """Deal with runs whose lease has passed, oldest tick first, and return those that were dealt with.

        A run whose `on_lost` is `fail`, or that was taken over `MOST_RERUNS` times, ends as `lost` with reason `lease`,
        and counts as a failure of its task. Every other one, and every one that was still waiting, is taken over by
        *owner* if its task is among *keys*, else left alone: it is running then (one that waited stays waiting), with a
        fresh claim id, a new fence of its task, one attempt more (not if it waited), and a lease of *lease*
        microseconds.
        """
        ...

    async def leave(self, node_id: str) -> None:
        """Forget a process that ends in order: what it still has (runs, tasks that it holds) is free at once."""

    async def change(self, changes: Sequence[Change]) -> list[TaskState | None]:
        """Change tasks as `Change` tells; return each as it is then, None if nobody knows it."""
        ...

    async def tasks(self, keys: Sequence[str] | None = None) -> list[TaskState]:
        """Return what is kept of tasks, by key in order of code points; None: of all."""
        ...

    async def runs(self, query: RunQuery) -> list[RunRecord]:
        """Return runs, newest claim first."""
        ...

    async def notes(self, *, after: int = 0, limit: int = 100) -> list[Note]:
        """Return entries of the sequence of events that come after entry number *after*, oldest first."""
        ...

    async def prune(self, *, before: int) -> int:
        """Delete runs that ended before *before*, events from before it and processes not seen since.

        Tasks and open runs stay.

        Returns:
            How many runs were deleted.
        """
        ...

    async def restore(self, tasks: Sequence[TaskState], *, replace: bool = False) -> None:
        """Write tasks as given, those that are unknown included; with *replace* forget all others and their runs.

        Cursor, fence and generation never move back: of a task that is known the higher cursor and fence stay, and a
        generation begins that is later than both. Nobody holds a task that is written, and it counts as changed now.
        """


@runtime_checkable
class TransactionalStore(Store, Protocol):
    """A store whose database can hold the user's own tables, too."""

    def transaction(self, end: Callable[[], Finish]) -> AbstractAsyncContextManager[Any]:
        """Return a block within one transaction of the database, whose target is a connection for the user.

        At the normal end of the block what *end* returns is recorded in that transaction, which is then committed. If
        the block raises or is cancelled, or if the end is refused, all of it is rolled back.

        Raises:
            LeaseLostError: (at the end of the block) the run is its process's no longer.
        """
        ...
