"""The user's writes and the end of a run are committed together, or neither is."""

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from aioclock.exceptions import LeaseLostError, StoreError, StoreUnavailableError
from aioclock.stores import Claim, Finish, Registration, RunQuery, TransactionalStore, store_at
from aioclock.stores._sqlite import SQLiteStore
from sql_servers import empty, execute, needs_mariadb, needs_postgresql

SQLITE = pytest.param("sqlite")
POSTGRESQL = pytest.param("postgresql", marks=needs_postgresql)
MARIADB = pytest.param("mariadb", marks=needs_mariadb)


class Bench:
    """A store with a run that is going, and a table of the user's."""

    def __init__(self, store: TransactionalStore, address: str) -> None:
        self.store = store
        self._address = address

    async def start(self) -> None:
        await self.sql("CREATE TABLE effects (amount INTEGER)")
        await self.store.open()
        [task] = await self.store.register([Registration(key="task", fingerprint="f")], by="test")
        self.claim = Claim(id="c" * 32, task_key="task", tick=task.cursor + 1, owner="o" * 32, lease=0, on_lost="rerun")
        [self.claimed] = await self.store.claim([self.claim])

    async def sql(self, sql: str) -> list[Any]:
        """Execute *sql* on a connection that has nothing to do with the store."""
        if "sqlite" not in self._address:
            return await execute(self._address, sql)
        connection = sqlite3.connect(self._address.removeprefix("sqlite:///"), isolation_level=None)
        try:
            return connection.execute(sql).fetchall()
        finally:
            connection.close()

    def end(self, outcome: str = "succeeded") -> Finish:
        fence = self.claimed.fence
        return Finish(claim_id=self.claim.id, task_key="task", fence=fence, outcome=outcome, finished=1)

    async def write(self, connection: Any, amount: int) -> None:
        sql = f"INSERT INTO effects (amount) VALUES ({amount})"
        await connection.execute(sql if "sqlite" in self._address else text(sql))

    async def outcome(self) -> tuple[str, list[int]]:
        """Return the state of the run, and what the user has written."""
        [run] = await self.store.runs(RunQuery())
        return run.state, [amount for (amount,) in await self.sql("SELECT amount FROM effects ORDER BY amount")]


@pytest.fixture(params=[SQLITE, POSTGRESQL, MARIADB])
async def bench(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Bench]:
    if request.param == "sqlite":
        address = f"sqlite:///{tmp_path / 'clock.db'}"
    else:
        address = request.getfixturevalue(request.param).url
        await empty(address)
        await execute(address, "DROP TABLE IF EXISTS effects")
    store = store_at(address)
    assert isinstance(store, TransactionalStore)
    bench = Bench(store, address)
    await bench.start()
    yield bench
    await store.close()


async def test_effects_and_the_end_of_the_run_are_committed_together(bench: Bench) -> None:
    async with bench.store.transaction(bench.end) as connection:
        await bench.write(connection, 1)
        await bench.write(connection, 2)
        assert await bench.outcome() == ("running", [])
    assert await bench.outcome() == ("succeeded", [1, 2])


async def test_the_end_is_asked_for_after_the_block(bench: Bench) -> None:
    asked: list[str] = []

    def end() -> Finish:
        asked.append("end")
        return bench.end("timed_out")

    async with bench.store.transaction(end):
        assert asked == []
    assert (await bench.outcome())[0] == "timed_out"
    assert [note.kind for note in await bench.store.notes()] == ["registered", "timed_out"]


async def test_an_error_in_the_block_takes_all_back_and_is_raised_as_it_is(bench: Bench) -> None:
    class MineError(Exception):
        pass

    async def block() -> None:
        async with bench.store.transaction(bench.end) as connection:
            await bench.write(connection, 1)
            raise MineError

    with pytest.raises(MineError):
        await block()
    assert await bench.outcome() == ("running", [])


async def test_an_error_of_the_users_sql_is_raised_as_it_is(bench: Bench) -> None:
    with pytest.raises((sqlite3.OperationalError, DBAPIError)):
        async with bench.store.transaction(bench.end) as connection:
            await bench.write(connection, "no number")  # type: ignore[arg-type]
    assert await bench.outcome() == ("running", [])


async def test_a_run_that_was_taken_over_has_no_effects(bench: Bench) -> None:
    async def block() -> None:
        async with bench.store.transaction(bench.end) as connection:
            await bench.write(connection, 1)
            await take_over(bench)

    with pytest.raises(LeaseLostError) as caught:
        await block()
    assert caught.value.task_name == "task"
    assert await bench.outcome() == ("running", [])


async def take_over(bench: Bench) -> None:
    if "sqlite" in bench.store.name:  # nobody else can write meanwhile
        bench.claimed = replace(bench.claimed, fence=bench.claimed.fence + 1)
        return
    [reaped] = await bench.store.reap(owner="p" * 32, keys=["task"], lease=30_000_000)
    assert reaped.record.fence == bench.claimed.fence + 1


async def test_a_run_ends_once(bench: Bench) -> None:
    async with bench.store.transaction(bench.end) as connection:
        await bench.write(connection, 1)
    with pytest.raises(LeaseLostError):
        async with bench.store.transaction(lambda: bench.end("failed")) as connection:
            await bench.write(connection, 2)
    assert await bench.outcome() == ("succeeded", [1])


async def test_a_cancelled_block_leaves_neither_lock_nor_thread(bench: Bench) -> None:
    entered = asyncio.Event()

    async def block() -> None:
        async with bench.store.transaction(bench.end) as connection:
            await bench.write(connection, 1)
            entered.set()
            await asyncio.sleep(60)

    threads = threading.active_count()
    task = asyncio.create_task(block())
    await entered.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await bench.outcome() == ("running", [])
    [finished] = await bench.store.finish([bench.end()])
    assert finished.accepted
    await eventually(lambda: threading.active_count() == threads)


async def eventually(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not true():  # noqa: ASYNC110 - threads tell nobody that they have ended
            await asyncio.sleep(0.01)


async def test_several_blocks_of_one_process_take_turns(bench: Bench) -> None:
    async def block(amount: int) -> bool:
        try:
            async with bench.store.transaction(lambda: replace(bench.end(), finished=amount)) as connection:
                await bench.write(connection, amount)
                await asyncio.sleep(0.01)
        except LeaseLostError:
            return False
        return True

    assert sorted(await asyncio.gather(*(block(amount) for amount in range(15)))) == [False] * 14 + [True]
    state, effects = await bench.outcome()
    assert (state, len(effects)) == ("succeeded", 1)


async def test_a_block_must_not_commit_itself(bench: Bench) -> None:
    async with AsyncExitStack() as stack:
        connection = await stack.enter_async_context(bench.store.transaction(bench.end))
        if "sqlite" in bench.store.name:
            await connection.execute("COMMIT")
        else:
            await connection.commit()
        with pytest.raises(StoreError, match="has ended before its block"):
            await stack.aclose()
    assert await bench.outcome() == ("running", [])


async def test_a_store_that_is_not_open_has_no_transactions(bench: Bench) -> None:
    await bench.store.close()
    with pytest.raises(StoreError, match="is not open"):
        async with bench.store.transaction(bench.end):
            raise AssertionError


async def test_many_rows_may_be_written_to_a_file_at_once(tmp_path: Path) -> None:
    bench = Bench(SQLiteStore(f"sqlite:///{tmp_path / 'clock.db'}"), f"sqlite:///{tmp_path / 'clock.db'}")
    await bench.start()
    async with bench.store.transaction(bench.end) as connection:
        await connection.executemany("INSERT INTO effects (amount) VALUES (:amount)", [{"amount": 1}, {"amount": 2}])
        assert await connection.execute("SELECT SUM(amount) FROM effects WHERE amount < ?", [9]) == [(3,)]
    await bench.store.close()


async def test_a_transaction_on_a_locked_file_is_out_of_reach(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aioclock.stores._sqlite_connection.BUSY_S", 0.05)
    bench = Bench(SQLiteStore(f"sqlite:///{tmp_path / 'clock.db'}"), f"sqlite:///{tmp_path / 'clock.db'}")
    await bench.start()
    async with bench.store.transaction(bench.end):
        other = SQLiteStore(bench.store.name)
        await other.open()
        with pytest.raises(StoreUnavailableError, match="locked"):
            async with other.transaction(bench.end):
                raise AssertionError
        await other.close()
    assert await bench.outcome() == ("succeeded", [])
    await bench.store.close()
