"""The store's time, as far as this process knows it."""

import asyncio
from collections import deque
from datetime import UTC, datetime

from aioclock.clock import Clock
from aioclock.stores._words import seconds

__all__ = ["StoreClock"]

SAMPLES = 16
"""How many answers are compared: the fastest of them tells most, but the clocks drift apart."""

STEP_S = 1.0
"""An answer that is further off than this tells of a clock that was set, or comes very late."""


class StoreClock:
    """Shows the store's time or a little less, never more: nothing is due before its instant.

    An answer tells what time it was when it was given, so by now it is later. Of the latest answers the one that was
    shortest on its way comes closest.

    Args:
        before: Shows the time until the store has told its own.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, before: Clock) -> None:
        self._loop = loop
        self._offsets: deque[float] = deque(maxlen=SAMPLES)
        self._offset = before.now().timestamp() - loop.time()

    def note(self, now: int, received_at: float) -> None:
        """Take in that the store's time was *now* (microseconds since the epoch), before *received_at* (loop time)."""
        offset = seconds(now) - received_at
        if self._offsets and abs(offset - self._offset) > STEP_S:
            self._offsets.clear()
        self._offsets.append(offset)
        self._offset = max(self._offsets)

    def now(self) -> datetime:
        return datetime.fromtimestamp(self._loop.time() + self._offset, UTC)

    async def sleep_until(self, deadline: datetime) -> None:
        await asyncio.sleep(0)
        while (remaining := (deadline - self.now()).total_seconds()) > 0:  # noqa: ASYNC110 - nobody tells us the time
            await asyncio.sleep(min(remaining, STEP_S))
