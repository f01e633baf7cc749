"""The ends of runs that other processes may learn of."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from functools import partial
from typing import Any

from aioclock._engine.batches import Batches
from aioclock._engine.leases import Desk, Leases
from aioclock._engine.ledger import as_text
from aioclock._engine.run import CANCEL_GRACE_S, CANCELLED, LOST, SKIPPED, SUCCEEDED, LiveRun
from aioclock._engine.store_link import StoreLink
from aioclock.exceptions import LeaseLostError, ServingError, StoreError, StoreUnavailableError
from aioclock.logger import logger
from aioclock.runs import Outcome
from aioclock.stores import Finish, Finished, RunQuery, TransactionalStore
from aioclock.stores._words import micros

__all__ = ["Endings"]


class Endings:
    """Tells the store how runs ended."""

    def __init__(self, link: StoreLink, desk: Desk, leases: Leases) -> None:
        self._link = link
        self._desk = desk
        self._leases = leases
        self._ends: Batches[Finish, Finished] = Batches(self._send, name="aioclock ends of runs")

    async def _send(self, ends: Sequence[Finish]) -> list[Finished]:
        return await self._link.call(partial(self._link.store.finish, ends))

    async def settle(
        self, run: LiveRun, outcome: Outcome, error: BaseException | None
    ) -> tuple[Outcome, BaseException | None]:
        """Tell the store how *run* ended; return how it did end: another process may have ended it."""
        grant = run.grant
        assert grant is not None
        if run.lost:
            return self._lost(run)
        if grant.ended:
            if outcome is not SUCCEEDED:
                logger.error(
                    "run of %s went wrong after its transaction had been committed; on record it has succeeded",
                    run.entry.key, exc_info=error, extra={"task": run.entry.key},
                )  # fmt: skip
            return SUCCEEDED, None
        grant.ending = True
        try:
            answer = await _uninterrupted(self._ends.put(self._end_of(run, outcome, error)))
        except StoreError as failure:
            logger.error(
                "the end of a run of %s (%s) is not on record, where it will count as lost: %s",
                run.entry.key, outcome, failure, extra={"task": run.entry.key}, exc_info=error,
            )  # fmt: skip
            return self._lost(run, reason="its end could not be put on record")
        self._leases.end(run)
        if answer.accepted:
            if answer.failures:
                run.entry.failures = answer.failures - 1  # this one is about to be counted here, too
            return outcome, error
        if grant.in_doubt and await self._succeeded(run):
            return SUCCEEDED, None
        return self._lost(run)

    def _lost(self, run: LiveRun, **reason: str) -> tuple[Outcome, BaseException | None]:
        self._leases.end(run)
        run.lost = True
        return LOST, LeaseLostError(task_name=run.entry.key, **reason)

    def end_soon(self, run: LiveRun) -> None:
        """Tell the store the end of *run*, unless it knows it, without waiting for an answer."""
        if run.grant is None or run.grant.ended or run.lost:
            return
        outcome = run.outcome or CANCELLED
        reason = run.reason or ("withdrawn" if outcome is SKIPPED else None)
        end = self._end_of(run, outcome, run.error, reason=reason)
        self._leases.end(run)
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
        self._leases.end(run)

    def give_up_soon(self) -> None:
        """Do not wait for the store for ever when all else has come to its end."""
        self._desk.present.loop.call_later(CANCEL_GRACE_S, self._ends.give_up)

    async def told(self, *, patience_s: float) -> None:
        """Return when the store knows all ends, or after *patience_s* seconds."""
        for run in list(self._leases.runs.values()):
            if run.outcome is not None:  # a stuck one
                self.end_soon(run)
        with suppress(TimeoutError):
            async with asyncio.timeout(patience_s):
                await self._ends.settled()

    async def close(self) -> None:
        """Give up what the store has not been told."""
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
