"""The store in memory keeps the contract."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from aioclock.stores import MemoryStore, Store
from aioclock.testing.stores import StoreContract


@pytest.mark.virtual_time
class TestMemoryStore(StoreContract):
    @asynccontextmanager
    async def open_store(self) -> AsyncIterator[Store]:
        store = MemoryStore()
        await store.open()
        yield store
        await store.close()
