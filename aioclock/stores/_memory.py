"""A store in this process's memory: for tests of several apps at once, and the plainest form of what a store is."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from aioclock.clock import current_clock
from aioclock.stores._ledger import Ledger
from aioclock.stores._words import (
    Change,
    Claim,
    Claimed,
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

    Args:
        keep: How many runs that have ended, and how many events, are kept at least; of more the oldest are forgotten.
    """

    name = "memory://"
    keeps_virtual_time = True

    def __init__(self, *, keep: int = 100_000) -> None:
        self._ledger = Ledger()
        self._keep = keep
        self._nodes: dict[str, Node] = {}

    async def open(self) -> None:
        pass

    async def close(self) -> None:
        pass

    def _now(self) -> int:
        return micros(current_clock().now().timestamp())

    # Tasks

    async def register(self, tasks: Sequence[Registration], *, by: str) -> list[TaskState]:
        now = self._now()
        return [self._ledger.register(registration, now=now, by=by) for registration in tasks]

    async def change(self, changes: Sequence[Change]) -> list[TaskState | None]:
        now = self._now()
        return [self._ledger.change(change, now=now) for change in changes]

    async def tasks(self, keys: Sequence[str] | None = None) -> list[TaskState]:
        tasks = self._ledger.tasks
        wanted: Iterable[str] = tasks if keys is None else set(keys) & tasks.keys()
        return [tasks[key] for key in sorted(wanted)]

    async def restore(self, tasks: Sequence[TaskState], *, replace: bool = False) -> None:
        now = self._now()
        if replace:
            self._ledger.forget(self._ledger.tasks.keys() - {task.key for task in tasks})
        for task in tasks:
            self._ledger.restore(task, now=now)

    # Runs

    async def claim(self, claims: Sequence[Claim]) -> list[Claimed]:
        self._forget_oldest()
        now = self._now()
        return [self._ledger.claim(claim, now=now) for claim in claims]

    async def finish(self, ends: Sequence[Finish]) -> list[Finished]:
        now = self._now()
        return [self._ledger.finish(end, now=now) for end in ends]

    async def reap(self, *, owner: str, keys: Sequence[str], lease: int, limit: int = 100) -> list[Reaped]:
        now, known = self._now(), set(keys)
        done: list[Reaped] = []
        for run in self._ledger.expired(now):
            if len(done) == limit:
                break
            takes_over = run.task_key in known
            outcome = self._ledger.reap(run, owner=owner, takes_over=takes_over, lease=lease, now=now)
            if outcome is not None:
                done.append(outcome)
        return done

    async def runs(self, query: RunQuery) -> list[RunRecord]:
        found: list[RunRecord] = []
        for run in reversed(self._ledger.runs.values()):
            if len(found) == query.limit:
                break
            if _is_wanted(run, query):
                found.append(run)
        return found

    # Processes

    async def pulse(self, pulse: Pulse) -> PulseAnswer:
        now, ledger = self._now(), self._ledger
        node = self._nodes.get(pulse.node.id)
        if node is None:
            node = replace(pulse.node, started_at=now)
            ledger.note("joined", now, node=node.id, text=node.label)
        self._nodes[node.id] = replace(node, seen_at=now)
        until = now + pulse.lease
        mine = {claim: run for claim in pulse.claims if (run := ledger.going(claim)) is not None}
        for run in mine.values():
            ledger.write(replace(run, lease_until=until))
        return PulseAnswer(
            now=now,
            lost=frozenset(pulse.claims) - mine.keys(),
            cancelled=frozenset(claim for claim, run in mine.items() if run.cancel_requested),
            held=frozenset(key for key in pulse.holds if ledger.hold(key, owner=node.id, until=until, now=now)),
            changed=tuple(task for task in ledger.tasks.values() if pulse.since and task.changed_at > pulse.since),
        )

    async def leave(self, node_id: str) -> None:
        ledger = self._ledger
        for key, task in ledger.tasks.items():
            for run in ledger.open_runs(key):
                if run.owner == node_id:
                    ledger.write(replace(run, lease_until=0))
            if task.holder == node_id:
                ledger.tasks[key] = replace(task, holder=None, held_until=0)
        if self._nodes.pop(node_id, None) is not None:
            ledger.note("left", self._now(), node=node_id)

    # What was done

    async def notes(self, *, after: int = 0, limit: int = 100) -> list[Note]:
        return [note for note in self._ledger.notes if note.sequence > after][:limit]

    async def prune(self, *, before: int) -> int:
        ledger = self._ledger
        old = [run for run in ledger.runs.values() if run.finished is not None and run.finished < before]
        ledger.drop(old)
        ledger.notes = [note for note in ledger.notes if note.at >= before]
        self._nodes = {key: node for key, node in self._nodes.items() if node.seen_at >= before}
        return len(old)

    def _forget_oldest(self) -> None:
        ledger, most = self._ledger, self._keep + self._keep // 4 + 1  # not one by one
        if len(ledger.runs) > most:
            ended = [run for run in ledger.runs.values() if run.finished is not None]
            ledger.drop(ended[: -self._keep or None])
        if len(ledger.notes) > most:
            ledger.notes = ledger.notes[-self._keep :]


def _is_wanted(run: RunRecord, query: RunQuery) -> bool:
    return (
        (query.task_keys is None or run.task_key in query.task_keys)
        and (query.states is None or run.state in query.states)
        and (query.since is None or run.tick >= query.since)
    )
