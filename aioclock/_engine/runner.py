"""All runs of one serving: started here, recorded here, ended here."""

import asyncio
from collections.abc import Callable, Iterable
from traceback import format_exception

from aioclock._engine.cursor import Moment
from aioclock._engine.entry import Entry
from aioclock._engine.run import SUCCEEDED, LiveRun
from aioclock.logger import logger
from aioclock.runs import Outcome, RunError, RunFacts
from aioclock.utils import longer_delay

__all__ = ["RunObserver", "Runner"]

RunObserver = Callable[[RunFacts], None]


class Runner:
    """Owns the runs that are going.

    Args:
        now: Tells the present.
        observers: Called with the facts of every run and of every skipped tick; they must not raise.
        on_free: Called when a run ends for which cursors of its entry have waited.
        on_drained: Called when the last open run has its outcome.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        now: Callable[[], Moment],
        observers: Iterable[RunObserver],
        *,
        on_free: Callable[[Entry], None],
        on_drained: Callable[[], None],
    ) -> None:
        self._loop = loop
        self._now = now
        self._observers = observers
        self._on_free = on_free
        self._on_drained = on_drained
        self.live: set[LiveRun] = set()
        """Runs whose outcome is open."""
        self._all_decided: asyncio.Future[None] | None = None

    def start(self, entry: Entry, scheduled: float, missed: int = 0) -> LiveRun:
        """Start a run of *entry* for the tick *scheduled* (seconds since the epoch); it occupies the entry."""
        if missed:
            logger.warning(
                "%d tick(s) of %s passed unanswered; one run answers them all", missed + 1, entry.key,
                extra={"task": entry.key, "missed": missed},
            )  # fmt: skip
        entry.run = run = LiveRun(entry, self, scheduled, missed)
        self.live.add(run)
        run.start(self._loop)
        return run

    def skip(self, key: str, reason: str, *, scheduled: float, missed: int, now: Moment) -> None:
        """Record that a tick got no run."""
        late_s = max(0.0, now.epoch - scheduled)
        logger.warning("run of %s skipped: %s", key, reason, extra={"task": key, "reason": reason, "late_s": late_s})
        if self._observers:
            self._announce(RunFacts(key, scheduled, Outcome.SKIPPED.value, now.epoch, reason=reason, missed=missed))

    def decided(self, run: LiveRun) -> None:
        """Record the outcome of *run*."""
        self.live.discard(run)
        try:
            if run.outcome is not SUCCEEDED:
                self._log(run)
            if self._observers:
                self._announce(self._facts(run))
        finally:
            if not self.live:
                self._drained()

    def ended(self, run: LiveRun) -> None:
        """Free the entry that *run* occupied."""
        entry: Entry = run.slot
        entry.run = None
        if run.outcome is not SUCCEEDED:
            entry.run_delay_s = longer_delay(entry.run_delay_s)
        elif entry.run_delay_s:
            entry.run_delay_s = 0.0
        if entry.parked:
            self._on_free(entry)

    def _log(self, run: LiveRun) -> None:
        facts = {"task": run.slot.key, "outcome": run.outcome}
        if run.outcome is Outcome.TIMED_OUT:
            logger.error("%s", run.error, extra=facts)
        elif run.outcome is Outcome.FAILED:
            logger.error("run of %s failed", run.slot.key, exc_info=run.error, extra=facts)
        else:
            logger.info("run of %s cancelled", run.slot.key, extra=facts)

    def _announce(self, facts: RunFacts) -> None:
        for observe in self._observers:
            observe(facts)

    def _facts(self, run: LiveRun) -> RunFacts:
        now = self._now()
        started = now.epoch if run.started is None else now.epoch - (now.elapsed - run.started)
        error = None if run.error is None else _as_text(run.error)
        assert run.outcome is not None
        return RunFacts(run.slot.key, run.scheduled, run.outcome.value, now.epoch, started, None, error, run.missed)

    async def finish(self, *, patience_s: float | None, hurry: asyncio.Event) -> None:
        """Return when no run is open: wait *patience_s* (None: for ever) or until *hurry* is set, then cancel.

        Runs that ignore their cancellation are reported and left behind, so this always returns.
        """
        if not self.live:
            return
        self._all_decided = all_decided = self._loop.create_future()
        hurried = self._loop.create_task(hurry.wait())
        try:
            await asyncio.wait((all_decided, hurried), timeout=patience_s, return_when=asyncio.FIRST_COMPLETED)
            if self.live:
                self._cancel_all()
                await all_decided
        finally:
            hurried.cancel()

    def _cancel_all(self) -> None:
        keys = sorted(run.slot.key for run in self.live)
        logger.warning("%d run(s) are cancelled: %s", len(keys), ", ".join(keys[:10]), extra={"tasks": keys})
        for run in list(self.live):
            run.cancel()

    def _drained(self) -> None:
        if self._all_decided is not None and not self._all_decided.done():
            self._all_decided.set_result(None)
        self._on_drained()


def _as_text(error: BaseException) -> RunError:
    try:
        message = str(error)
    except Exception as unprintable:
        message = f"(can't be printed: {type(unprintable).__qualname__})"
    return RunError(type=type(error).__qualname__, message=message, traceback="".join(format_exception(error)))
