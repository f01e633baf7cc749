"""The stores that things happen to, each with its server."""

import asyncio
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

from aioclock.stores import RunQuery, RunRecord, TaskState, store_at
from redis_server import PROGRAM, RedisServer

__all__ = ["KINDS", "FilePlace", "Look", "Place", "ServerPlace", "place_at", "why_not"]

CREATE = "CREATE TABLE effect (tick BIGINT NOT NULL, fence BIGINT NOT NULL)"
EFFECTS = "SELECT tick, fence FROM effect"
EVERYTHING = 10**6


class Server(Protocol):
    """What a server of its own can be told."""

    @property
    def url(self) -> str: ...
    def start(self) -> None: ...
    def kill(self) -> None: ...
    def freeze(self) -> None: ...
    def thaw(self) -> None: ...


class Place:
    """A store, seen from outside of all workers."""

    kind = "sqlite"
    has_transactions = True
    has_server = False

    def __init__(self, url: str) -> None:
        self.url = url

    def look(self) -> "Look":
        """Return what is on record now.

        Raises:
            StoreError: nobody can tell; a process that was stopped within a transaction locks a file, say.
        """
        return asyncio.run(self._look())

    async def _look(self) -> "Look":
        store = store_at(self.url)
        await store.open()
        try:
            tasks = await store.tasks()
            return Look({task.key: task for task in tasks}, await store.runs(RunQuery(limit=EVERYTHING)))
        finally:
            await store.close()

    def clear(self) -> None:
        """Forget everything."""
        raise NotImplementedError

    def prune(self, *, before: int) -> int:
        return asyncio.run(self._prune(before))

    async def _prune(self, before: int) -> int:
        store = store_at(self.url)
        await store.open()
        try:
            return await store.prune(before=before)
        finally:
            await store.close()

    def execute(self, *statements: str) -> list[Any]:
        """Execute SQL beside the store, and return the rows of the last statement."""
        raise NotImplementedError

    def prepare(self) -> None:
        """Make a table for effects, if there can be one."""
        if self.has_transactions:
            self.execute(CREATE)

    def effects(self) -> list[tuple[int, int]]:
        """Return tick and fence of each effect there was."""
        return [(tick, fence) for tick, fence in self.execute(EFFECTS)] if self.has_transactions else []


@dataclass(frozen=True)
class Look:
    """What a store had on record at one moment."""

    tasks: dict[str, TaskState]
    runs: list[RunRecord]


class FilePlace(Place):
    def __init__(self, folder: Path) -> None:
        self.file = folder / "clock.db"
        super().__init__(f"sqlite:///{self.file}")

    def clear(self) -> None:
        for file in self.file.parent.glob("clock.db*"):
            file.unlink()

    def execute(self, *statements: str) -> list[Any]:
        with self.locked("IMMEDIATE") as connection:
            return [connection.execute(statement).fetchall() for statement in statements][-1]

    @contextmanager
    def locked(self, how: str = "EXCLUSIVE") -> Iterator[sqlite3.Connection]:
        """Have the file to oneself."""
        connection = sqlite3.connect(self.file, timeout=30, isolation_level=None)
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute(f"BEGIN {how}")
            yield connection
            connection.execute("COMMIT")
        finally:
            connection.close()

    def size(self) -> int:
        """Return how long its longest file is."""
        return max(file.stat().st_size for file in self.file.parent.glob("clock.db*"))


class ServerPlace(Place):
    has_server = True

    def __init__(self, server: Server) -> None:
        super().__init__(server.url)
        self.server = server

    def restart(self, *, down_s: float) -> None:
        """Kill the server and start it again, with nothing in between that it could tidy up."""
        self.server.kill()
        time.sleep(down_s)
        self.server.start()

    def cut(self) -> None:
        """Terminate all connections."""
        raise NotImplementedError


class RedisPlace(ServerPlace):
    kind = "redis"
    has_transactions = False
    server: RedisServer

    def clear(self) -> None:
        self.server.ask("FLUSHALL")

    def cut(self) -> None:
        self.server.ask("CLIENT KILL TYPE normal SKIPME yes")


class SQLPlace(ServerPlace):
    others: str
    """A query for the connections of others, by what ends them."""

    def clear(self) -> None:
        from sql_servers import empty

        asyncio.run(empty(self.url))
        self.execute("DROP TABLE IF EXISTS effect")

    def execute(self, *statements: str) -> list[Any]:
        from sql_servers import execute

        return asyncio.run(execute(self.url, *statements))

    def cut(self) -> None:
        for (end,) in self.execute(self.others):
            with suppress(Exception):  # it has ended by itself
                self.execute(end)


class PostgreSQLPlace(SQLPlace):
    kind = "postgresql"
    others = (
        "SELECT concat('SELECT pg_terminate_backend(', pid, ')') FROM pg_stat_activity "
        "WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'"
    )


class MariaDBPlace(SQLPlace):
    kind = "mariadb"
    others = (
        "SELECT concat('KILL ', id) FROM information_schema.processlist WHERE id <> connection_id() AND user = 'clock'"
    )


KINDS = ("sqlite", "postgresql", "mariadb", "redis")


def why_not(kind: str) -> str | None:
    """Return why there is no store of this *kind* here; None: there is."""
    if kind == "redis":
        return _missing("redis", program=PROGRAM, package="redis-server")
    if kind == "sqlite":
        return None
    import_error = _missing("sqlalchemy", "asyncpg" if kind == "postgresql" else "aiomysql")
    if import_error:
        return import_error
    import sql_servers

    program = sql_servers._POSTGRESQL if kind == "postgresql" else sql_servers._MARIADB
    return None if program else f"no server of {kind} is installed"


def _missing(*modules: str, program: object = True, package: str = "") -> str | None:
    missing = [module for module in modules if find_spec(module) is None]
    if missing:
        return f"not installed for this Python: {', '.join(missing)}"
    return None if program else f"not installed: {package}"


@contextmanager
def place_at(kind: str, folder: Path, *, safe: bool = True) -> Iterator[Place]:
    """Give a store of this *kind*, with its server for the block; *folder* is what it may write to.

    Args:
        safe: Whether what was committed outlives a server that is killed.
    """
    if kind == "sqlite":
        yield FilePlace(folder)
        return
    server, place = _server(kind, folder, safe=safe)
    with server:
        yield place(server)


def _server(kind: str, folder: Path, *, safe: bool) -> tuple[Any, Callable[[Any], Place]]:
    if kind == "redis":
        return RedisServer(folder, appendfsync="always" if safe else "everysec"), RedisPlace
    from sql_servers import MariaDBServer, PostgreSQLServer

    class SafeServer(MariaDBServer):  # else nobody could tell a fault of ours from one of the server
        def command(self) -> Sequence[str | Path]:
            return [*super().command(), "--innodb-flush-log-at-trx-commit=2"]

    if kind == "mariadb":
        return SafeServer() if safe else MariaDBServer(), MariaDBPlace
    return PostgreSQLServer(), PostgreSQLPlace
