"""What is written down of runs: in the history, in the log, and for those who listen."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from math import nan
from traceback import format_exception
from typing import Any, TypeAlias

from aioclock._engine.entry import Entry
from aioclock._engine.listeners import Listeners
from aioclock._engine.present import Present
from aioclock._engine.run import CANCELLED, SKIPPED, SUCCEEDED, LiveRun
from aioclock.events import (
    OUTCOME_EVENTS,
    Event,
    RunLost,
    RunRetrying,
    RunStarted,
    RunStuck,
    TaskRecovered,
)
from aioclock.logger import logger
from aioclock.runs import Outcome, Run, RunError, RunFacts, facts_from, run_of, run_source

__all__ = ["FAILURES", "Ledger", "RunObserver", "as_text", "facts_of"]

RunObserver: TypeAlias = Callable[[RunFacts], None]

FAILURES = frozenset({Outcome.FAILED, Outcome.TIMED_OUT, Outcome.LOST})

LONGEST_TEXT = 20_000
"""How many characters of an error are kept: an exception may carry all the data that it complains of."""


class Ledger:
    """Records the outcome of every tick, once.

    Attributes:
        listeners: Are told events.
        observers: Called with the facts of every run and of every skipped tick; they must not raise.

    Args:
        now: Tells the wall-clock time of events.
    """

    def __init__(self, listeners: Listeners, *, now: Callable[[], datetime]) -> None:
        self.listeners = listeners
        self.observers: list[RunObserver] = []
        self._now = now

    def outcome(self, run: LiveRun, present: Present) -> None:
        """Record what came of *run*."""
        entry: Entry = run.entry
        succeeded, failures = run.outcome is SUCCEEDED, entry.failures
        if run.outcome in FAILURES:
            entry.failures += 1
        facts: RunFacts | None = None
        ordinary = succeeded and run.attempt == 1 and not run.missed and run.kind == "schedule" and run.output is None
        ordinary = ordinary and run.grant is None
        if ordinary and run.started is not None:
            offset, previous = present.offset, run.previous
            finished = present.loop.time() + offset
            entry.history.add_success(
                run.scheduled, run.started + offset, finished, nan if previous is None else previous
            )
        else:
            facts = facts_of(run, present)
            entry.history.add(facts)
        if succeeded:
            if entry.last_success is None or run.scheduled > entry.last_success:
                entry.last_success = run.scheduled
            entry.failures = 0
        if self.observers or self.listeners.wanted:
            self._tell(run, facts or facts_of(run, present), recovered_from=failures if succeeded else 0)
        if not succeeded and run.kind != "manual":  # whoever asked for it is told
            with _marked_as(run):
                _log(run, present)  # last: what a user's handler or filter raises must not cost the record

    def _tell(self, run: LiveRun, facts: RunFacts, *, recovered_from: int) -> None:
        assert run.outcome is not None
        for observe in self.observers:
            observe(facts)
        kind = OUTCOME_EVENTS[run.outcome]
        if kind in self.listeners.wanted:
            self.event(kind, run=run_of(facts))
        if recovered_from:
            self.event(TaskRecovered, task_key=run.entry.key, failures=recovered_from)

    def lost(self, entry: Entry, run: Run) -> None:
        """Record that the process died in which *run* went, by what the store has of it."""
        logger.error("run of %s lost: its process died", entry.key, extra={"task": entry.key, "outcome": "lost"})
        entry.history.add(facts_from(run))
        for observe in self.observers:
            observe(facts_from(run))
        self.event(RunLost, run=run)

    def begun(self, run: LiveRun, present: Present) -> None:
        """Announce that *run* calls its function for the first time."""
        if RunStarted in self.listeners.wanted:
            self.event(RunStarted, run=run_of(facts_of(run, present)._replace(attempt=1)))

    def retrying(self, run: LiveRun, error: Exception, delay_s: float, present: Present) -> None:
        """Record that another attempt of *run* will follow."""
        logger.warning(
            "attempt %d of %s failed, the next one follows in %.3g s: %s: %s",
            run.attempt, run.entry.key, delay_s, type(error).__name__, _printed(str, error),
            extra={"task": run.entry.key, "attempt": run.attempt, "delay_s": delay_s},
        )  # fmt: skip
        if RunRetrying in self.listeners.wanted:
            facts = facts_of(run, present)._replace(error=as_text(error))
            self.event(RunRetrying, run=run_of(facts), delay_s=delay_s)

    def stuck(self, run: LiveRun, present: Present) -> None:
        """Record that *run* ignores its cancellation."""
        key = run.entry.key
        with _marked_as(run):
            logger.error(
                "run of %s is stuck: it goes on in spite of its cancellation and occupies its task until it ends", key,
                extra={"task": key},
            )  # fmt: skip
        if RunStuck in self.listeners.wanted:
            self.event(RunStuck, run=run_of(facts_of(run, present)))

    def event(self, kind: type[Event], **facts: Any) -> None:
        """Announce a *kind* of event, if somebody listens."""
        if kind in self.listeners.wanted:
            self.listeners.announce(kind(at=self._now(), **facts))


def facts_of(run: LiveRun, present: Present) -> RunFacts:
    """Return what is known of *run* now."""
    now = present.now()
    return RunFacts(
        run.entry.key,
        run.scheduled,
        None if run.outcome is None else run.outcome.value,
        now.epoch,
        None if run.started is None else run.started + present.offset,
        run.reason,
        None if run.error is None else as_text(run.error),
        run.missed,
        run.kind,
        run.attempt,
        run.previous,
        run.output,
        None if run.grant is None else run.grant.fence,
        None if run.grant is None else run.grant.owner,
    )


@contextmanager
def _marked_as(run: LiveRun) -> Iterator[None]:
    # This may be the context of the run that cancelled it, or of the one whose end lets it start or skips it.
    token = run_source.set(run)
    try:
        yield
    finally:
        run_source.reset(token)


def _log(run: LiveRun, present: Present) -> None:
    assert run.outcome is not None
    key = run.entry.key
    facts = {"task": key, "outcome": run.outcome.value}
    if run.outcome is SKIPPED:
        late_s = max(0.0, present.now().epoch - run.scheduled)
        # Whoever pauses a task or stops the app knows that ticks are skipped.
        log = logger.warning if run.reason in ("overlap", "missed") else logger.debug
        log("run of %s skipped: %s", key, run.reason, extra={**facts, "reason": run.reason, "late_s": late_s})
    elif run.outcome is CANCELLED:
        logger.info("run of %s cancelled", key, extra=facts)
    elif run.outcome is Outcome.FAILED:
        attempts = f" after {run.attempt} attempts" if run.attempt > 1 else ""
        logger.error("run of %s failed%s", key, attempts, exc_info=run.error, extra=facts)
    elif run.outcome is Outcome.LOST:
        logger.error("run of %s lost: %s", key, run.error, extra=facts)
    else:
        logger.error("%s", run.error, extra=facts)


def as_text(error: BaseException) -> RunError:
    """Return *error* in words that can be kept."""
    return RunError(
        type=type(error).__qualname__, message=_printed(str, error), traceback=_printed(_traceback_of, error)
    )


def _traceback_of(error: BaseException) -> str:
    return "".join(format_exception(error))


def _printed(show: Callable[[BaseException], str], error: BaseException) -> str:
    # Both ask the exception for things, and its class may be a user's.
    try:
        return _shortened(show(error))
    except Exception as unprintable:
        return f"(can't be printed: {type(unprintable).__qualname__})"


def _shortened(text: str) -> str:
    if len(text) <= LONGEST_TEXT:
        return text
    half = LONGEST_TEXT // 2
    return f"{text[:half]}\n... ({len(text) - LONGEST_TEXT} characters) ...\n{text[-half:]}"
