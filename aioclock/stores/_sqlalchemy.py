"""A store in PostgreSQL, MariaDB or MySQL, for processes on many machines."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from functools import partial
from importlib import import_module
from time import time
from typing import TypeVar

try:
    import_module("greenlet")  # SQLAlchemy's asynchronous half needs it, and would say so late
    from sqlalchemy.exc import SQLAlchemyError
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
except ImportError as error:
    _missing = str(error.name).partition(".")[0]
    raise ImportError(
        f"a store in a database needs {_missing!r}; install it: pip install 'aioclock[sql]'", name=_missing
    ) from error

from aioclock.exceptions import LeaseLostError, StoreError
from aioclock.stores._sql import _claims, _schema
from aioclock.stores._sql._engine import BLOCKS, advance, connected, dialect_of, engine_at, name_of, url_of
from aioclock.stores._sql._errors import is_conflict, is_disconnect, store_error
from aioclock.stores._sql._statements import Script, each
from aioclock.stores._sql._store import ScriptedStore
from aioclock.stores._words import Finish, micros

__all__ = ["SQLStore"]

T = TypeVar("T")

PATIENCE_S = 15.0
"""How long one operation may take, whatever is in its way."""

MOST_CONFLICTS = 8
"""How often a transaction is repeated that was given up in favour of others."""


class SQLStore(ScriptedStore):
    """Keeps everything in tables of a database, through SQLAlchemy (extra `sql`).

    ```python
    from aioclock import AioClock

    app = AioClock(store="postgresql+asyncpg://me:secret@localhost/jobs")
    ```

    Args:
        address: A URL, or an engine of your own, which stays open when the store is closed. Where no transaction pooler
            is in between, `?prepared_statement_cache_size=100` makes asyncpg twice as fast. On your own engine for
            MySQL or MariaDB limit how long a transaction may do nothing (`idle_transaction_timeout`): a process that is
            frozen within one keeps its locks.

    Raises:
        StoreError: the address can't be that of a store.
        ImportError: the driver is not installed.
    """

    def __init__(self, address: str | AsyncEngine) -> None:
        self._owns = isinstance(address, str)
        if isinstance(address, str):
            self._engine = engine_at(url_of(address))
        elif isinstance(address, AsyncEngine):
            self._engine = address.execution_options(isolation_level="READ COMMITTED")
        else:
            raise StoreError(f"a store needs an engine made by create_async_engine, got {type(address).__name__}")
        self.name = name_of(self._engine.url)
        self.dialect = dialect_of(self._engine, own=self._owns)
        self._is_open = False
        self._blocks = asyncio.Semaphore(BLOCKS)

    async def open(self) -> None:
        if not self._is_open:
            await self._play(partial(_schema.prepare, self.dialect, self.name))
            # It keeps to the loop that it was first waited for in.
            self._is_open, self._blocks = True, asyncio.Semaphore(BLOCKS)

    async def close(self) -> None:
        self._is_open = False
        if self._owns:
            await self._engine.dispose()

    async def upgrade(self) -> list[int]:
        """Bring the tables up to date and return the versions that this went through; it need not be open."""
        async with self._apart():
            return await self._play(partial(_schema.migrate, self.dialect, self.name), patience_s=None)

    async def check(self) -> list[str]:
        """Return what is wrong with the store, in words; it need not be open."""
        async with self._apart():
            return await self._play(partial(_schema.problems, self.dialect, micros(time())))

    @asynccontextmanager
    async def _apart(self) -> AsyncIterator[None]:
        try:
            yield
        finally:
            if not self._is_open:
                await self.close()

    @asynccontextmanager
    async def transaction(self, end: Callable[[], Finish]) -> AsyncIterator[AsyncConnection]:
        """Return a block within one transaction, whose target is SQLAlchemy's connection.

        It may do nothing for a minute at most; see `TransactionalStore.transaction` for the rest.
        """
        self._must_be_open()
        async with self._blocks, AsyncExitStack() as stack:
            connection = await self._begun(stack)
            transaction = connection.get_transaction()
            yield connection
            if connection.get_transaction() is not transaction:
                raise StoreError("the transaction has ended before its block, which is not to commit or roll back")
            with self._errors_told():
                await self._finish(connection, end())

    async def _begun(self, stack: AsyncExitStack) -> AsyncConnection:
        """Return a connection on which a transaction for the user has begun; *stack* closes it."""
        attempt = 0
        while True:
            attempt += 1
            connection = await stack.enter_async_context(connected(self._engine, self.name))
            try:
                await connection.begin()
                await advance(connection, each(self.dialect.begin_block))
            except _FAMILIAR as error:
                if not _may_succeed(error, attempt):
                    raise store_error(error, self.name) from error
            else:
                return connection

    async def _finish(self, connection: AsyncConnection, end: Finish) -> None:
        [finished] = await advance(connection, _claims.finish(self.dialect, [end]))
        if not finished.accepted:
            raise LeaseLostError(task_name=end.task_key)
        await connection.commit()

    async def _run(self, script: Callable[[], Script[T]]) -> T:
        self._must_be_open()
        return await self._play(script)

    def _must_be_open(self) -> None:
        if not self._is_open:
            raise StoreError(f"the store {self.name} is not open")

    async def _play(self, script: Callable[[], Script[T]], *, patience_s: float | None = PATIENCE_S) -> T:
        attempt = 0
        while True:
            attempt += 1
            try:
                async with asyncio.timeout(patience_s), connected(self._engine, self.name) as connection:
                    answer = await advance(connection, script())
                    await connection.commit()
                    return answer
            except _FAMILIAR as error:
                if not _may_succeed(error, attempt):
                    raise store_error(error, self.name) from error
            await asyncio.sleep(random.uniform(0, 0.01) * attempt)

    @contextmanager
    def _errors_told(self) -> Iterator[None]:
        try:
            yield
        except _FAMILIAR as error:
            raise store_error(error, self.name) from error


_FAMILIAR = (SQLAlchemyError, OSError, EOFError, UnicodeError)


def _may_succeed(error: BaseException, attempt: int) -> bool:
    """Tell whether to repeat a transaction at once."""
    if isinstance(error, StoreError):
        return False
    # All connections of the pool may be dead since the server was restarted, and are renewed when one was found to be.
    return (is_conflict(error) and attempt < MOST_CONFLICTS) or (is_disconnect(error) and attempt == 1)
