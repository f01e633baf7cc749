"""One run: from its tick, by way of its attempts, to its outcome."""

import asyncio
from contextlib import AbstractAsyncContextManager
from contextvars import Context
from typing import TYPE_CHECKING, Any

from aioclock._engine.grant import Grant
from aioclock.exceptions import LeaseLostError, RunCancelledError, RunSkippedError, TaskTimeoutError, WorkerDiedError
from aioclock.executors import cancel
from aioclock.runs import Outcome, Run, RunKind, run_source

if TYPE_CHECKING:
    from aioclock._engine.keeper import Keeper

__all__ = ["CANCEL_GRACE_S", "LiveRun"]

CANCEL_GRACE_S = 5.0
"""How long a cancelled run may take to end before it is reported as stuck."""

# Looking up a member of an enum is slow before Python 3.12, and this is done for every run.
SUCCEEDED, FAILED, CANCELLED = Outcome.SUCCEEDED, Outcome.FAILED, Outcome.CANCELLED
SKIPPED, LOST = Outcome.SKIPPED, Outcome.LOST


class LiveRun:
    """What one tick became. Its outcome is decided once; for a stuck run that is before its end."""

    __slots__ = (
        "_cancelled", "_keeper", "_timed_out", "_timeout", "_timer", "_waiter", "attempt", "context", "due", "entry",
        "error", "grant", "handle", "kind", "lost", "missed", "outcome", "output", "previous", "reason", "scheduled",
        "started",
    )  # fmt: skip

    def __init__(
        self, entry: Any, keeper: "Keeper", scheduled: float, missed: int = 0, kind: RunKind = "schedule"
    ) -> None:
        self.entry = entry
        self.scheduled = self.due = scheduled
        """The tick, and when the run is due: the tick and its jitter; in seconds since the epoch."""
        self.missed = missed
        """How many earlier ticks the run stands for."""
        self.kind: RunKind = kind
        self.attempt = 0
        self.started: float | None = None
        """On the event loop's clock."""
        self.outcome: Outcome | None = None
        self.reason: str | None = None
        self.error: BaseException | None = None
        self.output: str | None = None
        self.previous: float | None = None
        """The tick of the latest success before."""
        self.context: Context | None = None
        """What context variables the function sees; None: those of the serving."""
        self.grant: Grant | None = None
        """What it has from the app's store, if its task is shared with other processes."""
        self.lost = False
        """Whether it is this process's no longer."""
        self.handle: asyncio.Task[None] | None = None
        self._keeper = keeper
        self._cancelled = self._timed_out = False
        self._timeout: TaskTimeoutError | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._waiter: asyncio.Future[object] | None = None

    def start(self, loop: asyncio.AbstractEventLoop, context: Context) -> None:
        """Begin on *loop*; *context* is where the run's own is copied from."""
        self.previous = self.entry.last_success
        own = context.copy() if self.context is None else self.context
        self.handle = loop.create_task(self._body(loop), name=self.entry.key, context=own)
        if self.kind == "manual":
            self.handle.add_done_callback(self._check)  # its caller waits

    async def _body(self, loop: asyncio.AbstractEventLoop) -> None:
        run_source.set(self)
        if self.handle is None:  # an eager task, which begins before it is handed out
            self.handle = asyncio.current_task()
        self.started = loop.time()
        entry = self.entry
        error: BaseException | None = None
        result: object = None
        try:
            if self._cancelled:  # before it began: asyncio would not even have entered this block
                raise asyncio.CancelledError
            if self._keeper.listeners.wanted:
                self._keeper.begun(self)
            if entry.retry is not None:
                result = await entry.retry.call(self._attempt, fits=self._may_retry, before_wait=self._before_wait)
            elif entry.timeout is not None:
                result = await self._attempt()
            else:
                self.attempt += 1
                result = await entry.call()
            outcome = SUCCEEDED
        except asyncio.CancelledError:
            outcome = CANCELLED
        except Exception as raised:
            outcome, error = self._outcome_of(raised), raised
        except BaseException as raised:  # SystemExit, KeyboardInterrupt: they end the process, but not unrecorded
            self._end_abruptly(raised)
            raise
        if self.grant is not None or self.lost:
            outcome, error = await self._settle(outcome, error)
        self._end(outcome, error, result)
        error = None  # its traceback holds on to this frame

    def _end_abruptly(self, error: BaseException) -> None:
        assert self.handle is not None
        if not self.handle.get_loop().is_closed():  # else nothing ends any more on a loop that was closed under it
            self.handle.add_done_callback(_look_at)  # else asyncio complains of what is on record
            self._end(FAILED, error, None)

    async def _settle(self, outcome: Outcome, error: BaseException | None) -> tuple[Outcome, BaseException | None]:
        """Have the end put on record; nothing cancels the run any more, and it can't get stuck."""
        self._cancelled = True
        if self._timer is not None:
            self._timer.cancel()
        return await self._keeper.settle(self, self.outcome or outcome, self.error or error)

    def _outcome_of(self, error: Exception) -> Outcome:
        if error is self._timeout:
            return Outcome.TIMED_OUT
        if isinstance(error, LeaseLostError) and self.lost:
            return LOST
        if isinstance(error, WorkerDiedError) and self.entry.task.executor == "process":
            return LOST
        return FAILED

    # Attempts

    async def _attempt(self) -> object:
        self.attempt += 1
        if self.entry.timeout is None:
            return await self.entry.call()
        assert self.handle is not None
        cause, result = None, None
        self._timer = self.handle.get_loop().call_later(self.entry.timeout, self._expire)
        try:
            result = await self.entry.call()
        except asyncio.CancelledError:
            if not self._timed_out:
                raise
        except Exception as error:
            if not self._timed_out:
                raise
            cause = error
        finally:
            self._timer.cancel()
        if self._timed_out:
            self._timed_out = False
            self.handle.uncancel()
            try:
                raise self._timeout_error() from cause
            finally:
                cause = None
        return result

    def _timeout_error(self) -> TaskTimeoutError:
        self._timeout = error = TaskTimeoutError(task_name=self.entry.key, timeout_s=self.entry.timeout)
        return error

    def _may_retry(self, delay_s: float) -> bool:
        if self.outcome is not None or self._cancelled or self.lost:
            return False
        return self.entry.retry.outlive_tick or self._keeper.leaves_time_for(self, delay_s)

    def _before_wait(self, error: Exception, delay_s: float) -> None:
        self._keeper.retrying(self, error, delay_s)

    # The end

    def _end(self, outcome: Outcome, error: BaseException | None, result: object) -> None:
        if self._timer is not None:
            self._timer.cancel()
        try:
            if self.outcome is None:  # else it was decided when it was given up, and has ended after all
                self._decide(outcome, error, result)
        finally:
            self._keeper.ended(self)
            # Their context leads back to this run. Runs in cycles would keep the garbage collector busy.
            self.handle = self._timer = None

    def _decide(self, outcome: Outcome, error: BaseException | None = None, result: object = None) -> None:
        self.outcome = outcome
        self.error = error
        if self._waiter is not None and not self._waiter.done():
            self._answer(self._waiter, result)
        self._keeper.decided(self)
        self.error = self._timeout = None  # their tracebacks hold on to everything that the run used

    def _answer(self, waiter: "asyncio.Future[object]", result: object) -> None:
        if self.outcome is CANCELLED:
            waiter.set_exception(RunCancelledError(task_name=self.entry.key))
        elif self.outcome is SKIPPED:
            waiter.set_exception(RunSkippedError(task_name=self.entry.key, reason=str(self.reason)))
        elif self.error is not None:
            waiter.set_exception(self.error)
        else:
            waiter.set_result(result)

    def skip(self, reason: str) -> None:
        """Decide that the run, which has not started, never will."""
        self.hasten()
        self.reason = reason
        self.previous = self.entry.last_success
        self._decide(SKIPPED)

    def delay(self, timer: asyncio.TimerHandle) -> None:
        """Note the timer that will let the run, which has not started, go on."""
        self._timer = timer

    def hasten(self) -> None:
        """Forget that timer."""
        if self._timer is not None:
            self._timer.cancel()

    def cancel(self) -> None:
        """Ask the run to end; if it has not after a grace period, it is reported as stuck."""
        if self._cancelled or self.handle is None or (self.handle.done() and self.outcome is not None):
            return
        self._cancelled = True
        if self.handle.done():  # cancelled from outside before it began, so its body was never entered
            self._end(CANCELLED, None, None)
        elif not self._timed_out:  # else it is being cancelled already
            self._interrupt(self.handle)

    def lose(self) -> None:
        """Ask the run to end, for it is this process's no longer."""
        self.lost = True
        self.cancel()

    def _check(self, handle: "asyncio.Task[None]") -> None:
        if self.outcome is None:  # a stranger cancelled it before it began
            self.cancel()

    def _expire(self) -> None:
        assert self.handle is not None
        self._timed_out = True
        if not self._interrupt(self.handle) and self._is_last_attempt():
            # The thread will not heed a grace period. Whoever waits for the run is told now.
            self._decide(Outcome.TIMED_OUT, self._timeout_error())

    def _interrupt(self, handle: "asyncio.Task[None]") -> bool:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = handle.get_loop().call_later(CANCEL_GRACE_S, self._give_up)
        return self.started is None or cancel(handle)

    def _is_last_attempt(self) -> bool:
        retry = self.entry.retry
        return retry is None or self._cancelled or self.attempt >= retry.attempts

    def _give_up(self) -> None:
        if self.outcome is None:
            if self._timed_out:
                self._decide(Outcome.TIMED_OUT, self._timeout_error())
            elif self.lost:
                self._decide(LOST, LeaseLostError(task_name=self.entry.key))
            else:
                self._decide(CANCELLED)
        self._keeper.stuck(self)

    # Those who look at it or wait for it

    def is_kept_by(self, keeper: object) -> bool:
        """Tell whether *keeper* keeps account of the run."""
        return self._keeper is keeper

    def snapshot(self) -> Run:
        """Return the run as it is now."""
        return self._keeper.snapshot(self)

    def transaction(self) -> AbstractAsyncContextManager[Any]:
        """Return a block within a transaction that ends with the run."""
        return self._keeper.transaction(self)

    async def wait(self) -> object:
        """Return what the function returned, or raise what it raised; cancelling the wait cancels the run."""
        waiter = self._waiter = asyncio.get_running_loop().create_future()
        if self.outcome is not None:
            self._answer(waiter, None)
        try:
            return await waiter
        except asyncio.CancelledError:
            if self.handle is None:
                self._keeper.withdrawn(self)
                raise
            self.cancel()
            while self.outcome is None:
                await asyncio.wait((self.handle,), timeout=CANCEL_GRACE_S)
            raise


def _look_at(task: "asyncio.Task[None]") -> None:
    if not task.cancelled():
        task.exception()
