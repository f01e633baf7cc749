"""A store in a file: its address, what may be wrong with the file, and several processes at it."""

import asyncio
import sqlite3
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from aioclock.exceptions import StoreError, StoreUnavailableError
from aioclock.stores import Claim, Finish, Registration, Verdict
from aioclock.stores import _sqlite as module
from aioclock.stores import _sqlite_connection as connections
from aioclock.stores._sqlite import SQLiteStore

LEASE = 30_000_000


@pytest.fixture
def address(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'clock.db'}"


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "BUSY_S", 0.05)


@asynccontextmanager
async def opened(address: str) -> AsyncIterator[SQLiteStore]:
    store = SQLiteStore(address)
    await store.open()
    try:
        yield store
    finally:
        await store.close()


async def claim_of(store: SQLiteStore, **fields: Any) -> Claim:
    [task] = await store.register([Registration(key="task", fingerprint="f")], by="test")
    given = {"id": "c" * 32, "task_key": "task", "tick": task.cursor + 1, "owner": "o" * 32, "lease": LEASE}
    return Claim(**{**given, **fields})


def query(address: str, sql: str) -> list[Any]:
    connection = sqlite3.connect(address.removeprefix("sqlite:///"), isolation_level=None)
    try:
        return connection.execute(sql).fetchall()
    finally:
        connection.close()


# Addresses


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("sqlite://", "memory://"),
        ("sqlite:///", "memory://"),
        ("sqlite:///:memory:", "memory://"),
        ("sqlite://clock.db", "third slash"),
        ("sqlite+aiosqlite:///clock.db", "standard library"),
        ("sqlite:///clock.db?timeout=3", "'timeout'"),
        ("sqlite:///clock.db?durability=most", "'most'"),
    ],
)
def test_an_address_that_tells_of_no_file_is_refused(address: str, told: str) -> None:
    with pytest.raises(StoreError, match=told):
        SQLiteStore(address)


def test_a_path_is_relative_or_absolute_and_may_be_escaped() -> None:
    assert SQLiteStore("sqlite:///clock.db").path == Path.cwd() / "clock.db"
    assert SQLiteStore("sqlite:////var/lib/clock.db").path == Path("/var/lib/clock.db")
    assert SQLiteStore("sqlite:///what%3F.db").path.name == "what?.db"


def test_the_name_is_the_address_without_options() -> None:
    assert SQLiteStore("sqlite:///clock.db?durability=full").name == "sqlite:///clock.db"


async def test_a_missing_folder_is_told(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"there is no folder .*nowhere"):
        await SQLiteStore(f"sqlite:///{tmp_path}/nowhere/clock.db").open()


async def test_an_old_sqlite_is_refused(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite3, "sqlite_version_info", (3, 34, 1))
    with pytest.raises(StoreError, match=r"needs SQLite 3\.35"):
        await SQLiteStore(address).open()


@pytest.mark.parametrize(("option", "level"), [("", 1), ("?durability=normal", 1), ("?durability=full", 2)])
async def test_durability_is_chosen_by_the_address(address: str, option: str, level: int) -> None:
    async with opened(address + option) as store:
        assert store._thread is not None
        for pragma, value in (("synchronous", level), ("journal_mode", "wal")):
            rows = await store._thread.call(lambda connection, name: list(connection.execute(f"PRAGMA {name}")), pragma)
            assert rows == [(value,)]


async def test_a_store_that_is_not_open_says_so(address: str) -> None:
    store = SQLiteStore(address)
    await store.close()
    with pytest.raises(StoreError, match="is not open"):
        await store.tasks()


# What may be wrong with the file


async def test_a_file_that_is_something_else_is_refused(address: str, tmp_path: Path) -> None:
    (tmp_path / "clock.db").write_text("not a database, though long enough to look at" * 100)
    with pytest.raises(StoreError, match="not a database") as caught:
        await SQLiteStore(address).open()
    assert not isinstance(caught.value, StoreUnavailableError)


@pytest.mark.usefixtures("impatient")
async def test_a_locked_file_is_out_of_reach_until_it_is_free(address: str) -> None:
    async with opened(address) as store:
        claim = await claim_of(store)
        other = sqlite3.connect(store.path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreUnavailableError, match="database is locked"):
            await store.claim([claim])
        other.close()
        assert [answer.verdict for answer in await store.claim([claim])] == [Verdict.RUN]


@pytest.mark.usefixtures("impatient")
async def test_who_comes_too_late_does_not_wait_for_the_file(address: str) -> None:
    async with opened(address) as store:
        claim = await claim_of(store)
        await store.claim([claim])
        other = sqlite3.connect(store.path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        late = await claim_of(store, id="d" * 32, tick=claim.tick)
        assert [answer.verdict for answer in await store.claim([late])] == [Verdict.TAKEN]
        other.close()


async def test_a_full_disk_is_told_and_nothing_is_half_written(address: str) -> None:
    async with opened(address) as store:
        await limit_pages(store, 1)
        many = [Registration(key=f"{n}" * 100, fingerprint="f" * 1000) for n in range(200)]
        with pytest.raises(StoreUnavailableError, match="full"):
            await store.register(many, by="test")
        assert await store.tasks() == []
        await limit_pages(store, 10_000)
        assert len(await store.register(many, by="test")) == 200


async def limit_pages(store: SQLiteStore, pages: int) -> None:
    assert store._thread is not None
    await store._thread.call(lambda connection: connection.execute(f"PRAGMA max_page_count = {pages}").fetchall())


def test_a_file_that_may_not_grow_is_out_of_reach(address: str) -> None:
    program = f"""
import asyncio, resource, signal
from aioclock.exceptions import StoreUnavailableError
from aioclock.stores import Registration, store_at

async def main():
    store = store_at({address!r})
    await store.open()
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, resource.RLIM_INFINITY))
    many = [Registration(key=f"{{n}}", fingerprint="f" * 10_000) for n in range(100)]
    try:
        await store.register(many, by="test")
    except StoreUnavailableError as error:
        print(error)
    print(len(await store.tasks()))
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    print(len(await store.register(many, by="test")))
    await store.close()

asyncio.run(main())
"""
    error, before, after = run_python(program).splitlines()
    assert address in error
    assert (before, after) == ("0", "100")


async def test_damage_is_found_by_the_check(address: str) -> None:
    async with opened(address) as store:
        await store.register([Registration(key=f"{n}", fingerprint="f" * 1000) for n in range(50)], by="test")
        assert await store.check() == []
    path = store.path
    query(address, "PRAGMA journal_mode = DELETE")
    content = bytearray(path.read_bytes())
    content[-4096:-2048] = b"\xff" * 2048
    path.write_bytes(content)
    problems = await store.check()
    assert problems
    assert all("damaged" in problem for problem in problems)


async def test_a_check_makes_no_file(address: str) -> None:
    store = SQLiteStore(address)
    assert await store.check() == ["its file is missing; whoever opens the store makes it"]
    assert not store.path.exists()


async def test_runs_that_nobody_reaps_are_found_by_the_check(address: str) -> None:
    async with opened(address) as store:
        await store.claim([await claim_of(store, lease=-100_000_000)])
        assert await store.check() == ["1 runs are past their leases, the first since 100 s: nobody reaps them"]


# Several processes, and the ends of calls


def test_several_processes_may_make_the_file_at_once(address: str) -> None:
    program = f"""
import asyncio
from aioclock.stores import Registration, store_at

async def main():
    store = store_at({address!r})
    await store.open()
    [task] = await store.register([Registration(key="task", fingerprint="f")], by="test")
    print(task.anchor)
    await store.close()

asyncio.run(main())
"""
    processes = [
        subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    outputs = [process.communicate(timeout=30) for process in processes]
    assert [error for _, error in outputs] == [""] * 4
    assert len({anchor for anchor, _ in outputs}) == 1
    assert query(address, "SELECT COUNT(*) FROM aioclock_event") == [(1,)]


def test_a_process_may_end_without_closing_its_store(address: str) -> None:
    program = f"""
import asyncio
from aioclock.stores import store_at

async def main():
    await store_at({address!r}).open()

asyncio.run(main())
print("done")
"""
    assert run_python(program) == "done\n"


async def test_a_call_that_was_cancelled_leaves_the_store_in_order(address: str) -> None:
    async with opened(address) as store:
        claim = await claim_of(store)
        other = sqlite3.connect(store.path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await store.claim([claim])
        other.close()
        answers = await store.claim([claim])
        assert [(answer.verdict, answer.fence) for answer in answers] == [(Verdict.RUN, 1)]


async def test_a_transaction_that_waits_for_the_file_may_be_cancelled(address: str) -> None:
    async with opened(address) as store:
        other = sqlite3.connect(store.path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        began = time.monotonic()
        async with asyncio.timeout(0.05) as limit:
            with suppress(asyncio.CancelledError):
                await store.transaction(no_end).__aenter__()
        assert limit.expired()
        assert time.monotonic() - began < connections.BUSY_S / 2
        other.close()


def no_end() -> Finish:
    raise AssertionError("the block was not reached")


async def test_opening_that_fails_leaves_no_thread(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    ended = []

    class Thread(module.SQLiteThread):
        async def end(self, **patience: Any) -> None:
            await super().end(**patience)
            ended.append(self)

    monkeypatch.setattr(module, "SQLiteThread", Thread)
    query(address, "CREATE TABLE aioclock_meta (name, value)")
    query(address, "INSERT INTO aioclock_meta VALUES ('schema', 999)")
    with pytest.raises(StoreError, match="newer aioclock"):
        await SQLiteStore(address).open()
    assert len(ended) == 1


def run_python(program: str) -> str:
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=False)
    assert done.stderr == ""
    return done.stdout
