"""A store that stays open between calls out of code that is not asynchronous."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, TypeVar

from aioclock.stores import Store

__all__ = ["OpenedStore", "StoreSource"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class StoreSource:
    """What the arguments of `store_machine` say."""

    open_store: Callable[[], AbstractAsyncContextManager[Store]]
    pass_time: Callable[[float], Awaitable[None]]
    loop_factory: Callable[[], asyncio.AbstractEventLoop] | None
    reopens: bool


class OpenedStore:
    """An event loop with a store that is open on it."""

    store: Store

    def __init__(self, source: StoreSource) -> None:
        self._source = source
        self._runner = asyncio.Runner(loop_factory=source.loop_factory)
        self._closing = asyncio.Event()
        try:
            self._runner.run(self._open())
        except BaseException:
            self._runner.close()
            raise

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run *coroutine* on the store's loop and return its result."""
        return self._runner.run(coroutine)

    def close(self) -> None:
        """Leave the store's block and close the loop."""
        try:
            self._runner.run(self._close())
        finally:
            self._runner.close()

    async def _open(self) -> None:
        opened: asyncio.Future[Store] = asyncio.get_running_loop().create_future()
        # A task of its own, for a block may want to be left in the task that entered it.
        self._holding = asyncio.create_task(self._hold(opened))
        either: set[asyncio.Future[Any]] = {opened, self._holding}
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if not opened.done():
            self._holding.result()
        self.store = opened.result()

    async def _hold(self, opened: "asyncio.Future[Store]") -> None:
        async with self._source.open_store() as store:
            opened.set_result(store)
            await self._closing.wait()

    async def _close(self) -> None:
        self._closing.set()
        await self._holding
