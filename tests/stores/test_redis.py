"""The store in Redis keeps the contract."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import uuid4

import pytest
from hypothesis import settings

from aioclock.stores import Store, store_at
from aioclock.testing.stores import StoreContract, store_machine
from redis_server import RedisServer, needs_redis

pytestmark = needs_redis
place = ""


@pytest.fixture(autouse=True, scope="module")
def _somewhere(redis_server: RedisServer) -> None:
    global place
    place = redis_server.url


@asynccontextmanager
async def open_redis() -> AsyncIterator[Store]:
    # The server is there for all tests, so each has a prefix of its own.
    store = store_at(f"{place}?prefix={uuid4().hex}")
    await store.open()
    yield store
    await store.close()


class TestRedisStore(StoreContract):
    open_store = staticmethod(open_redis)

    async def another(self, store: Store) -> Store:
        other = store_at(store.name)  # there are no secrets in it
        await other.open()
        return other


TestRedisStoreAtRandom = needs_redis(store_machine(open_redis).TestCase)
TestRedisStoreAtRandom.settings = settings(max_examples=25, stateful_step_count=30, deadline=None)
