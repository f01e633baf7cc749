"""The store in MariaDB keeps the contract."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from aioclock.stores import Store, store_at
from aioclock.testing.stores import StoreContract
from sql_servers import SQLServer, empty, needs_mariadb

pytestmark = needs_mariadb


class TestMariaDBStore(StoreContract):
    @pytest.fixture(autouse=True)
    def _somewhere(self, mariadb: SQLServer) -> None:
        self.address = mariadb.url

    @asynccontextmanager
    async def open_store(self) -> AsyncIterator[Store]:
        await empty(self.address)
        store = store_at(self.address)
        await store.open()
        yield store
        await store.close()

    async def another(self, store: Store) -> Store:
        other = store_at(self.address)
        await other.open()
        return other
