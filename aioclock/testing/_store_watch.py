"""What the state machine looks at after each of its steps."""

from dataclasses import asdict, fields

from aioclock.stores import Finish, RunRecord, TaskState
from aioclock.stores._words import EXHAUSTED, OPEN_STATES
from aioclock.testing._store_model import Model
from aioclock.testing._store_model_records import RunModel, TaskModel

__all__ = ["Watch"]


class Watch:
    """Holds what is on record against the model, and against what must never happen whatever the model says."""

    def __init__(self, model: Model) -> None:
        self.now = 0
        """The store's time when it was looked at last."""
        self.sequence = 0
        self._model = model
        self._told: list[TaskState] = []
        self._tasks: dict[str, TaskState] = {}
        """As they were a step ago."""
        self._handed_out: set[tuple[str, int]] = set()
        """Ids and fences of the runs that were on record a step ago."""
        self._accepted: dict[str, tuple[object, ...]] = {}
        """The end of each run on record, if one was accepted."""

    def told(self, *tasks: TaskState) -> None:
        """Note what the store has answered in this step of the tasks that it is on record with."""
        self._told = list(tasks)

    def accepted(self, end: Finish) -> None:
        """Note that the store has accepted *end*."""
        [run] = [run for run in self._model.runs.values() if run.claim_id == end.claim_id]
        told = (end.outcome, end.started, end.finished)
        assert self._accepted.setdefault(run.id, told) == told

    def look(self, tasks: list[TaskState], runs: list[RunRecord], now: int) -> None:
        """See that all is as it should be."""
        self._settle(tasks, runs, now)
        self._nothing_was_told_wrongly(tasks)
        self._tasks_are_as_expected(tasks)
        self._runs_are_as_expected(runs)
        self._nothing_moves_back(tasks)
        self._runs_are_unique(runs)
        self._tasks = {task.key: task for task in tasks}
        self._handed_out = {(run.id, run.fence) for run in runs}
        self._accepted = {run.id: self._accepted[run.id] for run in runs if run.id in self._accepted}

    def _settle(self, tasks: list[TaskState], runs: list[RunRecord], now: int) -> None:
        assert now >= self.now
        assert {task.key for task in tasks} <= self._model.tasks.keys()
        assert {run.id for run in runs} <= self._model.runs.keys()
        for task in tasks:
            self._model.settle_task(task, since=self.now, until=now)
        for run in runs:
            self._model.settle_run(run, since=self.now, until=now)
        self.now = now

    def _nothing_was_told_wrongly(self, tasks: list[TaskState]) -> None:
        assert [task for task in self._told if task not in tasks] == []
        self._told = []

    def _tasks_are_as_expected(self, tasks: list[TaskState]) -> None:
        expected = sorted(self._model.tasks.values(), key=lambda task: task.key)
        assert [_seen(task, TaskModel) for task in tasks] == [asdict(task) for task in expected]
        for task in tasks:
            if task.holder is not None:
                assert (task.held_until < self.now) == (task.key in self._model.lapsed_holds)

    def _runs_are_as_expected(self, runs: list[RunRecord]) -> None:
        found = {run.id: _seen(run, RunModel) for run in runs}
        assert found == {run.id: asdict(run) for run in self._model.runs.values()}
        for run in runs:
            if run.state in OPEN_STATES:
                assert (run.lease_until < self.now) == (run.id in self._model.lapsed)

    def _nothing_moves_back(self, tasks: list[TaskState]) -> None:
        for task in tasks:
            before = self._tasks.get(task.key, task)
            assert task.fence >= before.fence
            assert task.generation >= before.generation
            # Only a task that was exhausted may be revived.
            assert task.cursor >= before.cursor or before.cursor == EXHAUSTED

    def _runs_are_unique(self, runs: list[RunRecord]) -> None:
        assert len({(run.task_key, run.kind, run.tick) for run in runs}) == len(runs)
        assert len({(run.task_key, run.fence) for run in runs}) == len(runs)
        for run in runs:
            before = self._tasks.get(run.task_key)
            if before is not None and (run.id, run.fence) not in self._handed_out:
                assert run.fence > before.fence


def _seen(told: TaskState | RunRecord, model: type[TaskModel] | type[RunModel]) -> dict[str, object]:
    """Return what the model knows, too."""
    return {field.name: getattr(told, field.name) for field in fields(model)}
