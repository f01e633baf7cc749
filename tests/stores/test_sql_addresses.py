"""How a store in a database is told, and what is said of its address."""

import subprocess
import sys

import pytest
from sqlalchemy import create_engine
from sqlalchemy.ext.asyncio import create_async_engine

from aioclock.exceptions import StoreError, StoreUnavailableError
from aioclock.stores import store_at
from aioclock.stores._sqlalchemy import SQLStore


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("postgresql://me:secret@host/db", "write postgresql\\+asyncpg://"),
        ("postgresql+psycopg2://me:secret@host/db", "write postgresql\\+asyncpg://"),
        ("postgresql+nothing://me:secret@host/db", "write postgresql\\+asyncpg://"),
        ("mysql://me:secret@host/db", "write mysql\\+aiomysql://"),
        ("mysql+pymysql://me:secret@host/db", "write mysql\\+aiomysql://"),
        ("mariadb://me:secret@host/db", "write mariadb\\+aiomysql://"),
        ("mysql+aiomysql://me:secret@host:port/db", "percent-encoded"),
    ],
)
def test_an_address_without_an_asynchronous_driver_is_refused(address: str, told: str) -> None:
    with pytest.raises(StoreError, match=told) as caught:
        store_at(address)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("postgresql+asyncpg://me:secret@host:5433/db", "postgresql+asyncpg://me@host:5433/db"),
        ("postgresql+asyncpg://host/db?password=secret&ssl=require", "postgresql+asyncpg://host/db"),
        ("mysql+aiomysql://me:s%40cret@host/db", "mysql+aiomysql://me@host/db"),
    ],
)
def test_the_name_tells_no_secret(address: str, name: str) -> None:
    assert store_at(address).name == name


def test_only_asynchronous_engines_of_servers_will_do() -> None:
    with pytest.raises(StoreError, match="create_async_engine, got Engine"):
        SQLStore(create_engine("sqlite://"))  # type: ignore[arg-type]


def test_an_engine_of_another_database_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = create_async_engine("postgresql+asyncpg://host/db")
    monkeypatch.setattr(engine.sync_engine.dialect, "name", "oracle")
    with pytest.raises(StoreError, match=r"no store is made of oracle; there are postgresql\+asyncpg, "):
        SQLStore(engine)


async def test_a_store_that_is_not_open_says_so() -> None:
    store = store_at("postgresql+asyncpg://host/db")
    await store.close()
    with pytest.raises(StoreError, match="is not open"):
        await store.tasks()


@pytest.mark.parametrize(
    "address", ["postgresql+asyncpg://me:secret@127.0.0.1:1/db", "mysql+aiomysql://me:secret@127.0.0.1:1/db"]
)
async def test_nobody_listening_may_change_and_tells_no_secret(address: str) -> None:
    store = store_at(address)
    with pytest.raises(StoreUnavailableError, match=r"127\.0\.0\.1") as caught:
        await store.open()
    assert "secret" not in str(caught.value)
    await store.close()


@pytest.mark.parametrize(
    ("missing", "address"),
    [
        ("sqlalchemy", "postgresql+asyncpg://host/db"),
        ("greenlet", "postgresql+asyncpg://host/db"),
        ("asyncpg", "postgresql+asyncpg://host/db"),
        ("aiomysql", "mysql+aiomysql://host/db"),
    ],
)
def test_a_missing_package_is_told_with_the_extra(missing: str, address: str) -> None:
    program = f"""
import sys
sys.modules[{missing!r}] = None
from aioclock.stores import store_at
try:
    store_at({address!r})
except ImportError as error:
    print(error.name, "pip install 'aioclock[sql]'" in str(error))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=False)
    assert (done.stdout, done.stderr) == (f"{missing} True\n", "")


def test_a_file_needs_no_package() -> None:
    program = """
import sys
sys.modules["sqlalchemy"] = None
from aioclock.stores import store_at
print(store_at("sqlite:///clock.db").name)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=False)
    assert done.stdout == "sqlite:///clock.db\n"
