"""A state machine that drives a store at random and holds what it does against a model."""

from dataclasses import replace

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from aioclock.stores import Claim, Finish, Node, Pulse, RunRecord
from aioclock.testing._store_machine_base import MachineBase
from aioclock.testing._store_model_records import LONG, SHORT
from aioclock.testing._store_wishes import OUTCOMES, Wish, claims, keys, leases, nodes, some_keys, which

__all__ = ["StoreMachine"]


class StoreMachine(MachineBase):
    # Claims

    @rule(wishes=st.lists(claims, min_size=1, max_size=4))
    def claim(self, wishes: list[Wish]) -> None:
        asked = [wish.claim(f"{len(self.claims) + n:032x}", self.model) for n, wish in enumerate(wishes)]
        self.claims += asked
        self._claim(asked)

    @rule(wishes=st.lists(claims, min_size=1, max_size=3))
    def crash(self, wishes: list[Wish]) -> None:
        self.claim([replace(wish, lease=SHORT, overlap=(9, 9, False), generation=0, skip=None) for wish in wishes])

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

    @rule(node=nodes, which=st.lists(which, max_size=4), holds=some_keys, lease=leases, since=st.none() | keys)
    def pulse(self, node: str, which: list[int], holds: list[str], lease: int, since: str | None) -> None:
        mine = {run.claim_id for run in self.model.runs.values() if run.is_open and run.owner == node}
        others = {self.claims[n % len(self.claims)].id for n in which if self.claims}
        self._pulse(
            Pulse(
                node=Node(id=node),
                lease=lease,
                claims=tuple(mine | others),
                holds=tuple(holds),
                since=self.model.tasks[since].changed_at if since in self.model.tasks else 0,
            )
        )

    def _pulse(self, pulse: Pulse) -> None:
        since = pulse.since
        changed = {task.key for task in self.model.tasks.values() if since and task.changed_at > since}
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
