"""The store works where each transaction may get another session, as behind PgBouncer."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from sqlalchemy import text

from aioclock.stores import Claim, Finish, Node, Pulse, Registration, Verdict
from aioclock.stores._sqlalchemy import SQLStore
from sql_servers import Pooler, SQLServer, drop, needs_pgbouncer, needs_postgresql

pytestmark = [needs_postgresql, needs_pgbouncer]

TICKS = 10


@pytest.fixture
async def stores(postgresql: SQLServer) -> AsyncIterator[list[SQLStore]]:
    """Give what five processes have of one store: more connections than there are sessions."""
    await drop(postgresql.url)
    with Pooler(postgresql) as pooler:
        stores = [SQLStore(pooler.url) for _ in range(5)]
        await asyncio.gather(*(store.open() for store in stores))
        yield stores
        await asyncio.gather(*(store.close() for store in stores))


async def process(store: SQLStore, number: int) -> int:
    """Try to get ticks as a process does, and return how many it got."""
    [task] = await store.register([Registration(key="task", fingerprint="f")], by=f"{number}")
    got = 0
    for n in range(1, TICKS + 1):
        claim = Claim(
            id=f"{number} {n}",
            task_key="task",
            tick=task.cursor + n,
            owner=f"{number}",
            lease=30_000_000,
            most_running=9,
        )
        [answer] = await store.claim([claim])
        await store.pulse(Pulse(node=Node(id=f"{number}"), lease=30_000_000, claims=(claim.id,), since=1))
        if answer.verdict == Verdict.RUN:
            got += 1
            await end(store, claim, answer.fence)
    return got


async def end(store: SQLStore, claim: Claim, fence: int) -> None:
    end = Finish(claim_id=claim.id, task_key="task", fence=fence, outcome="succeeded", finished=1)
    if fence % 2:
        [finished] = await store.finish([end])
        assert finished.accepted
        return
    async with store.transaction(lambda: replace(end, finished=2)) as connection:
        await connection.execute(text("SELECT 1"))


async def test_processes_behind_a_pooler_share_the_ticks(stores: list[SQLStore]) -> None:
    got = await asyncio.gather(*(process(store, number) for number, store in enumerate(stores)))
    assert sum(got) == TICKS
    [task] = await stores[0].tasks()
    assert (task.fence, task.failures) == (TICKS, 0)
