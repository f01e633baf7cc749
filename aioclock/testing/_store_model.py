"""A store as its docstrings tell it, in the plainest way: what the state machine holds real ones against.

It shares no code with any store.
"""

from collections.abc import Iterable, Sequence
from dataclasses import fields

from aioclock.stores import Change, Pulse, Registration, TaskState
from aioclock.stores._words import EXHAUSTED, MOST_RERUNS
from aioclock.testing._store_model_claims import ClaimModel
from aioclock.testing._store_model_records import NOW, SHORT, RunModel, TaskModel

__all__ = ["Model"]


class Model(ClaimModel):
    # Tasks

    def register(self, registration: Registration) -> None:
        task = self.tasks.get(registration.key)
        if task is None:
            self.tasks[registration.key] = TaskModel(registration.key, registration.fingerprint)
        elif task.fingerprint != registration.fingerprint:
            task.fingerprint, task.override = registration.fingerprint, None
            self._begin_anew(task)

    def _begin_anew(self, task: TaskModel) -> None:
        task.anchor = task.changed_at = NOW
        task.cursor = NOW if task.cursor == EXHAUSTED else task.cursor
        task.fired = 0
        task.generation += 1

    def change(self, change: Change) -> None:
        task = self.tasks[change.key]
        if change.override is not None:
            self._begin_anew(task)
            task.override = change.override or None
        if change.paused is not None:
            if task.paused and not change.paused:
                self.resumed.add(task.key)
            task.paused, task.note, task.changed_at = change.paused, change.note if change.paused else None, NOW
        if change.exhausted:
            task.cursor, task.holder, task.changed_at = EXHAUSTED, None, NOW
        if change.cancel:
            self.ask_to_end(change.key, "cancelled", None)

    def restore(self, given: Sequence[TaskState], *, replace: bool) -> None:
        if replace:
            kept = {task.key for task in given}
            self.tasks = {key: task for key, task in self.tasks.items() if key in kept}
            self.runs = {run.id: run for run in self.runs.values() if run.task_key in kept}
        for state in given:
            before = self.tasks.get(state.key)
            task = TaskModel(**{field.name: getattr(state, field.name) for field in fields(TaskModel)})
            if before is not None:
                task.cursor = max(state.cursor, before.cursor)
                task.fence = max(state.fence, before.fence)
                task.generation = max(state.generation, before.generation) + 1
            task.holder, task.changed_at = None, NOW
            self.tasks[state.key] = task

    # Processes

    def pulse(self, pulse: Pulse) -> tuple[frozenset[str], frozenset[str], frozenset[str]]:
        """Return which claims are lost and cancelled, and which tasks held."""
        runs = {claim: self.held_by(claim) for claim in pulse.claims}
        for run in runs.values():
            if run is not None:
                self.lease(run, pulse.lease)
        return (
            frozenset(claim for claim, run in runs.items() if run is None),
            frozenset(claim for claim, run in runs.items() if run is not None and run.cancel_requested),
            frozenset(key for key in pulse.holds if self._hold(key, pulse)),
        )

    def _hold(self, key: str, pulse: Pulse) -> bool:
        task = self.tasks.get(key)
        if task is None or task.cursor == EXHAUSTED:
            return False
        if task.holder not in (None, pulse.node.id) and key not in self.lapsed_holds:
            return False
        task.fence += task.holder != pulse.node.id
        task.holder = pulse.node.id
        self.lapsed_holds.discard(key)
        if pulse.lease == SHORT:
            self.lapsed_holds.add(key)
        return True

    def leave(self, node: str) -> None:
        self.lapsed |= {run.id for run in self.runs.values() if run.owner == node and run.is_open}
        for task in self.tasks.values():
            if task.holder == node:
                task.holder = None

    def reapable(self, keys: Iterable[str]) -> list[RunModel]:
        """Return the runs that a process which knows *keys* may reap, oldest first."""
        known = set(keys)
        runs = [run for run in self.runs.values() if run.is_open and run.id in self.lapsed]
        return sorted((run for run in runs if self._is_lost(run) or run.task_key in known), key=lambda run: run.tick)

    def _is_lost(self, run: RunModel) -> bool:
        return run.state == "running" and (run.on_lost == "fail" or run.attempt > MOST_RERUNS)

    def reap(self, run: RunModel, *, owner: str, claim_id: str, lease: int) -> None:
        task = self.tasks[run.task_key]
        if self._is_lost(run):
            run.state, run.reason, run.finished = "lost", "lease", NOW
            self.count(run, task)
            return
        task.fence += 1
        run.owner, run.claim_id, run.fence = owner, claim_id, task.fence
        run.attempt += run.state == "running"
        self.lease(run, lease)

    # What was done

    def prune(self, *, before: int) -> int:
        old = [run.id for run in self.runs.values() if run.finished is not None and run.finished < before]
        for run_id in old:
            del self.runs[run_id]
        return len(old)
