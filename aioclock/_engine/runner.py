"""All runs of an app: admitted, started and ended here."""

import asyncio
from collections.abc import Iterable
from contextvars import Context, copy_context
from typing import Protocol

from aioclock._engine.cursor import Quota
from aioclock._engine.entry import Entry, Pause
from aioclock._engine.ledger import FAILURES, Ledger, facts_of
from aioclock._engine.listeners import Listeners
from aioclock._engine.present import Present
from aioclock._engine.run import SKIPPED, SUCCEEDED, LiveRun
from aioclock.clock import current_clock
from aioclock.events import TaskPaused, TaskResumed
from aioclock.logger import logger
from aioclock.runs import Run, run_of
from aioclock.utils import longer_delay

__all__ = ["Runner", "Schedules"]

HAIR_S = 1e-6
"""Two instants that are no further apart are one."""


class Schedules(Protocol):
    """Where ticks come from while the app serves."""

    def count(self, entry: Entry, quotas: Iterable[Quota]) -> None:
        """Count a tick that got a run, or will get one."""

    def unpark(self, entry: Entry) -> None:
        """Go on with what waited for the runs of *entry*."""

    def seconds_to_next_tick(self, entry: Entry) -> float | None:
        """Return how long it is until the next tick, or None when that is unknown or never."""

    def check_idle(self) -> None:
        """Take note that nothing is going on or waiting any more."""


class Runner:
    """Owns the runs that are going or about to, whether the app serves or not."""

    present: Present
    """Tells the time where runs are going."""

    def __init__(self, listeners: Listeners) -> None:
        self.listeners = listeners
        self.ledger = Ledger(listeners)
        self.live: set[LiveRun] = set()
        """Runs that have started and whose outcome is open."""
        self.waiting: dict[LiveRun, tuple[Quota, ...]] = {}
        """Runs that have not started, in the order of their ticks."""
        self._schedules: Schedules | None = None
        self._context = Context()
        self._all_decided: asyncio.Future[None] | None = None

    def attach(self, schedules: Schedules, present: Present) -> None:
        """Work for a serving that begins."""
        self._schedules, self.present = schedules, present
        self.ledger.clock = present.clock
        # Not the context of whoever happens to be there at a tick: that may be another run.
        self._context = copy_context()

    def detach(self) -> None:
        """Work for no serving any more."""
        self._schedules = self.ledger.clock = None

    # From the tick to the start

    def tick(self, entry: Entry, scheduled: float, missed: int, quotas: tuple[Quota, ...]) -> LiveRun:
        """Turn the tick *scheduled* (seconds since the epoch) into a run that starts, waits or is skipped."""
        if missed:
            logger.warning(
                "%d tick(s) of %s passed unanswered; one run answers them all", missed + 1, entry.key,
                extra={"task": entry.key, "missed": missed},
            )  # fmt: skip
        run = LiveRun(entry, self, scheduled, missed)
        if entry.pause is not None:
            run.skip("paused")
        elif entry.jitter is not None:
            self._hold_back(run, quotas)
        else:
            self._admit(run, quotas)
        return run

    def by_hand(self, entry: Entry, *, beside: bool = False) -> LiveRun:
        """Run *entry* now; *beside* whatever is going of it, or as its overlap policy says."""
        entry.prepare()
        if self._schedules is None:
            self.present = Present(asyncio.get_running_loop(), current_clock())
        run = LiveRun(entry, self, self.present.now().epoch, kind="manual")
        run.context = copy_context()
        if beside:
            self._start(run)
        else:
            self._admit(run, ())
        return run

    def _hold_back(self, run: LiveRun, quotas: tuple[Quota, ...]) -> None:
        entry: Entry = run.entry
        # Held back beyond the next tick, runs would pile up and change places.
        gap_s = None if self._schedules is None else self._schedules.seconds_to_next_tick(entry)
        delay_s = entry.jitter.delay_s(entry.key, gap_s) if entry.jitter is not None else 0.0
        run.due += delay_s
        self._wait(run, quotas)
        run.delay(self.present.loop.call_later(delay_s, self._held_back, run))

    def _held_back(self, run: LiveRun) -> None:
        self._admit(run, self._release(run))

    def _admit(self, run: LiveRun, quotas: tuple[Quota, ...]) -> None:
        entry: Entry = run.entry
        if entry.grace is not None and self._comes_too_late(run, entry.grace):
            run.skip("missed")
        elif len(entry.runs) < entry.most_going:
            self._start(run)
            if quotas and self._schedules is not None:
                self._schedules.count(entry, quotas)
        else:
            self._overlap(run, quotas)

    def _overlap(self, run: LiveRun, quotas: tuple[Quota, ...]) -> None:
        entry: Entry = run.entry
        for other in list(entry.runs):
            if other.handle is not None and other.handle.done():
                other.cancel()  # a stranger cancelled it before it began, so nothing of it could tell us
        if entry.overlap.policy == "cancel":
            for replaced in list(entry.queue):
                self._drop(replaced, "overlap")
            for going in list(entry.runs):
                going.cancel()
        if len(entry.runs) < entry.most_going:
            self._admit(run, quotas)
        elif len(entry.queue) < entry.overlap.most_waiting:
            entry.queue.append(run)
            self._wait(run, quotas)
            if quotas and self._schedules is not None:
                self._schedules.count(entry, quotas)
        else:
            run.skip("overlap")

    def _comes_too_late(self, run: LiveRun, grace_s: float) -> bool:
        return run.kind == "schedule" and self.present.now().epoch - run.due > grace_s + HAIR_S

    def _start(self, run: LiveRun) -> None:
        run.entry.runs.append(run)
        self.live.add(run)
        run.start(self.present.loop, self._context)

    # Runs that wait

    def _wait(self, run: LiveRun, quotas: tuple[Quota, ...]) -> None:
        run.entry.pending += 1
        self.waiting[run] = quotas

    def _release(self, run: LiveRun) -> tuple[Quota, ...]:
        run.entry.pending -= 1
        run.entry.change()
        return self.waiting.pop(run)

    def _drop(self, run: LiveRun, reason: str) -> None:
        entry: Entry = run.entry
        quotas = self._release(run)
        if run in entry.queue:
            entry.queue.remove(run)
            for quota in quotas:
                quota.left += 1
        run.skip(reason)

    def withdrawn(self, run: LiveRun) -> None:
        if run in self.waiting:
            self._drop(run, "withdrawn")

    def drop_waiting(self, reason: str, entry: Entry | None = None, *, by_hand: bool = True) -> None:
        """Skip what has not started, of all tasks or of *entry*; also what was asked for *by_hand*."""
        for run in list(self.waiting):
            if entry in (None, run.entry) and (by_hand or run.kind == "schedule"):
                self._drop(run, reason)

    def _fill(self, entry: Entry) -> None:
        while entry.queue and len(entry.runs) < entry.most_going:
            run = entry.queue.pop(0)
            self._release(run)
            self._admit(run, ())

    # What a run tells

    def begun(self, run: LiveRun) -> None:
        self.ledger.begun(run, self.present)

    def retrying(self, run: LiveRun, error: Exception, delay_s: float) -> None:
        self.ledger.retrying(run, error, delay_s, self.present)

    def leaves_time_for(self, run: LiveRun, delay_s: float) -> bool:
        gap_s = None if self._schedules is None else self._schedules.seconds_to_next_tick(run.entry)
        return gap_s is None or delay_s < gap_s - HAIR_S

    def stuck(self, run: LiveRun) -> None:
        self.ledger.stuck(run, self.present)

    def snapshot(self, run: LiveRun) -> Run:
        return run_of(facts_of(run, self.present))

    def decided(self, run: LiveRun) -> None:
        """Record the outcome of *run*."""
        self.live.discard(run)
        try:
            self.ledger.outcome(run, self.present)
            if run.outcome is not SUCCEEDED:
                self._went_wrong(run)
        finally:
            if not self.live:
                self._drained()

    def _went_wrong(self, run: LiveRun) -> None:
        entry: Entry = run.entry
        if run.outcome is SKIPPED:
            self._unpark(entry)
        elif entry.pause_after is not None and run.outcome in FAILURES and not entry.failures % entry.pause_after:
            self.pause(entry, f"paused after {entry.failures} failures in a row")

    def ended(self, run: LiveRun) -> None:
        """Free the place that *run* occupied."""
        entry: Entry = run.entry
        entry.runs.remove(run)
        if run.outcome is not SUCCEEDED:
            entry.run_delay_s = longer_delay(entry.run_delay_s)
        elif entry.run_delay_s:
            entry.run_delay_s = 0.0
        if entry.queue:
            self._fill(entry)
        if entry.changes:
            entry.change()
        if entry.parked:
            self._unpark(entry)

    def _unpark(self, entry: Entry) -> None:
        if entry.parked and entry.idle and entry.pause is None and self._schedules is not None:
            self._schedules.unpark(entry)

    # Commands

    def pause(self, entry: Entry, note: str | None) -> None:
        """Skip the ticks of *entry* from now on, those that wait for their run included."""
        news = entry.pause is None
        entry.pause = Pause(note)
        self.drop_waiting("paused", entry, by_hand=False)
        if news:
            logger.info("%s is paused%s", entry.key, f": {note}" if note else "", extra={"task": entry.key})
            self.ledger.event(TaskPaused, task_key=entry.key, note=note)

    def resume(self, entry: Entry) -> None:
        """Let the ticks of *entry* get runs again."""
        if entry.pause is None:
            return
        entry.pause = None
        entry.change()
        self._unpark(entry)
        self.ledger.event(TaskResumed, task_key=entry.key)

    async def finish(self, *, patience_s: float | None, hurry: asyncio.Event) -> None:
        """Return when no run is open: wait *patience_s* (None: for ever) or until *hurry* is set, then cancel.

        Runs that ignore their cancellation are reported and left behind, so this always returns.
        """
        if not self.live:
            return
        loop = asyncio.get_running_loop()
        self._all_decided = all_decided = loop.create_future()
        hurried = loop.create_task(hurry.wait())
        try:
            await asyncio.wait((all_decided, hurried), timeout=patience_s, return_when=asyncio.FIRST_COMPLETED)
            if self.live:
                self._cancel_all()
                await all_decided
        finally:
            hurried.cancel()

    def _cancel_all(self) -> None:
        keys = sorted(run.entry.key for run in self.live)
        logger.warning("%d run(s) are cancelled: %s", len(keys), ", ".join(keys[:10]), extra={"tasks": keys})
        for run in list(self.live):
            run.cancel()

    def _drained(self) -> None:
        if self._all_decided is not None and not self._all_decided.done():
            self._all_decided.set_result(None)
        if self._schedules is not None and not self.waiting:
            self._schedules.check_idle()
