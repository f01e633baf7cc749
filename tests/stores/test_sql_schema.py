"""The tables of stores in SQL have a version, and come from one to the next."""

import sqlite3
from collections.abc import Iterator
from typing import Any

import pytest

from aioclock.exceptions import StoreError
from aioclock.stores import Registration
from aioclock.stores._sql import _migrations, _schema
from aioclock.stores._sql._dialects import MYSQL, POSTGRESQL, SQLITE, Dialect
from aioclock.stores._sql._migrations import MIGRATIONS, Index, Migration, Table, statements_of
from aioclock.stores._sqlite import SQLiteStore

ADDS = Migration(
    version=2,
    adds_only=True,
    tables=(Table("aioclock_extra", {"word": "word"}, (), (Index("aioclock_extra_word", "word", "word <> ''"),)),),
)
CHANGES = Migration(
    version=3, adds_only=False, statements={"sqlite": ("ALTER TABLE aioclock_task ADD COLUMN more INTEGER",)}
)


@pytest.fixture
def store(tmp_path: Any) -> SQLiteStore:
    return SQLiteStore(f"sqlite:///{tmp_path / 'clock.db'}")


@pytest.fixture
def migrations(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    def use(*more: Migration) -> None:
        for module in (_migrations, _schema):
            monkeypatch.setattr(module, "MIGRATIONS", (*MIGRATIONS, *more))
            monkeypatch.setattr(module, "LATEST", len(MIGRATIONS) + len(more))

    return use


async def made(store: SQLiteStore) -> None:
    await store.open()
    await store.register([Registration(key="task", fingerprint="f")], by="test")
    await store.close()


def tables(store: SQLiteStore) -> set[str]:
    connection = sqlite3.connect(store.path)
    try:
        return {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    finally:
        connection.close()


async def test_an_empty_store_gets_the_newest_tables(store: SQLiteStore, migrations: Any) -> None:
    migrations(ADDS, CHANGES)
    await made(store)
    assert "aioclock_extra" in tables(store)
    assert await store.check() == []


async def test_an_older_store_that_lacks_additions_only_gets_them(store: SQLiteStore, migrations: Any) -> None:
    await made(store)
    migrations(ADDS)
    await store.open()
    assert [task.key for task in await store.tasks()] == ["task"]
    await store.close()
    assert "aioclock_extra" in tables(store)


async def test_an_older_store_that_must_be_changed_is_left_to_the_command(store: SQLiteStore, migrations: Any) -> None:
    await made(store)
    migrations(ADDS, CHANGES)
    with pytest.raises(StoreError, match="`aioclock store upgrade`"):
        await store.open()
    assert await store.check() == ["its schema is 1, this aioclock needs 3: run `aioclock store upgrade`"]
    assert await store.upgrade() == [2, 3]
    assert await store.upgrade() == []
    await store.open()
    assert [task.key for task in await store.tasks()] == ["task"]
    await store.close()


async def test_a_newer_store_is_refused(store: SQLiteStore, migrations: Any) -> None:
    migrations(ADDS)
    await made(store)
    migrations()
    with pytest.raises(StoreError, match=r"made by a newer aioclock \(schema 2, this one knows 1\)"):
        await store.open()
    with pytest.raises(StoreError, match="made by a newer aioclock"):
        await store.upgrade()


async def test_a_file_of_other_tables_is_no_store_yet(store: SQLiteStore) -> None:
    sqlite3.connect(store.path).close()
    assert await store.check() == ["its schema is missing, this aioclock needs 1: run `aioclock store upgrade`"]
    assert await store.upgrade() == [1]


def test_migrations_are_numbered_without_gaps() -> None:
    assert [migration.version for migration in MIGRATIONS] == list(range(1, len(MIGRATIONS) + 1))


@pytest.mark.parametrize("dialect", [SQLITE, POSTGRESQL, MYSQL], ids=lambda dialect: dialect.name)
def test_statements_may_be_repeated(dialect: Dialect) -> None:
    for migration in (*MIGRATIONS, ADDS):
        assert all(" IF NOT EXISTS " in sql for sql in statements_of(migration, dialect))
