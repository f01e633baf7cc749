"""All runs of one serving: started here, recorded here, ended here."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from datetime import UTC, datetime
from traceback import format_exception

from aioclock._engine.cursor import Moment
from aioclock._engine.run import CANCEL_GRACE_S, SUCCEEDED, LiveRun
from aioclock.logger import logger
from aioclock.runs import Outcome, Run, RunError

__all__ = ["RunObserver", "Runner"]

RunObserver = Callable[[Run], None]


class Runner:
    """Owns the runs that are going.

    Args:
        now: Tells the present.
        observers: Called with the record of every run and of every skipped tick; they must not raise.
        on_drained: Called when the last open run has its outcome.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        now: Callable[[], Moment],
        observers: Iterable[RunObserver],
        on_drained: Callable[[], None],
    ) -> None:
        self._loop = loop
        self._now = now
        self._observers = observers
        self._on_drained = on_drained
        self.live: set[LiveRun] = set()
        """Runs whose outcome is open."""

    def start(
        self,
        key: str,
        call: Callable[[], Awaitable[object]],
        timeout: float | None,
        *,
        scheduled: float,
        missed: int = 0,
        on_end: Callable[[LiveRun], None],
    ) -> LiveRun:
        """Start a run of the tick *scheduled* (seconds since the epoch)."""
        run = LiveRun(key, call, timeout, self._decided, on_end)
        run.missed = missed
        self.live.add(run)
        run.start(self._loop, scheduled)
        return run

    def skip(self, key: str, reason: str, *, scheduled: float, missed: int, now: Moment) -> None:
        """Record that a tick got no run."""
        late_s = max(0.0, now.epoch - scheduled)
        logger.warning("run of %s skipped: %s", key, reason, extra={"task": key, "reason": reason, "late_s": late_s})
        if self._observers:
            self._announce(
                Run(
                    task_key=key,
                    scheduled_at=_aware(scheduled),
                    outcome=Outcome.SKIPPED,
                    reason=reason,
                    lateness_s=late_s,
                    missed=missed,
                )
            )

    def _decided(self, run: LiveRun) -> None:
        self.live.discard(run)
        if run.outcome is not SUCCEEDED:
            self._log(run)
        if self._observers:
            self._announce(self._record(run))
        if not self.live:
            self._on_drained()

    def _log(self, run: LiveRun) -> None:
        facts = {"task": run.key, "outcome": run.outcome}
        if run.outcome is Outcome.TIMED_OUT:
            logger.error("%s", run.error, extra=facts)
        elif run.outcome is Outcome.FAILED:
            logger.error("run of %s failed", run.key, exc_info=run.error, extra=facts)
        else:
            logger.info("run of %s cancelled", run.key, extra=facts)

    def _announce(self, run: Run) -> None:
        for observe in self._observers:
            observe(run)

    def _record(self, run: LiveRun) -> Run:
        now = self._now()
        started = now.epoch if run.started is None else now.epoch - (now.elapsed - run.started)
        assert run.outcome is not None
        return Run(
            task_key=run.key,
            scheduled_at=_aware(run.scheduled),
            started_at=_aware(started),
            finished_at=_aware(now.epoch),
            outcome=run.outcome,
            error=None if run.error is None else _as_text(run.error),
            lateness_s=max(0.0, started - run.scheduled),
            missed=run.missed,
        )

    async def finish(self, *, patience_s: float | None, hurry: asyncio.Event) -> None:
        """Return when no run is open: wait *patience_s* (None: for ever) or until *hurry* is set, then cancel.

        Runs that ignore their cancellation are reported and left behind, so this always returns.
        """
        hurried = self._loop.create_task(hurry.wait())
        deadline = None if patience_s is None else self._loop.time() + patience_s
        try:
            while self.live and not hurry.is_set():
                remaining = None if deadline is None else deadline - self._loop.time()
                if remaining is not None and remaining <= 0:
                    break
                handles = {run.handle for run in self.live}
                await asyncio.wait({hurried, *handles}, timeout=remaining, return_when=asyncio.FIRST_COMPLETED)
        finally:
            hurried.cancel()
        await self.cancel_all()

    async def cancel_all(self) -> None:
        """Cancel all runs and return when each has ended or was reported as stuck."""
        if not self.live:
            return
        logger.warning(
            "cancelling %d run(s)", len(self.live), extra={"tasks": sorted(run.key for run in self.live)[:20]}
        )
        for run in self.live:
            run.cancel()
        while self.live:
            await asyncio.wait({run.handle for run in self.live}, timeout=CANCEL_GRACE_S / 10)


def _aware(epoch: float) -> datetime:
    return datetime.fromtimestamp(epoch, UTC)


def _as_text(error: BaseException) -> RunError:
    return RunError(type=type(error).__qualname__, message=str(error), traceback="".join(format_exception(error)))
