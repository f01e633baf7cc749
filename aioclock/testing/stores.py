"""What a store must do, as tests that any store can be put to.

```python
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from aioclock.stores import MemoryStore, Store
from aioclock.testing.stores import StoreContract


@pytest.mark.virtual_time
class TestMyStore(StoreContract):
    @asynccontextmanager
    async def open_store(self) -> AsyncIterator[Store]:
        store = MemoryStore()
        await store.open()
        yield store
        await store.close()
```
"""

from aioclock.testing._store_changes import ChangeContract
from aioclock.testing._store_claims import ClaimContract
from aioclock.testing._store_ends import EndContract
from aioclock.testing._store_manual import ManualContract
from aioclock.testing._store_overlap import OverlapContract
from aioclock.testing._store_pulses import HoldContract, PulseContract
from aioclock.testing._store_reaping import LeaveContract, ReapContract
from aioclock.testing._store_refusals import RefusalContract
from aioclock.testing._store_registration import RegistrationContract

__all__ = ["StoreContract"]


class StoreContract(
    RegistrationContract,
    ClaimContract,
    RefusalContract,
    ManualContract,
    OverlapContract,
    EndContract,
    PulseContract,
    HoldContract,
    ReapContract,
    LeaveContract,
    ChangeContract,
):
    """The rules of `Store`, a test each: derive a class from it and say how to open a store."""
