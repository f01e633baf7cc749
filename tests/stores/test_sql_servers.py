"""Stores on real servers: connections that die, servers that stop, processes that are frozen."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from aioclock.exceptions import StoreError, StoreUnavailableError
from aioclock.stores import Claim, Finish, Registration, RunQuery, Verdict
from aioclock.stores._sql._engine import advance, connected
from aioclock.stores._sql._records import locked_tasks
from aioclock.stores._sql._statements import Script, ask, begin
from aioclock.stores._sqlalchemy import SQLStore
from sql_servers import SQLServer, drop, execute, needs_mariadb, needs_postgresql

POSTGRESQL = pytest.param("postgresql", marks=needs_postgresql)
MARIADB = pytest.param("mariadb", marks=needs_mariadb)


@pytest.fixture(params=[POSTGRESQL, MARIADB])
async def server(request: pytest.FixtureRequest) -> SQLServer:
    server: SQLServer = request.getfixturevalue(request.param)
    await drop(server.url)
    return server


@asynccontextmanager
async def opened(server: SQLServer) -> AsyncIterator[SQLStore]:
    store = SQLStore(server.url)
    await store.open()
    try:
        yield store
    finally:
        await store.close()


async def claim_of(store: SQLStore, **fields: Any) -> Claim:
    [task] = await store.register([Registration(key="task", fingerprint="f")], by="test")
    given = {"id": "c" * 32, "task_key": "task", "tick": task.cursor + 1, "owner": "o" * 32, "lease": 30_000_000}
    return Claim(**{**given, **fields})


async def verdict(store: SQLStore, claim: Claim) -> Verdict:
    [answer] = await store.claim([claim])
    return answer.verdict


KILL = {
    "postgresql": ["SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'aioclock'"],
    "mysql": ["SELECT id FROM information_schema.processlist WHERE id <> connection_id() AND user = 'clock'"],
}
SLEEP = {"postgresql": "SELECT CAST(pg_sleep(0.3) AS text)", "mysql": "SELECT SLEEP(0.3)"}


async def kill_connections(server: SQLServer, store: SQLStore) -> None:
    rows = await execute(server.url, *KILL[store.dialect.name])
    if store.dialect.name == "mysql":
        await execute(server.url, *(f"KILL {connection}" for (connection,) in rows))


async def comes_true(attempt: Callable[[], Awaitable[Any]], *, seconds: float = 20) -> Any:
    """Return what *attempt* returns once the store can be reached."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            return await attempt()
        except StoreUnavailableError:
            assert time.monotonic() < deadline
            await asyncio.sleep(0.02)


async def test_many_may_make_the_tables_at_once(server: SQLServer) -> None:
    stores = [SQLStore(server.url) for _ in range(6)]
    await asyncio.gather(*(store.open() for store in stores))
    anchors = await asyncio.gather(*(claim_of(store) for store in stores))
    assert len({claim.tick for claim in anchors}) == 1
    assert len(await stores[0].notes()) == 1
    await asyncio.gather(*(store.close() for store in stores))


async def test_connections_that_were_ended_are_replaced_at_once(server: SQLServer) -> None:
    async with opened(server) as store:
        claim = await claim_of(store)
        await asyncio.gather(*(store.tasks() for _ in range(4)))
        await kill_connections(server, store)
        assert await verdict(store, claim) == Verdict.RUN
        assert len(await asyncio.gather(*(store.tasks() for _ in range(6)))) == 6


async def test_a_transaction_of_the_users_begins_on_a_connection_that_lives(server: SQLServer) -> None:
    async with opened(server) as store:
        claim = await claim_of(store)
        assert await verdict(store, claim) == Verdict.RUN
        await kill_connections(server, store)
        end = Finish(claim_id=claim.id, task_key="task", fence=1, outcome="succeeded", finished=1)
        async with store.transaction(lambda: end) as connection:
            await connection.execute(text("SELECT 1"))
        assert [run.state for run in await store.runs(RunQuery())] == ["succeeded"]


async def test_a_claim_whose_answer_was_lost_is_answered_again(
    server: SQLServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = AsyncConnection.commit
    lost: list[str] = []

    async def commit_and_die(connection: AsyncConnection) -> None:
        await commit(connection)
        if not lost:
            lost.append("answer")
            raise DBAPIError("COMMIT", None, OSError("connection reset"), connection_invalidated=True)

    async with opened(server) as store:
        claim = await claim_of(store)
        monkeypatch.setattr(AsyncConnection, "commit", commit_and_die)
        assert await verdict(store, claim) == Verdict.RUN
        assert lost == ["answer"]
        assert [run.fence for run in await store.runs(RunQuery())] == [1]


async def test_a_server_that_is_gone_may_come_back(server: SQLServer) -> None:
    async with opened(server) as store:
        claim = await claim_of(store)
        server.kill()
        with pytest.raises(StoreUnavailableError, match=r"the store .*127\.0\.0\.1") as caught:
            await verdict(store, claim)
        assert "secret" not in str(caught.value)
        server.start()
        assert await comes_true(partial(verdict, store, claim)) == Verdict.RUN


async def test_a_call_at_a_frozen_server_may_be_cancelled(server: SQLServer) -> None:
    async with opened(server) as store:
        claim = await claim_of(store)
        server.freeze()
        began = time.monotonic()
        try:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.2):
                    await verdict(store, claim)
            # SQLAlchemy tries for two seconds to take leave of PostgreSQL.
            assert time.monotonic() - began < 3.5
        finally:
            server.thaw()
        assert await comes_true(partial(verdict, store, claim)) == Verdict.RUN
        assert [run.fence for run in await store.runs(RunQuery())] == [1]


async def test_a_frozen_server_is_given_up_in_the_end(server: SQLServer) -> None:
    async with opened(server) as store:
        server.freeze()
        try:
            with pytest.raises(StoreUnavailableError, match="no answer in time"):
                await store._play(partial(ask, "SELECT 1"), patience_s=0.1)
        finally:
            server.thaw()


async def test_cancelling_calls_leaves_no_connection_in_use(server: SQLServer) -> None:
    async with opened(server) as store:
        await claim_of(store)
        for n in range(40):
            async with asyncio.timeout(n / 10_000) as limit:
                with suppress(asyncio.CancelledError):
                    await asyncio.gather(*(store.tasks() for _ in range(3)))
                    await asyncio.sleep(1)
            assert limit.expired()
        pool: Any = store._engine.pool
        async with asyncio.timeout(10):
            while pool.checkedout():  # noqa: ASYNC110 - the last ones are being closed
                await asyncio.sleep(0.01)
        assert [task.key for task in await store.tasks()] == ["task"]


async def test_a_process_that_is_frozen_within_a_transaction_does_not_keep_its_locks(server: SQLServer) -> None:
    async with opened(server) as store, opened(server) as frozen:
        claim = await claim_of(store)
        frozen.dialect = replace(frozen.dialect, begin=tuple(sql.replace("5", "1") for sql in frozen.dialect.begin))
        async with connected(frozen._engine, "frozen") as connection:
            await advance(connection, locked(frozen))
            assert await comes_true(partial(verdict, store, claim)) == Verdict.RUN
            with pytest.raises(StoreUnavailableError), frozen._errors_told():
                await advance(connection, locked(frozen))


def locked(store: SQLStore) -> Script[None]:
    yield from begin(store.dialect)
    yield from locked_tasks(store.dialect, ["task"])


async def test_transactions_that_wait_for_each_other_are_repeated(server: SQLServer) -> None:
    async with opened(server) as store:
        await store.register([Registration(key=key, fingerprint="f") for key in "ab"], by="test")
        began: list[str] = []

        def crossing(first: str, second: str) -> Script[str]:
            began.append(first)
            yield from begin(store.dialect)
            yield from locked_tasks(store.dialect, [first])
            yield from ask(SLEEP[store.dialect.name])
            yield from locked_tasks(store.dialect, [second])
            return first

        runs = [store._run(partial(crossing, *keys)) for keys in ("ab", "ba")]
        assert await asyncio.gather(*runs) == ["a", "b"]
        assert len(began) == 3


async def test_waiting_for_a_lock_too_long_may_be_tried_again(server: SQLServer) -> None:
    async with opened(server) as store, opened(server) as other:
        claim = await claim_of(store)
        store.dialect = replace(store.dialect, begin=tuple(sql.replace("5", "1") for sql in store.dialect.begin))
        async with connected(other._engine, "other") as connection:
            await advance(connection, locked(other))
            with pytest.raises(StoreUnavailableError):
                await verdict(store, claim)
        assert await verdict(store, claim) == Verdict.RUN


async def test_what_does_not_fit_is_an_error_for_good(server: SQLServer) -> None:
    async with opened(server) as store:
        with pytest.raises(StoreError) as caught:
            await store.register([Registration(key="x\udc80", fingerprint="f")], by="test")
        assert not isinstance(caught.value, StoreUnavailableError)
        with pytest.raises(StoreError, match="no_such_table") as caught:
            await store._run(partial(ask, "SELECT secret FROM no_such_table"))
        assert not isinstance(caught.value, StoreUnavailableError)
        assert "SELECT" not in str(caught.value)


async def test_a_database_that_is_not_there_is_told(server: SQLServer) -> None:
    store = SQLStore(server.url.rpartition("/")[0] + "/nowhere")
    with pytest.raises(StoreError, match="nowhere") as caught:
        await store.open()
    assert not isinstance(caught.value, StoreUnavailableError)
    await store.close()


async def test_an_engine_of_the_users_stays_open(server: SQLServer) -> None:
    engine = create_async_engine(server.url)
    store = SQLStore(engine)
    await store.open()
    assert await verdict(store, await claim_of(store)) == Verdict.RUN
    await store.close()
    pool: Any = engine.pool
    assert pool.checkedin() == 1
    await engine.dispose()


async def test_a_store_may_be_opened_again_in_another_loop(server: SQLServer) -> None:
    store = SQLStore(server.url)

    async def keys() -> list[str]:
        await store.open()
        [task] = await store.register([Registration(key="task", fingerprint="f")], by="test")
        await store.close()
        return [task.key]

    for _ in range(2):
        assert await asyncio.to_thread(asyncio.run, keys()) == ["task"]


async def test_a_check_compares_clocks(server: SQLServer, monkeypatch: pytest.MonkeyPatch) -> None:
    async with opened(server) as store:
        assert await store.check() == []
        ahead = time.time() + 5
        monkeypatch.setattr("aioclock.stores._sqlalchemy.time", lambda: ahead)
        [problem] = await store.check()
        assert "ahead of the store's" in problem


async def test_upgrading_makes_the_tables(server: SQLServer) -> None:
    store = SQLStore(server.url)
    assert await store.check() == ["its schema is missing, this aioclock needs 1: run `aioclock store upgrade`"]
    assert await store.upgrade() == [1]
    assert await store.upgrade() == []
    assert await store.check() == []


@needs_postgresql
async def test_nothing_is_left_on_a_connection_of_postgresql(postgresql: SQLServer) -> None:
    await drop(postgresql.url)
    async with opened(postgresql) as store:
        await verdict(store, await claim_of(store))
        [(left,)] = await store._run(partial(ask, "SELECT COUNT(*) FROM pg_prepared_statements"))
        assert left == 0
        for limit in ("lock_timeout", "statement_timeout", "idle_in_transaction_session_timeout"):
            assert await store._run(partial(ask, f"SELECT current_setting('{limit}')")) == [("0",)]
