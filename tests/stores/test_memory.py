"""The store in memory keeps the contract."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from hypothesis import settings

from aioclock.stores import MemoryStore, Store
from aioclock.testing import VirtualEventLoop
from aioclock.testing.stores import StoreContract, store_machine


@asynccontextmanager
async def open_memory() -> AsyncIterator[Store]:
    store = MemoryStore()
    await store.open()
    yield store
    await store.close()


@pytest.mark.virtual_time
class TestMemoryStore(StoreContract):
    open_store = staticmethod(open_memory)


TestMemoryStoreAtRandom = store_machine(open_memory, loop_factory=VirtualEventLoop).TestCase
TestMemoryStoreAtRandom.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
