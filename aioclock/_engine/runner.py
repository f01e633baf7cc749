"""All runs of an app: started here and ended here."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from contextvars import copy_context
from datetime import datetime
from typing import TYPE_CHECKING, Any

from aioclock._engine.admission import HAIR_S, Admission, Schedules
from aioclock._engine.cursor import Quota
from aioclock._engine.entry import Entry, Pause
from aioclock._engine.keeper import Keeper
from aioclock._engine.ledger import FAILURES, Ledger, facts_of
from aioclock._engine.listeners import Listeners
from aioclock._engine.present import Present
from aioclock._engine.run import LOST, SKIPPED, SUCCEEDED, LiveRun
from aioclock.clock import current_clock
from aioclock.events import TaskPaused, TaskResumed
from aioclock.exceptions import LeaseLostError, ServingError
from aioclock.logger import logger
from aioclock.runs import Outcome, Run, run_of, run_source
from aioclock.utils import longer_delay

if TYPE_CHECKING:
    from aioclock._engine.claims import Claims

__all__ = ["Runner"]


class Runner(Keeper):
    """Owns the runs that are going, whether the app serves or not, and keeps account of them."""

    present: Present
    """Tells the time where runs are going."""

    def __init__(self, listeners: Listeners) -> None:
        self.listeners = listeners
        self.ledger = Ledger(listeners, now=self.now)
        self.admission = Admission(self)
        self.schedules: Schedules | None = None
        """Those of the serving, while there is one."""
        self.claims: Claims | None = None
        """Where shared runs come from, while there is a serving with a store."""
        self.tell: Callable[..., None] | None = None
        """Lets the app's store know what was commanded, if there is one; takes what a `Change` is made of."""
        self.live: set[LiveRun] = set()
        """Runs that have started and whose outcome is open."""
        self._closed = False
        self._all_decided: asyncio.Future[None] | None = None

    def attach(self, schedules: Schedules, present: Present, claims: "Claims | None") -> None:
        """Work for a serving that begins."""
        self._move_to(present)
        self.schedules, self.claims = schedules, claims
        self._closed = False

    def detach(self) -> None:
        """Work for no serving any more."""
        self._closed = False
        self.schedules = self.claims = None

    def _move_to(self, present: Present) -> None:
        if not self.idle and self.present.loop is not present.loop:
            if not self.present.loop.is_closed():
                raise ServingError("runs of the app are going on another event loop; it works on one at a time")
            self.live.clear()  # nothing of them can end any more
            self.admission.forget_all()
        self.present = present

    def now(self) -> datetime:
        """Return the wall-clock time of the serving, also when it is asked from outside; else that of this place."""
        return (current_clock() if self.schedules is None else self.present.clock).now()

    # Runs begin

    def tick(self, entry: Entry, scheduled: float, missed: int, quotas: tuple[Quota, ...]) -> LiveRun:
        """Turn the tick *scheduled* (seconds since the epoch) into a run that starts, waits or is skipped."""
        if missed and not self._claims(entry):
            logger.warning(
                "%d tick(s) of %s passed unanswered; one run answers them all", missed + 1, entry.key,
                extra={"task": entry.key, "missed": missed},
            )  # fmt: skip
        run = LiveRun(entry, self, scheduled, missed)
        if (claims := self._claims(entry)) is not None:
            claims.tick(run)
        elif entry.pause is not None:
            run.skip("paused")
        elif entry.jitter is not None:
            self.admission.hold_back(run, quotas)
        else:
            self.admission.admit(run, quotas)
        return run

    def _claims(self, entry: Entry) -> "Claims | None":
        """Return where the runs of *entry* are claimed, if other processes may have them."""
        return self.claims if entry.shared else None

    def admit(self, run: LiveRun, quotas: tuple[Quota, ...]) -> None:
        """Let *run* start, wait or be skipped: the store decides that where there is one."""
        if (claims := self._claims(run.entry)) is not None:
            claims.ask(run)
        else:
            self.admission.admit(run, quotas)

    def withdraw(self, run: LiveRun) -> None:
        """Forget *run*, which waits: its tick is no concern of this process."""
        self.admission.release(run)
        if not self.live:
            self._drained()

    def event(self, entry: Entry, scheduled: float, quotas: tuple[Quota, ...]) -> LiveRun:
        """Turn the event of a trigger that waits by itself into a run; it has waited for whatever it must."""
        run = LiveRun(entry, self, scheduled)
        self.admission.admit(run, quotas)
        return run

    def skip(self, entry: Entry, scheduled: float, reason: str) -> None:
        """Record that an event got no run."""
        LiveRun(entry, self, scheduled).skip(reason)

    def by_hand(self, entry: Entry, *, beside: bool = False) -> LiveRun:
        """Run *entry* now; *beside* whatever is going of it, or as its overlap policy says."""
        entry.prepare()
        if self.schedules is None:
            self._move_to(Present(asyncio.get_running_loop(), current_clock()))
            entry.forget_dead_runs()
        else:
            self.schedules.look()
        # Two that are asked for at one instant, as virtual time makes it easy, still have keys of their own.
        entry.last_manual_us = max(round(self.present.now().epoch * 1e6), entry.last_manual_us + 1)
        run = LiveRun(entry, self, entry.last_manual_us / 1e6, kind="manual")
        run.context = copy_context()
        if self._closed:
            run.skip("stopping")
        elif beside and (claims := self._claims(entry)) is not None:
            claims.ask(run, beside=True)
        elif beside:
            self.start(run)
        elif entry.overlap.policy == "queue" and run_source.get() in entry.runs:
            run.skip("overlap")  # it would wait for itself
        else:
            self.admit(run, ())
        return run

    def start(self, run: LiveRun) -> None:
        run.entry.runs.append(run)
        self.live.add(run)
        run.start(self.present.loop, self.present.context)

    # What a run tells

    def begun(self, run: LiveRun) -> None:
        self.ledger.begun(run, self.present)

    def retrying(self, run: LiveRun, error: Exception, delay_s: float) -> None:
        self.ledger.retrying(run, error, delay_s, self.present)

    def leaves_time_for(self, run: LiveRun, delay_s: float) -> bool:
        gap_s = None if self.schedules is None else self.schedules.seconds_to_next_tick(run.entry)
        return gap_s is None or delay_s < gap_s - HAIR_S

    def withdrawn(self, run: LiveRun) -> None:
        if run in self.admission.waiting:
            self.admission.drop(run, "withdrawn")

    def snapshot(self, run: LiveRun) -> Run:
        return run_of(facts_of(run, self.present))

    async def settle(
        self, run: LiveRun, outcome: Outcome, error: BaseException | None
    ) -> tuple[Outcome, BaseException | None]:
        if self.claims is None or run.grant is None:
            return (LOST, LeaseLostError(task_name=run.entry.key)) if run.lost else (outcome, error)
        return await self.claims.endings.settle(run, outcome, error)

    def transaction(self, run: LiveRun) -> AbstractAsyncContextManager[Any]:
        if self.claims is None or run.grant is None:
            raise ServingError(
                f"the run of {run.entry.key!r} has no transaction: that needs AioClock(store=...) with an SQL database "
                "and a task of scope 'cluster' whose ticks are a second or more apart"
            )
        return self.claims.endings.transaction(run)

    def note_lost(self, entry: Entry, run: Run) -> None:
        """Record *run*, whose process died, unless it went here: then that is on record, or soon will be."""
        if not entry.had(run.fence):
            self.ledger.lost(entry, run)
        self._pause_if_failing(entry)

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
            if run.grant is not None and self.claims is not None:
                self.claims.endings.end_soon(run)
            self._unpark(entry)
        elif run.outcome in FAILURES and not run.lost:  # what another process has may succeed there
            self._pause_if_failing(entry)

    def _pause_if_failing(self, entry: Entry) -> None:
        if entry.has_failed_enough:
            self.pause(entry, f"paused after {entry.failures} failure{'s in a row' if entry.failures > 1 else ''}")

    def stuck(self, run: LiveRun) -> None:
        self.ledger.stuck(run, self.present)

    def ended(self, run: LiveRun) -> None:
        """Free the place that *run* occupied."""
        entry: Entry = run.entry
        entry.runs.remove(run)
        if run.grant is not None and self.claims is not None:
            self.claims.endings.end_soon(run)  # unless that is on record already
            self.claims.ask_again(entry)
        if run.outcome is not SUCCEEDED:
            entry.run_delay_s = longer_delay(entry.run_delay_s)
        elif entry.run_delay_s:
            entry.run_delay_s = 0.0
        if entry.pending:
            self.admission.fill(entry)
        if entry.changes:
            entry.change()
        if entry.parked and not entry.runs:
            self._unpark(entry)

    def _unpark(self, entry: Entry) -> None:
        if entry.parked and entry.idle and entry.pause is None and self.schedules is not None:
            self.schedules.unpark(entry)

    # Commands

    def pause(self, entry: Entry, note: str | None, *, told: bool = False) -> None:
        """Skip the ticks of *entry* from now on, those that wait for their run included.

        Args:
            told: Whether the app's store is what says so, and need not be told.
        """
        if not told and self.tell is not None:
            self.tell(key=entry.key, paused=True, note=note)
        elif told and entry.pause == Pause(note):
            return
        if entry.pause is None:
            logger.info("%s is paused%s", entry.key, f": {note}" if note else "", extra={"task": entry.key})
            self.ledger.event(TaskPaused, task_key=entry.key, note=note)
        entry.pause = Pause(note)
        self.admission.drop_all("paused", entry, manual=False)

    def resume(self, entry: Entry, *, told: bool = False) -> None:
        """Let the ticks of *entry* get runs again."""
        if not told and self.tell is not None:
            self.tell(key=entry.key, paused=False)
        if entry.pause is None:
            return
        entry.pause = None
        entry.change()
        self._unpark(entry)
        self.ledger.event(TaskResumed, task_key=entry.key)

    # The end of a serving

    def close(self) -> None:
        """Start nothing that is asked for by hand while runs finish."""
        self._closed = True

    def reopen(self) -> None:
        """Let hooks that shut the app down run tasks by hand."""
        self._closed = False

    @property
    def idle(self) -> bool:
        """Whether no run is going or waiting."""
        return not self.live and not self.admission.waiting

    async def finish(self, *, patience_s: float | None, hurry: asyncio.Event) -> None:
        """Return when no run is open: wait *patience_s* (None: for ever) or until *hurry* is set, then cancel.

        What has not started is skipped. Runs that ignore their cancellation are reported and left behind, so this
        always returns.
        """
        if self.claims is not None:
            await self.claims.stop()
        self.admission.drop_all("stopping")
        if not self.live:
            return
        loop = asyncio.get_running_loop()
        self._all_decided = all_decided = loop.create_future()
        hurried = loop.create_task(hurry.wait())
        try:
            await asyncio.wait((all_decided, hurried), timeout=patience_s, return_when=asyncio.FIRST_COMPLETED)
            if self.live:
                self._cancel_all()
                if self.claims is not None:
                    self.claims.endings.give_up_soon()
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
        if self.schedules is not None and not self.admission.waiting:
            self.schedules.check_idle()
