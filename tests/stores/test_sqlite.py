"""The store in a file keeps the contract."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from aioclock.stores import Store, store_at
from aioclock.testing.stores import StoreContract


class TestSQLiteStore(StoreContract):
    @pytest.fixture(autouse=True)
    def _somewhere(self, tmp_path: Path) -> None:
        self.address = f"sqlite:///{tmp_path / 'clock.db'}"

    @asynccontextmanager
    async def open_store(self) -> AsyncIterator[Store]:
        store = store_at(self.address)
        await store.open()
        yield store
        await store.close()

    async def another(self, store: Store) -> Store:
        other = store_at(self.address)
        await other.open()
        return other
