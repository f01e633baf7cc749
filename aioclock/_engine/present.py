"""What time it is, on both clocks."""

import asyncio
from contextvars import copy_context
from typing import NamedTuple

from aioclock.clock import Clock

__all__ = ["Moment", "Present"]


class Moment(NamedTuple):
    """The present on both clocks."""

    elapsed: float
    """The event loop's time, in seconds."""
    epoch: float
    """Wall-clock time, in seconds since the epoch."""


class Present:
    """Tells the time of *loop* and *clock*: elapsed time, and the wall clock as the last look found it."""

    __slots__ = ("clock", "context", "loop", "offset")

    def __init__(self, loop: asyncio.AbstractEventLoop, clock: Clock) -> None:
        self.loop = loop
        # Not the context of whoever happens to be there at a tick: that may be a run.
        self.context = copy_context()
        """What those see who are called by time."""
        self.clock = clock
        self.offset = clock.now().timestamp() - loop.time()
        """Seconds from elapsed to wall-clock time."""

    def now(self) -> Moment:
        """Return the present without a look at the wall clock."""
        elapsed = self.loop.time()
        return Moment(elapsed, elapsed + self.offset)

    def look(self) -> tuple[Moment, float]:
        """Look at the wall clock; return the present and the seconds by which the wall clock was stepped."""
        elapsed, epoch = self.loop.time(), self.clock.now().timestamp()
        step_s = epoch - elapsed - self.offset
        self.offset = epoch - elapsed
        return Moment(elapsed, epoch), step_s
