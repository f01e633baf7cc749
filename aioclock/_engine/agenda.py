"""What is due when: a queue for each clock, one driver."""

import asyncio
from collections.abc import Callable

from aioclock._engine.cursor import Cursor, Moment
from aioclock._engine.due_queue import DueQueue, Fire
from aioclock.clock import LONGEST_SLEEP_S, Clock

__all__ = ["Agenda"]

BURST = 32
"""How many due ticks are taken before everybody else on the event loop has a turn."""

STEP_S = 1.0
"""How far the wall clock may move against elapsed time between two looks before it counts as stepped."""


class Agenda:
    """All cursors of one serving, ordered by when they are due.

    Elapsed-time ticks wait on the event loop's clock and wall-clock ticks on the wall clock, so that a wall clock
    which is set moves the latter only.

    Args:
        fire: Called with a due cursor and the present; moves the cursor on.
        on_step: Called with the seconds by which the wall clock was stepped.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        clock: Clock,
        *,
        fire: Fire,
        on_step: Callable[[float], None],
    ) -> None:
        self._loop = loop
        self._clock = clock
        self._fire = fire
        self._on_step = on_step
        self._elapsed = DueQueue()
        self._wall = DueQueue()
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
        queue = self._elapsed if cursor.elapsed else self._wall
        comes_first = queue.first is None or cursor.due < queue.first
        queue.add(cursor, cursor.due)
        if comes_first and self._alarm is not None:
            self._ring(self._alarm)

    async def drive(self) -> None:
        """Fire what is due, for ever; never before its instant."""
        while True:
            now = self._look()
            left = self._elapsed.fire(now.elapsed, now, BURST, self._fire)
            left = self._wall.fire(now.epoch, now, left, self._fire)
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

    async def _sleep(self) -> None:
        loop = self._loop
        self._alarm = alarm = loop.create_future()
        wake_at = self._elapsed.first
        if self._wall.first is not None:
            seconds = min(self._wall.first - self._wall_offset - loop.time(), LONGEST_SLEEP_S)
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
