"""Changes of tasks that the store is to be told."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from functools import partial
from typing import Protocol

from aioclock._engine.batches import Batches
from aioclock._engine.entry import Entry
from aioclock._engine.jobs import Jobs
from aioclock._engine.store_link import StoreLink
from aioclock.exceptions import StoreUnavailableError
from aioclock.logger import logger
from aioclock.stores import Change, TaskState

__all__ = ["Outbox"]


class Desk(Protocol):
    """Who takes in what the store answers."""

    def hear(self, state: TaskState, /) -> None:
        """Take in how a task is now."""

    def take_back(self, key: str, /) -> None:
        """Return to what the store says of a task, which it would not have changed."""

    def entry_of(self, key: str, /) -> Entry | None:
        """Return what goes on of a task here, if it is still one of this process's."""
        ...

    async def register(self, entries: list[Entry], /) -> None:
        """Make tasks known to the store."""


class Outbox:
    """Owns the changes that the store has not acknowledged.

    Args:
        kept: What was to be told before; what can't be told goes back there.
    """

    def __init__(self, link: StoreLink, desk: Desk, jobs: Jobs, *, kept: list[Change]) -> None:
        self._link = link
        self._desk = desk
        self._jobs = jobs
        self._kept = kept
        self._untold: Counter[str] = Counter()
        """How many changes of a task are on their way."""
        self._changes: Batches[Change, TaskState | None] = Batches(self._send, name="aioclock changes")

    def concerns(self, key: str) -> bool:
        """Tell whether a change of a task is on its way: until it is told, what the store says of the task is old."""
        return self._untold[key] > 0

    def take_up(self) -> list[Change]:
        """Return what was to be told before, which is from now on about to be told."""
        changes = list(self._kept)
        self._untold.update(change.key for change in changes)
        return changes

    async def deliver(self, changes: list[Change]) -> None:
        """Tell the store what was taken up; return when all of it has been answered."""
        self._kept.clear()
        for change in changes:
            self._put(change)
        await self.settled()

    def tell(self, change: Change) -> None:
        """Let the store know, as soon as it can be reached."""
        self._untold[change.key] += 1
        self._put(change)

    def _put(self, change: Change) -> None:
        self._changes.put(change).add_done_callback(partial(self._told, change))

    async def _send(self, changes: Sequence[Change]) -> list[TaskState | None]:
        return await self._link.call(partial(self._link.store.change, changes))

    def _told(self, change: Change, answer: "asyncio.Future[TaskState | None]") -> None:
        self._untold[change.key] -= 1
        if answer.cancelled() or isinstance(answer.exception(), StoreUnavailableError):
            self._kept.append(change)
        elif (error := answer.exception()) is not None:
            logger.error("a change of %s is not on record: %s", change.key, error, extra={"task": change.key})
            self._desk.take_back(change.key)
        elif (state := answer.result()) is not None:
            self._desk.hear(state)
        elif (entry := self._desk.entry_of(change.key)) is not None:
            self._untold[change.key] += 1
            self._jobs.start(self._tell_of_new(entry, change))

    async def _tell_of_new(self, entry: Entry, change: Change) -> None:
        """Tell a change of a task that the store did not know yet."""
        try:
            await self._desk.register([entry])
        except BaseException:
            self._kept.append(change)
            raise
        self._put(change)

    async def settled(self) -> None:
        """Return when all has been answered that was told so far."""
        await self._changes.settled()

    async def close(self) -> None:
        """Keep for later what the store has not been told."""
        await self._changes.close()
