"""Servers of PostgreSQL and MariaDB of one's own, on free ports of this machine."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import NullPool, text
from sqlalchemy.ext.asyncio import create_async_engine

from processes import wait_until

_POSTGRESQL = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
_PATH = f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin"
_MARIADB = shutil.which("mariadbd", path=_PATH)
_PGBOUNCER = shutil.which("pgbouncer", path=_PATH)

needs_postgresql = pytest.mark.skipif(
    not _POSTGRESQL, reason="no PostgreSQL server is installed: apt-get install postgresql"
)
needs_mariadb = pytest.mark.skipif(
    _MARIADB is None, reason="no MariaDB server is installed: apt-get install mariadb-server"
)

needs_pgbouncer = pytest.mark.skipif(_PGBOUNCER is None, reason="no PgBouncer is installed: apt-get install pgbouncer")


class SQLServer:
    """Use it as a block; within, it can be stopped in several ways and started again, on the same port."""

    user: str
    """Whom it runs as when the tests run as root, whom it would refuse."""
    url: str
    """Of a database for tests."""

    def __init__(self) -> None:
        self.port = _free_port()
        # Not pytest's folders: another user can't look into them.
        self.folder = Path(tempfile.mkdtemp(prefix="aioclock-server-"))
        self._whom: dict[str, Any] = {}
        if os.getuid() == 0:
            self._whom = {"user": self.user, "group": self.user, "extra_groups": ()}
            shutil.chown(self.folder, self.user)
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> "SQLServer":
        self.create()
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        shutil.rmtree(self.folder)

    def create(self) -> None:
        raise NotImplementedError

    def command(self) -> Sequence[str | Path]:
        raise NotImplementedError

    def call(self, *command: str | Path) -> None:
        subprocess.run(command, check=True, capture_output=True, cwd=self.folder, **self._whom)

    def start(self) -> None:
        assert self._process is None
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                self.command(), stdout=log, stderr=log, cwd=self.folder, start_new_session=True, **self._whom
            )
        wait_until(self.answers)

    def answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1):
                return True
        except OSError:
            return False

    def kill(self) -> None:
        """Have it end at once, with all of its processes."""
        if self._process is not None:
            self.signal_all(signal.SIGKILL)
            self._process.wait()
            self._process = None

    def freeze(self) -> None:
        self.signal_all(signal.SIGSTOP)

    def thaw(self) -> None:
        self.signal_all(signal.SIGCONT)

    def signal_all(self, what: signal.Signals) -> None:
        assert self._process is not None
        for process in [self._process.pid, *_children_of(self._process.pid)]:
            os.kill(process, what)


class PostgreSQLServer(SQLServer):
    user = "postgres"

    @property
    def url(self) -> str:  # type: ignore[override]
        return f"postgresql+asyncpg://postgres:secret@127.0.0.1:{self.port}/postgres"

    def create(self) -> None:
        self.call(
            _POSTGRESQL[-1].with_name("initdb"),
            *("--auth=trust", "--username=postgres", "--no-sync", "--encoding=UTF8", "--locale=C", "data"),
        )

    def command(self) -> Sequence[str | Path]:
        settings = {
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            "fsync": "off",
            "shared_buffers": "32MB",
            "max_connections": "60",
            "autovacuum": "off",
        }
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        # With fsync off, what was committed outlasts the process, if not the machine.
        return [_POSTGRESQL[-1], "-D", "data", "-p", str(self.port), *options]

    def answers(self) -> bool:
        command = [_POSTGRESQL[-1].with_name("pg_isready"), "-h", "127.0.0.1", "-p", str(self.port)]
        return subprocess.run(command, capture_output=True, check=False).returncode == 0


class MariaDBServer(SQLServer):
    user = "mysql"

    @property
    def url(self) -> str:  # type: ignore[override]
        return f"mysql+aiomysql://clock:secret@127.0.0.1:{self.port}/clock"

    def create(self) -> None:
        (self.folder / "init.sql").write_text(
            "CREATE DATABASE IF NOT EXISTS clock;\n"
            "CREATE USER IF NOT EXISTS clock@'127.0.0.1' IDENTIFIED BY 'secret';\n"
            "GRANT ALL ON *.* TO clock@'127.0.0.1';\n"
        )
        self.call(
            "mariadb-install-db", "--no-defaults", "--auth-root-authentication-method=normal", "--skip-test-db",
            f"--datadir={self.folder}/data", "--innodb-log-file-size=8M", "--innodb-flush-log-at-trx-commit=0",
        )  # fmt: skip

    def command(self) -> Sequence[str | Path]:
        assert _MARIADB is not None
        return [
            _MARIADB, "--no-defaults", f"--datadir={self.folder}/data", f"--port={self.port}",
            "--bind-address=127.0.0.1", f"--socket={self.folder}/socket", f"--init-file={self.folder}/init.sql",
            # What was committed outlasts the process, if not the machine.
            "--innodb-flush-log-at-trx-commit=2", "--innodb-buffer-pool-size=32M", "--innodb-log-file-size=8M",
            "--skip-name-resolve",
        ]  # fmt: skip


class Pooler(SQLServer):
    """PgBouncer in front of *server*, with two sessions there for all transactions."""

    user = "postgres"

    def __init__(self, server: SQLServer) -> None:
        super().__init__()
        self._server = server

    @property
    def url(self) -> str:  # type: ignore[override]
        return f"postgresql+asyncpg://postgres:secret@127.0.0.1:{self.port}/postgres"

    def create(self) -> None:
        (self.folder / "pgbouncer.ini").write_text(
            f"[databases]\n"
            f"postgres = host=127.0.0.1 port={self._server.port} user=postgres\n"
            f"[pgbouncer]\n"
            f"listen_addr = 127.0.0.1\n"
            f"listen_port = {self.port}\n"
            f"unix_socket_dir =\n"
            f"auth_type = any\n"
            f"pool_mode = transaction\n"
            f"default_pool_size = 2\n"
        )

    def command(self) -> Sequence[str | Path]:
        assert _PGBOUNCER is not None
        return [_PGBOUNCER, "pgbouncer.ini"]


async def execute(url: str, *statements: str) -> list[Any]:
    """Execute statements, each for itself, and return the rows of the last."""
    engine = create_async_engine(url, isolation_level="AUTOCOMMIT", poolclass=NullPool)
    async with engine.connect() as connection:
        for statement in statements:
            result = await connection.execute(text(statement))
        return list(result.all()) if result.returns_rows else []


_TABLES = [f"aioclock_{name}" for name in ("task", "run", "node", "event", "meta")]


async def empty(url: str) -> None:
    """Take out of a store what is in it, which is faster than having its tables made anew."""
    if await _has_tables(url):
        deletes = [f"DELETE FROM {table}" for table in _TABLES[:-1]]
        await execute(url, *deletes, "UPDATE aioclock_meta SET value = 0 WHERE name <> 'schema'")


async def drop(url: str) -> None:
    """Forget that there was a store."""
    if await _has_tables(url):
        await execute(url, f"DROP TABLE {', '.join(_TABLES)}")


async def _has_tables(url: str) -> bool:
    return bool(await execute(url, "SELECT 1 FROM information_schema.tables WHERE table_name = 'aioclock_meta'"))


def _children_of(process: int) -> list[int]:
    found = subprocess.run(["ps", "--ppid", str(process), "-o", "pid="], capture_output=True, check=False)
    return [int(word) for word in found.stdout.split()]


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])
