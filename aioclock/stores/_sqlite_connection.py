"""A connection to SQLite on a thread of its own, and scripts on it."""

import sqlite3
from asyncio import get_running_loop, wait
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from time import monotonic, sleep
from typing import Any, ParamSpec, TypeVar

from aioclock.exceptions import StoreError, StoreUnavailableError
from aioclock.stores._sql._statements import Rows, Script, Statement

__all__ = ["BUSY_S", "SQLiteThread", "advance", "connect", "play", "store_error"]

P = ParamSpec("P")
T = TypeVar("T")

BUSY_S = 5.0
"""How long one process waits for another to end its transaction."""

_TRANSIENT = {
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_PROTOCOL,
    sqlite3.SQLITE_NOMEM,
    sqlite3.SQLITE_INTERRUPT,
}


def store_error(error: Exception, name: str) -> StoreError:
    """Return *error* of the store *name* as users see it."""
    code = getattr(error, "sqlite_errorcode", None)
    # The other bits tell more exactly what happened.
    kind = StoreUnavailableError if code is not None and code & 0xFF in _TRANSIENT else StoreError
    return kind(f"the store {name}: {error}")


def connect(path: Path, *, full: bool, now: Callable[[], int]) -> sqlite3.Connection:
    """Connect to the file *path*, which is made if it is missing.

    Args:
        full: Whether a transaction is on the disk before it counts as done.
        now: Shows the time that the store goes by, in microseconds.
    """
    connection = sqlite3.connect(path, timeout=BUSY_S, isolation_level=None, check_same_thread=False)
    try:
        _use_wal(connection)
        connection.execute(f"PRAGMA synchronous = {'FULL' if full else 'NORMAL'}")
        connection.create_function("aioclock_now", 0, now)
    except BaseException:
        connection.close()
        raise
    return connection


def _use_wal(connection: sqlite3.Connection) -> None:
    # While another process does the same, SQLite refuses at once however long it was told to wait.
    deadline = monotonic() + BUSY_S
    while True:
        try:
            [(mode,)] = connection.execute("PRAGMA journal_mode = WAL").fetchall()
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or monotonic() > deadline:
                raise
            sleep(0.01)
        else:
            break
    if mode != "wal":
        raise StoreError(f"its file system does not allow SQLite's write-ahead log (journal mode is {mode!r})")


def play(connection: sqlite3.Connection, script: Script[T]) -> T:
    """Run *script* in a transaction and return its answer."""
    try:
        answer = advance(connection, script)
        if connection.in_transaction:
            connection.execute("COMMIT")
    except BaseException:
        roll_back(connection)
        raise
    return answer


def advance(connection: sqlite3.Connection, script: Script[T]) -> T:
    """Run *script* in whatever transaction there is."""
    try:
        statement = next(script)
        while True:
            statement = script.send(_execute(connection, statement))
    except StopIteration as stop:
        answer: T = stop.value
        return answer


def _execute(connection: sqlite3.Connection, statement: Statement) -> Rows:
    if isinstance(statement.params, list):
        connection.executemany(statement.sql, statement.params)
        return []
    return connection.execute(statement.sql, statement.params).fetchall()


def roll_back(connection: sqlite3.Connection) -> None:
    # After some errors SQLite has done it.
    with suppress(sqlite3.Error):
        if connection.in_transaction:
            connection.execute("ROLLBACK")


class SQLiteThread:
    """A thread with a connection that nothing else uses.

    Whoever waits for a call may be cancelled; the call itself goes on to its end.
    """

    def __init__(self, opened: Callable[[], sqlite3.Connection]) -> None:
        self._opened = opened
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="aioclock-sqlite")
        self.connection: sqlite3.Connection | None = None

    async def call(self, function: Callable[..., T], *args: Any) -> T:
        """Return what *function* returns on the thread when it is given the connection and *args*."""
        return await get_running_loop().run_in_executor(self._executor, self._call, function, *args)

    def _call(self, function: Callable[..., T], *args: Any) -> T:
        if self.connection is None:
            self.connection = self._opened()
        return function(self.connection, *args)

    async def end(self, *, patience_s: float | None = None) -> None:
        """End thread and connection, and what the connection has begun, even if the caller is cancelled.

        Args:
            patience_s: How long to wait for that; None: until it is done.
        """
        job = get_running_loop().run_in_executor(self._executor, self._close)
        self._executor.shutdown(wait=False)
        await wait([job], timeout=patience_s)

    def interrupt(self) -> None:
        """Break off the statement that is being executed."""
        if self.connection is not None:
            self.connection.interrupt()

    def _close(self) -> None:
        if self.connection is not None:
            roll_back(self.connection)
            self.connection.close()
