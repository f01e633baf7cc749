"""One run while it goes: its asyncio task, its timeout, its outcome."""

import asyncio
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from typing import Any, Protocol

from aioclock.exceptions import TaskTimeoutError
from aioclock.executors import cancel
from aioclock.logger import logger
from aioclock.runs import Outcome

__all__ = ["CANCEL_GRACE_S", "SUCCEEDED", "LiveRun", "current_live_run"]

CANCEL_GRACE_S = 5.0
"""How long a cancelled run may take to end before it is reported as stuck."""

# Looking up a member of an enum is slow before Python 3.12, and this is done for every run.
SUCCEEDED, FAILED, CANCELLED = Outcome.SUCCEEDED, Outcome.FAILED, Outcome.CANCELLED

current_live_run: ContextVar["LiveRun | None"] = ContextVar("current_live_run", default=None)


class Slot(Protocol):
    """What a run is a run of."""

    key: str
    call: Callable[[], Awaitable[object]]
    timeout: float | None


class Keeper(Protocol):
    """Who keeps account of runs."""

    def decided(self, run: "LiveRun", /) -> None:
        """Take note of the outcome. Called once."""

    def ended(self, run: "LiveRun", /) -> None:
        """Take note that nothing of the run is going any more. Called once, after `decided`."""


class LiveRun:
    """One call of a task's function. Its outcome is decided once; for a stuck run that is before its end."""

    __slots__ = (
        "_cancelled", "_keeper", "_timed_out", "_timer", "_waiter", "error", "handle", "missed", "outcome",
        "scheduled", "slot", "started",
    )  # fmt: skip

    def __init__(self, slot: Any, keeper: Keeper, scheduled: float, missed: int) -> None:
        self.slot = slot
        self.scheduled = scheduled
        """The tick, in seconds since the epoch."""
        self.missed = missed
        """How many earlier ticks the run stands for."""
        self.started: float | None = None
        """On the event loop's clock."""
        self.outcome: Outcome | None = None
        self.error: BaseException | None = None
        self._keeper = keeper
        self._cancelled = self._timed_out = False
        self._timer: asyncio.TimerHandle | None = None
        self._waiter: asyncio.Future[object] | None = None

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Begin on *loop*."""
        self.handle = loop.create_task(self._body(loop), name=self.slot.key)

    async def _body(self, loop: asyncio.AbstractEventLoop) -> None:
        current_live_run.set(self)
        self.started = loop.time()
        slot = self.slot
        error: BaseException | None = None
        result: object = None
        try:
            if self._cancelled:  # before it began: asyncio would not even have entered this block
                raise asyncio.CancelledError
            if slot.timeout is not None:
                self._timer = loop.call_later(slot.timeout, self._expire)
            result = await slot.call()
            outcome = SUCCEEDED
        except asyncio.CancelledError:
            outcome = CANCELLED
        except Exception as raised:
            outcome, error = FAILED, raised
        except BaseException as raised:  # SystemExit, KeyboardInterrupt: they end the process, but not unrecorded
            self._end(FAILED, raised, None)
            raise
        self._end(outcome, error, result)

    def _end(self, outcome: Outcome, error: BaseException | None, result: object) -> None:
        if self._timer is not None:
            self._timer.cancel()
        try:
            if self.outcome is None:  # else it was reported as stuck and has ended after all
                self._decide(outcome, error, result)
        finally:
            self._keeper.ended(self)

    def _decide(self, outcome: Outcome, error: BaseException | None, result: object) -> None:
        if self._timed_out:
            outcome, cause = Outcome.TIMED_OUT, error
            error = TaskTimeoutError(task_name=self.slot.key, timeout_s=self.slot.timeout)
            error.__cause__ = cause
        self.outcome = outcome
        self.error = error
        if self._waiter is not None and not self._waiter.done():
            self._answer(self._waiter, result)
        self._keeper.decided(self)
        self.error = None  # its traceback holds on to everything that the run used

    def _answer(self, waiter: "asyncio.Future[object]", result: object) -> None:
        if self.outcome is CANCELLED:
            waiter.cancel()
        elif self.error is not None:
            waiter.set_exception(self.error)
        else:
            waiter.set_result(result)

    def cancel(self) -> None:
        """Ask the run to end; if it has not after a grace period, it is reported as stuck."""
        if self._cancelled:
            return
        self._cancelled = True
        if self.handle.done():  # cancelled from outside before it began, so its body was never entered
            self._end(CANCELLED, None, None)
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self.handle.get_loop().call_later(CANCEL_GRACE_S, self._give_up)
        if self.started is not None and not cancel(self.handle) and self._timed_out:
            # The thread will not heed a grace period. Whoever waits for the run is told now.
            self._give_up()

    def _expire(self) -> None:
        self._timed_out = True
        self.cancel()

    def _give_up(self) -> None:
        if self.outcome is None:
            logger.error(
                "run of %s is stuck: until it ends in spite of its cancellation, the task does not run again",
                self.slot.key,
                extra={"task": self.slot.key},
            )
            self._decide(CANCELLED, None, None)

    async def wait(self) -> object:
        """Return what the function returned, or raise what it raised; cancelling the wait cancels the run."""
        self._waiter = waiter = self.handle.get_loop().create_future()
        try:
            return await waiter
        except asyncio.CancelledError:
            self.cancel()
            while self.outcome is None:
                await asyncio.wait((self.handle,), timeout=CANCEL_GRACE_S)
            raise
