"""Ticks that passed and are answered one by one."""

import asyncio
from collections import deque
from collections.abc import Callable
from datetime import datetime, timedelta

from aioclock._engine.claims import Claims
from aioclock._engine.entry import Entry
from aioclock._engine.jobs import Jobs
from aioclock._engine.replica import Replica
from aioclock._engine.run import LiveRun
from aioclock._engine.runner import Runner
from aioclock._engine.shared_cursor import moment, tick_after
from aioclock._engine.store_clock import StoreClock
from aioclock._engine.store_link import StoreLink
from aioclock.stores import TaskState
from aioclock.stores._words import micros
from aioclock.triggers import BaseTrigger
from aioclock.triggers._base import require_aware

__all__ = ["Backlog"]

FIRST_WINDOW = timedelta(minutes=1)


class Backlog:
    """Answers what passed of tasks whose `catch_up` is `all`, in turn with the other processes that try to."""

    def __init__(
        self, link: StoreLink, clock: StoreClock, runner: Runner, claims: Claims, replica: Replica, jobs: Jobs
    ) -> None:
        self._link = link
        self._clock = clock
        self._runner = runner
        self._claims = claims
        self._replica = replica
        self._jobs = jobs
        self._drivers: dict[str, asyncio.Task[None]] = {}
        """Those that are at work, by the keys of their tasks."""

    def has(self, entry: Entry) -> bool:
        """Tell whether ticks of *entry* passed that nobody has answered."""
        first = tick_after(entry.task.trigger, entry.in_store.known)
        return first is not None and first <= self._passed_until(entry)

    def answer(self, entry: Entry, *, then: Callable[[Entry], None]) -> None:
        """Answer what passed of *entry*, and go on with *then* unless `leave` comes first."""
        self._drivers[entry.key] = self._jobs.start(self._answer(entry, then))

    def leave(self, entry: Entry) -> None:
        """Leave what passed of *entry* to others, or for later."""
        if (driver := self._drivers.pop(entry.key, None)) is not None:
            driver.cancel()

    async def _answer(self, entry: Entry, then: Callable[[Entry], None]) -> None:
        limit = entry.in_store.catch_up.limit
        assert limit is not None
        before = None
        while True:
            await self._replica.refresh([entry])
            if self._drivers.get(entry.key) is not asyncio.current_task():
                return  # what the store said has begun the schedule anew
            state = entry.in_store.known
            ticks = latest_ticks(entry.task.trigger, state, until=self._passed_until(entry), limit=limit)
            if not ticks or state.cursor == before:  # none is left, or there is nobody who may have them
                break
            before = state.cursor
            if not await self._claim_in_turn(entry, ticks, floor=before):
                return
        self._drivers.pop(entry.key, None)
        then(entry)

    async def _claim_in_turn(self, entry: Entry, ticks: list[datetime], *, floor: int) -> bool:
        for tick in ticks:
            if not self._link.reachable:
                return False  # begun anew when it can be reached
            run = LiveRun(entry, self._runner, tick.timestamp(), kind="catch_up")
            self._claims.ask(run, floor=floor)
            while run in self._runner.admission.waiting or run in entry.runs:
                await entry.changed()
            floor = micros(tick.timestamp())
        return True

    def _passed_until(self, entry: Entry) -> datetime:
        """Return the moment up to which ticks have passed for good: later ones may be held back by their jitter."""
        return self._clock.now() - timedelta(seconds=0.0 if entry.jitter is None else entry.jitter.seconds)


def latest_ticks(trigger: BaseTrigger, state: TaskState, *, until: datetime, limit: int) -> list[datetime]:
    """Return the ticks after the cursor up to *until* (aware), of more than *limit* the latest, in order.

    A year of minutes takes no longer than an hour of them: a window that ends at *until* grows until it holds enough.
    """
    first = tick_after(trigger, state)
    if first is None or first > until:
        return []
    anchor, window = moment(state.anchor), FIRST_WINDOW
    while (after := until - window) > first:
        passed = trigger.latest_between(after, until, anchor)
        if passed is not None and passed[1] >= limit:
            first = trigger.next_after(after, anchor) or first
            break
        window *= 2
    latest: deque[datetime] = deque(maxlen=limit)
    tick: datetime | None = first
    while tick is not None and tick <= until:
        latest.append(require_aware(tick))
        tick = trigger.next_after(tick, anchor)
    return list(latest)
