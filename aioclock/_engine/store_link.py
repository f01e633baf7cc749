"""The way to the store, which may be interrupted."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from aioclock.clock import steady_s
from aioclock.exceptions import StoreError, StoreUnavailableError
from aioclock.logger import logger
from aioclock.stores import Store

__all__ = ["StoreLink", "tolerated"]

T = TypeVar("T")

FIRST_DELAY_S = 0.05
LONGEST_DELAY_S = 5.0

_TRANSIENT = (StoreUnavailableError, TimeoutError, OSError)


class StoreLink:
    """Calls a store within a time limit, and again for as long as it can't be reached.

    Args:
        limit_s: How long one call may take before it counts as failed.
        on_down: Called with the error when the store can't be reached any more: not at the first failure, for a
            connection that has been idle may be dead while the next one is not.
        on_up: Called with the seconds that this took when it answers again.
    """

    def __init__(
        self,
        store: Store,
        *,
        limit_s: float,
        on_down: Callable[[Exception], None],
        on_up: Callable[[float], None],
    ) -> None:
        self.store = store
        self.limit_s = limit_s
        self._on_down, self._on_up = on_down, on_up
        self._failing: set[object] = set()
        """Calls that do not come through."""
        self._down_since: float | None = None
        self._answered_at = float("-inf")
        self.error: str | None = None
        """What keeps the store out of reach; None while it is not."""

    @property
    def reachable(self) -> bool:
        """Whether the store has answered all that it was asked last: half a store is none."""
        return self._down_since is None

    async def call(self, operation: Callable[[], Awaitable[T]]) -> T:
        """Return what *operation* returns, which is called until it comes through.

        Raises:
            StoreError: the store answers that it can't do that.
        """
        call = object()
        try:
            return await self._until_answered(operation, call)
        finally:
            self._failing.discard(call)

    async def _until_answered(self, operation: Callable[[], Awaitable[T]], call: object) -> T:
        delay_s = FIRST_DELAY_S
        while True:
            asked_at = steady_s()
            try:
                answer = await self.call_once(operation)
            except _TRANSIENT as error:
                # What was asked before the latest answer may have hung since an outage that is over.
                if delay_s > FIRST_DELAY_S and asked_at > self._answered_at:
                    self._note_failure(error, call)
                await asyncio.sleep(delay_s)
                delay_s = min(2 * delay_s, LONGEST_DELAY_S)
            else:
                self._note_success(call)
                return answer

    async def call_once(self, operation: Callable[[], Awaitable[T]]) -> T:
        """Return what *operation* returns; a TimeoutError if that takes too long."""
        async with asyncio.timeout(self.limit_s):
            return await operation()

    def _note_failure(self, error: Exception, call: object) -> None:
        self._failing.add(call)
        self.error = str(error) or f"no answer within {self.limit_s:g} s"
        if self._down_since is None:
            self._down_since = steady_s()
            logger.error(
                "the store %s can't be reached, nothing that it keeps fires: %s", self.store.name, self.error,
                extra={"store": self.store.name},
            )  # fmt: skip
            self._on_down(error)

    def _note_success(self, call: object) -> None:
        self._answered_at = steady_s()
        self._failing.discard(call)
        if self._down_since is not None and not self._failing:
            outage_s = steady_s() - self._down_since
            self._down_since = self.error = None
            logger.warning(
                "the store %s answers again, after %.3g s", self.store.name, outage_s, extra={"outage_s": outage_s}
            )
            self._on_up(outage_s)


@contextmanager
def tolerated(consequence: str) -> Iterator[None]:
    """Log that the store refuses to do something, or fails at it; it is asked again soon, for that may pass."""
    try:
        yield
    except StoreError as error:
        logger.error("%s: %s", consequence, error)
    except Exception as error:  # a mistake in a store of the user's
        logger.error("%s", consequence, exc_info=error)
