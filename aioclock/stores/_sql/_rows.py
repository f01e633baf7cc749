"""Between records and rows."""

from collections.abc import Iterable, Sequence
from dataclasses import fields
from typing import Any

from aioclock.runs import RunError
from aioclock.stores._sql._statements import Rows
from aioclock.stores._words import RunRecord, TaskState

__all__ = [
    "INSERT_RUN",
    "INSERT_TASK",
    "RUN_COLUMNS",
    "TASK_COLUMNS",
    "UPDATE_TASK",
    "params_of_run",
    "params_of_task",
    "runs_in",
    "storable",
    "tasks_in",
]

_TASK_NAMES = {"key": '"key"', "cursor": '"cursor"', "override": "override_trigger"}
_TASK_FIELDS = [field.name for field in fields(TaskState)]
_TASK_NAMED = {name: _TASK_NAMES.get(name, name) for name in _TASK_FIELDS}
_PAUSED = _TASK_FIELDS.index("paused")

_ERROR = ["error_type", "error_message", "error_traceback"]
_RUN_FIELDS = [field.name for field in fields(RunRecord) if field.name != "error"]
_CANCEL = _RUN_FIELDS.index("cancel_requested")

TASK_COLUMNS = ", ".join(_TASK_NAMED.values())
RUN_COLUMNS = ", ".join(_RUN_FIELDS + _ERROR)

INSERT_TASK = f"INSERT INTO aioclock_task ({TASK_COLUMNS}) VALUES ({', '.join(f':{name}' for name in _TASK_FIELDS)})"
UPDATE_TASK = 'UPDATE aioclock_task SET {} WHERE "key" = :key'.format(
    ", ".join(f"{column} = :{name}" for name, column in _TASK_NAMED.items() if name != "key")
)
INSERT_RUN = (
    f"INSERT INTO aioclock_run ({RUN_COLUMNS}) VALUES ({', '.join(f':{name}' for name in _RUN_FIELDS + _ERROR)})"
)


def tasks_in(rows: Rows) -> list[TaskState]:
    return [_task(row) for row in rows]


def _task(row: Sequence[Any]) -> TaskState:
    values = dict(zip(_TASK_FIELDS, row, strict=True))
    values["paused"] = bool(row[_PAUSED])
    return TaskState(**values)


def params_of_task(task: TaskState) -> dict[str, Any]:
    params = {name: getattr(task, name) for name in _TASK_FIELDS}
    return {**params, "paused": int(task.paused), "note": storable(task.note)}


def runs_in(rows: Rows) -> list[RunRecord]:
    return [_run(row) for row in rows]


def _run(row: Sequence[Any]) -> RunRecord:
    values = dict(zip(_RUN_FIELDS, row, strict=False))
    values["cancel_requested"] = bool(row[_CANCEL])
    kind, message, traceback = row[len(_RUN_FIELDS) :]
    error = None if kind is None else RunError(type=kind, message=message, traceback=traceback)
    return RunRecord(error=error, **values)


def params_of_run(run: RunRecord, names: Iterable[str] = (*_RUN_FIELDS, *_ERROR)) -> dict[str, Any]:
    """Return the values of *run* for the columns *names*."""
    return {name: _value(run, name) for name in names}


def _value(run: RunRecord, name: str) -> Any:
    if name in _ERROR:
        return None if run.error is None else storable(getattr(run.error, name.removeprefix("error_")))
    value = getattr(run, name)
    if name in ("reason", "output"):
        return storable(value)
    return int(value) if name == "cancel_requested" else value


def storable(text: str | None) -> str | None:
    """Return *text* without what some database can't keep."""
    if text is None:
        return None
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}").encode("utf-8", "replace").decode()
