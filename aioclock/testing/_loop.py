"""An event loop whose clock jumps to the next timer when nothing is left to do."""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from datetime import datetime
from typing import Any, TypeVar, TypeVarTuple, Unpack

from aioclock.exceptions import BaseAioClockException
from aioclock.logger import logger
from aioclock.testing._clock import DEFAULT_START, VirtualClock
from aioclock.testing._outside import Outside, Submission
from aioclock.testing._selector import MAX_TURNS, Events, VirtualSelector

__all__ = ["VirtualEventLoop", "VirtualTimeError"]

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

RESOLUTION_S = 1e-6
"""Timers this close count as due together: floats of seconds are coarser than the usual nanosecond after 194 days."""

HALF_A_TICK_S = RESOLUTION_S / 2
"""A timer may overshoot the end of an advance by so much: it is rounding (3 × 0.1 > 0.3) and no clock shows it."""

MAX_JUMPS = 2_000_000
"""How many jumps one coroutine may take to finish: nearly four years by the minute."""

BUSY_POLL_S = 0.05
WARN_AFTER_S = 5.0
IO_SILENCE_S = 0.05
CHILD_SILENCE_S = 5.0
IO_PAUSE_S = 0.001
IO_PATIENCE_S = 10.0


class VirtualTimeError(BaseAioClockException, RuntimeError):
    """Virtual time can't go on: what is waited for can never happen, or the loop is never idle."""


class VirtualEventLoop(asyncio.SelectorEventLoop):
    """Runs coroutines on virtual time: `asyncio.sleep`, timeouts and timers take none of the real one.

    ```python
    import asyncio

    from aioclock.testing import VirtualEventLoop

    with asyncio.Runner(loop_factory=VirtualEventLoop) as runner:
        runner.run(asyncio.sleep(365 * 24 * 3600))
        print(runner.get_loop().clock.now())
    ```

    Time stands still while something is ready to run and while a worker thread is busy.

    Args:
        start: What the clock shows at first; aware. Left out, the beginning of 2025 in UTC.

    Raises:
        VirtualTimeError: out of whatever runs the loop, when it could only hang.
    """

    clock: VirtualClock

    def __init__(self, start: datetime = DEFAULT_START) -> None:
        self._now_s = 0.0
        self._until_s: float | None = None
        self._arrival: asyncio.Future[None] | None = None
        self._jumps = 0
        self._held_since: float | None = None
        self._pool: Executor | None = None
        self._outside = Outside(self)
        self.clock = VirtualClock(start, self.time)
        self._virtual_selector = VirtualSelector(self._when_idle, self._spinning)
        super().__init__(self._virtual_selector)
        self._clock_resolution = RESOLUTION_S

    def time(self) -> float:
        """Return the virtual seconds since the loop was made."""
        return self._now_s

    def run_to(self, deadline_s: float) -> None:
        """Run all that is due until the loop's time is *deadline_s*, and stop there."""
        self._until_s = deadline_s
        # A task and not a bare future: anyio ends its worker threads with the task that the loop is run for.
        arriving = self.create_task(self._arrive(), name="virtual time")
        try:
            self.run_until_complete(arriving)
        finally:
            self._until_s = None
            arriving.cancel()

    async def _arrive(self) -> None:
        self._arrival = self.create_future()
        await self._arrival

    def interrupt(self) -> None:
        """End `run_to` at the present instant."""
        if self._arrival is not None and not self._arrival.done():
            self._arrival.set_result(None)

    def run_until_complete(self, future: Any) -> Any:
        """Run until *future* is done and return its result.

        Raises:
            VirtualTimeError: it can't ever be done, or takes more than `MAX_JUMPS` jumps.
        """
        self._jumps = 0
        return super().run_until_complete(future)

    # Moving the time

    def _when_idle(self) -> Events:
        if not self._outside.absent or self._virtual_selector.has_io:
            if self._outside.busy:
                return self._wait_for_others()
            self._held_since = None
            if (self._virtual_selector.has_io or self._outside.has_children) and (events := self._wait_for_io()):
                return events
            if self._ready:  # type: ignore[attr-defined]  # what a thread has posted while it was looked at
                return []
        self._jump()
        return []

    def _jump(self) -> None:
        # `_scheduled` is asyncio's heap of timers. What select() is told would do but for rounding: to stop a hair
        # before the timer means to come back for the rest.
        timers = self._scheduled  # type: ignore[attr-defined]  # private, and the same from 3.11 to 3.14
        next_s: float | None = timers[0].when() if timers else None
        if self._until_s is not None and (next_s is None or next_s > self._until_s + HALF_A_TICK_S):
            self._now_s = max(self._now_s, self._until_s)
            self.interrupt()
            return
        if next_s is None:
            raise VirtualTimeError(
                "nothing can happen any more: no timer is set, no thread works, and yet something is waited for"
            )
        self._now_s = max(self._now_s, next_s)
        self._virtual_selector.time_moved()
        self._jumps += 1
        if self._jumps > MAX_JUMPS and self._until_s is None:
            self._jumps = 0
            raise VirtualTimeError(f"still not finished after {MAX_JUMPS} jumps, at {self.clock.now().isoformat()}")

    def _spinning(self) -> None:
        raise VirtualTimeError(
            f"virtual time can't move: the loop turned {MAX_TURNS} times at {self.clock.now().isoformat()} "
            "and was never idle; is there a loop of `await asyncio.sleep(0)`, or a Forever() task that never waits?"
        )

    def _wait_for_others(self) -> Events:
        now = time.monotonic()
        if self._held_since is None:
            self._held_since = now
        elif now - self._held_since > WARN_AFTER_S:
            logger.warning("virtual time has waited for a worker thread for %.0f real seconds", now - self._held_since)
            self._held_since = now
        return self._virtual_selector.poll(BUSY_POLL_S)

    def _wait_for_io(self) -> Events:
        # Nobody can know whether an answer is under way. So virtual time waits while there is life on the wire, and
        # an idle connection costs a millisecond per jump. Without any timer, only real events can go on.
        stuck = self._until_s is None and not self._scheduled  # type: ignore[attr-defined]  # see _jump
        silence_s = CHILD_SILENCE_S if self._outside.has_children else IO_SILENCE_S
        silence_s = IO_PATIENCE_S if stuck else silence_s
        return self._virtual_selector.poll_while_lively(silence_s=silence_s, at_least_s=IO_PAUSE_S)

    # Work outside the loop

    def run_in_executor(
        self, executor: Executor | None, func: Callable[[Unpack[Ts]], T], *args: *Ts
    ) -> "asyncio.Future[T]":
        """Run *func* in *executor* as asyncio does; virtual time stands still meanwhile."""
        if executor is None:
            if self._pool is None:
                self.set_default_executor(ThreadPoolExecutor(thread_name_prefix="asyncio"))
            executor = self._pool
        assert executor is not None
        submission = Submission(executor)
        future = super().run_in_executor(submission, func, *args)
        assert submission.job is not None
        self._outside.watch(submission.job)
        return future

    def set_default_executor(self, executor: Any) -> None:
        self._pool = executor
        super().set_default_executor(executor)

    async def shutdown_default_executor(self, timeout: float | None = None) -> None:
        """Wait for the default executor's threads, however long they take; *timeout* would be virtual."""
        self._outside.hold()
        try:
            await super().shutdown_default_executor()
        finally:
            self._outside.release()

    async def subprocess_exec(self, *args: Any, **kwargs: Any) -> Any:
        transport, protocol = await super().subprocess_exec(*args, **kwargs)
        self._outside.add_child(transport)
        return transport, protocol

    async def subprocess_shell(self, *args: Any, **kwargs: Any) -> Any:
        transport, protocol = await super().subprocess_shell(*args, **kwargs)
        self._outside.add_child(transport)
        return transport, protocol
