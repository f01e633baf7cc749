"""The frame of the state machine, and what it does to tasks and to a store as a whole."""

from collections.abc import Coroutine
from typing import Any, ClassVar, TypeVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from aioclock.stores import Change, Claim, Finish, Node, Pulse, Registration, RunQuery, RunRecord, TaskState
from aioclock.testing._store_model import Model
from aioclock.testing._store_model_records import LONG
from aioclock.testing._store_opened import OpenedStore, StoreSource
from aioclock.testing._store_watch import Watch
from aioclock.testing._store_wishes import KEYS, OUTCOMES, changes, keys, restored, some_keys, which

__all__ = ["MachineBase"]

T = TypeVar("T")


class MachineBase(RuleBasedStateMachine):
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
