"""What the store in Redis makes of a server that dies, hangs, is full or forgets."""

import asyncio
import random
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import uuid4

import pytest

from aioclock.exceptions import StoreError, StoreUnavailableError
from aioclock.stores import Claim, Finish, Registration, RunQuery, TaskState, Verdict
from aioclock.stores._redis import RedisStore
from processes import wait_until
from redis_server import RedisServer, needs_redis

pytestmark = needs_redis
HOUR = 3600_000_000


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    with RedisServer(tmp_path) as server:
        yield server


@asynccontextmanager
async def opened(server: RedisServer, query: str = "") -> AsyncIterator[RedisStore]:
    store = RedisStore(server.url + query)
    await store.open()
    try:
        yield store
    finally:
        await store.close()


async def register(store: RedisStore, key: str = "task") -> TaskState:
    [task] = await store.register([Registration(key=key, fingerprint="f")], by="test")
    return task


def claim(task: TaskState, n: int = 0) -> Claim:
    return Claim(
        id=uuid4().hex, task_key=task.key, tick=task.anchor + n, owner="1" * 32, lease=HOUR, most_running=10**9
    )


async def verdict(store: RedisStore, asked: Claim) -> Verdict:
    [answer] = await store.claim([asked])
    return answer.verdict


async def test_what_was_answered_survives_the_server(server: RedisServer) -> None:
    async with opened(server) as store:
        task = await register(store)
        asked = claim(task)
        assert await verdict(store, asked) == Verdict.RUN
        kept = await store.runs(RunQuery()), await store.tasks(), await store.notes()
        server.kill()
        for _ in range(2):
            with pytest.raises(StoreUnavailableError, match=str(server.port)):
                await store.claim([asked])
        server.start()
        assert (await store.runs(RunQuery()), await store.tasks(), await store.notes()) == kept
        assert await verdict(store, asked) == Verdict.RUN
        assert await verdict(store, claim(task)) == Verdict.TAKEN
        assert await store.check() == []


async def test_a_connection_that_broke_is_made_anew_at_once(server: RedisServer) -> None:
    async with opened(server) as store:
        task = await register(store)
        server.stop()
        server.start()
        assert await verdict(store, claim(task)) == Verdict.RUN
        server.ask("CLIENT KILL TYPE normal")
        assert await store.tasks() != []


async def test_a_server_that_hangs_is_not_waited_for(server: RedisServer) -> None:
    async with opened(server, "?socket_timeout=0.2&socket_connect_timeout=0.2") as store:
        asked = claim(await register(store))
        server.freeze()
        with pytest.raises(StoreUnavailableError, match=r"[Tt]imeout"):
            await store.claim([asked])
        with pytest.raises(StoreUnavailableError, match=r"[Tt]imeout"):
            await RedisStore(f"{server.url}?socket_timeout=0.2").open()
        server.thaw()
        assert await verdict(store, asked) == Verdict.RUN
        assert len(await store.runs(RunQuery())) == 1


async def test_calls_that_were_given_up_leave_nothing_behind(server: RedisServer) -> None:
    async with opened(server) as store:
        asked = claim(await register(store))
        server.freeze()
        for _ in range(3):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05):
                    await store.claim([asked])
        server.thaw()
        assert await verdict(store, asked) == Verdict.RUN
        assert len(await store.runs(RunQuery())) == 1
        await connections_become(1, server)


async def test_no_call_gets_the_answer_to_one_that_was_cancelled(server: RedisServer) -> None:
    chance = random.Random(5)
    async with opened(server) as store:
        task = await register(store)
        await asyncio.gather(*(register(store, f"task {n}") for n in range(20)))

        async def ask(n: int) -> None:
            call = asyncio.create_task(store.tasks([f"task {n % 20}"]) if n % 2 else store.claim([claim(task, n)]))
            await asyncio.sleep(chance.random() * 0.004)
            call.cancel()
            await asyncio.wait([call])
            [told] = await store.tasks([f"task {(n + 7) % 20}"])
            assert told.key == f"task {(n + 7) % 20}"

        for some in range(0, 300, 10):
            await asyncio.gather(*(ask(n) for n in range(some, some + 10)))
        assert await store.check() == []
    await connections_become(0, server)


async def connections_become(expected: int, server: RedisServer) -> None:
    """Wait until so many clients are connected, this question left out."""

    def are_so_many() -> bool:
        match = re.search(r"connected_clients:(\d+)", server.ask("INFO clients"))
        return match is not None and int(match[1]) - 1 == expected

    await asyncio.to_thread(wait_until, are_so_many)


async def test_scripts_that_the_server_has_forgotten_are_sent_again(server: RedisServer) -> None:
    async with opened(server) as store:
        task = await register(store)
        assert await verdict(store, claim(task)) == Verdict.RUN
        server.ask("SCRIPT FLUSH")
        assert await verdict(store, claim(task, 1)) == Verdict.RUN


async def test_a_full_server_takes_nothing_and_is_pruned(server: RedisServer) -> None:
    async with opened(server) as store:
        asked = claim(await register(store))
        [answer] = await store.claim([asked])
        end = Finish(claim_id=asked.id, task_key="task", fence=answer.fence, outcome="succeeded", finished=1)
        await store.finish([end])
        before = await store.tasks()
        server.ask("CONFIG SET maxmemory 100kb")
        calls = [store.claim([claim(before[0], 1)]), store.finish([end]), register(store, "other")]
        with pytest.raises(StoreUnavailableError, match="memory"):
            await calls[0]
        assert await calls[1]  # nothing new
        with pytest.raises(StoreUnavailableError, match="memory"):
            await calls[2]
        assert await store.tasks() == before
        assert await store.prune(before=2) == 1
        assert await store.runs(RunQuery()) == []
        assert await store.check() == []
        server.ask("CONFIG SET maxmemory 0")
        assert await verdict(store, claim(before[0], 1)) == Verdict.RUN


async def test_a_busy_server_may_answer_later(server: RedisServer) -> None:
    async with opened(server) as store:
        await register(store)
        server.ask("CONFIG SET lua-time-limit 10")
        endless = asyncio.create_task(asyncio.to_thread(server.ask, "EVAL 'while true do end' 0"))
        await asyncio.sleep(0.2)
        with pytest.raises(StoreUnavailableError, match="BUSY"):
            await store.tasks()
        server.ask("SCRIPT KILL")
        await endless
        assert len(await store.tasks()) == 1


async def test_a_master_that_becomes_a_replica_may_be_replaced(server: RedisServer) -> None:
    async with opened(server) as store:
        task = await register(store)
        server.ask("REPLICAOF 127.0.0.1 1")
        with pytest.raises(StoreUnavailableError, match="replica"):
            await store.claim([claim(task)])
        await connections_become(0, server)
        server.ask("REPLICAOF NO ONE")
        assert await verdict(store, claim(task)) == Verdict.RUN


async def test_other_faults_do_not_pass(server: RedisServer) -> None:
    async with opened(server) as store:
        server.ask("SET {aioclock}:tasks nonsense")
        with pytest.raises(StoreError, match="WRONGTYPE") as caught:
            await store.tasks()
        assert not isinstance(caught.value, StoreUnavailableError)


async def test_a_store_is_opened_again_on_another_loop(server: RedisServer) -> None:
    store = RedisStore(server.url)

    async def use() -> int:
        await store.open()
        await store.open()  # does nothing
        await register(store, uuid4().hex)
        found = len(await store.tasks())
        await store.close()
        await store.close()
        return found

    def on_a_loop_of_its_own() -> int:
        return asyncio.run(use())

    assert [await asyncio.to_thread(on_a_loop_of_its_own) for _ in range(2)] == [1, 2]
    await connections_become(0, server)
