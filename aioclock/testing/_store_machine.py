"""A state machine that drives a store at random and holds what it does against a model."""

from collections.abc import Coroutine
from dataclasses import replace
from typing import Any, ClassVar, TypeVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from aioclock.stores import Change, Claim, Finish, Node, Pulse, Registration, RunQuery, RunRecord, TaskState
from aioclock.testing._store_model import Model
from aioclock.testing._store_model_records import LONG
from aioclock.testing._store_opened import OpenedStore, StoreSource
from aioclock.testing._store_watch import Watch
from aioclock.testing._store_wishes import (
    KEYS,
    OUTCOMES,
    Wish,
    changes,
    claims,
    keys,
    leases,
    nodes,
    restored,
    some_keys,
)

__all__ = ["StoreMachine"]

T = TypeVar("T")

which = st.integers(0, 20)
"""Which of those that there are."""


class StoreMachine(RuleBasedStateMachine):
    source: ClassVar[StoreSource]

    def __init__(self) -> None:
        super().__init__()
        self.opened = OpenedStore(self.source)
        self.store = self.opened.store
        self.model = Model()
        self.watch = Watch(self.model)
        self.claims: list[Claim] = []
        """Every claim that somebody has or had."""
        self.ends: list[Finish] = []

    def teardown(self) -> None:
        self.opened.close()

    def do(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return self.opened.run(coroutine)

    @invariant()
    def the_store_is_like_the_model(self) -> None:
        self.watch.look(*self.do(self._look()))

    async def _look(self) -> tuple[list[TaskState], list[RunRecord], int]:
        # A short lease has passed when the next step begins, and times of different steps differ.
        await self.source.pass_time(0.002)
        tasks = await self.store.tasks()
        runs = await self.store.runs(RunQuery(limit=10_000))
        pulse = await self.store.pulse(Pulse(node=Node(id="0" * 32), lease=LONG))
        return tasks, runs, pulse.now

    # Tasks

    @initialize()
    def begin(self) -> None:
        self.register([("a", "first"), ("b", "first")])

    @rule(given=st.lists(st.tuples(keys, st.sampled_from(("first", "second"))), max_size=3, unique_by=lambda of: of[0]))
    def register(self, given: list[tuple[str, str]]) -> None:
        # One task is nobody's until it is restored.
        asked = [Registration(key=key, fingerprint=text) for key, text in given if key != KEYS[-1]]
        told = self.do(self.store.register(asked, by="somebody"))
        for registration in asked:
            self.model.register(registration)
        assert [task.key for task in told] == [registration.key for registration in asked]
        self.watch.told(*told)

    @rule(change=changes)
    def change(self, change: Change) -> None:
        [told] = self.do(self.store.change([change]))
        assert (told is None) == (change.key not in self.model.tasks)
        if told is not None:
            self.model.change(change)
            self.watch.told(told)

    @rule(key=keys, back=st.booleans(), paused=st.booleans(), replace=st.sampled_from((*[False] * 9, True)))
    def restore(self, key: str, back: bool, paused: bool, replace: bool) -> None:
        given = [restored(key, self.model.tasks.get(key), back=back, paused=paused)]
        self.do(self.store.restore(given, replace=replace))
        self.model.restore(given, replace=replace)

    # Claims

    @rule(wishes=st.lists(claims, min_size=1, max_size=4))
    def claim(self, wishes: list[Wish]) -> None:
        asked = [wish.claim(f"{len(self.claims) + n:032x}", self.model) for n, wish in enumerate(wishes)]
        self.claims += asked
        self._claim(asked)

    @precondition(lambda self: self.claims)
    @rule(which=st.lists(which, min_size=1, max_size=3), lease=leases, most_running=st.integers(1, 2))
    def claim_again(self, which: list[int], lease: int, most_running: int) -> None:
        asked = [self.claims[n % len(self.claims)] for n in which]
        self._claim([replace(claim, lease=lease, most_running=most_running) for claim in asked])

    @rule(most_running=st.integers(1, 2))
    def wait_on(self, most_running: int) -> None:
        waiting = {run.claim_id for run in self.model.runs.values() if run.state == "waiting"}
        self._claim([replace(claim, most_running=most_running) for claim in self.claims if claim.id in waiting])

    def _claim(self, asked: list[Claim]) -> None:
        answers = self.do(self.store.claim(asked))
        expected = [self.model.claim(claim) for claim in asked]
        assert [replace(answer, task=None) for answer in answers] == expected
        for claim, answer in zip(asked, answers, strict=True):
            assert (answer.task is None) == (claim.task_key not in self.model.tasks)
        # Each tells the task as it was then; the last one of each task tells it as it is now.
        self.watch.told(*{answer.task.key: answer.task for answer in answers if answer.task is not None}.values())

    # Ends

    @rule(which=which, outcome=st.sampled_from(OUTCOMES))
    def end(self, which: int, outcome: str) -> None:
        if going := [run for run in self.model.runs.values() if run.is_open]:
            run = going[which % len(going)]
            self._end(run.claim_id, run.task_key, run.fence, outcome)

    @precondition(lambda self: self.claims)
    @rule(which=which, outcome=st.sampled_from(OUTCOMES), off=st.integers(-1, 1))
    def end_what_may_be_anothers(self, which: int, outcome: str, off: int) -> None:
        claim = self.claims[which % len(self.claims)]
        fences = [run.fence for run in self.model.runs.values() if claim.id in (run.id, run.claim_id)]
        self._end(claim.id, claim.task_key, sum(fences) + off, outcome)

    def _end(self, claim_id: str, key: str, fence: int, outcome: str) -> None:
        at = self.watch.now + 1 + len(self.ends) % 3
        end = Finish(
            claim_id=claim_id,
            task_key=key,
            fence=fence,
            outcome=outcome,
            started=at,
            finished=at,
            missed=len(self.ends),
        )
        self.ends.append(end)
        self._finish([end])

    @precondition(lambda self: self.ends)
    @rule(which=st.lists(which, min_size=1, max_size=3))
    def tell_an_end_again(self, which: list[int]) -> None:
        self._finish([self.ends[n % len(self.ends)] for n in which])

    def _finish(self, ends: list[Finish]) -> None:
        answers = self.do(self.store.finish(ends))
        assert answers == [self.model.finish(end) for end in ends]
        for end, answer in zip(ends, answers, strict=True):
            if answer.accepted:
                self.watch.accepted(end)

    # Processes

    @rule(
        node=nodes,
        which=st.lists(which, max_size=4),
        holds=some_keys,
        lease=leases,
        since=st.sampled_from((None, 0, 1)),
        of=keys,
    )
    def pulse(self, node: str, which: list[int], holds: list[str], lease: int, since: int | None, of: str) -> None:
        ids = {self.claims[n % len(self.claims)].id for n in which if self.claims}
        known = self.model.tasks.get(of)
        if since is None:
            since = known.changed_at if known else 0
        changed = {task.key for task in self.model.tasks.values() if since and task.changed_at > since}
        pulse = Pulse(node=Node(id=node), lease=lease, claims=tuple(ids), holds=tuple(holds), since=since)
        answer = self.do(self.store.pulse(pulse))
        assert (answer.lost, answer.cancelled, answer.held) == self.model.pulse(pulse)
        assert {task.key for task in answer.changed} == changed
        assert answer.now >= self.watch.now

    @rule(node=nodes)
    def leave(self, node: str) -> None:
        self.do(self.store.leave(node))
        self.model.leave(node)

    @rule(owner=nodes, known=some_keys, lease=leases, limit=st.sampled_from((1, 2, 100)))
    def reap(self, owner: str, known: list[str], lease: int, limit: int) -> None:
        reaped = self.do(self.store.reap(owner=owner, keys=known, lease=lease, limit=limit))
        expected = self.model.reapable(known)
        # Nobody says which of two tasks comes first if their ticks are the same.
        assert [one.record.tick for one in reaped] == [run.tick for run in expected[:limit]]
        assert {one.record.id for one in reaped} <= {run.id for run in expected}
        for one in reaped:
            record = one.record
            self.model.reap(self.model.runs[record.id], owner=owner, claim_id=record.claim_id, lease=lease)
            if record.state != "lost":
                self.claims.append(self._claim_of(record))
        self.watch.told(*{one.task.key: one.task for one in reaped}.values())

    def _claim_of(self, run: RunRecord) -> Claim:
        fields = {name: getattr(run, name) for name in ("task_key", "kind", "tick", "owner", "on_lost", "missed")}
        return Claim(id=run.claim_id, lease=LONG, **fields)

    # What was done

    @rule(which=which, after=st.booleans())
    def prune(self, which: int, after: bool) -> None:
        ends = [run.finished for run in self.model.runs.values() if run.finished is not None] or [0]
        before = ends[which % len(ends)] + after
        assert self.do(self.store.prune(before=before)) == self.model.prune(before=before)

    @rule(of=st.none() | some_keys, states=st.none() | st.lists(st.sampled_from(("running", "waiting", *OUTCOMES))))
    def look_for_runs(self, of: list[str] | None, states: list[str] | None) -> None:
        query = RunQuery(
            task_keys=None if of is None else tuple(of), states=None if states is None else tuple(states), limit=3
        )
        found = [
            run
            for run in self.model.runs.values()
            if (of is None or run.task_key in of) and (states is None or run.state in states)
        ]
        told = self.do(self.store.runs(query))
        latest = sorted((run.created for run in found), reverse=True)[:3]
        assert [run.created for run in told] == latest
        assert {run.id for run in told} <= {run.id for run in found}

    @rule()
    def read_notes(self) -> None:
        notes = self.do(self.store.notes(after=self.watch.sequence, limit=1000))
        sequences = [note.sequence for note in notes]
        assert sequences == sorted(set(sequences))
        assert all(sequence > self.watch.sequence for sequence in sequences)
        self.watch.sequence = max(sequences, default=self.watch.sequence)

    @precondition(lambda self: self.source.reopens)
    @rule()
    def reopen(self) -> None:
        self.do(self._reopen())

    async def _reopen(self) -> None:
        await self.store.close()
        await self.store.open()
