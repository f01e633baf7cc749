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

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING

from aioclock.stores import Store
from aioclock.testing._store_batches import BatchContract
from aioclock.testing._store_changes import ChangeContract
from aioclock.testing._store_claims import ClaimContract
from aioclock.testing._store_ends import EndContract
from aioclock.testing._store_looking import NoteContract, QueryContract
from aioclock.testing._store_manual import ManualContract
from aioclock.testing._store_overlap import OverlapContract
from aioclock.testing._store_pulses import HoldContract, PulseContract
from aioclock.testing._store_races import RaceContract
from aioclock.testing._store_reaping import LeaveContract, ReapContract
from aioclock.testing._store_refusals import RefusalContract
from aioclock.testing._store_registration import RegistrationContract
from aioclock.testing._store_texts import TextContract
from aioclock.testing._store_upkeep import PruneContract, ReopenContract, RestoreContract

if TYPE_CHECKING:
    from hypothesis.stateful import RuleBasedStateMachine

__all__ = ["StoreContract", "store_machine"]


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
    BatchContract,
    RaceContract,
    QueryContract,
    NoteContract,
    PruneContract,
    RestoreContract,
    ReopenContract,
    TextContract,
):
    """The rules of `Store`, a test each: derive a class from it and say how to open a store.

    The tests are coroutines, for pytest-asyncio, for anyio's plugin, or for virtual time.
    """


def store_machine(
    open_store: Callable[[], AbstractAsyncContextManager[Store]],
    *,
    pass_time: Callable[[float], Awaitable[None]] = asyncio.sleep,
    loop_factory: Callable[[], asyncio.AbstractEventLoop] | None = None,
    reopens: bool = True,
) -> "type[RuleBasedStateMachine]":
    """Return a state machine of hypothesis that does all sorts of things to a store and holds it against a model.

    ```python
    from contextlib import asynccontextmanager

    from hypothesis import settings

    from aioclock.stores import MemoryStore
    from aioclock.testing import VirtualEventLoop
    from aioclock.testing.stores import store_machine


    @asynccontextmanager
    async def open_store():
        yield MemoryStore()


    TestAtRandom = store_machine(open_store, loop_factory=VirtualEventLoop).TestCase
    TestAtRandom.settings = settings(max_examples=10, stateful_step_count=20, deadline=None)
    ```

    Args:
        open_store: Returns a block within which there is a store that is empty and open; once for each example.
        pass_time: Returns when the store's clock is so many seconds ahead; it is awaited once for each step.
        loop_factory: Makes the event loop; left out, it is asyncio's.
        reopens: Whether a store that was closed and is opened again remembers.
    """
    from aioclock.testing._store_machine import StoreMachine  # needs hypothesis, which the contract does not
    from aioclock.testing._store_opened import StoreSource

    source = StoreSource(open_store, pass_time, loop_factory, reopens)
    return type("StoreMachine", (StoreMachine,), {"source": source})
