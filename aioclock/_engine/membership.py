"""An app's part in what all processes share that name the same store."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

from aioclock._engine.entry import Entry
from aioclock._engine.runner import Runner
from aioclock._engine.session import Session
from aioclock._engine.stored import Stored, mode_of, text_of
from aioclock.clock import is_time_real
from aioclock.runs import Outcome, Run
from aioclock.stores import Change, MemoryStore, RunQuery, Store
from aioclock.stores._words import micros, run_from
from aioclock.task import Task
from aioclock.triggers import BaseTrigger

__all__ = ["Membership"]


class Membership:
    """Knows the store, and keeps what is to be told to it until it can be told.

    Args:
        lease_s: How long a run belongs to a process that gives no sign of life.
    """

    def __init__(self, store: Store, *, lease_s: float) -> None:
        self.store = store
        self.lease_s = lease_s
        self.session: Session | None = None
        """That of the serving, while there is one."""
        self._outbox: list[Change] = []
        self._visits = 0
        self._visit: asyncio.Future[None] | None = None

    def begin(self, runner: Runner, entries: Iterable[Entry], *, idle: bool = False) -> Session:
        """Return the session of a serving that is about to begin; *idle*: without any schedule."""
        entries = list(entries)
        if is_time_real() or getattr(self.store, "keeps_virtual_time", False):
            store, outbox = self.store, self._outbox
        else:
            # Virtual years must not be written where real processes read. A store in memory lives on virtual time.
            store, outbox = MemoryStore(), [_as_change(entry) for entry in entries if entry.pause is not None]
        self.session = session = Session(store, runner, entries, lease_s=self.lease_s, outbox=outbox, idle=idle)
        return session

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
        if self.session is None:
            self._outbox.append(change)
        else:
            self.session.tell(change)

    @asynccontextmanager
    async def visited(self, runner: Runner, entries: Iterable[Entry]) -> AsyncIterator[None]:
        """Have a session within the block if no serving has one, for what is run by hand.

        Raises:
            StoreError: the store can't be opened.
        """
        self._visits += 1
        try:
            if self.session is None:
                self.begin(runner, entries, idle=True)
                self._visit = asyncio.ensure_future(self._visit_by(runner))
            if self._visit is not None:
                await asyncio.shield(self._visit)
            yield
        finally:
            self._visits -= 1
            if not self._visits and self._visit is not None:
                await self._end_visit(runner)

    async def _visit_by(self, runner: Runner) -> None:
        assert self.session is not None
        await self.session.join()
        self.session.keep_up()
        runner.claims = self.session.claims

    async def _end_visit(self, runner: Runner) -> None:
        visit, self._visit, session, self.session = self._visit, None, self.session, None
        assert visit is not None
        assert session is not None
        runner.claims = None
        await asyncio.wait((visit,))
        if session.joined:
            await session.leave()

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[Store]:
        """Give the store, opened for the block if no serving has it open here.

        Raises:
            StoreError: it can't be opened.
        """
        session = self.session
        if session is not None and session.loop is asyncio.get_running_loop() and session.joined:
            yield session.link.store
            return
        await self.store.open()
        try:
            yield self.store
        finally:
            await self.store.close()

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
