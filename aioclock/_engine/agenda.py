"""What is due when: a queue for each clock, one timer."""

import asyncio
from collections.abc import Callable

from aioclock._engine.cursor import Cursor
from aioclock._engine.due_queue import DueQueue, Fire
from aioclock._engine.present import Moment, Present
from aioclock.clock import LONGEST_SLEEP_S

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
        on_error: Called with what *fire* raised; nothing is fired any more then.
    """

    def __init__(
        self,
        present: Present,
        *,
        fire: Fire,
        on_step: Callable[[float], None],
        on_error: Callable[[Exception], None],
    ) -> None:
        self._loop = present.loop
        self._present = present
        self._fire = fire
        self._on_step = on_step
        self._on_error = on_error
        self._elapsed = DueQueue()
        self._wall = DueQueue()
        self._timer: asyncio.Handle | None = None
        self._running = False
        self._drift_s = 0.0

    def add(self, cursor: Cursor) -> None:
        """Note a cursor whose `due` was set, and look earlier if it comes first."""
        if cursor.due is None:
            return
        queue = self._elapsed if cursor.elapsed else self._wall
        comes_first = queue.first is None or cursor.due < queue.first
        queue.add(cursor, cursor.due)
        if comes_first:
            self._set_timer()

    def take_back(self, cursor: Cursor) -> None:
        """Note that *cursor*, which was added, is not due any more."""
        queue = self._elapsed if cursor.elapsed else self._wall
        if queue.take_back():
            self._loop.call_soon(queue.tidy_up)  # not at once: this may be called while it fires

    def run(self) -> None:
        """Fire what is due from now on, never before its instant."""
        self._running = True
        self._set_timer()

    def halt(self) -> None:
        """Fire nothing any more."""
        self._running = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _turn(self) -> None:
        # A callback and not a coroutine that sleeps: that would need two turns of the event loop for every tick.
        try:
            now = self.look()
            left = self._elapsed.fire(now.elapsed, now, BURST, self._fire)
            left = self._wall.fire(now.epoch, now, left, self._fire)
        except Exception as error:
            self.halt()
            self._on_error(error)
            return
        if not self._running:  # halted by what was fired
            return
        if left:
            self._set_timer()
            return
        if self._timer is not None:  # set by what was fired
            self._timer.cancel()
        self._timer = self._loop.call_soon(self._turn, context=self._present.context)

    def look(self) -> Moment:
        """Look at the wall clock, tell of a step, and return the present."""
        now, step_s = self._present.look()
        self._drift_s += step_s
        if abs(self._drift_s) >= STEP_S:
            step_s, self._drift_s = self._drift_s, 0.0
            self._on_step(step_s)
        return now

    def _set_timer(self) -> None:
        if not self._running:  # halted by what was fired just now
            return
        if self._timer is not None:
            self._timer.cancel()
        now = self._loop.time()
        wake_at = self._elapsed.first
        if self._wall.first is not None:
            # At least a microsecond: rounding may call a tick due that the wall clock does not show yet.
            until_wall_s = max(self._wall.first - self._present.offset - now, 1e-6)
            wall_at = now + min(until_wall_s, LONGEST_SLEEP_S)
            wake_at = wall_at if wake_at is None else min(wake_at, wall_at)
        if wake_at is None:
            self._timer = None
        elif wake_at <= now:
            self._timer = self._loop.call_soon(self._turn, context=self._present.context)
        else:
            self._timer = self._loop.call_at(wake_at, self._turn, context=self._present.context)
