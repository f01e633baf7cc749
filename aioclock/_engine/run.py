"""One run while it goes: its asyncio task, its timeout, its outcome."""

import asyncio
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from typing import Any

from aioclock.clock import current_clock
from aioclock.exceptions import TaskTimeoutError
from aioclock.executors import cancel
from aioclock.logger import logger
from aioclock.runs import Outcome
from aioclock.task import Task

__all__ = ["CANCEL_GRACE_S", "SUCCEEDED", "LiveRun", "current_live_run", "run_by_hand"]

CANCEL_GRACE_S = 5.0
"""How long a cancelled run may take to end before it is reported as stuck."""

# Looking up a member of an enum is slow before Python 3.12, and this is done for every run.
SUCCEEDED, FAILED, CANCELLED = Outcome.SUCCEEDED, Outcome.FAILED, Outcome.CANCELLED

current_live_run: ContextVar["LiveRun | None"] = ContextVar("current_live_run", default=None)


class LiveRun:
    """One call of a task's function. Its outcome is decided once; for a stuck run that is before its end."""

    # Defaults of the class cost nothing per run, and there may be a million runs.
    _timer: asyncio.TimerHandle | None = None
    _waiter: asyncio.Future[object] | None = None
    _cancelled = False
    timed_out = False
    outcome: Outcome | None = None
    error: BaseException | None = None
    entry: Any = None
    missed = 0
    """How many earlier ticks the run stands for."""
    started: float | None = None
    """On the event loop's clock."""

    def __init__(
        self,
        key: str,
        call: Callable[[], Awaitable[object]],
        timeout: float | None,
        on_outcome: Callable[["LiveRun"], None],
        on_end: Callable[["LiveRun"], None],
    ) -> None:
        self.key = key
        self.timeout = timeout
        self._call = call
        self._on_outcome = on_outcome
        self._on_end = on_end

    def start(self, loop: asyncio.AbstractEventLoop, scheduled: float) -> None:
        """Begin, on *loop*, the run of the tick *scheduled* (seconds since the epoch)."""
        self.scheduled = scheduled
        self.handle = loop.create_task(self._body(loop), name=self.key)

    async def _body(self, loop: asyncio.AbstractEventLoop) -> None:
        current_live_run.set(self)
        self.started = loop.time()
        result: object = None
        try:
            if self._cancelled:  # before it began: asyncio would not even have entered this block
                raise asyncio.CancelledError
            if self.timeout is not None:
                self._timer = loop.call_later(self.timeout, self._expire)
            result = await self._call()
        except asyncio.CancelledError:
            self._decide(CANCELLED, None, None)
        except Exception as error:
            self._decide(FAILED, error, None)
        except BaseException as error:  # SystemExit, KeyboardInterrupt: they end the process, but not unrecorded
            self._decide(FAILED, error, None)
            raise
        else:
            self._decide(SUCCEEDED, None, result)
        finally:
            if self._timer is not None:
                self._timer.cancel()
            self._on_end(self)

    def _decide(self, outcome: Outcome, error: BaseException | None, result: object) -> None:
        if self.outcome is not None:
            return  # it was reported as stuck and has ended after all
        if self.timed_out and self.timeout is not None:
            outcome, cause = Outcome.TIMED_OUT, error
            error = TaskTimeoutError(task_name=self.key, timeout_s=self.timeout)
            error.__cause__ = cause
        self.outcome = outcome
        if error is not None:
            self.error = error
        if self._waiter is not None and not self._waiter.done():
            self._answer(self._waiter, result)
        self._on_outcome(self)
        if error is not None:
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
            self._decide(CANCELLED, None, None)
            self._on_end(self)
            return
        if self._timer is not None:
            self._timer.cancel()
        loop = self.handle.get_loop()
        self._timer = loop.call_later(CANCEL_GRACE_S, self._give_up)
        if self.started is not None:
            cancel(self.handle)

    def _expire(self) -> None:
        self.timed_out = True
        self.cancel()

    def _give_up(self) -> None:
        logger.error(
            "run is stuck: it ignores its cancellation and keeps its task from running again",
            extra={"task": self.key, "grace_s": CANCEL_GRACE_S},
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


async def run_by_hand(task: Task) -> object:
    """Run *task* now, beside its schedule and within its timeout, and return its result or raise its error."""
    loop = asyncio.get_running_loop()
    run = LiveRun(task.key, task.prepare(), task.timeout, _nothing, _nothing)
    run.start(loop, current_clock().now().timestamp())
    return await run.wait()


def _nothing(run: LiveRun) -> None:
    """Nobody else asks for the outcome: the caller gets it."""
