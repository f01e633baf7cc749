"""A store that several parts of one app have open at once."""

import asyncio
from contextlib import suppress

from aioclock.stores import Store

__all__ = ["Opening"]


class Opening:
    """Opens a store with its first user and closes it with its last."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._users = 0
        self._opened: asyncio.Task[None] | None = None
        self._closing: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Return when the store is open; each `open` that returned asks for one `close`.

        Raises:
            StoreError: it can't be opened.
        """
        self._users += 1
        try:
            while (closing := self._closing) is not None and not closing.get_loop().is_closed():
                await asyncio.wait((closing,))
            if self._opened is None:
                self._opened = asyncio.create_task(self.store.open(), name="aioclock: open store")
            await asyncio.shield(self._opened)
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Close the store if nobody else uses it."""
        self._users -= 1
        if self._users == 0 and self._opened is not None:
            self._closing = asyncio.create_task(self._close(self._opened), name="aioclock: close store")
            self._opened = None
            await asyncio.shield(self._closing)

    async def _close(self, opened: "asyncio.Task[None]") -> None:
        try:
            opened.cancel()  # if it hangs; does nothing to one that has ended
            with suppress(Exception, asyncio.CancelledError):
                await opened
            await self.store.close()
        finally:
            self._closing = None
