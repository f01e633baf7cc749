"""One serving of an app: every tick of its tasks becomes one run or one recorded skip."""

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime
from typing import TypeAlias

from aioclock._engine.admission import HAIR_S
from aioclock._engine.agenda import Agenda
from aioclock._engine.cursor import Awaited, Cursor, Quota, cursors_of
from aioclock._engine.entry import Entry
from aioclock._engine.follower import Followers
from aioclock._engine.present import Moment, Present
from aioclock._engine.run import LiveRun
from aioclock._engine.runner import Runner
from aioclock.events import ClockStepped
from aioclock.logger import logger
from aioclock.triggers._base import MOST_STEPS

__all__ = ["Engine"]

ANSWER_S = 1.0
"""How long a trigger of a user's may take to tell when it is due, for those who look at the app."""

DueTick: TypeAlias = tuple[float, int, tuple[Quota, ...]]
"""A tick in seconds since the epoch, how many earlier ones it stands for, and what its run is counted against."""


class Engine:
    """Owns the schedules of one serving and hands what is due to the runner.

    Args:
        stays: Whether to go on when every trigger is exhausted: more tasks may come.
    """

    def __init__(self, runner: Runner, present: Present, *, stays: bool) -> None:
        self._loop = loop = present.loop
        self._present = present
        self._runner = runner
        self._agenda = Agenda(present, fire=self._fire, on_step=self._clock_stepped, on_error=self._failed)
        self._stays = stays
        self._entries: dict[str, Entry] = {}
        self._open = 0  # cursors and followers that may still bring a tick
        self._followers = Followers(present, self)
        self._firing = self._halted = self._unparking = False
        self._expected: set[str] = set()
        """Keys of tasks whose schedules may begin later: other processes have them now, or the store is being asked."""
        self._over: asyncio.Future[None] = loop.create_future()

    def begin(self, entries: Iterable[Entry]) -> None:
        """Start the schedules of *entries*, all at this moment, so that their grids agree."""
        anchor = self._present.now()
        for entry in entries:
            self._enter(entry, anchor)
        self._firing = True
        self._agenda.run()
        self.check_idle()

    def add(self, entry: Entry) -> None:
        """Start the schedule of one more task, unless all have ended."""
        if not self._halted:
            self._enter(entry, self._present.now())
            self.check_idle()

    def expect(self, entry: Entry) -> None:
        """Do not end for want of ticks: the schedule of *entry* may begin later."""
        self._expected.add(entry.key)

    def exhaust(self, entry: Entry) -> None:
        """End the schedule of *entry*, which has had all the runs that it may have."""
        for cursor in entry.cursors:
            self._close(cursor)
        self.check_idle()

    def is_exhausted(self, entry: Entry) -> bool:
        """Tell whether the schedule of *entry*, which has begun, will bring no tick any more."""
        if entry.key not in self._entries or entry.pending or any(cursor.open for cursor in entry.cursors):
            return False
        return all(source.used_up for source in self._followers.sources(entry))

    def remove(self, entry: Entry) -> None:
        """End the schedule of a task; its runs go on."""
        self._entries.pop(entry.key, None)
        self._expected.discard(entry.key)
        for cursor in entry.cursors:
            self._close(cursor)
        self._followers.cancel(self._followers.sources(entry))
        entry.reset()

    def _enter(self, entry: Entry, anchor: Moment) -> None:
        self._entries[entry.key] = entry
        self._expected.discard(entry.key)
        entry.anchor = anchor.epoch
        for source in _sources(entry):
            self._open += 1
            source.entry = entry
            if isinstance(source, Awaited):
                self._followers.follow(source)
                continue
            entry.cursors += (source,)
            try:
                source.begin(anchor)
            except Exception as error:
                self._postpone(source, error, anchor)
            if source.due is None:
                self._close(source)
            self._agenda.add(source)

    def leave(self) -> None:
        """Forget where the schedules stood."""
        for entry in self._entries.values():
            entry.reset()

    async def until_exhausted(self) -> None:
        """Return when no trigger will bring another tick and no run is open; raise if the agenda itself fails."""
        await asyncio.shield(self._over)

    def halt(self) -> None:
        """End all schedules at once; runs go on."""
        if self._halted:
            return  # cancelled twice, a trigger could not clean up after itself
        self._firing, self._halted = False, True
        self._agenda.halt()
        self._followers.cancel(self._followers.sources())

    async def halted(self) -> None:
        """Return when nothing of the schedules is left; a trigger that ignores its cancellation is left behind."""
        self.halt()
        await self._followers.gone()

    async def next_tick(self, entry: Entry) -> datetime | None:
        """Return when *entry* is due next (aware, UTC); None when that is unknown or never."""
        due = self._next_due(entry)
        dues = [] if due is None else [due]
        for source in self._followers.sources(entry):
            with suppress(Exception):  # a trigger that fails is told of when it is followed
                async with asyncio.timeout(ANSWER_S):
                    waiting_s = await source.trigger.get_waiting_time_till_next_trigger()
                dues.extend([] if waiting_s is None else [self._present.now().epoch + waiting_s])
        return datetime.fromtimestamp(min(dues), UTC) if dues else None

    # Ticks

    def _fire(self, cursor: Cursor, now: Moment) -> None:
        if not self._firing:  # what was fired a moment ago has stopped the app
            cursor.due = None
            return
        entry: Entry = cursor.entry
        due = self._take(entry, cursor, now) if len(entry.cursors) == 1 else self._take_together(entry, cursor, now)
        if due is not None:
            tick, missed, quotas = due
            self._runner.tick(entry, tick, missed, quotas)
        if not self._open:
            self.check_idle()

    def _take(self, entry: Entry, cursor: Cursor, now: Moment) -> DueTick | None:
        """Move *cursor* on and return what it had due, if that calls for a run."""
        try:
            tick, count = cursor.take(now)
        except Exception as error:
            self._postpone(cursor, error, now)
            return None
        if entry.trigger_delay_s:
            entry.trigger_delay_s = 0.0
        if cursor.after_run:
            entry.parked += (cursor,)
            if entry.runs or entry.pending:
                return None
        elif cursor.due is None:
            self._close(cursor)
        return (tick, count - 1, cursor.quotas) if count else None

    def _take_together(self, entry: Entry, first: Cursor, now: Moment) -> DueTick | None:
        """Move all cursors of an `OrTrigger` on that are due: one run answers what they stand for."""
        last, latest, ticks = entry.last, float("-inf"), 0
        quotas: set[Quota] = set()
        cursors = entry.due_cursors(now)
        first_due = self._next_due(entry)
        assert first_due is not None  # else nothing would have fired
        for cursor in cursors:
            if ticks and cursor.after_run:
                entry.park(cursor)
            elif (due := self._take(entry, cursor, now)) is not None:
                tick, missed, its_quotas = due
                quotas.update(its_quotas)
                if tick != last or cursor.after_run:  # else another child's tick at this instant was answered before
                    ticks += missed + (tick != latest)
                    latest = max(latest, tick)
            if cursor is not first:
                self._agenda.add(cursor)
        entry.last = latest if ticks else last
        if ticks > 1:
            ticks = self._shared_once(entry, ticks, first_due, latest)
        return (latest, ticks - 1, tuple(quotas)) if ticks else None

    def _shared_once(self, entry: Entry, ticks: int, first: float, latest: float) -> int:
        """Return how many of *ticks* there are when those that several triggers share are counted once."""
        anchor = datetime.fromtimestamp(entry.anchor or first, UTC)
        before, until = (datetime.fromtimestamp(epoch, UTC) for epoch in (first - HAIR_S, latest + HAIR_S))
        try:
            passed = entry.task.trigger.latest_between(before, until, anchor)
        except Exception:  # one of the triggers waits by itself, or fails, which is told elsewhere
            return ticks
        return ticks if passed is None or passed[1] >= MOST_STEPS else min(ticks, passed[1])

    def _postpone(self, cursor: Cursor, error: Exception, now: Moment) -> None:
        entry: Entry = cursor.entry
        cursor.due = (now.elapsed if cursor.elapsed else now.epoch) + entry.trigger_failed(error)

    def count(self, entry: Entry, quotas: Iterable[Quota]) -> None:
        """Count a tick that got a run, or will get one; a quota that is used up closes what it limits."""
        for quota in quotas:
            quota.left -= 1
            if not quota.left:
                for cursor in entry.cursors:
                    if quota in cursor.quotas:
                        self._close(cursor)
                sources = self._followers.sources(entry)
                self._followers.cancel([source for source in sources if quota in source.quotas])

    def _close(self, cursor: Cursor) -> None:
        if cursor.due is not None:
            self._agenda.take_back(cursor)
        cursor.due = None
        if cursor.open:
            cursor.open = False
            self._open -= 1

    def refund(self, entry: Entry, quotas: Iterable[Quota]) -> None:
        """Take back what was counted for a tick that got no run after all, and open again what that had closed."""
        for quota in quotas:
            quota.left += 1
        for cursor in entry.cursors:
            if not cursor.open and all(quota.left > 0 for quota in cursor.quotas):
                cursor.reopen()
                if cursor.due is not None or cursor in entry.parked:
                    cursor.open = True
                    self._open += 1
                    self._agenda.add(cursor)

    def unpark(self, entry: Entry) -> None:
        """Set the ticks that follow the end of a run; those that follow it without a pause are due now."""
        parked, entry.parked = entry.parked, ()
        now = self._present.now()
        for cursor in parked:
            if cursor.open:
                cursor.due = now.elapsed + (cursor.pause_s or entry.run_delay_s)
        nested, self._unparking = self._unparking, True  # an eager task may have ended before its start returns
        at_once = self._firing and not nested
        try:
            for cursor in parked:
                if cursor.due == now.elapsed and at_once:
                    self._fire(cursor, now)  # not by the agenda, which would take another turn of the event loop
                else:
                    self._agenda.add(cursor)
        finally:
            self._unparking = nested

    def look(self) -> None:
        """Look at the wall clock: it may have been set since the last tick."""
        self._agenda.look()

    def check_idle(self) -> None:
        """End the serving if nothing can happen any more."""
        exhausted = self._firing and not self._open and not self._expected and not self._stays
        if exhausted and self._runner.idle and not self._over.done():
            self._over.set_result(None)

    def seconds_to_next_tick(self, entry: Entry) -> float | None:
        """Return how long it is until the next tick of *entry*, or None when that is unknown or never."""
        due = self._next_due(entry)
        return None if due is None else due - self._present.now().epoch

    def _next_due(self, entry: Entry) -> float | None:
        offset = self._present.offset
        dues = [cursor.due + offset * cursor.elapsed for cursor in entry.cursors if cursor.due is not None]
        return min(dues, default=None)

    def _failed(self, error: Exception) -> None:
        if not self._over.done():  # pragma: no branch - an agenda with nothing left to fire can't fail
            self._over.set_exception(error)

    # Triggers that wait by themselves

    def start_followed(self, source: Awaited, scheduled: float) -> LiveRun:
        if not self._firing or source.dismissed:  # the trigger ignored its cancellation, and its event comes too late
            self.drop_followed(source, scheduled)
            raise asyncio.CancelledError
        return self._runner.event(source.entry, scheduled, source.quotas)

    def drop_followed(self, source: Awaited, scheduled: float) -> None:
        self._runner.skip(source.entry, scheduled, "stopping" if self._halted else "removed")

    def lost_follower(self) -> None:
        self._open -= 1
        self.check_idle()

    def _clock_stepped(self, step_s: float) -> None:
        # Elapsed-time grids go on as they were; what the wall clock calls their ticks has changed.
        for entry in self._entries.values():
            entry.anchor = (entry.anchor or 0.0) + step_s
            for cursor in entry.cursors:
                cursor.shift(step_s)
        logger.warning("the wall clock was stepped by %+.3f s", step_s, extra={"step_s": step_s})
        self._runner.ledger.event(ClockStepped, step_s=step_s)


def _sources(entry: Entry) -> Iterable[Cursor | Awaited]:
    if entry.shared:
        return entry.in_store.cursors()
    return cursors_of(entry.task.trigger)
