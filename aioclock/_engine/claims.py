"""Claims: requests to be the one that answers a tick."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from itertools import count
from typing import TypeAlias
from uuid import uuid4

from aioclock._engine.admission import HAIR_S
from aioclock._engine.batches import Batches
from aioclock._engine.endings import Endings
from aioclock._engine.entry import Entry
from aioclock._engine.leases import Desk, Leases
from aioclock._engine.run import CANCEL_GRACE_S, LiveRun
from aioclock._engine.shared_cursor import missed_before
from aioclock._engine.store_link import StoreLink
from aioclock.clock import steady_s
from aioclock.exceptions import StoreUnavailableError
from aioclock.logger import logger
from aioclock.stores import Claim, Claimed, Reaped, TaskState, Verdict
from aioclock.stores._words import micros

__all__ = ["Claims"]

ALL = 10**9
"""More runs than there ever are."""

Reply: TypeAlias = tuple[Claimed, float, bool]
"""An answer, when it was asked for on the steady clock, and whether for the first time."""


class Claims:
    """Asks the store for runs, and lets those begin that it grants.

    Args:
        desk: Owns the runs.
        on_state: Called when the store tells what the task's entry does not know yet; None: that it knows no such task.
    """

    def __init__(
        self,
        link: StoreLink,
        desk: Desk,
        leases: Leases,
        endings: Endings,
        *,
        on_state: Callable[[Entry, TaskState | None], None],
    ) -> None:
        self._link = link
        self._desk = desk
        self.leases = leases
        self.endings = endings
        self._on_state = on_state
        self._claims: Batches[Claim, Reply] = Batches(self._send, name="aioclock claims")

    async def _send(self, claims: Sequence[Claim]) -> list[Reply]:
        times = count(1)

        async def send() -> list[Reply]:
            asked_at, asked_once = steady_s(), next(times) == 1
            answers = await self._link.store.claim(claims)
            return [(answer, asked_at, asked_once) for answer in answers]

        return await self._link.call(send)

    def tick(self, run: LiveRun) -> None:
        """Try to be the one that answers the tick of *run*, after its jitter."""
        entry: Entry = run.entry
        if not self._link.reachable:
            return  # it is caught up with when the store answers again
        if entry.jitter is not None and entry.pause is None:
            self._desk.admission.hold_back(run, ())
        else:
            self.ask(run)

    def ask(self, run: LiveRun, *, floor: int | None = None, beside: bool = False) -> None:
        """Claim *run*; until there is an answer it waits.

        Args:
            floor: Only if all ticks up to this one are accounted for.
            beside: However many runs of the task are going.
        """
        if not self._link.reachable:
            if run.kind == "manual":
                run.skip("unreachable")
            return
        if run.kind == "schedule" and self._is_behind(run):
            run.kind = "catch_up"
        self._desk.admission.wait(run, ())
        self._put(run, self._claim(run, floor, beside=beside, claim_id=uuid4().hex))

    def _put(self, run: LiveRun, claim: Claim) -> None:
        self._claims.put(claim).add_done_callback(partial(self._answered, run, claim))

    def _claim(self, run: LiveRun, floor: int | None, *, beside: bool, claim_id: str) -> Claim:
        entry: Entry = run.entry
        stored, overlap = entry.in_store, entry.overlap
        queue = overlap.most_waiting if overlap.policy == "queue" else 0
        # A run of before may still have its lease though its process is dead. What is caught up with waits for that.
        most_waiting = ALL if floor is not None else max(queue, 1 if run.kind == "catch_up" else 0)
        return Claim(
            id=claim_id,
            task_key=entry.key,
            kind=run.kind,
            tick=micros(run.scheduled),
            generation=stored.known.generation,
            owner=self.leases.owner,
            lease=self.leases.term.micros,
            on_lost=stored.on_lost,
            missed=entry.possible(run.missed, fired=stored.known.fired),
            skip=self._why_skip(run),
            floor=floor,
            most_fired=entry.most_fired,
            most_running=ALL if beside else entry.most_going,
            most_waiting=most_waiting,
            replaces=overlap.policy == "cancel" and run.kind != "catch_up",
        )

    def _is_behind(self, run: LiveRun) -> bool:
        entry: Entry = run.entry
        return micros(run.due) < entry.in_store.behind_until

    def _why_skip(self, run: LiveRun) -> str | None:
        entry: Entry = run.entry
        if run.kind == "manual":
            return None
        late_s = self._desk.present.now().epoch - run.due
        too_late = entry.grace is not None and late_s > entry.grace + HAIR_S
        not_wanted = self._is_behind(run) and entry.in_store.catch_up.policy == "none"
        return "missed" if too_late or not_wanted else None

    def _answered(self, run: LiveRun, claim: Claim, future: "asyncio.Future[Reply]") -> None:
        error = None if future.cancelled() else future.exception()
        if error is None and not future.cancelled():
            self._decided(run, claim, *future.result())
            return
        if error is not None and not isinstance(error, StoreUnavailableError):
            logger.error("a tick of %s could not be claimed", claim.task_key, exc_info=error)
        self.leases.give_back(run, "unreachable")

    def _decided(self, run: LiveRun, claim: Claim, answer: Claimed, asked_at: float, asked_once: bool) -> None:
        if answer.verdict in (Verdict.RUN, Verdict.WAITING):
            self.leases.take(run, claim.id, fence=answer.fence, attempt=answer.attempt, asked_at=asked_at)
        if run not in self._desk.admission.waiting:
            self._end_dropped(run)
            return
        if answer.verdict is Verdict.RUN and self.leases.term.trusted_until_s(asked_at) < steady_s():
            self._put(run, claim)  # the process stood still; by now the run may be another's
            return
        if answer.verdict is Verdict.RUN:
            self._start(run, answer)
        elif answer.verdict is Verdict.WAITING:
            self._wait(run, claim)
        elif answer.verdict is Verdict.SKIPPED:
            self._note_missed(run, answer.covers_from, answer.task)
            self._desk.admission.drop(run, str(answer.reason))
        elif run.kind == "manual" and answer.verdict is Verdict.TAKEN and asked_once:
            self._put(run, replace(claim, id=uuid4().hex, tick=claim.tick + 1))  # another process chose that tick
        else:
            self.leases.give_back(run, "overlap")
        if answer.task is not None or answer.verdict is Verdict.STALE:
            self._on_state(run.entry, answer.task)

    def _end_dropped(self, run: LiveRun) -> None:
        """Deal with an answer that came after *run* was paused, say, or removed."""
        if run.outcome is not None:
            self.endings.end_soon(run)
        else:  # this process is stopping. Without an end on record, another one may have the run.
            self.leases.give_back(run, "stopping")

    def _start(self, run: LiveRun, answer: Claimed) -> None:
        self._note_missed(run, answer.covers_from, answer.task)
        if answer.task is not None:
            _take_in(run.entry, answer.task)
        if (reason := self._why_skip(run)) is not None:  # it has waited for too long: for others, or for the store
            self._desk.admission.drop(run, reason)
            return
        self._desk.admission.release(run)
        self._desk.start(run)

    def _note_missed(self, run: LiveRun, covers_from: int, task: TaskState | None) -> None:
        """Count the ticks that nobody has answered: other processes may have answered what this one did not."""
        if run.kind == "manual":
            return
        entry: Entry = run.entry
        tick, stored = micros(run.scheduled), entry.in_store
        trigger, anchor = entry.task.trigger, stored.known.anchor
        try:
            run.missed = missed_before(trigger, tick, covers_from=covers_from, anchor=anchor)
        except Exception as error:  # a trigger of the user's; the run is granted all the same
            logger.error("the trigger of %s failed", entry.key, exc_info=error, extra={"task": entry.key})
        run.missed = entry.possible(run.missed, fired=(task or stored.known).fired)
        if run.missed and run.kind == "schedule":
            logger.warning(
                "%d tick(s) of %s passed unanswered; one run answers them all", run.missed + 1, entry.key,
                extra={"task": entry.key, "missed": run.missed},
            )  # fmt: skip

    def _wait(self, run: LiveRun, claim: Claim) -> None:
        self.leases.waiting[claim.id] = (run, claim)
        if claim.replaces:
            run.entry.cancel_runs()  # those that go elsewhere are cancelled by their own processes

    def ask_again(self, entry: Entry | None = None) -> None:
        """Claim again what the store lets wait: all, or the runs of *entry*."""
        waiting = self.leases.waiting
        for claim_id, (run, claim) in list(waiting.items()):
            if entry in (None, run.entry):
                del waiting[claim_id]
                self._put(run, claim)

    def adopt(self, run: LiveRun, reaped: Reaped, asked_at: float) -> None:
        """Take a run over from a process that is no more."""
        record, entry = reaped.record, run.entry
        _take_in(entry, reaped.task)
        self.leases.take(run, record.claim_id, fence=record.fence, attempt=record.attempt, asked_at=asked_at)
        if record.state == "running":
            if record.tick >= reaped.task.anchor:  # else it was of another schedule
                self._note_missed(run, record.covers_from, reaped.task)
            self._desk.start(run)
            return
        self._desk.admission.wait(run, ())
        claim = self._claim(run, None, beside=False, claim_id=record.claim_id)
        self.leases.waiting[claim.id] = (run, claim)
        if entry.pause is not None and run.kind != "manual":
            self._desk.admission.drop(run, "paused")

    async def stop(self) -> None:
        """Let runs begin whose claims are on their way, and leave to other processes whatever has not begun."""
        with suppress(TimeoutError):
            async with asyncio.timeout(CANCEL_GRACE_S):
                await self._claims.settled()
        for run in list(self._desk.admission.waiting):
            if run.kind != "manual" and run.entry.shared:
                self.leases.give_back(run, "stopping")

    async def close(self, *, patience_s: float) -> None:
        """Tell the store the ends that it does not know yet, for *patience_s* seconds at most, and give up the rest."""
        await self.endings.told(patience_s=patience_s)
        await self._claims.close()
        await self.endings.close()


def _take_in(entry: Entry, task: TaskState) -> None:
    """Note how the task has fared in all processes."""
    entry.last_success = None if task.last_success is None else task.last_success / 1e6
    entry.failures = task.failures
