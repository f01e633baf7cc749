"""Runs of processes that died."""

import asyncio
from collections.abc import Mapping
from functools import partial

from aioclock._engine.claims import Claims
from aioclock._engine.entry import Entry
from aioclock._engine.replica import Replica
from aioclock._engine.run import LiveRun
from aioclock._engine.runner import Runner
from aioclock._engine.store_link import StoreLink, tolerated
from aioclock.clock import steady_s
from aioclock.stores import Reaped
from aioclock.stores._words import run_from

__all__ = ["Reaper"]


class Reaper:
    """Looks for runs whose leases have passed, and takes over those that may run again.

    Args:
        entries: The tasks by key; they may come and go.
    """

    def __init__(
        self, entries: Mapping[str, Entry], link: StoreLink, runner: Runner, claims: Claims, replica: Replica
    ) -> None:
        self._entries = entries
        self._link = link
        self._runner = runner
        self._claims = claims
        self._replica = replica
        self.halted = False
        """Whether nothing is taken over any more."""

    async def reap_now_and_then(self) -> None:
        """Look for them until `halted`."""
        while not self.halted:
            with tolerated("what dead processes left is not looked for"):
                await self._reap()
            await asyncio.sleep(self._claims.leases.term.seconds / 4)

    async def _reap(self) -> None:
        keys = [entry.key for entry in self._entries.values() if entry.shared and entry.in_store.fits]
        dealt, asked_at = await self._link.call(partial(self._ask, keys))
        for reaped in dealt:
            self._take_over(reaped, asked_at)

    async def _ask(self, keys: list[str]) -> tuple[list[Reaped], float]:
        leases, asked_at = self._claims.leases, steady_s()
        return await self._link.store.reap(owner=leases.owner, keys=keys, lease=leases.term.micros), asked_at

    def _take_over(self, reaped: Reaped, asked_at: float) -> None:
        record = reaped.record
        entry = self._entries.get(record.task_key)
        if entry is None:
            return
        self._replica.note(entry, reaped.task)
        if record.state == "lost":
            entry.failures = reaped.task.failures
            self._runner.note_lost(entry, run_from(record))
        elif not self.halted:  # else it is free for others as soon as this process has left
            run = LiveRun(entry, self._runner, record.tick / 1e6, record.missed, record.kind)
            self._claims.adopt(run, reaped, asked_at)
