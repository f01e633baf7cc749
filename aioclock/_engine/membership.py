"""An app's part in what all processes share that name the same store."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

from aioclock._engine.entry import Entry
from aioclock._engine.opening import Opening
from aioclock._engine.runner import Runner
from aioclock._engine.session import Session
from aioclock._engine.stored import Stored, mode_of, text_of
from aioclock._engine.visit import Visit
from aioclock.clock import is_time_real
from aioclock.exceptions import StoreError
from aioclock.logger import logger
from aioclock.runs import Outcome, Run
from aioclock.stores import Change, MemoryStore, RunQuery, Store
from aioclock.stores._words import micros, run_from
from aioclock.task import Task
from aioclock.triggers import BaseTrigger
from aioclock.utils import running_loop

__all__ = ["Membership"]

STAND_IN_KEEPS = 1000
"""How many ended runs the store keeps that stands in for the app's own in a simulation; the simulation has them all."""

STAND_IN_LEASE_S = 86_400.0


class Membership:
    """Knows the store, and keeps what is to be told to it until it can be told.

    Args:
        lease_s: How long a run belongs to a process that gives no sign of life.
    """

    def __init__(self, store: Store, *, lease_s: float) -> None:
        self.store = store
        self.session: Session | None = None
        """That of the serving, while there is one."""
        self.lease_s = lease_s
        self._opening = Opening(store)
        self._runner: Runner
        self._entries: Mapping[str, Entry]
        self._outbox: list[Change] = []
        self._visit: Visit | None = None
        self._delivery: asyncio.Task[None] | None = None

    def attach(self, runner: Runner, entries: Mapping[str, Entry]) -> None:
        """Work for the app that has *entries*, by key, and *runner*."""
        self._runner, self._entries = runner, entries
        runner.tell = self.tell

    def begin(self, *, idle: bool = False) -> Session:
        """Return the session of a serving that is about to begin; *idle*: without any schedule."""
        self.session = session = self._new_session(idle=idle)
        return session

    def _new_session(self, *, idle: bool) -> Session:
        entries = list(self._entries.values())
        opening, lease_s, outbox, alone = self._opening, self.lease_s, self._outbox, False
        if not (is_time_real() or getattr(self.store, "keeps_virtual_time", False)):
            # Virtual years must not be written where real processes read. A store in memory lives on virtual time, and
            # as nobody shares it, there is little to tell it.
            opening, lease_s, alone = Opening(MemoryStore(keep=STAND_IN_KEEPS)), STAND_IN_LEASE_S, True
            outbox = [_as_change(entry) for entry in entries if entry.pause is not None]
        return Session(opening, self._runner, entries, lease_s=lease_s, outbox=outbox, idle=idle, alone=alone)

    def end(self) -> None:
        """Forget the session of a serving that is over."""
        self.session = None

    def stored(self, task: Task) -> Stored:
        """Return what holds between *task* and the store.

        Raises:
            TaskDeclarationError: the processes can't share it.
        """
        return Stored(task.trigger, task.policies, key=task.key)

    def reschedule(self, entry: Entry, trigger: BaseTrigger) -> None:
        """Have all processes give a task another trigger.

        Raises:
            TaskDeclarationError: they can't.
        """
        mode_of(trigger, entry.in_store.scope, key=entry.key)
        self.tell(key=entry.key, override=text_of(trigger))

    def tell(self, **facts: Any) -> None:
        """Let the store know of a `Change`, soon; while the app does not serve, when it serves next."""
        change = Change(**facts)
        if self.session is not None:
            self.session.tell(change)
            return
        self._outbox.append(change)
        if (loop := running_loop()) is not None and self._delivery is None:
            self._delivery = loop.create_task(self._deliver(), name="aioclock: tell the store")

    async def _deliver(self) -> None:
        try:
            await asyncio.sleep(0)
            if self.session is None:  # else a serving has begun, which tells what there is to tell
                async with self.visited():
                    pass
        except StoreError as error:
            logger.warning("the store is told of commands when the app serves: %s", error)
        finally:
            self._delivery = None

    @asynccontextmanager
    async def visited(self) -> AsyncIterator[None]:
        """Have a session within the block if no serving has one, for what is run or told by hand.

        Raises:
            StoreError: the store can't be opened.
        """
        if self.session is not None:
            yield
            return
        if self._visit is None:
            self._visit = Visit(self._new_session(idle=True), self._runner)
        visit = self._visit
        visit.guests += 1
        try:
            await visit.joined()
            yield
        finally:
            visit.guests -= 1
            if not visit.guests:
                self._visit = None
                await visit.end()

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[Store]:
        """Give the store, open within the block.

        Raises:
            StoreError: it can't be opened.
        """
        opening = self._opening if self.session is None else self.session.opening
        await opening.open()
        try:
            yield opening.store
        finally:
            await opening.close()

    async def history(
        self, keys: tuple[str, ...] | None, outcome: Outcome | None, *, since: datetime | None, limit: int
    ) -> list[Run]:
        """Return runs that the store has, newest first."""
        query = RunQuery(
            task_keys=keys,
            states=None if outcome is None else (outcome.value,),
            since=None if since is None else micros(since.timestamp()),
            limit=limit,
        )
        async with self.opened() as store:
            return [run_from(record) for record in await store.runs(query)]

    async def knows(self, key: str) -> bool:
        """Tell whether the store has a task with this key, which the app may have no longer."""
        async with self.opened() as store:
            return bool(await store.tasks([key]))


def _as_change(entry: Entry) -> Change:
    return Change(key=entry.key, paused=True, note=None if entry.pause is None else entry.pause.note)
