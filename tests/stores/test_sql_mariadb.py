"""The store in MariaDB keeps the contract."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from hypothesis import settings

from aioclock.stores import Store, store_at
from aioclock.testing.stores import StoreContract, store_machine
from sql_servers import SQLServer, empty, needs_mariadb

pytestmark = needs_mariadb
place = ""


@pytest.fixture(autouse=True, scope="module")
def _somewhere(mariadb: SQLServer) -> None:
    global place
    place = mariadb.url


@asynccontextmanager
async def open_mariadb() -> AsyncIterator[Store]:
    await empty(place)
    store = store_at(place)
    await store.open()
    yield store
    await store.close()


class TestMariaDBStore(StoreContract):
    open_store = staticmethod(open_mariadb)

    async def another(self, store: Store) -> Store:
        other = store_at(place)
        await other.open()
        return other


TestMariaDBStoreAtRandom = needs_mariadb(store_machine(open_mariadb).TestCase)
TestMariaDBStoreAtRandom.settings = settings(max_examples=10, stateful_step_count=30, deadline=None)
