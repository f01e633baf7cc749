"""What the contract's tests have at hand: an empty store, and short ways to ask it for things."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import Any
from uuid import uuid4

from aioclock.stores import (
    Change,
    Claim,
    Claimed,
    Finish,
    Finished,
    Node,
    Note,
    Pulse,
    PulseAnswer,
    Reaped,
    Registration,
    RunQuery,
    RunRecord,
    Store,
    TaskState,
    Verdict,
)

__all__ = ["ALL", "LONG", "ONE", "SECOND", "TWO", "Bench", "ContractBase", "ask", "end", "tick"]

SECOND = 1_000_000
LONG = 3600 * SECOND
"""A lease that no test outlasts."""

ONE, TWO = "1" * 32, "2" * 32
"""Two processes."""

ALL = 10_000


def tick(task: TaskState, n: int) -> int:
    """Return the *n*th tick of *task*; the last one before its schedule began is the 0th."""
    return task.anchor - 1 + n * SECOND


def ask(task: TaskState, n: int = 1, **fields: Any) -> Claim:
    """Return a new claim of the *n*th tick of *task*, by process `ONE` and with a lease that lasts."""
    given = {"id": uuid4().hex, "task_key": task.key, "tick": tick(task, n), "owner": ONE, "lease": LONG}
    return Claim(**{**given, "generation": task.generation, **fields})


def end(run: RunRecord, outcome: str = "succeeded", **fields: Any) -> Finish:
    """Return the end of *run*, as its owner tells it."""
    given = {"claim_id": run.claim_id, "task_key": run.task_key, "fence": run.fence, "attempt": run.attempt}
    times = {"started": run.created + 1, "finished": run.created + 2}
    return Finish(outcome=outcome, **{**given, **times, **fields})


class Bench:
    """One store of one test."""

    def __init__(self, store: Store, contract: "ContractBase") -> None:
        self.store = store
        self._contract = contract

    @property
    def lease(self) -> int:
        """A lease, in microseconds, that has passed after `expire`."""
        return round(self._contract.lease_s * SECOND)

    async def expire(self) -> None:
        """Let pass what was leased for `lease`."""
        await self._contract.pass_time(self._contract.lease_s * 1.5)

    async def tell_apart(self) -> None:
        """Let so much time pass that the store's clock shows it."""
        await self._contract.pass_time(0.002)

    async def now(self) -> int:
        return (await self.store.pulse(Pulse(node=Node(id="0" * 32), lease=LONG))).now

    # Tasks

    async def task(self, key: str = "task", fingerprint: str = "as declared") -> TaskState:
        """Register a task."""
        [task] = await self.store.register([Registration(key=key, fingerprint=fingerprint)], by="test")
        return task

    async def state(self, key: str = "task") -> TaskState:
        """Return what is on record of a task."""
        [task] = await self.store.tasks([key])
        return task

    async def change(self, key: str = "task", **fields: Any) -> TaskState:
        [task] = await self.store.change([Change(key=key, **fields)])
        assert task is not None
        return task

    # Runs

    async def claim(self, claim: Claim) -> Claimed:
        [answer] = await self.store.claim([claim])
        return answer

    async def verdict(self, claim: Claim) -> Verdict:
        return (await self.claim(claim)).verdict

    async def start(self, task: TaskState, n: int = 1, **fields: Any) -> RunRecord:
        """Get a run that is running; return it as it is on record."""
        return await self._get(ask(task, n, **{"most_running": 100, **fields}), Verdict.RUN)

    async def wait(self, task: TaskState, n: int, **fields: Any) -> RunRecord:
        """Get a run that waits for others; return it as it is on record."""
        return await self._get(ask(task, n, **{"most_waiting": 100, **fields}), Verdict.WAITING)

    async def skip(self, task: TaskState, n: int, reason: str = "missed") -> RunRecord:
        """Have a tick skipped; return the run as it is on record."""
        return await self._get(ask(task, n, skip=reason), Verdict.SKIPPED)

    async def _get(self, claim: Claim, verdict: Verdict) -> RunRecord:
        assert await self.verdict(claim) == verdict
        return await self.run(claim.id)

    async def run(self, run_id: str) -> RunRecord:
        """Return what is on record of a run; its id is that of the claim that first got it."""
        [run] = [run for run in await self.runs() if run.id == run_id]
        return run

    async def runs(self, **fields: Any) -> list[RunRecord]:
        return await self.store.runs(RunQuery(**{"limit": ALL, **fields}))

    async def finish(self, end: Finish) -> Finished:
        [answer] = await self.store.finish([end])
        return answer

    # Processes

    async def pulse(self, node: str = ONE, **fields: Any) -> PulseAnswer:
        return await self.store.pulse(Pulse(node=Node(id=node, label="test"), **{"lease": LONG, **fields}))

    async def reap(self, keys: Sequence[str] = ("task",), **fields: Any) -> list[Reaped]:
        """Have process `TWO` reap."""
        return await self.store.reap(**{"owner": TWO, "keys": keys, "lease": LONG, **fields})

    async def notes(self) -> list[Note]:
        return await self.store.notes(limit=ALL)

    async def another(self) -> Store:
        """Return what another process has of the same store."""
        return await self._contract.another(self.store)


class ContractBase:
    """What whoever has a store tells the contract of it."""

    lease_s = 0.2
    """How long, in seconds, a lease is that a test waits for. A store that is slow or far away may need more."""

    reopens = True
    """Whether a store that was closed and is opened again remembers."""

    def open_store(self) -> AbstractAsyncContextManager[Store]:
        """Return a block within which there is a store that is empty and open; this is yours to define."""
        raise NotImplementedError(f"{type(self).__name__} does not say how to open a store")

    async def another(self, store: Store) -> Store:
        """Return an open client of the same store, such as another process would have; it is closed after the test.

        Left as it is, all processes of the tests share one client.
        """
        return store

    async def pass_time(self, seconds: float) -> None:
        """Return when the store's clock is *seconds* ahead; left as it is, that takes as long."""
        await asyncio.sleep(seconds)

    @asynccontextmanager
    async def bench(self) -> AsyncIterator[Bench]:
        async with self.open_store() as store:
            yield Bench(store, self)

    @asynccontextmanager
    async def two(self) -> AsyncIterator[tuple[Bench, Bench]]:
        """Give a store as two processes have it."""
        async with self.bench() as bench, AsyncExitStack() as stack:
            other = await bench.another()
            if other is not bench.store:
                stack.push_async_callback(other.close)
            yield bench, Bench(other, self)
