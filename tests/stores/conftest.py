"""Servers that the stores of all tests share."""

from collections.abc import Iterator

import pytest

from redis_server import RedisServer
from sql_servers import MariaDBServer, PostgreSQLServer, SQLServer


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with RedisServer(tmp_path_factory.mktemp("redis"), appendfsync="everysec") as server:
        yield server


@pytest.fixture(scope="session")
def postgresql() -> Iterator[SQLServer]:
    with PostgreSQLServer() as server:
        yield server


@pytest.fixture(scope="session")
def mariadb() -> Iterator[SQLServer]:
    with MariaDBServer() as server:
        yield server
