"""Engines and connections of SQLAlchemy, and scripts on them."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import lru_cache
from typing import Any, TypeVar

from sqlalchemy import TextClause, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from aioclock.exceptions import StoreError
from aioclock.stores._sql._dialects import MYSQL, POSTGRESQL, Dialect
from aioclock.stores._sql._errors import store_error
from aioclock.stores._sql._statements import Rows, Script, Statement

__all__ = ["BLOCKS", "advance", "connected", "dialect_of", "engine_at", "name_of", "url_of"]

T = TypeVar("T")

CONNECT_S = 5
CONNECTIONS = 5
BLOCKS = 10
"""How many transactions of users go on at a time at most: they must leave connections to the store."""

_DIALECTS = {"postgresql": POSTGRESQL, "mysql": MYSQL, "mariadb": MYSQL}
_DRIVERS = {"postgresql": "postgresql+asyncpg", "mysql": "mysql+aiomysql", "mariadb": "mariadb+aiomysql"}


def url_of(address: str) -> URL:
    """Return *address* as a URL that names an asynchronous driver."""
    scheme = address.partition("://")[0]
    try:
        url = make_url(address)
    except (ArgumentError, ValueError):
        # Not SQLAlchemy's message: it may hold a password.
        raise StoreError(
            f"the address that begins with {scheme}:// can't be read; in a password, characters such as @ and / are "
            "percent-encoded"
        ) from None
    driver = _DRIVERS.get(url.get_backend_name())
    if driver is None:
        raise StoreError(f"no store is made of {scheme}://; there are {', '.join(_DRIVERS.values())}")
    if "+" not in url.drivername or not _is_async(url):
        raise StoreError(f"{scheme}:// does not name a driver for asyncio; write {driver}://")
    return url


def _is_async(url: URL) -> bool:
    try:
        # psycopg has two dialects of one name.
        return bool(url.get_dialect().get_async_dialect_cls(url).is_async)
    except NoSuchModuleError:
        return False


def name_of(url: URL) -> str:
    """Return *url* without secrets, which may be among its options."""
    public = URL.create(url.drivername, username=url.username, host=url.host, port=url.port, database=url.database)
    return public.render_as_string()


def dialect_of(engine: AsyncEngine, *, own: bool) -> Dialect:
    dialect = _DIALECTS.get(engine.dialect.name)
    if dialect is None:
        raise StoreError(f"no store is made of {engine.dialect.name}; there are {', '.join(_DRIVERS.values())}")
    if dialect is MYSQL and not own:
        # What it sets would outlast the transaction and meet the owner's.
        return replace(dialect, begin=(), begin_block=())
    return dialect


def engine_at(url: URL) -> AsyncEngine:
    """Return an engine for *url*, which has connected to nothing yet.

    Raises:
        ImportError: the driver is not installed.
    """
    try:
        return create_async_engine(
            url,
            isolation_level="READ COMMITTED",
            connect_args=_connect_args(url),
            pool_size=CONNECTIONS,
            max_overflow=BLOCKS,
            pool_timeout=CONNECT_S,
            pool_use_lifo=True,
        )
    except ModuleNotFoundError as error:
        raise ImportError(
            f"a store at {url.drivername}:// needs {error.name!r}; install it: pip install 'aioclock[sql]'",
            name=error.name,
        ) from error


def _connect_args(url: URL) -> Mapping[str, Any]:
    driver = url.get_driver_name()
    if driver == "psycopg":
        return {"connect_timeout": CONNECT_S, "prepare_threshold": None}
    if driver != "asyncpg":
        return {"connect_timeout": CONNECT_S}
    args: dict[str, Any] = {"timeout": CONNECT_S, "server_settings": {"application_name": "aioclock"}}
    if "prepared_statement_cache_size" not in url.query:
        # A transaction pooler gives each transaction another session, which knows no statements of ours.
        args |= {"statement_cache_size": 0, "prepared_statement_cache_size": 0}
        args |= {"prepared_statement_name_func": str}  # "", which leaves nothing behind
    return args


@asynccontextmanager
async def connected(engine: AsyncEngine, name: str) -> AsyncIterator[AsyncConnection]:
    """Return a block with a connection to the store *name*; nothing is committed unless the block does so.

    A connection that was waiting for an answer when the block was cancelled is not used again: SQLAlchemy sees to that.
    """
    try:
        connection = await engine.connect()
    except Exception as error:
        raise store_error(error, name) from error
    try:
        yield connection
    finally:
        await asyncio.shield(asyncio.ensure_future(connection.close()))


async def advance(connection: AsyncConnection, script: Script[T]) -> T:
    """Run *script* in the connection's transaction."""
    try:
        statement = next(script)
        while True:
            statement = script.send(await _execute(connection, statement))
    except StopIteration as stop:
        answer: T = stop.value
        return answer


async def _execute(connection: AsyncConnection, statement: Statement) -> Rows:
    result = await connection.execute(_clause(statement.sql, connection.dialect.name), statement.params)
    return result.all() if result.returns_rows else []


@lru_cache(maxsize=1024)
def _clause(sql: str, dialect: str) -> TextClause:
    return text(sql.replace('"', "`") if dialect in ("mysql", "mariadb") else sql)
