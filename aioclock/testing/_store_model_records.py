"""What the model of a store remembers.

It can't know times: it calls them `NOW` until it is shown what the store wrote.
"""

from dataclasses import dataclass

from aioclock.stores import RunRecord, TaskState

__all__ = ["LONG", "NOW", "SHORT", "ModelBase", "RunModel", "TaskModel"]

NOW = -1
LONG = 3600_000_000
SHORT = 1
"""A lease that has passed when the next step begins."""


@dataclass(slots=True)
class TaskModel:
    key: str
    fingerprint: str
    anchor: int = NOW
    cursor: int = NOW
    fence: int = 0
    generation: int = 0
    fired: int = 0
    paused: bool = False
    note: str | None = None
    override: str | None = None
    last_success: int | None = None
    failures: int = 0
    holder: str | None = None
    changed_at: int = NOW


@dataclass(slots=True)
class RunModel:
    id: str
    claim_id: str
    task_key: str
    kind: str
    tick: int
    fence: int
    owner: str
    state: str
    on_lost: str
    covers_from: int
    missed: int
    previous_success: int | None
    attempt: int = 1
    cancel_requested: bool = False
    created: int = NOW
    started: int | None = None
    finished: int | None = None
    reason: str | None = None

    @property
    def is_open(self) -> bool:
        return self.state in ("running", "waiting")


class ModelBase:
    def __init__(self) -> None:
        self.tasks: dict[str, TaskModel] = {}
        self.runs: dict[str, RunModel] = {}
        self.lapsed: set[str] = set()
        """Ids of the runs whose lease has passed."""
        self.lapsed_holds: set[str] = set()
        """Keys of the tasks whose holder's lease has passed."""
        self.resumed: set[str] = set()
        """Keys of the tasks whose pause has just ended."""

    def open_runs(self, key: str) -> list[RunModel]:
        return [run for run in self.runs.values() if run.is_open and run.task_key == key]

    def held_by(self, claim_id: str) -> RunModel | None:
        """Return the open run that is this claim's."""
        for run in self.runs.values():
            if run.is_open and run.claim_id == claim_id:
                return run
        return None

    def lease(self, run: RunModel, lease: int) -> None:
        self.lapsed.discard(run.id)
        if lease == SHORT:
            self.lapsed.add(run.id)

    def ask_to_end(self, key: str, state: str, reason: str | None) -> None:
        for run in self.open_runs(key):
            if run.state == "running":
                run.cancel_requested = True
            else:
                run.state, run.reason, run.finished = state, reason, NOW

    def count(self, run: RunModel, task: TaskModel) -> None:
        if run.state in ("failed", "timed_out", "lost"):
            task.failures += 1
        elif run.state == "succeeded":
            task.failures = 0
            if run.kind != "manual":
                task.last_success = max(run.tick, task.last_success or run.tick)

    def settle_task(self, told: TaskState, *, since: int, until: int) -> None:
        """Take over what the store calls now, if that lies within the step."""
        task = self.tasks[told.key]
        if task.anchor == NOW and since <= told.anchor <= until:
            task.anchor = told.anchor
            task.cursor = max(task.cursor, told.anchor - 1)
        if task.changed_at == NOW and since <= told.changed_at <= until:
            task.changed_at = told.changed_at
            if told.key in self.resumed:
                self.resumed.remove(told.key)
                task.cursor = max(task.cursor, told.changed_at - 1)

    def settle_run(self, told: RunRecord, *, since: int, until: int) -> None:
        run = self.runs[told.id]
        if run.created == NOW and since <= told.created <= until:
            run.created = told.created
        if run.finished == NOW and told.finished is not None and since <= told.finished <= until:
            run.finished = told.finished
