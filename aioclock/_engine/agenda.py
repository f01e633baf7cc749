"""What is due when: two heaps, one driver."""

import asyncio
from collections.abc import Callable
from heapq import heapify, heappop, heappush, heapreplace
from itertools import count

from aioclock._engine.cursor import Cursor, Moment
from aioclock.clock import LONGEST_SLEEP_S, Clock

__all__ = ["Agenda"]

BURST = 256
"""How many due ticks are taken before everybody else on the event loop has a turn."""

STEP_S = 1.0
"""How far the wall clock may move against elapsed time between two looks before it counts as stepped."""

Item = tuple[float, int, Cursor]


class Agenda:
    """All cursors of one serving, ordered by when they are due.

    Elapsed-time ticks wait on the event loop's clock and wall-clock ticks on the wall clock, so that a wall clock
    which is set moves the latter only. A cursor's item is valid as long as the cursor's `due` is the item's; others
    are dropped when they come up.

    Args:
        fire: Called with a due cursor and the present; moves the cursor on.
        on_step: Called with the seconds by which the wall clock was stepped.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        clock: Clock,
        *,
        fire: Callable[[Cursor, Moment], None],
        on_step: Callable[[float], None],
    ) -> None:
        self._loop = loop
        self._clock = clock
        self._fire = fire
        self._on_step = on_step
        self._elapsed: list[Item] = []
        self._wall: list[Item] = []
        self._order = count()  # ties keep the order of arrival, and cursors are never compared
        self._alarm: asyncio.Future[None] | None = None
        self._wall_offset = clock.now().timestamp() - loop.time()

    def now(self) -> Moment:
        """Return the present, without a look at the wall clock: elapsed time plus what the last look found."""
        elapsed = self._loop.time()
        return Moment(elapsed, elapsed + self._wall_offset)

    def add(self, cursor: Cursor) -> None:
        """Note a cursor whose `due` was set, and wake the driver if it comes first."""
        if cursor.due is None:
            return
        heap = self._elapsed if cursor.elapsed else self._wall
        heappush(heap, (cursor.due, next(self._order), cursor))
        if self._alarm is not None and heap[0][2] is cursor and not self._alarm.done():
            self._alarm.set_result(None)

    def add_all(self, cursors: list[Cursor]) -> None:
        """Note many cursors at once."""
        for cursor in cursors:
            if cursor.due is not None:
                (self._elapsed if cursor.elapsed else self._wall).append((cursor.due, next(self._order), cursor))
        heapify(self._elapsed)
        heapify(self._wall)

    async def drive(self) -> None:
        """Fire what is due, for ever; never before its instant."""
        while True:
            now = self._look()
            left = self._fire_due(self._elapsed, now.elapsed, now, BURST)
            left = self._fire_due(self._wall, now.epoch, now, left)
            if left:
                await self._sleep()
            else:
                await asyncio.sleep(0)

    def _look(self) -> Moment:
        elapsed = self._loop.time()
        epoch = self._clock.now().timestamp()
        step_s = epoch - elapsed - self._wall_offset
        self._wall_offset = epoch - elapsed
        if abs(step_s) >= STEP_S:
            self._on_step(step_s)
        return Moment(elapsed, epoch)

    def _fire_due(self, heap: list[Item], until: float, now: Moment, left: int) -> int:
        while left and heap and heap[0][0] <= until:
            due, _, cursor = heap[0]
            if cursor.due == due:
                left -= 1
                self._fire(cursor, now)
                if cursor.due is not None:
                    heapreplace(heap, (cursor.due, next(self._order), cursor))
                    continue
            heappop(heap)
        return left

    async def _sleep(self) -> None:
        loop = self._loop
        self._alarm = alarm = loop.create_future()
        wake_at = self._elapsed[0][0] if self._elapsed else None
        if self._wall:
            seconds = min(self._wall[0][0] - self._wall_offset - loop.time(), LONGEST_SLEEP_S)
            wall_at = loop.time() + seconds
            wake_at = wall_at if wake_at is None else min(wake_at, wall_at)
        timer = None if wake_at is None else loop.call_at(wake_at, self._ring, alarm)
        try:
            await alarm
        finally:
            self._alarm = None
            if timer is not None:
                timer.cancel()

    @staticmethod
    def _ring(alarm: "asyncio.Future[None]") -> None:
        if not alarm.done():
            alarm.set_result(None)
