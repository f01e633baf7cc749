"""A store in this process's memory: for tests of several apps at once, and the plainest form of what a store is."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from uuid import uuid4

from aioclock.clock import current_clock
from aioclock.stores._rules import (
    FAILURES,
    changed,
    decide,
    ended,
    is_accepted,
    is_same_end,
    reaped,
    registered,
    restored,
    task_after,
)
from aioclock.stores._words import (
    EXHAUSTED,
    OPEN_STATES,
    Change,
    Claim,
    Claimed,
    ClaimKind,
    Finish,
    Finished,
    Node,
    Note,
    Pulse,
    PulseAnswer,
    Reaped,
    Registration,
    RunQuery,
    RunRecord,
    TaskState,
    micros,
)

__all__ = ["MemoryStore"]


class MemoryStore:
    """Keeps everything in memory, for the apps of one process that are given the same object.

    ```python
    from aioclock import AioClock
    from aioclock.stores import MemoryStore

    store = MemoryStore()
    one, other = AioClock(store=store), AioClock(store=store)
    ```

    Its time is that of the event loop's clock, so on virtual time it is virtual.
    """

    name = "memory://"

    def __init__(self) -> None:
        self._tasks: dict[str, TaskState] = {}
        self._runs: dict[str, RunRecord] = {}
        """By id, those claimed first in front."""
        self._open: dict[str, dict[str, RunRecord]] = {}
        """Of each task, by id."""
        self._ids: dict[str, str] = {}
        """Ids of runs by that of the claim that has them."""
        self._ticks: set[tuple[str, ClaimKind, int]] = set()
        """Task, kind and tick of each run."""
        self._nodes: dict[str, Node] = {}
        self._notes: list[Note] = []
        self._sequence = 0

    async def open(self) -> None:
        pass

    async def close(self) -> None:
        pass

    def _now(self) -> int:
        return micros(current_clock().now().timestamp())

    # Tasks

    async def register(self, tasks: Sequence[Registration], *, by: str) -> list[TaskState]:
        now = self._now()
        return [self._register(registration, now, by) for registration in tasks]

    def _register(self, registration: Registration, now: int, by: str) -> TaskState:
        before = self._tasks.get(registration.key)
        task = self._tasks[registration.key] = registered(registration, before, now=now)
        if task is not before:
            self._note("registered" if before is None else "edited", now, task_key=task.key, node=by)
        return task

    async def change(self, changes: Sequence[Change]) -> list[TaskState | None]:
        now = self._now()
        return [self._change(change, now) for change in changes]

    def _change(self, change: Change, now: int) -> TaskState | None:
        task = self._tasks.get(change.key)
        if task is None:
            return None
        task = self._tasks[change.key] = changed(change, task, now=now)
        if change.cancel:
            self._ask_to_end(change.key, "cancelled", None, now)
        for kind in kinds_of(change):
            self._note(kind, now, task_key=change.key, node=change.by or None, text=change.note)
        return task

    def _ask_to_end(self, key: str, state: str, reason: str | None, now: int) -> None:
        for run in list(self._open.get(key, {}).values()):
            if run.state == "running":
                self._write(replace(run, cancel_requested=True))
            else:
                self._write(replace(run, state=state, reason=reason, finished=now, lease_until=0))

    async def tasks(self, keys: Sequence[str] | None = None) -> list[TaskState]:
        wanted: Iterable[str] = self._tasks if keys is None else set(keys) & self._tasks.keys()
        return [self._tasks[key] for key in sorted(wanted)]

    async def restore(self, tasks: Sequence[TaskState], *, replace: bool = False) -> None:
        now = self._now()
        if replace:
            kept = {task.key for task in tasks}
            self._tasks = {key: task for key, task in self._tasks.items() if key in kept}
            self._forget(run for run in self._runs.values() if run.task_key not in kept)
        for task in tasks:
            self._tasks[task.key] = restored(task, self._tasks.get(task.key), now=now)
            self._note("restored", now, task_key=task.key)

    # Runs

    async def claim(self, claims: Sequence[Claim]) -> list[Claimed]:
        now = self._now()
        return [self._claim(claim, now) for claim in claims]

    def _claim(self, claim: Claim, now: int) -> Claimed:
        key = claim.task_key
        decision = decide(
            claim,
            self._tasks.get(key),
            list(self._open.get(key, {}).values()),
            known=self._runs.get(self._ids.get(claim.id, claim.id)),
            twin=(key, claim.kind, claim.tick) in self._ticks,
            now=now,
        )
        if decision.replaces:
            self._ask_to_end(key, "skipped", "overlap", now)
        if decision.task is not None:
            self._tasks[key] = decision.task
        if decision.record is not None:
            self._write(decision.record)
        return decision.answer

    def _write(self, record: RunRecord) -> None:
        self._runs[record.id] = record
        self._ids[record.claim_id] = record.id
        self._ticks.add((record.task_key, record.kind, record.tick))
        of_task = self._open.setdefault(record.task_key, {})
        if record.state in OPEN_STATES:
            of_task[record.id] = record
        else:
            of_task.pop(record.id, None)

    async def finish(self, ends: Sequence[Finish]) -> list[Finished]:
        now = self._now()
        return [self._finish(end, now) for end in ends]

    def _finish(self, end: Finish, now: int) -> Finished:
        record = self._runs.get(self._ids.get(end.claim_id, ""))
        if record is None or not is_accepted(end, record):
            task = self._tasks.get(end.task_key)
            return Finished(accepted=is_same_end(end, record), failures=task.failures if task else 0)
        record = ended(end, record)
        self._write(record)
        task = self._settle(record)
        if record.state in FAILURES:
            text = record.error.message if record.error else None
            self._note(record.state, now, task_key=end.task_key, run_id=record.id, node=record.owner, text=text)
        return Finished(accepted=True, failures=task.failures)

    def _settle(self, record: RunRecord) -> TaskState:
        task = task_after(record, self._tasks[record.task_key])
        self._tasks[record.task_key] = task
        return task

    async def reap(self, *, owner: str, keys: Sequence[str], lease: int, limit: int = 100) -> list[Reaped]:
        now, known = self._now(), set(keys)
        expired = [run for runs in self._open.values() for run in runs.values() if run.lease_until < now]
        done: list[Reaped] = []
        for run in sorted(expired, key=lambda run: (run.tick, run.fence)):
            if len(done) == limit:
                break
            if (outcome := self._reap(run, owner, known, lease, now)) is not None:
                done.append(outcome)
        return done

    def _reap(self, run: RunRecord, owner: str, known: set[str], lease: int, now: int) -> Reaped | None:
        key = run.task_key
        dealt = reaped(
            run, self._tasks[key], owner=owner, takes_over=key in known, claim_id=uuid4().hex, lease=lease, now=now
        )
        if dealt is None:
            return None
        record, self._tasks[key] = dealt
        del self._ids[run.claim_id]
        self._write(record)
        kind = "lost" if record.state == "lost" else "rerun"
        self._note(kind, now, task_key=key, run_id=run.id, node=run.owner)
        return Reaped(record=record, task=self._tasks[key])

    async def runs(self, query: RunQuery) -> list[RunRecord]:
        found: list[RunRecord] = []
        for run in reversed(self._runs.values()):
            if len(found) == query.limit:
                break
            if _is_wanted(run, query):
                found.append(run)
        return found

    # Processes

    async def pulse(self, pulse: Pulse) -> PulseAnswer:
        now = self._now()
        node = self._nodes.get(pulse.node.id)
        if node is None:
            node = replace(pulse.node, started_at=now)
            self._note("joined", now, node=node.id, text=node.label)
        self._nodes[node.id] = replace(node, seen_at=now)
        runs = {claim: self._runs.get(self._ids.get(claim, "")) for claim in pulse.claims}
        mine = {claim: run for claim, run in runs.items() if run is not None and _is_claimed(run, claim)}
        for run in mine.values():
            self._write(replace(run, lease_until=now + pulse.lease))
        return PulseAnswer(
            now=now,
            lost=frozenset(runs.keys() - mine.keys()),
            cancelled=frozenset(claim for claim, run in mine.items() if run.cancel_requested),
            held=frozenset(key for key in pulse.holds if self._hold(key, node.id, now + pulse.lease, now)),
            changed=tuple(task for task in self._tasks.values() if pulse.since and task.changed_at > pulse.since),
        )

    def _hold(self, key: str, owner: str, until: int, now: int) -> bool:
        task = self._tasks.get(key)
        if task is None or task.cursor == EXHAUSTED or (task.holder not in (None, owner) and task.held_until >= now):
            return False
        fence = task.fence + (task.holder != owner)
        self._tasks[key] = replace(task, holder=owner, held_until=until, fence=fence)
        return True

    async def leave(self, node_id: str) -> None:
        now = self._now()
        for runs in self._open.values():
            for run in list(runs.values()):
                if run.owner == node_id:
                    self._write(replace(run, lease_until=0))
        for key, task in self._tasks.items():
            if task.holder == node_id:
                self._tasks[key] = replace(task, holder=None, held_until=0)
        if self._nodes.pop(node_id, None) is not None:
            self._note("left", now, node=node_id)

    # What was done

    async def notes(self, *, after: int = 0, limit: int = 100) -> list[Note]:
        return [note for note in self._notes if note.sequence > after][:limit]

    def _note(
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
        self._notes.append(
            Note(sequence=self._sequence, at=now, kind=kind, task_key=task_key, run_id=run_id, node=node, text=text)
        )

    async def prune(self, *, before: int) -> int:
        old = [run for run in self._runs.values() if run.finished is not None and run.finished < before]
        self._forget(old)
        self._notes = [note for note in self._notes if note.at >= before]
        self._nodes = {key: node for key, node in self._nodes.items() if node.seen_at >= before}
        return len(old)

    def _forget(self, runs: Iterable[RunRecord]) -> None:
        for run in list(runs):
            del self._runs[run.id], self._ids[run.claim_id]
            self._ticks.discard((run.task_key, run.kind, run.tick))
            self._open[run.task_key].pop(run.id, None)


def kinds_of(change: Change) -> list[str]:
    """Return what *change* is called in the sequence of events."""
    kinds = [] if change.paused is None else ["paused" if change.paused else "resumed"]
    if change.override is not None:
        kinds.append("rescheduled")
    return kinds + ["cancelled"] * change.cancel + ["exhausted"] * change.exhausted


def _is_claimed(run: RunRecord, claim: str) -> bool:
    return run.claim_id == claim and run.state in OPEN_STATES


def _is_wanted(run: RunRecord, query: RunQuery) -> bool:
    return (
        (query.task_keys is None or run.task_key in query.task_keys)
        and (query.states is None or run.state in query.states)
        and (query.since is None or run.tick >= query.since)
    )
