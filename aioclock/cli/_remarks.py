"""What a timeline can't show of its tasks."""

from collections.abc import Iterable, Mapping
from typing import Literal, NamedTuple

from aioclock.cli._facts import unknowable
from aioclock.cli._timeline import Timeline
from aioclock.task import Task

__all__ = ["Remark", "remarks_on"]


class Remark(NamedTuple):
    """What the rows of a timeline don't tell of a task."""

    task: str
    kind: Literal["unknown", "exhausted", "failed", "paused"]
    reason: str

    def __str__(self) -> str:
        return f"{self.task}: {self.reason}"


def remarks_on(shown: Timeline, tasks: Iterable[Task], paused: Mapping[str, str | None]) -> list[Remark]:
    """Return what *shown* does not tell of *tasks*, in their order.

    Args:
        paused: The keys of paused tasks, and the note that was left with each.
    """
    errors = {task.key: error for task, error in shown.broken}
    silent = {task.key for task in shown.silent}
    remarks = []
    for task in tasks:
        if (error := errors.get(task.key)) is not None:
            remarks.append(Remark(task.key, "failed", f"its trigger failed: {type(error).__name__}: {error}"))
        elif (reason := unknowable(task.trigger)) is not None:
            remarks.append(Remark(task.key, "unknown", reason))
        elif task.key in silent:
            remarks.append(Remark(task.key, "exhausted", f"no tick after {shown.start.isoformat()}"))
        if task.key in paused:
            note = paused[task.key]
            remarks.append(Remark(task.key, "paused", "paused, its ticks are skipped" + (f": {note}" if note else "")))
    return remarks
