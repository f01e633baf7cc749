"""The store in a file keeps the contract."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import settings

from aioclock.stores import Store, store_at
from aioclock.testing import VirtualEventLoop
from aioclock.testing.stores import StoreContract, store_machine


@asynccontextmanager
async def open_sqlite() -> AsyncIterator[Store]:
    with TemporaryDirectory() as folder:
        store = store_at(f"sqlite:///{Path(folder) / 'clock.db'}")
        await store.open()
        yield store
        await store.close()


class TestSQLiteStore(StoreContract):
    open_store = staticmethod(open_sqlite)

    async def another(self, store: Store) -> Store:
        other = store_at(store.name)
        await other.open()
        return other


@pytest.mark.virtual_time
class TestSQLiteStoreOnVirtualTime(StoreContract):
    open_store = staticmethod(open_sqlite)


TestSQLiteStoreAtRandom = store_machine(open_sqlite, loop_factory=VirtualEventLoop).TestCase
TestSQLiteStoreAtRandom.settings = settings(max_examples=30, stateful_step_count=40, deadline=None)
