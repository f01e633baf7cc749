"""One serving of an app that shares its tasks with other processes."""

import asyncio
import os
import socket
from collections import Counter
from collections.abc import Coroutine, Iterable, Iterator
from contextlib import contextmanager, suppress
from contextvars import copy_context
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from uuid import uuid4

from aioclock._engine.batches import Batches
from aioclock._engine.catch_up import latest_ticks
from aioclock._engine.claims import Claims
from aioclock._engine.endings import Endings
from aioclock._engine.engine import Engine
from aioclock._engine.entry import Entry
from aioclock._engine.grant import MARGIN, LeaseTerm
from aioclock._engine.leases import Leases
from aioclock._engine.opening import Opening
from aioclock._engine.run import LiveRun
from aioclock._engine.runner import Runner
from aioclock._engine.shared_cursor import tick_after
from aioclock._engine.store_clock import StoreClock
from aioclock._engine.store_link import StoreLink
from aioclock._engine.stored import Stored
from aioclock.clock import current_clock, steady_s
from aioclock.events import StoreRecovered, StoreUnreachable
from aioclock.exceptions import StoreError, StoreUnavailableError
from aioclock.logger import logger
from aioclock.stores import (
    Change,
    Node,
    Pulse,
    PulseAnswer,
    Reaped,
    Registration,
    TaskState,
)
from aioclock.stores._words import EXHAUSTED, micros, run_from

__all__ = ["Session"]

OPEN_PATIENCE_S = 10.0
"""How long a store may be out of reach when serving begins."""

CLOSE_PATIENCE_S = 5.0
"""How long the store may take, when serving ends, for what it has not been told yet."""

LONGEST_BEAT_S = 1.0
"""How often the store is asked what is new, at least."""

NEVER = float("-inf")

OVERLAPPING = 10_000_000
"""Microseconds by which what is new is asked for twice: a change may be on record a moment after its time."""


class Session:
    """Joins the processes that share the store, keeps up with them and leaves.

    Args:
        entries: The tasks that are served.
        outbox: What was to be told before; what could not be told goes back there.
        idle: Without any schedule, for what is run by hand.
        alone: No other process shares the store, so there is nothing new to hear from it.
    """

    def __init__(
        self,
        opening: Opening,
        runner: Runner,
        entries: Iterable[Entry],
        *,
        lease_s: float,
        outbox: list[Change],
        idle: bool = False,
        alone: bool = False,
    ) -> None:
        self.loop = loop = asyncio.get_running_loop()
        self.clock = StoreClock(loop, current_clock())
        self.opening = opening
        self.joined = False
        limit_s = max(1.0, min(10.0, lease_s / 3))
        self.link = StoreLink(opening.store, limit_s=limit_s, on_down=self._went_down, on_up=self._came_up)
        self._node = Node(id=uuid4().hex, label=f"{socket.gethostname()}:{os.getpid()}")
        beat_s = lease_s / 4 if alone else min(LONGEST_BEAT_S, lease_s / 4)
        self._term = LeaseTerm(lease_s, renewed_s=beat_s)
        leases = Leases(runner, self._term, owner=self._node.id)
        endings = Endings(self.link, runner, leases)
        self.claims = Claims(self.link, runner, leases, endings, on_state=self._note_state)
        self._runner = runner
        self._idle = idle
        self._context = copy_context()
        self._engine: Engine | None = None
        self._entries = {entry.key: entry for entry in entries}
        for entry in self._entries.values():
            entry.in_store.state = None  # what another serving heard is old, and perhaps of another store
        self._lease_s = lease_s
        self._held: dict[str, float] = {}
        """Tasks that this process has to itself, and until when, on the steady clock."""
        self._applied: dict[str, TaskState] = {}
        """What was last taken in of what the store said of tasks, by key."""
        self._heard_at: dict[str, float] = {}
        """When the store last had news of them, on the steady clock."""
        self._halted = False
        self._since = 0
        self._outbox = outbox
        self._changes: Batches[Change, TaskState | None] = Batches(self._send_changes, name="aioclock changes")
        self._untold: Counter[str] = Counter()
        """How many changes of a task the store has not acknowledged."""
        self._jobs: set[asyncio.Task[None]] = set()
        self._drivers: dict[str, asyncio.Task[None]] = {}
        """Those that answer missed ticks one by one."""
        self._timer: asyncio.TimerHandle | None = None

    # Beginning

    async def join(self) -> None:
        """Open the store and make the tasks known.

        Raises:
            StoreError: it can't work, or could not be reached for some time.
        """
        deadline = self.loop.time() + OPEN_PATIENCE_S
        await self._opened()
        try:
            async with asyncio.timeout_at(max(deadline, self.loop.time() + self.link.limit_s)):
                await self._introduced()
        except BaseException as error:
            await self._changes.close()
            await self.opening.close()
            if isinstance(error, TimeoutError):
                raise self._out_of_reach("no answer") from error
            raise
        self.joined = True

    async def _introduced(self) -> None:
        await self._pulse()
        changes = list(self._outbox)
        for change in changes:
            self._untold[change.key] += 1  # until they are told, what the store says is old
        await self._register(list(self._entries.values()))
        self._outbox.clear()
        for change in changes:
            self._put(change)
        await self._changes.settled()

    def _out_of_reach(self, reason: str) -> StoreUnavailableError:
        return StoreUnavailableError(
            f"the store {self.link.store.name} could not be reached for {OPEN_PATIENCE_S:g} s: {reason}"
        )

    async def _opened(self) -> None:
        deadline = steady_s() + OPEN_PATIENCE_S
        delay_s = 0.1
        while True:
            try:
                return await self.link.call_once(self.opening.open)
            except (StoreUnavailableError, TimeoutError, OSError) as error:
                left_s = deadline - steady_s()
                if left_s <= 0:
                    raise self._out_of_reach(str(error) or "no answer") from error
            await asyncio.sleep(min(delay_s, left_s))
            delay_s = min(2 * delay_s, 1.0)

    async def _register(self, entries: list[Entry]) -> None:
        self._fall_behind(entries)
        if self._idle:  # an old checkout that runs a task by hand must not edit the schedules of those who serve
            await self._ask_for(entries)
            entries = [entry for entry in entries if entry.in_store.state is None]
        tasks = [Registration(key=entry.key, fingerprint=entry.in_store.fingerprint) for entry in entries]
        states = await self.link.call(partial(self.link.store.register, tasks, by=self._node.label))
        for entry, state in zip(entries, states, strict=True):
            self._apply(entry, state)

    def _fall_behind(self, entries: Iterable[Entry]) -> None:
        """Call what is due before now missed: until now nothing could run."""
        now = micros(self.clock.now().timestamp())
        for entry in entries:
            entry.in_store.behind_until = now

    def begin(self, engine: Engine) -> None:
        """Start the schedules of shared tasks, and keep up with the store from now on."""
        if not self._idle:
            self._engine = engine
            for entry in list(self._entries.values()):
                if entry.in_store.mode != "node":
                    self._enter(entry)
            self._job(self._reap_now_and_then())
        self.keep_up()

    def keep_up(self) -> None:
        """Keep what this process has, and hear what is new, from now on."""
        self._job(self._beat())
        self._watch()

    def add(self, entry: Entry) -> None:
        """Share one more task from now on."""
        self._entries[entry.key] = entry
        if self._engine is not None and entry.in_store.mode != "node":
            self._engine.expect(entry)
        if self.joined:  # else it is told with the others
            self._job(self._register([entry]))

    def remove(self, entry: Entry) -> None:
        """Share a task no longer; other processes may."""
        self._entries.pop(entry.key, None)
        self._held.pop(entry.key, None)
        self._applied.pop(entry.key, None)
        self._heard_at.pop(entry.key, None)
        self._stop_driver(entry)

    def _job(self, coroutine: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
        job = self.loop.create_task(coroutine, name="aioclock store", context=self._context.copy())
        self._jobs.add(job)
        job.add_done_callback(self._job_ended)
        return job

    def _job_ended(self, job: "asyncio.Task[None]") -> None:
        self._jobs.discard(job)
        if not job.cancelled() and (error := job.exception()) is not None:
            logger.critical("work on the store ended by an error", exc_info=error)

    # Schedules

    def _enter(self, entry: Entry) -> None:
        """Start the schedule of *entry*, or wait until it is this process's turn."""
        engine, stored = self._engine, entry.in_store
        if engine is None:
            return
        if not stored.fits or (stored.mode == "held" and entry.key not in self._held):
            engine.expect(entry)
        elif stored.mode == "ticks" and stored.catch_up.policy == "all" and self._is_behind(entry):
            engine.expect(entry)
            self._drivers[entry.key] = self._job(self._catch_up(entry))
        else:
            engine.add(entry)

    def restart(self, entry: Entry) -> None:
        """Start the schedule of *entry* anew, from where the store says it stands."""
        if self._engine is not None:
            self._stop_driver(entry)
            self._engine.remove(entry)
            self._enter(entry)
            self._engine.check_idle()

    def _stop_driver(self, entry: Entry) -> None:
        if (driver := self._drivers.pop(entry.key, None)) is not None:
            driver.cancel()

    def _is_behind(self, entry: Entry) -> bool:
        first = tick_after(entry.task.trigger, entry.in_store.known)
        return first is not None and first <= self._passed_before(entry)

    def _passed_before(self, entry: Entry) -> datetime:
        """Return the moment up to which ticks have passed for good: later ones may be held back by their jitter."""
        return self.clock.now() - timedelta(seconds=0.0 if entry.jitter is None else entry.jitter.seconds)

    async def _catch_up(self, entry: Entry) -> None:
        """Answer the ticks that passed one by one, in turn with the other processes that try to."""
        stored = entry.in_store
        limit = stored.catch_up.limit
        assert limit is not None
        before = None
        while True:
            await self._ask_for([entry])
            if self._drivers.get(entry.key) is not asyncio.current_task():
                return  # what the store said has begun the schedule anew
            floor = stored.known.cursor
            ticks = latest_ticks(entry.task.trigger, stored.known, until=self._passed_before(entry), limit=limit)
            if not ticks or floor == before:  # none is left, or there is nobody who may have them
                break
            before = floor
            for tick in ticks:
                if not self.link.reachable:
                    return  # begun anew when it can be reached
                run = LiveRun(entry, self._runner, tick.timestamp(), kind="catch_up")
                self.claims.ask(run, floor=floor)
                while run in self._runner.admission.waiting or run in entry.runs:
                    await entry.changed()
                floor = micros(tick.timestamp())
        self._drivers.pop(entry.key, None)
        if self._engine is not None:
            self._engine.add(entry)
            self._end_if_used_up(entry)

    async def _ask_for(self, entries: list[Entry]) -> None:
        """Take in what the store says of *entries* now."""
        for state in await self.link.call(partial(self.link.store.tasks, [entry.key for entry in entries])):
            if (entry := self._entries.get(state.key)) is not None:
                self._apply(entry, state)

    # What the store tells

    def _note_state(self, entry: Entry, state: TaskState | None) -> None:
        if state is None:
            self._job(self._register([entry]))
            return
        self._apply(entry, state)
        self._end_if_used_up(entry)

    def _end_if_used_up(self, entry: Entry) -> None:
        stored, limit = entry.in_store, entry.most_fired
        if self._engine is not None and limit is not None and stored.shared and stored.known.fired >= limit:
            self._engine.exhaust(entry)

    def _apply(self, entry: Entry, state: TaskState, *, asked_at: float = NEVER) -> None:
        """Take in what the store says of a task.

        Args:
            asked_at: When it was asked for that, on the steady clock, if that is known.
        """
        stored, before, known = entry.in_store, self._applied.get(entry.key), entry.in_store.state
        if known is None or _version(state) > _version(known):
            self._heard_at[entry.key] = steady_s()
        elif _version(state) < _version(known) and asked_at <= self._heard_at.get(entry.key, NEVER):
            state = known  # that one was overtaken on its way; else the store's clock was set back
        stored.state = state
        if self._untold[entry.key]:
            return
        self._applied[entry.key] = state
        if before is None or (state.paused, state.note) != (before.paused, before.note):
            self._apply_pause(entry, state)
        if before is None or state.generation != before.generation:
            self._apply_schedule(entry, stored)

    def _apply_pause(self, entry: Entry, state: TaskState) -> None:
        if state.paused:
            self._runner.pause(entry, state.note, told=True)
        else:
            self._runner.resume(entry, told=True)

    def _apply_schedule(self, entry: Entry, stored: Stored) -> None:
        declared = entry.task.trigger
        if stored.outdated:
            log = logger.debug if self._idle else logger.warning
            log(
                "another process declares another schedule for %s, and this one runs it no longer", entry.key,
                extra={"task": entry.key},
            )  # fmt: skip
        else:
            try:
                entry.task.trigger = stored.take_trigger(key=entry.key)
            except ValueError as error:
                logger.error("the trigger of %s in the store can't be read: %s", entry.key, error)
        if stored.mode != "held":
            self._held.pop(entry.key, None)
        if stored.mode != "node":
            self.restart(entry)
        elif self._engine is not None and entry.task.trigger != declared:
            self._engine.remove(entry)
            self._engine.add(entry)

    # Keeping up

    async def _beat(self) -> None:
        while True:
            with _told_of("signs of life are not on record"):
                await self._pulse()
            self.claims.ask_again()
            await asyncio.sleep(self._term.renewed_s)

    async def _pulse(self) -> None:
        ids = tuple(self.claims.leases.runs)
        holds = tuple(entry.key for entry in self._entries.values() if self._wants_to_hold(entry))
        pulse = Pulse(node=self._node, lease=micros(self._lease_s), claims=ids, holds=holds, since=self._since)

        async def ask() -> tuple[PulseAnswer, float]:
            asked_at = steady_s()
            answer = await self.link.store.pulse(pulse)
            self.clock.note(answer.now, self.loop.time())
            return answer, asked_at

        answer, asked_at = await self.link.call(ask)
        self._since = answer.now - OVERLAPPING
        self.claims.leases.renew(ids, answer.lost, asked_at)
        self.claims.leases.cancel(answer.cancelled)
        for state in answer.changed:
            if (entry := self._entries.get(state.key)) is not None:
                self._apply(entry, state, asked_at=asked_at)
        self._hold(holds, answer.held, asked_at)

    # Tasks that one process has to itself

    def _wants_to_hold(self, entry: Entry) -> bool:
        stored = entry.in_store
        return not self._idle and stored.mode == "held" and stored.fits

    def _hold(self, wanted: Iterable[str], held: frozenset[str], asked_at: float) -> None:
        for key in wanted:
            entry = self._entries.get(key)
            if entry is None or not self._wants_to_hold(entry):  # it did when the store was asked
                continue
            if key in held:
                self._have(entry, asked_at)
            elif entry.in_store.known.cursor == EXHAUSTED:
                self._held.pop(key, None)
                if self._engine is not None:
                    self._engine.remove(entry)
                    self._engine.check_idle()
            elif key in self._held:
                self._drop_hold(entry)

    def _have(self, entry: Entry, asked_at: float) -> None:
        is_new = entry.key not in self._held
        self._held[entry.key] = self._term.trusted_until_s(asked_at)
        if self._engine is None:
            return
        if is_new:
            self._engine.remove(entry)
            self._engine.add(entry)
        elif entry.idle:
            self._tell_if_exhausted(entry, self._engine)

    def _tell_if_exhausted(self, entry: Entry, engine: Engine) -> None:
        if engine.is_exhausted(entry):
            self.tell(Change(key=entry.key, exhausted=True, by=self._node.label))

    def _drop_hold(self, entry: Entry) -> None:
        del self._held[entry.key]
        logger.warning("%s is another process's from now on", entry.key, extra={"task": entry.key})
        for run in list(entry.runs):
            run.lose()
        self.restart(entry)

    def _watch(self) -> None:
        """Look again and again whether a lease has passed, whatever the store is doing."""
        self.claims.leases.expire()
        now = steady_s()
        for key, until in list(self._held.items()):
            if until < now and (entry := self._entries.get(key)) is not None:
                self._drop_hold(entry)
        self._timer = self.loop.call_later(self._lease_s * MARGIN / 2, self._watch, context=self._context)

    # Processes that died

    async def _reap_now_and_then(self) -> None:
        while not self._halted:
            with _told_of("what dead processes left is not looked for"):
                await self._reap()
            await asyncio.sleep(max(self._term.renewed_s, self._lease_s / 4))

    async def _reap(self) -> None:
        keys = [entry.key for entry in self._entries.values() if entry.shared and entry.in_store.fits]
        reap = partial(self.link.store.reap, owner=self._node.id, keys=keys, lease=micros(self._lease_s))

        async def ask() -> tuple[list[Reaped], float]:
            asked_at = steady_s()
            return await reap(), asked_at

        dealt, asked_at = await self.link.call(ask)
        for reaped in dealt:
            self._take_over(reaped, asked_at)

    def _take_over(self, reaped: Reaped, asked_at: float) -> None:
        record = reaped.record
        entry = self._entries.get(record.task_key)
        if entry is None:
            return
        self._note_state(entry, reaped.task)
        if record.state == "lost":
            entry.failures = reaped.task.failures
            self._runner.note_lost(entry, run_from(record))
        elif not self._halted:  # else it is free for others as soon as this process has left
            run = LiveRun(entry, self._runner, record.tick / 1e6, record.missed, record.kind)
            self.claims.adopt(run, reaped, asked_at)

    # Commands

    def tell(self, change: Change) -> None:
        """Let the store know, as soon as it can be reached."""
        self._untold[change.key] += 1
        self._put(change)

    def _put(self, change: Change) -> None:
        self._changes.put(change).add_done_callback(partial(self._told, change))

    async def _send_changes(self, changes: Any) -> list[TaskState | None]:
        return await self.link.call(partial(self.link.store.change, changes))

    def _told(self, change: Change, answer: "asyncio.Future[TaskState | None]") -> None:
        self._untold[change.key] -= 1
        if answer.cancelled() or isinstance(answer.exception(), StoreUnavailableError):
            self._outbox.append(change)
        elif (error := answer.exception()) is not None:
            logger.error("a change of %s is not on record: %s", change.key, error, extra={"task": change.key})
            self._take_back(change.key)
        elif (entry := self._entries.get(change.key)) is None:
            return
        elif (state := answer.result()) is not None:
            self._apply(entry, state)
        else:
            self._untold[change.key] += 1
            self._job(self._tell_of_new(entry, change))

    def _take_back(self, key: str) -> None:
        """Return to what the store says of a task, which it would not have changed."""
        entry, known = self._entries.get(key), self._applied.pop(key, None)
        if entry is not None and known is not None:
            self._apply(entry, known)

    async def _tell_of_new(self, entry: Entry, change: Change) -> None:
        """Tell a change of a task that the store did not know yet."""
        try:
            await self._register([entry])
        except BaseException:
            self._outbox.append(change)
            raise
        self._put(change)

    # Interruptions

    def _went_down(self, error: Exception) -> None:
        self._runner.ledger.event(StoreUnreachable, error=str(error) or "no answer")

    def _came_up(self, outage_s: float) -> None:
        self._runner.ledger.event(StoreRecovered, outage_s=outage_s)
        if self._engine is not None:
            shared = [entry for entry in self._entries.values() if entry.shared]
            self._fall_behind(shared)
            self._job(self._resume_schedules(shared))

    async def _resume_schedules(self, shared: list[Entry]) -> None:
        """Go on from where the store says the schedules stand: what passed in the meantime is caught up with."""
        await self._ask_for(shared)
        for entry in shared:
            if self._entries.get(entry.key) is entry and entry.shared:
                self.restart(entry)

    # The end

    def halt(self) -> None:
        """Take on nothing any more: the schedules are about to end."""
        if self._halted:
            return
        self._halted = True
        for key in self._held:
            if self._engine is not None and (entry := self._entries.get(key)) is not None:
                self._tell_if_exhausted(entry, self._engine)

    async def leave(self) -> None:
        """Tell what is left to tell, give back what this process has, and close the store."""
        if self._timer is not None:
            self._timer.cancel()
        jobs = list(self._jobs)
        for job in jobs:
            job.cancel()
        if jobs:
            await asyncio.wait(jobs)
        await self.claims.close(patience_s=CLOSE_PATIENCE_S)
        with suppress(TimeoutError, StoreError, OSError):
            async with asyncio.timeout(CLOSE_PATIENCE_S):
                await self._changes.settled()
                await self.link.call_once(partial(self.link.store.leave, self._node.id))
        await self._changes.close()
        with suppress(TimeoutError, StoreError, OSError):
            async with asyncio.timeout(CLOSE_PATIENCE_S):
                await self.opening.close()


def _version(state: TaskState) -> tuple[int, int]:
    return state.generation, state.changed_at


@contextmanager
def _told_of(consequence: str) -> Iterator[None]:
    """Log that the store refuses to do something; it is asked again soon, for that may pass."""
    try:
        yield
    except StoreError as error:
        logger.error("%s: %s", consequence, error)
