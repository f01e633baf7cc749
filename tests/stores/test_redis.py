"""The store in Redis keeps the contract."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count

import pytest
from redis_server import RedisServer, needs_redis

from aioclock.stores import Store
from aioclock.stores._redis import RedisStore
from aioclock.testing.stores import StoreContract

pytestmark = needs_redis
numbers = count()


@pytest.fixture(autouse=True)
def server(redis_server: RedisServer, request: pytest.FixtureRequest) -> None:
    request.instance.server = redis_server


class TestRedisStore(StoreContract):
    server: RedisServer

    @asynccontextmanager
    async def open_store(self) -> AsyncIterator[Store]:
        # A prefix of its own for each: the server is there for all tests.
        store = RedisStore(self.server.url, prefix=f"contract-{next(numbers)}")
        await store.open()
        yield store
        await store.close()

    async def another(self, store: Store) -> Store:
        other = RedisStore(self.server.url, prefix=f"contract-{store.name.rpartition('-')[2].strip('}')}")
        await other.open()
        return other
