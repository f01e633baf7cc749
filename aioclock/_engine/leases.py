"""The runs that the store has granted to this process, each for as long as its lease."""

from collections.abc import Sequence
from typing import Protocol

from aioclock._engine.admission import Admission
from aioclock._engine.grant import Grant, LeaseTerm
from aioclock._engine.present import Present
from aioclock._engine.run import LiveRun
from aioclock.clock import steady_s
from aioclock.exceptions import LeaseLostError
from aioclock.logger import logger
from aioclock.stores import Claim

__all__ = ["Desk", "Leases"]


class Desk(Protocol):
    """Who does what the store's answers lead to."""

    admission: Admission
    present: Present

    def start(self, run: LiveRun, /) -> None:
        """Let *run* begin."""

    def withdraw(self, run: LiveRun, /) -> None:
        """Forget *run*, which waits: its tick is no concern of this process."""


class Leases:
    """Owns what is granted, until the store knows the end of it.

    Args:
        desk: Owns the runs.
        owner: Id of this process.
    """

    def __init__(self, desk: Desk, term: LeaseTerm, *, owner: str) -> None:
        self._desk = desk
        self.term = term
        self.owner = owner
        self.runs: dict[str, LiveRun] = {}
        """By the ids of their claims."""
        self.waiting: dict[str, tuple[LiveRun, Claim]] = {}
        """Those of them that the store lets wait for others."""

    def take(self, run: LiveRun, claim_id: str, *, fence: int, attempt: int, asked_at: float) -> None:
        """Note that *run* is this process's."""
        run.grant = Grant(claim_id, fence, self.owner, self.term.trusted_until_s(asked_at))
        run.attempt = attempt - 1
        self.runs[claim_id] = run

    def end(self, run: LiveRun) -> None:
        """Note that the store need not be told the end of *run* any more."""
        if run.grant is not None:
            run.grant.ending = run.grant.ended = True
            self._forget(run.grant)

    def give_back(self, run: LiveRun, reason: str) -> None:
        """Leave *run*, which waits, to other processes; one that was asked for by hand is skipped for *reason*."""
        if run.grant is not None:
            self._forget(run.grant)
            run.grant = None
        if run not in self._desk.admission.waiting:
            return
        if run.kind == "manual":
            self._desk.admission.drop(run, reason)
        else:
            self._desk.withdraw(run)

    def _forget(self, grant: Grant) -> None:
        self.runs.pop(grant.claim_id, None)
        self.waiting.pop(grant.claim_id, None)

    def renew(self, ids: Sequence[str], lost: frozenset[str], asked_at: float) -> None:
        """Take in which of the claims *ids* the store has renewed when it was asked at *asked_at*."""
        for claim_id in ids:
            run = self.runs.get(claim_id)
            if run is None or run.grant is None or run.grant.ended:
                continue
            if claim_id not in lost:
                run.grant.trusted_until_s = self.term.trusted_until_s(asked_at)
            elif not run.grant.ending:  # else the answer to its end will tell
                self._lose(run, run.grant)

    def expire(self) -> None:
        """Give up the runs whose leases have passed: they are nobody's, and soon another process's."""
        now, waiting = steady_s(), self._desk.admission.waiting
        for run in list(self.runs.values()):
            grant = run.grant
            if grant is not None and not grant.ending and grant.trusted_until_s < now and run not in waiting:
                self._lose(run, grant)

    def _lose(self, run: LiveRun, grant: Grant) -> None:
        if run in self._desk.admission.waiting:
            self.give_back(run, "overlap")
            return
        self._forget(grant)
        logger.error("%s", LeaseLostError(task_name=run.entry.key), extra={"task": run.entry.key})
        run.lose()

    def cancel(self, ids: frozenset[str]) -> None:
        """Cancel the runs of the claims *ids*: somebody asked for it in the store."""
        for claim_id in ids:
            if (run := self.runs.get(claim_id)) is not None and claim_id not in self.waiting:
                run.cancel()
