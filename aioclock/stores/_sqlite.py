"""A store in a file, for all processes of one machine."""

import sqlite3
from asyncio import Lock
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import parse_qsl, unquote

from aioclock.clock import current_clock
from aioclock.exceptions import LeaseLostError, StoreError
from aioclock.stores._sql import _claims, _schema
from aioclock.stores._sql._dialects import SQLITE
from aioclock.stores._sql._statements import Script
from aioclock.stores._sql._store import ScriptedStore
from aioclock.stores._sqlite_connection import SQLiteThread, advance, connect, play, store_error
from aioclock.stores._words import Finish, micros

__all__ = ["SQLiteStore", "SQLiteTransaction"]

T = TypeVar("T")

_OLDEST = (3, 35)

GIVE_UP_S = 0.5
"""How long whoever is cancelled waits for a thread to end, which may be waiting for the file; it ends all the same."""


class SQLiteStore(ScriptedStore):
    """Keeps everything in a file, through the standard library's `sqlite3`.

    ```python
    from aioclock import AioClock

    app = AioClock(store="sqlite:///clock.db")
    ```

    Args:
        address: `sqlite:///clock.db` is in the working directory, `sqlite:////var/lib/clock.db` is anywhere.
            `?durability=full` waits for the disk at every transaction; without it a power failure may take back the
            latest ones, though nothing else does.

    Raises:
        StoreError: the address tells of no file, or has an option that is none.
    """

    dialect = SQLITE

    def __init__(self, address: str) -> None:
        self.path, self._full = _read(address)
        # The process may go elsewhere before it connects again.
        self.path = self.path.absolute()
        self.name = address.partition("?")[0]
        self._thread: SQLiteThread | None = None
        self._turn = Lock()

    async def open(self) -> None:
        if self._thread is None:
            thread = self._new_thread()
            try:
                await self._play(thread, partial(_schema.prepare, SQLITE, self.name))
            except BaseException:
                await thread.end(patience_s=GIVE_UP_S)
                raise
            # It keeps to the loop that it was first waited for in.
            self._thread, self._turn = thread, Lock()

    async def close(self) -> None:
        if self._thread is not None:
            thread, self._thread = self._thread, None
            await thread.end()

    async def upgrade(self) -> list[int]:
        """Bring the tables up to date and return the versions that this went through; it need not be open."""
        async with self._another_thread() as thread:
            return await self._play(thread, partial(_schema.migrate, SQLITE, self.name))

    async def check(self) -> list[str]:
        """Return what is wrong with the store, in words; it need not be open."""
        if not self.path.exists():
            return ["its file is missing; whoever opens the store makes it"]
        async with self._another_thread() as thread:
            with self._errors_told():
                damage = await thread.call(_damage)
            # A file that is damaged says nothing about the rest.
            return damage or await self._play(thread, partial(_schema.problems, SQLITE, None))

    @asynccontextmanager
    async def transaction(self, end: Callable[[], Finish]) -> AsyncIterator["SQLiteTransaction"]:
        """Return a block within one transaction on the store's file; see `TransactionalStore.transaction`.

        No process can write to the file in the meantime, so it must be short.
        """
        self._open_thread()
        # One at a time: others would only wait for the file, and fail if that takes long.
        async with self._turn, self._another_thread() as thread:
            with self._errors_told():
                await thread.call(_begin)
            try:
                yield SQLiteTransaction(thread)
            except BaseException:
                thread.interrupt()
                raise
            with self._errors_told():
                await thread.call(_finish, end())

    def _new_thread(self) -> SQLiteThread:
        if sqlite3.sqlite_version_info < _OLDEST:
            needed = ".".join(map(str, _OLDEST))
            raise StoreError(f"the store {self.name} needs SQLite {needed}, this Python has {sqlite3.sqlite_version}")
        if not self.path.parent.is_dir():
            raise StoreError(f"the store {self.name}: there is no folder {self.path.parent}")
        clock = current_clock()
        return SQLiteThread(lambda: connect(self.path, full=self._full, now=lambda: micros(clock.now().timestamp())))

    @asynccontextmanager
    async def _another_thread(self) -> AsyncIterator[SQLiteThread]:
        thread = self._new_thread()
        try:
            yield thread
        finally:
            await thread.end(patience_s=GIVE_UP_S)

    def _open_thread(self) -> SQLiteThread:
        if self._thread is None:
            raise StoreError(f"the store {self.name} is not open")
        return self._thread

    async def _run(self, script: Callable[[], Script[T]]) -> T:
        return await self._play(self._open_thread(), script)

    async def _play(self, thread: SQLiteThread, script: Callable[[], Script[T]]) -> T:
        with self._errors_told():
            return await thread.call(play, script())

    @contextmanager
    def _errors_told(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, UnicodeError, OverflowError) as error:
            raise store_error(error, self.name) from error


class SQLiteTransaction:
    """A transaction on the store's file, for the user's own tables."""

    def __init__(self, thread: SQLiteThread) -> None:
        self._thread = thread

    async def execute(self, sql: str, params: Any = ()) -> list[tuple[Any, ...]]:
        """Execute one statement and return its rows; *params* as in `sqlite3.Connection.execute`."""
        return await self._thread.call(_execute, sql, params)

    async def executemany(self, sql: str, params: Iterable[Any]) -> None:
        """Execute a statement for each of *params*."""
        await self._thread.call(_execute_many, sql, params)


def _read(address: str) -> tuple[Path, bool]:
    scheme, _, rest = address.partition("://")
    place, _, query = rest.partition("?")
    if scheme != "sqlite":
        raise StoreError(f"{scheme}:// can't be: a store in a file uses the standard library, as in sqlite:///clock.db")
    if place in ("", "/", "/:memory:"):
        raise StoreError(f"{scheme}://{place} would be in memory only, where memory:// does the same")
    if not place.startswith("/"):
        raise StoreError(f"{scheme}://{place} needs a third slash before the file, as in sqlite:///clock.db")
    options = dict(parse_qsl(query, keep_blank_values=True))
    durability = options.pop("durability", "normal")
    if options:
        raise StoreError(f"a store in a file has no option {', '.join(map(repr, options))}; there is durability=full")
    if durability not in ("full", "normal"):
        raise StoreError(f"durability is 'normal' or 'full', got {durability!r}")
    return Path(unquote(place[1:])), durability == "full"


def _damage(connection: sqlite3.Connection) -> list[str]:
    try:
        found = connection.execute("PRAGMA quick_check(3)").fetchall()
    except sqlite3.DatabaseError as error:
        if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_CORRUPT:
            raise
        found = [(str(error),)]
    return [f"its file is damaged: {line}" for (line,) in found if line != "ok"]


def _begin(connection: sqlite3.Connection) -> None:
    connection.execute("BEGIN IMMEDIATE")


def _finish(connection: sqlite3.Connection, end: Finish) -> None:
    _must_be_open(connection)
    [finished] = advance(connection, _claims.finish(replace(SQLITE, begin=()), [end]))
    if not finished.accepted:
        raise LeaseLostError(task_name=end.task_key)
    connection.execute("COMMIT")


def _execute(connection: sqlite3.Connection, sql: str, params: Sequence[Any]) -> list[tuple[Any, ...]]:
    _must_be_open(connection)
    return connection.execute(sql, params).fetchall()


def _execute_many(connection: sqlite3.Connection, sql: str, params: Iterable[Any]) -> None:
    _must_be_open(connection)
    connection.executemany(sql, params)


def _must_be_open(connection: sqlite3.Connection) -> None:
    if not connection.in_transaction:
        raise StoreError("the transaction has ended before its block; COMMIT and ROLLBACK are not for the block to say")
