"""Signs of life: what this process has is renewed, and what is new is heard."""

import asyncio
from functools import partial

from aioclock._engine.claims import Claims
from aioclock._engine.grant import MARGIN, LeaseTerm
from aioclock._engine.holds import Holds
from aioclock._engine.replica import Replica
from aioclock._engine.store_clock import StoreClock
from aioclock._engine.store_link import StoreLink, tolerated
from aioclock.clock import steady_s
from aioclock.stores import Node, Pulse, PulseAnswer

__all__ = ["Heartbeat"]

OVERLAPPING = 10_000_000
"""Microseconds by which what is new is asked for twice: a change may be on record a moment after its time."""


class Heartbeat:
    """Tells the store again and again that this process lives."""

    def __init__(
        self,
        node: Node,
        link: StoreLink,
        clock: StoreClock,
        term: LeaseTerm,
        claims: Claims,
        holds: Holds,
        replica: Replica,
    ) -> None:
        self._node = node
        self._link = link
        self._clock = clock
        self._term = term
        self._claims = claims
        self._holds = holds
        self._replica = replica
        self._since = 0
        """From when on what is new has not been heard, in microseconds since the epoch."""

    async def beat(self) -> None:
        """Renew what this process has, for ever."""
        while True:
            with tolerated("signs of life are not on record"):
                await self.pulse()
            self._claims.ask_again()
            await asyncio.sleep(self._term.renewed_s)

    async def pulse(self) -> None:
        """Renew it once.

        Raises:
            StoreError: the store answers that it can't.
        """
        leases, holds = self._claims.leases, self._holds
        ids, keys = tuple(leases.runs), holds.wanted()
        pulse = Pulse(node=self._node, lease=self._term.micros, claims=ids, holds=keys, since=self._since)
        answer, asked_at = await self._link.call(partial(self._ask, pulse))
        self._since = answer.now - OVERLAPPING
        leases.renew(ids, answer.lost, asked_at)
        leases.cancel(answer.cancelled)
        for state in answer.changed:
            self._replica.hear(state, asked_at=asked_at)
        holds.renew(keys, answer.held, asked_at)

    async def _ask(self, pulse: Pulse) -> tuple[PulseAnswer, float]:
        asked_at = steady_s()
        answer = await self._link.store.pulse(pulse)
        self._clock.note(answer.now, asyncio.get_running_loop().time())
        return answer, asked_at

    async def watch(self) -> None:
        """Look for ever whether a lease has passed, whatever the store is doing."""
        while True:
            self._claims.leases.expire()
            self._holds.expire()
            await asyncio.sleep(self._term.seconds * MARGIN / 2)
