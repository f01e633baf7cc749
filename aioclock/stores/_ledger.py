"""What a store has on record, or the part of it that an operation needs, and how operations change it."""

from collections.abc import Iterable
from dataclasses import replace
from uuid import uuid4

from aioclock.stores._rules import (
    FAILURES,
    Decision,
    changed,
    decide,
    ended,
    held,
    is_accepted,
    is_same_end,
    kinds_of,
    reaped,
    registered,
    restored,
    task_after,
)
from aioclock.stores._words import (
    OPEN_STATES,
    Change,
    Claim,
    Claimed,
    ClaimKind,
    Finish,
    Finished,
    Note,
    Reaped,
    Registration,
    RunRecord,
    TaskState,
)

__all__ = ["Ledger"]


class Ledger:
    """Tasks, runs and entries of the sequence of events in memory.

    `MemoryStore` keeps one for good. A store in a database reads what an operation may touch into a fresh one, lets it
    happen there and writes the difference: so all of them do the same.
    """

    def __init__(self, tasks: Iterable[TaskState] = (), runs: Iterable[RunRecord] = ()) -> None:
        self.tasks = {task.key: task for task in tasks}
        self.runs: dict[str, RunRecord] = {}
        """By id, those claimed first in front."""
        self.notes: list[Note] = []
        self._open: dict[str, dict[str, RunRecord]] = {}
        """Of each task, by id."""
        self._ids: dict[str, str] = {}
        """Ids of runs by that of the claim that has them."""
        self._ticks: set[tuple[str, ClaimKind, int]] = set()
        """Task, kind and tick of each run."""
        self._sequence = 0
        for run in runs:
            self.write(run)

    def register(self, registration: Registration, *, now: int, by: str) -> TaskState:
        before = self.tasks.get(registration.key)
        task = self.tasks[registration.key] = registered(registration, before, now=now)
        if task is not before:
            self.note("registered" if before is None else "edited", now, task_key=task.key, node=by)
        return task

    def change(self, change: Change, *, now: int) -> TaskState | None:
        task = self.tasks.get(change.key)
        if task is None:
            return None
        task = self.tasks[change.key] = changed(change, task, now=now)
        if change.cancel:
            self._ask_to_end(change.key, "cancelled", None, now)
        for kind in kinds_of(change):
            self.note(kind, now, task_key=change.key, node=change.by or None, text=change.note)
        return task

    def _ask_to_end(self, key: str, state: str, reason: str | None, now: int) -> None:
        for run in self.open_runs(key):
            if run.state == "running":
                self.write(replace(run, cancel_requested=True))
            else:
                self.write(replace(run, state=state, reason=reason, finished=now, lease_until=0))

    def restore(self, task: TaskState, *, now: int) -> None:
        self.tasks[task.key] = restored(task, self.tasks.get(task.key), now=now)
        self.note("restored", now, task_key=task.key)

    def forget(self, keys: Iterable[str]) -> None:
        gone = set(keys)
        self.tasks = {key: task for key, task in self.tasks.items() if key not in gone}
        self.drop([run for run in self.runs.values() if run.task_key in gone])

    # Runs

    def decide(self, claim: Claim, *, now: int) -> Decision:
        return decide(
            claim,
            self.tasks.get(claim.task_key),
            self.open_runs(claim.task_key),
            known=self.runs.get(self._ids.get(claim.id, claim.id)),
            twin=(claim.task_key, claim.kind, claim.tick) in self._ticks,
            now=now,
        )

    def claim(self, claim: Claim, *, now: int) -> Claimed:
        decision = self.decide(claim, now=now)
        if decision.replaces:
            self._ask_to_end(claim.task_key, "skipped", "overlap", now)
        if decision.task is not None:
            self.tasks[claim.task_key] = decision.task
        if decision.record is not None:
            self.write(decision.record)
        return decision.answer

    def finish(self, end: Finish, *, now: int) -> Finished:
        record = self.claimed(end.claim_id)
        if record is None or not is_accepted(end, record):
            task = self.tasks.get(end.task_key)
            return Finished(accepted=is_same_end(end, record), failures=task.failures if task else 0)
        record = ended(end, record)
        self.write(record)
        task = self.tasks[record.task_key] = task_after(record, self.tasks[record.task_key])
        if record.state in FAILURES:
            text = record.error.message if record.error else None
            self.note(record.state, now, task_key=end.task_key, run_id=record.id, node=record.owner, text=text)
        return Finished(accepted=True, failures=task.failures)

    def reap(self, run: RunRecord, *, owner: str, takes_over: bool, lease: int, now: int) -> Reaped | None:
        key = run.task_key
        dealt = reaped(
            run, self.tasks[key], owner=owner, takes_over=takes_over, claim_id=uuid4().hex, lease=lease, now=now
        )
        if dealt is None:
            return None
        record, self.tasks[key] = dealt
        del self._ids[run.claim_id]
        self.write(record)
        kind = "lost" if record.state == "lost" else "rerun"
        self.note(kind, now, task_key=key, run_id=run.id, node=run.owner)
        return Reaped(record=record, task=self.tasks[key])

    def hold(self, key: str, *, owner: str, until: int, now: int) -> bool:
        task = self.tasks.get(key)
        taken = None if task is None else held(task, owner=owner, until=until, now=now)
        if taken is None:
            return False
        self.tasks[key] = taken
        return True

    # Records

    def open_runs(self, key: str) -> list[RunRecord]:
        return list(self._open.get(key, {}).values())

    def expired(self, now: int) -> list[RunRecord]:
        """Return the open runs whose lease has passed, oldest tick first."""
        expired = [run for runs in self._open.values() for run in runs.values() if run.lease_until < now]
        return sorted(expired, key=lambda run: (run.tick, run.fence))

    def claimed(self, claim_id: str) -> RunRecord | None:
        """Return the run that the claim *claim_id* has, or had until the run ended."""
        return self.runs.get(self._ids.get(claim_id, ""))

    def going(self, claim_id: str) -> RunRecord | None:
        """Return the run that the claim *claim_id* has, unless it has ended."""
        run = self.claimed(claim_id)
        return run if run is not None and run.state in OPEN_STATES else None

    def write(self, record: RunRecord) -> None:
        self.runs[record.id] = record
        self._ids[record.claim_id] = record.id
        self._ticks.add((record.task_key, record.kind, record.tick))
        of_task = self._open.setdefault(record.task_key, {})
        if record.state in OPEN_STATES:
            of_task[record.id] = record
        else:
            of_task.pop(record.id, None)

    def drop(self, runs: Iterable[RunRecord]) -> None:
        for run in runs:
            del self.runs[run.id], self._ids[run.claim_id]
            self._ticks.discard((run.task_key, run.kind, run.tick))
            self._open[run.task_key].pop(run.id, None)

    def note(
        self,
        kind: str,
        now: int,
        *,
        task_key: str | None = None,
        run_id: str | None = None,
        node: str | None = None,
        text: str | None = None,
    ) -> None:
        self._sequence += 1
        self.notes.append(
            Note(sequence=self._sequence, at=now, kind=kind, task_key=task_key, run_id=run_id, node=node, text=text)
        )
