"""Ticks that are claimed from the store, and the ends of their runs."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import replace
from functools import partial
from itertools import count
from typing import Any, Protocol, TypeAlias
from uuid import uuid4

from aioclock._engine.admission import HAIR_S, Admission
from aioclock._engine.batches import Batches
from aioclock._engine.entry import Entry
from aioclock._engine.grant import Grant
from aioclock._engine.ledger import as_text
from aioclock._engine.present import Present
from aioclock._engine.run import CANCEL_GRACE_S, CANCELLED, LOST, SKIPPED, SUCCEEDED, LiveRun
from aioclock._engine.shared_cursor import missed_before
from aioclock._engine.store_link import StoreLink
from aioclock.clock import steady_s
from aioclock.exceptions import LeaseLostError, ServingError, StoreError, StoreUnavailableError
from aioclock.logger import logger
from aioclock.runs import Outcome
from aioclock.stores import Claim, Claimed, Finish, Finished, Reaped, RunQuery, TaskState, TransactionalStore, Verdict
from aioclock.stores._words import micros

__all__ = ["Claims", "Desk"]

ALL = 10**9
"""More runs than there ever are."""

MARGIN = 0.1
"""Which part of a lease is not relied upon: clocks do not go alike."""


Reply: TypeAlias = tuple[Claimed, float, bool]
"""An answer, when it was asked for on the steady clock, and whether for the first time."""


class Desk(Protocol):
    """Who does what claims lead to."""

    admission: Admission
    present: Present

    def start(self, run: LiveRun, /) -> None:
        """Let *run* begin."""

    def withdraw(self, run: LiveRun, /) -> None:
        """Forget *run*, which waits: its tick is no concern of this process."""


class Claims:
    """Owns what this process has from the store, and asks for more.

    Args:
        desk: Owns the runs.
        owner: Id of this process.
        lease_s: How long a run belongs to a process that gives no sign of life.
        on_state: Called when the store tells something that the task's entry does not know yet.
    """

    def __init__(
        self,
        link: StoreLink,
        desk: Desk,
        *,
        owner: str,
        lease_s: float,
        on_state: Callable[[Entry, Claimed], None],
    ) -> None:
        self._link = link
        self._desk = desk
        self._owner = owner
        self._lease_s = lease_s
        self._on_state = on_state
        self._claims: Batches[Claim, Reply] = Batches(self._send_claims, name="aioclock claims")
        self._ends: Batches[Finish, Finished] = Batches(self._send_ends, name="aioclock ends of runs")
        self.granted: dict[str, LiveRun] = {}
        """Runs that are this process's, by the ids of their claims, until the store knows their ends."""
        self._waiting: dict[str, tuple[LiveRun, Claim]] = {}
        """Those of them that the store lets wait for others."""

    async def _send_claims(self, claims: Sequence[Claim]) -> list["Reply"]:
        times = count(1)

        async def send() -> list[Reply]:
            asked_at, asked_once = steady_s(), next(times) == 1
            answers = await self._link.store.claim(claims)
            return [(answer, asked_at, asked_once) for answer in answers]

        return await self._link.call(send)

    async def _send_ends(self, ends: Sequence[Finish]) -> list[Finished]:
        return await self._link.call(partial(self._link.store.finish, ends))

    # Claims

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
        most_waiting = ALL if floor is not None else max(queue, run.kind == "catch_up")
        return Claim(
            id=claim_id,
            task_key=entry.key,
            kind=run.kind,
            tick=micros(run.scheduled),
            generation=stored.known.generation,
            owner=self._owner,
            lease=micros(self._lease_s),
            on_lost=stored.on_lost,
            missed=run.missed,
            skip=self._why_skip(run),
            floor=floor,
            most_fired=getattr(entry.task.trigger, "max_loop_count", None),
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
        if future.cancelled() or error is not None:
            if error is not None and not isinstance(error, StoreUnavailableError):
                logger.error("a tick of %s could not be claimed", claim.task_key, exc_info=error)
            self._let_go(run, claim, "unreachable")
        else:
            self._decided(run, claim, *future.result())

    def _decided(self, run: LiveRun, claim: Claim, answer: Claimed, asked_at: float, asked_once: bool) -> None:
        if answer.verdict in (Verdict.RUN, Verdict.WAITING):
            self._grant(run, claim, answer, asked_at)
        if run not in self._desk.admission.waiting:  # it was dropped in the meantime: paused, say, or removed
            self._end_dropped(run)
            return
        if answer.verdict is Verdict.RUN and self._trusted_from(asked_at) < steady_s():
            self._put(run, claim)  # the process stood still; by now the run may be another's
            return
        if answer.verdict is Verdict.RUN:
            self._start(run, claim, answer)
        elif answer.verdict is Verdict.WAITING:
            self._wait(run, claim)
        elif answer.verdict is Verdict.SKIPPED:
            self._note_missed(run, answer.covers_from)
            self._desk.admission.drop(run, str(answer.reason))
        elif run.kind == "manual" and answer.verdict is Verdict.TAKEN and asked_once:
            self._put(run, replace(claim, id=uuid4().hex, tick=claim.tick + 1))  # another process chose that tick
        else:
            self._let_go(run, claim, "overlap")
        if answer.task is not None or answer.verdict is Verdict.STALE:
            self._on_state(run.entry, answer)

    def _end_dropped(self, run: LiveRun) -> None:
        if run.outcome is not None:
            self.end_soon(run)
        elif run.grant is not None:
            # This process is stopping. Without an end on record, another one may have the run.
            self.granted.pop(run.grant.claim_id, None)

    def _grant(self, run: LiveRun, claim: Claim, answer: Claimed, asked_at: float) -> None:
        run.grant = Grant(claim.id, answer.fence, self._owner, self._trusted_from(asked_at))
        run.attempt = answer.attempt - 1
        self.granted[claim.id] = run

    def _trusted_from(self, asked_at: float) -> float:
        return asked_at + self._lease_s * (1 - MARGIN)

    def _start(self, run: LiveRun, claim: Claim, answer: Claimed) -> None:
        self._waiting.pop(claim.id, None)
        self._note_missed(run, answer.covers_from)
        if answer.task is not None:
            _take_in(run.entry, answer.task)
        if (reason := self._why_skip(run)) is not None:  # it has waited for too long: for others, or for the store
            self._desk.admission.drop(run, reason)
            return
        self._desk.admission.release(run)
        self._desk.start(run)

    def _note_missed(self, run: LiveRun, covers_from: int) -> None:
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
        if run.missed and run.kind == "schedule":
            logger.warning(
                "%d tick(s) of %s passed unanswered; one run answers them all", run.missed + 1, entry.key,
                extra={"task": entry.key, "missed": run.missed},
            )  # fmt: skip

    def _wait(self, run: LiveRun, claim: Claim) -> None:
        self._waiting[claim.id] = (run, claim)
        if claim.replaces:
            run.entry.cancel_runs()  # those that go elsewhere are cancelled by their own processes

    def _let_go(self, run: LiveRun, claim: Claim, reason: str) -> None:
        self._waiting.pop(claim.id, None)
        self.granted.pop(claim.id, None)
        run.grant = None
        if run not in self._desk.admission.waiting:
            return
        if run.kind == "manual":
            self._desk.admission.drop(run, reason)
        else:
            self._desk.withdraw(run)

    def ask_again(self, entry: Entry | None = None) -> None:
        """Claim again what the store lets wait: all, or the runs of *entry*."""
        for claim_id, (run, claim) in list(self._waiting.items()):
            if entry in (None, run.entry):
                del self._waiting[claim_id]
                self._put(run, claim)

    async def stop(self) -> None:
        """Let runs begin whose claims are on their way, and leave to other processes whatever has not begun."""
        with suppress(TimeoutError):
            async with asyncio.timeout(CANCEL_GRACE_S):
                await self._claims.settled()
        for run in list(self._desk.admission.waiting):
            if run.kind != "manual" and run.entry.shared:
                self._desk.withdraw(run)
                if run.grant is not None:  # not claimed any more, it is free as soon as this process has left
                    self._waiting.pop(run.grant.claim_id, None)

    # What is granted

    def adopt(self, run: LiveRun, grant: Grant, reaped: Reaped) -> None:
        """Take a run over from a process that is no more."""
        record = reaped.record
        _take_in(run.entry, reaped.task)
        run.grant, run.attempt = grant, record.attempt - 1
        self.granted[grant.claim_id] = run
        if record.state == "running":
            if record.tick >= reaped.task.anchor:  # else it was of another schedule
                self._note_missed(run, record.covers_from)
            self._desk.start(run)
        else:
            self._desk.admission.wait(run, ())
            self._waiting[grant.claim_id] = (run, self._claim(run, None, beside=False, claim_id=grant.claim_id))
            if run.entry.pause is not None and run.kind != "manual":
                self._desk.admission.drop(run, "paused")

    def renew(self, ids: Sequence[str], lost: frozenset[str], asked_at: float) -> None:
        """Take in which of the claims *ids* the store has renewed when it was asked at *asked_at*."""
        for claim_id in ids:
            run = self.granted.get(claim_id)
            if run is None or run.grant is None or run.grant.ended:
                continue
            if claim_id not in lost:
                run.grant.trusted_until_s = self._trusted_from(asked_at)
            elif not run.grant.ending:  # else the answer to its end will tell
                self.lose(run)

    def expire(self) -> None:
        """Give up the runs whose leases have passed: they are nobody's, and soon another process's."""
        now, waiting = steady_s(), self._desk.admission.waiting
        for run in list(self.granted.values()):
            if run.grant is None or run.grant.ending or run in waiting:
                continue
            if run.grant.trusted_until_s < now:
                self.lose(run)

    def lose(self, run: LiveRun) -> None:
        """Give up *run*, which is this process's no longer."""
        assert run.grant is not None
        claim_id = run.grant.claim_id
        self.granted.pop(claim_id, None)
        if self._waiting.pop(claim_id, None) is not None or run in self._desk.admission.waiting:
            run.grant = None
            if run.kind == "manual":
                self._desk.admission.drop(run, "overlap")
            else:
                self._desk.withdraw(run)
        else:
            logger.error("%s", LeaseLostError(task_name=run.entry.key), extra={"task": run.entry.key})
            run.lose()

    def cancel(self, ids: frozenset[str]) -> None:
        """Cancel the runs of the claims *ids*: somebody asked for it in the store."""
        for claim_id in ids:
            if (run := self.granted.get(claim_id)) is not None and claim_id not in self._waiting:
                run.cancel()

    # Ends

    async def settle(
        self, run: LiveRun, outcome: Outcome, error: BaseException | None
    ) -> tuple[Outcome, BaseException | None]:
        """Tell the store how *run* ended; return how it did end: another process may have ended it."""
        grant = run.grant
        assert grant is not None
        if grant.ended and not run.lost:
            if outcome is not SUCCEEDED:
                logger.error(
                    "run of %s went wrong after its transaction had been committed; on record it has succeeded",
                    run.entry.key, exc_info=error, extra={"task": run.entry.key},
                )  # fmt: skip
            return SUCCEEDED, None
        if run.lost:
            return self._lost(run)
        grant.ending = True
        try:
            accepted = await _uninterrupted(self._ends.put(self._end_of(run, outcome, error)))
        except StoreError as failure:
            self._ended(run)
            logger.error("the end of a run of %s is not on record: %s", run.entry.key, failure)
            return outcome, error
        self._ended(run)
        if accepted.accepted:
            run.entry.failures = max(accepted.failures - 1, 0) if accepted.failures else run.entry.failures
            return outcome, error
        if grant.in_doubt and await self._succeeded(run):
            return SUCCEEDED, None
        return self._lost(run)

    def _lost(self, run: LiveRun) -> tuple[Outcome, BaseException | None]:
        self._ended(run)
        run.lost = True
        return LOST, LeaseLostError(task_name=run.entry.key)

    def _ended(self, run: LiveRun) -> None:
        if run.grant is not None:
            run.grant.ending = run.grant.ended = True
            self.granted.pop(run.grant.claim_id, None)

    def end_soon(self, run: LiveRun) -> None:
        """Tell the store the end of *run* without waiting for it to know."""
        if run.grant is None or run.grant.ended or run.lost:
            return
        self._waiting.pop(run.grant.claim_id, None)
        outcome = run.outcome or CANCELLED
        reason = run.reason or ("withdrawn" if outcome is SKIPPED else None)
        end = self._end_of(run, outcome, run.error, reason=reason)
        self._ended(run)
        self._ends.put(end).add_done_callback(_look_at)

    def _end_of(
        self, run: LiveRun, outcome: Outcome, error: BaseException | None, *, reason: str | None = None
    ) -> Finish:
        present, grant = self._desk.present, run.grant
        assert grant is not None
        return Finish(
            claim_id=grant.claim_id,
            task_key=run.entry.key,
            fence=grant.fence,
            outcome=outcome.value,
            started=None if run.started is None else micros(run.started + present.offset),
            finished=micros(present.now().epoch),
            attempt=max(run.attempt, 1),
            missed=run.missed,
            reason=reason,
            error=None if error is None else as_text(error),
            output=run.output,
        )

    async def _succeeded(self, run: LiveRun) -> bool:
        """Tell whether the store has *run* on record as succeeded, by a transaction that got no answer."""
        grant = run.grant
        assert grant is not None
        query = RunQuery(task_keys=(run.entry.key,), states=("succeeded",), since=micros(run.scheduled), limit=1000)
        look = asyncio.ensure_future(self._link.call(partial(self._link.store.runs, query)))
        return any(record.claim_id == grant.claim_id for record in await _uninterrupted(look))

    def transaction(self, run: LiveRun) -> AbstractAsyncContextManager[Any]:
        """Return a block whose writes are committed together with the success of *run*.

        Raises:
            ServingError: the store has no transactions for others.
        """
        store = self._link.store
        if not isinstance(store, TransactionalStore):
            raise ServingError(
                f"transaction() needs a store in an SQL database, and {store.name} is none; "
                "run.key and run.fence serve with everything else"
            )
        return self._transaction(run, store)

    @asynccontextmanager
    async def _transaction(self, run: LiveRun, store: TransactionalStore) -> AsyncIterator[Any]:
        grant = run.grant
        if grant is None or grant.ended:
            raise ServingError(f"the run of {run.entry.key!r} has been committed already; it has one transaction")
        try:
            async with store.transaction(lambda: self._end_of(run, SUCCEEDED, None)) as connection:
                yield connection
        except LeaseLostError:
            run.lost = True
            raise
        except StoreUnavailableError:
            grant.in_doubt = True  # the answer to the commit may be what got lost
            raise
        self._ended(run)

    def give_up_soon(self) -> None:
        """Do not wait for the store for ever when all else has come to its end."""
        self._desk.present.loop.call_later(CANCEL_GRACE_S, self._ends.give_up)

    async def close(self, *, patience_s: float) -> None:
        """Tell the store what it does not know yet, for *patience_s* seconds at most, and give up the rest."""
        for run in list(self.granted.values()):
            if run.outcome is not None:  # a stuck one
                self.end_soon(run)
        with suppress(TimeoutError):
            async with asyncio.timeout(patience_s):
                await self._ends.settled()
        await self._claims.close()
        await self._ends.close()


async def _uninterrupted(answer: "asyncio.Future[Any]") -> Any:
    """Return what *answer* will be: a run that has ended is not cancelled any more, whoever tries."""
    while not answer.done():
        with suppress(asyncio.CancelledError):
            await asyncio.wait((answer,))
    return answer.result()


def _look_at(future: "asyncio.Future[Finished]") -> None:
    if not future.cancelled() and (error := future.exception()) is not None:
        logger.error("the end of a run is not on record: %s", error)


def _take_in(entry: Entry, task: TaskState) -> None:
    """Note how the task has fared in all processes."""
    entry.last_success = None if task.last_success is None else task.last_success / 1e6
    entry.failures = task.failures
