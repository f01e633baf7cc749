"""The store in PostgreSQL keeps the contract."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from hypothesis import settings

from aioclock.stores import Store, store_at
from aioclock.testing.stores import StoreContract, store_machine
from sql_servers import SQLServer, empty, needs_postgresql

pytestmark = needs_postgresql
place = ""


@pytest.fixture(autouse=True, scope="module")
def _somewhere(postgresql: SQLServer) -> None:
    global place
    place = postgresql.url


@asynccontextmanager
async def open_postgresql() -> AsyncIterator[Store]:
    await empty(place)
    store = store_at(place)
    await store.open()
    yield store
    await store.close()


class TestPostgreSQLStore(StoreContract):
    open_store = staticmethod(open_postgresql)

    async def another(self, store: Store) -> Store:
        other = store_at(place)
        await other.open()
        return other


TestPostgreSQLStoreAtRandom = needs_postgresql(store_machine(open_postgresql).TestCase)
TestPostgreSQLStoreAtRandom.settings = settings(max_examples=10, stateful_step_count=30, deadline=None)
