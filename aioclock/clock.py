"""Time as an object: the only module that reads the real clock."""

import asyncio
import time
from datetime import UTC, datetime
from typing import Protocol

from aioclock.utils import running_loop

__all__ = ["LONGEST_SLEEP_S", "Clock", "SystemClock", "current_clock", "is_time_real", "steady_s"]


LONGEST_SLEEP_S = 60.0
"""The wall clock may be set while somebody sleeps until it shows a time, so no such sleep is longer than this."""


class Clock(Protocol):
    """Where wall-clock time comes from; elapsed time is always the event loop's `time()`."""

    def now(self) -> datetime:
        """Return the present as an aware datetime in UTC."""
        ...

    async def sleep_until(self, deadline: datetime) -> None:
        """Return once `now()` has reached *deadline* (aware), never before."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    async def sleep_until(self, deadline: datetime) -> None:
        # At least one trip through the loop, so that a caller in a cycle can't starve it.
        await asyncio.sleep(0)
        while (remaining := (deadline - self.now()).total_seconds()) > 0:  # noqa: ASYNC110 - nobody tells us the time
            await asyncio.sleep(min(remaining, LONGEST_SLEEP_S))


_SYSTEM_CLOCK = SystemClock()


def current_clock() -> Clock:
    """Return the clock of the running event loop: its `clock` if it has one (virtual time), else the machine's."""
    clock: Clock = getattr(running_loop(), "clock", _SYSTEM_CLOCK)
    return clock


def is_time_real() -> bool:
    """Tell whether time here is the machine's and not virtual."""
    return isinstance(current_clock(), SystemClock)


# Linux stops its monotonic clock while the machine sleeps; what was promised for seconds ends all the same.
_STEADY = getattr(time, "CLOCK_BOOTTIME", None) or getattr(time, "CLOCK_MONOTONIC", None)


def steady_s() -> float:
    """Return seconds on a clock that nobody sets and that goes on while the machine sleeps; virtual on virtual time."""
    loop = running_loop()
    if loop is not None and not is_time_real():
        return loop.time()
    return time.monotonic() if _STEADY is None else time.clock_gettime(_STEADY)
