"""One part in what processes share that have the same store, from joining to leaving."""

import asyncio
import os
import socket
from collections.abc import Iterable
from contextlib import suppress
from functools import partial
from uuid import uuid4

from aioclock._engine.backlog import Backlog
from aioclock._engine.claims import Claims
from aioclock._engine.endings import Endings
from aioclock._engine.engine import Engine
from aioclock._engine.entry import Entry
from aioclock._engine.grant import LeaseTerm
from aioclock._engine.heartbeat import Heartbeat
from aioclock._engine.holds import Holds
from aioclock._engine.jobs import Jobs
from aioclock._engine.leases import Leases
from aioclock._engine.opening import Opening
from aioclock._engine.outbox import Outbox
from aioclock._engine.reaper import Reaper
from aioclock._engine.replica import Replica
from aioclock._engine.runner import Runner
from aioclock._engine.shared_schedules import SharedSchedules
from aioclock._engine.store_clock import StoreClock
from aioclock._engine.store_link import StoreLink
from aioclock.clock import current_clock, steady_s
from aioclock.events import StoreRecovered, StoreUnreachable
from aioclock.exceptions import StoreError, StoreUnavailableError
from aioclock.stores import Change, Node

__all__ = ["Session"]

OPEN_PATIENCE_S = 10.0
"""How long a store may be out of reach when serving begins."""

CLOSE_PATIENCE_S = 5.0
"""How long the store may take, when serving ends, for what it has not been told yet."""

LONGEST_BEAT_S = 1.0
"""How often the store is asked what is new, at least."""


class Session:
    """Joins the processes that share the store, keeps up with them and leaves.

    Args:
        entries: The tasks that are served.
        outbox: What was to be told before; what could not be told goes back there.
        idle: Without any schedule, for what is run by hand.
        alone: No other process shares the store, so there is nothing new to hear from it.
    """

    def __init__(
        self,
        opening: Opening,
        runner: Runner,
        entries: Iterable[Entry],
        *,
        lease_s: float,
        outbox: list[Change],
        idle: bool = False,
        alone: bool = False,
    ) -> None:
        self.opening = opening
        self.joined = False
        self.clock = clock = StoreClock(asyncio.get_running_loop(), current_clock())
        self._runner = runner
        self._idle = idle
        self._entries = {entry.key: entry for entry in entries}
        for entry in self._entries.values():
            entry.in_store.forget()
        limit_s = max(1.0, min(10.0, lease_s / 3))
        self.link = link = StoreLink(opening.store, limit_s=limit_s, on_down=self._went_down, on_up=self._came_up)
        self._node = node = Node(id=uuid4().hex, label=f"{socket.gethostname()}:{os.getpid()}")
        term = LeaseTerm(lease_s, renewed_s=lease_s / 4 if alone else min(LONGEST_BEAT_S, lease_s / 4))
        self._jobs = jobs = Jobs()
        self._replica = replica = Replica(self._entries, link, clock, runner, jobs, label=node.label, idle=idle)
        leases = Leases(runner, term, owner=node.id)
        self.claims = claims = Claims(link, runner, leases, Endings(link, runner, leases), on_state=replica.note)
        self._schedules = schedules = SharedSchedules(Backlog(link, clock, runner, claims, replica, jobs))
        self._outbox = Outbox(link, replica, jobs, kept=outbox)
        replica.attach(schedules, self._outbox)
        self._holds = Holds({} if idle else self._entries, schedules, self._outbox, term, label=node.label)
        self._heartbeat = Heartbeat(node, link, clock, term, claims, self._holds, replica)
        self._reaper = Reaper(self._entries, link, runner, claims, replica)

    # Beginning

    async def join(self) -> None:
        """Open the store and make the tasks known.

        Raises:
            StoreError: it can't work, or could not be reached for some time.
        """
        deadline = steady_s() + OPEN_PATIENCE_S
        await self._opened(deadline)
        try:
            async with asyncio.timeout(max(deadline - steady_s(), self.link.limit_s)):
                await self._introduced()
        except BaseException as error:
            await self._outbox.close()
            await self.opening.close()
            if isinstance(error, TimeoutError):
                raise self._out_of_reach("no answer") from error
            raise
        self.joined = True

    async def _opened(self, deadline: float) -> None:
        delay_s = 0.1
        while True:
            try:
                return await self.link.call_once(self.opening.open)
            except (StoreUnavailableError, TimeoutError, OSError) as error:
                left_s = deadline - steady_s()
                if left_s <= 0:
                    raise self._out_of_reach(str(error) or "no answer") from error
            await asyncio.sleep(min(delay_s, left_s))
            delay_s = min(2 * delay_s, 1.0)

    async def _introduced(self) -> None:
        await self._heartbeat.pulse()
        changes = self._outbox.take_up()
        await self._replica.register(list(self._entries.values()))
        await self._outbox.deliver(changes)

    def _out_of_reach(self, reason: str) -> StoreUnavailableError:
        return StoreUnavailableError(
            f"the store {self.link.store.name} could not be reached for {OPEN_PATIENCE_S:g} s: {reason}"
        )

    def begin(self, engine: Engine) -> None:
        """Start the schedules of shared tasks, and keep up with the store from now on."""
        if not self._idle:
            self._schedules.begin(engine, list(self._entries.values()))
            self._jobs.start(self._reaper.reap_now_and_then())
        self.keep_up()

    def keep_up(self) -> None:
        """Keep what this process has, and hear what is new, from now on."""
        self._jobs.start(self._heartbeat.beat())
        self._jobs.start(self._heartbeat.watch())

    # While it lasts

    def add(self, entry: Entry) -> None:
        """Share one more task from now on."""
        self._entries[entry.key] = entry
        self._schedules.expect(entry)
        if self.joined:  # else it is told with the others
            self._jobs.start(self._replica.register([entry]))

    def remove(self, entry: Entry) -> None:
        """Share a task no longer; other processes may."""
        self._entries.pop(entry.key, None)
        self._replica.forget(entry)
        self._schedules.forget(entry)

    def tell(self, change: Change) -> None:
        """Let the store know, as soon as it can be reached."""
        self._outbox.tell(change)

    def _went_down(self, error: Exception) -> None:
        self._runner.ledger.event(StoreUnreachable, error=str(error) or "no answer")

    def _came_up(self, outage_s: float) -> None:
        self._runner.ledger.event(StoreRecovered, outage_s=outage_s)
        if self._schedules.begun:
            shared = [entry for entry in self._entries.values() if entry.shared]
            self._replica.fall_behind(shared)
            self._jobs.start(self._resume(shared))

    async def _resume(self, shared: list[Entry]) -> None:
        """Go on from where the store says the schedules stand: what passed in the meantime is caught up with."""
        await self._replica.refresh(shared)
        for entry in shared:
            if self._entries.get(entry.key) is entry and entry.shared:
                self._schedules.restart(entry)

    # The end

    def halt(self) -> None:
        """Take on nothing any more: the schedules are about to end."""
        if not self._reaper.halted:
            self._reaper.halted = True
            self._holds.halt()

    async def leave(self) -> None:
        """Tell what is left to tell, give back what this process has, and close the store."""
        await self._jobs.end()
        await self.claims.close(patience_s=CLOSE_PATIENCE_S)
        with suppress(TimeoutError, StoreError, OSError):
            async with asyncio.timeout(CLOSE_PATIENCE_S):
                await self._outbox.settled()
                await self.link.call_once(partial(self.link.store.leave, self._node.id))
        await self._outbox.close()
        with suppress(TimeoutError, StoreError, OSError):
            async with asyncio.timeout(CLOSE_PATIENCE_S):
                await self.opening.close()
