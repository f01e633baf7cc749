"""Scripts that read records into a ledger and write what became of them."""

from collections.abc import Iterable, Sequence
from typing import Any

from aioclock.stores._ledger import Ledger
from aioclock.stores._sql._dialects import Dialect
from aioclock.stores._sql._rows import (
    INSERT_RUN,
    INSERT_TASK,
    RUN_COLUMNS,
    TASK_COLUMNS,
    UPDATE_TASK,
    params_of_run,
    params_of_task,
    runs_in,
    storable,
    tasks_in,
)
from aioclock.stores._sql._statements import Script, ask, batches, clock, tell
from aioclock.stores._words import OPEN_STATES, Note, RunRecord, TaskState

__all__ = ["OPEN", "Sheet", "lock_changes", "locked_tasks", "note", "runs_about", "some_tasks"]

OPEN = "state IN ('running', 'waiting')"


def some_tasks(keys: Iterable[str], *, lock: str = "") -> Script[list[TaskState]]:
    """Return those of the tasks that are known, by key in order, which is also the order in which they are locked."""
    tasks: list[TaskState] = []
    for some in batches(sorted(set(keys))):
        rows = yield from ask(
            f'SELECT {TASK_COLUMNS} FROM aioclock_task WHERE "key" IN :keys ORDER BY "key"{lock}', keys=some
        )
        tasks += tasks_in(rows)
    return tasks


def locked_tasks(dialect: Dialect, keys: Iterable[str]) -> Script[list[TaskState]]:
    """Return those of the tasks that are known, with their rows locked until the transaction ends."""
    return (yield from some_tasks(keys, lock=dialect.for_update))


def lock_changes(lock: str) -> Script[None]:
    """Wait for those who change tasks, and keep them waiting: before any task is locked.

    A change is noted with its time before others can see it. Whoever asks for changes since some time must not be
    answered while one with an earlier time is on its way.
    """
    yield from ask(f"SELECT value FROM aioclock_meta WHERE name = :name{lock}", name="changes")


def runs_about(
    dialect: Dialect, *, keys: Sequence[str] = (), claims: Sequence[str] = (), ticks: Sequence[int] = ()
) -> Script[tuple[int, list[RunRecord]]]:
    """Return the present, and runs: the open ones of tasks, those that claims have or made, those of tasks at ticks."""
    parts: list[str] = []
    params: dict[str, Any] = {}
    if claims:
        parts += ["id IN :made", "claim_id IN :has"]
        params |= {"made": list(claims), "has": list(claims)}
    if keys:
        parts.append(f"task_key IN :open AND {OPEN}")
        params["open"] = list(keys)
    if ticks:
        parts.append("task_key IN :tasks AND kind IN ('schedule', 'manual', 'catch_up') AND tick IN :ticks")
        params |= {"tasks": list(keys), "ticks": list(ticks)}
    if not parts:
        return (yield from clock(dialect)), []
    # One part after the other: with OR between them, databases tend to read the whole table.
    runs = " UNION ALL ".join(f"SELECT number, {RUN_COLUMNS} FROM aioclock_run WHERE {part}" for part in parts)
    rows = yield from ask(
        f"SELECT * FROM (SELECT {dialect.clock} AS present) clock LEFT JOIN ({runs}) runs ON 1 = 1", **params
    )
    distinct = {row[1]: row[2:] for row in rows if row[1] is not None}
    return int(rows[0][0]), runs_in([distinct[number] for number in sorted(distinct)])


class Sheet(Ledger):
    """A ledger that knows what was in it at first."""

    def __init__(self, tasks: Iterable[TaskState] = (), runs: Iterable[RunRecord] = ()) -> None:
        super().__init__(tasks, runs)
        self._tasks_before = dict(self.tasks)
        self._runs_before = dict(self.runs)

    def written(self) -> Script[None]:
        """Write what has changed."""
        yield from self._write_tasks()
        yield from self._write_runs()
        yield from note(self.notes)

    def _write_tasks(self) -> Script[None]:
        before = self._tasks_before
        changed = [task for key, task in self.tasks.items() if task is not before.get(key)]
        yield from tell(INSERT_TASK, [params_of_task(task) for task in changed if task.key not in before])
        yield from tell(UPDATE_TASK, [params_of_task(task) for task in changed if task.key in before])

    def _write_runs(self) -> Script[None]:
        before = self._runs_before
        changed = [run for run_id, run in self.runs.items() if run is not before.get(run_id)]
        yield from tell(INSERT_RUN, [params_of_run(run) for run in changed if run.id not in before])
        for columns, sql in _UPDATES.items():
            touched = [run for run in changed if run.id in before and _touches(columns, before[run.id], run)]
            yield from tell(sql, [params_of_run(run, (*columns, "id")) for run in touched])


# A process renews the leases of its runs without locking their tasks, so nothing else may be written along.
_ENDED = (
    "state", "started", "finished", "attempt", "missed", "reason", "error_type", "error_message", "error_traceback",
    "output", "lease_until",
)  # fmt: skip
_LEASED = ("state", "owner", "claim_id", "fence", "attempt", "lease_until")
_CANCELLED = ("cancel_requested",)

_UPDATES = {
    columns: f"UPDATE aioclock_run SET {', '.join(f'{name} = :{name}' for name in columns)} WHERE id = :id"
    for columns in (_ENDED, _LEASED, _CANCELLED)
}


def _touches(columns: tuple[str, ...], before: RunRecord, run: RunRecord) -> bool:
    if columns is not _CANCELLED and (run.state in OPEN_STATES) != (columns is _LEASED):
        return False
    return params_of_run(before, columns) != params_of_run(run, columns)


def note(notes: Sequence[Note]) -> Script[None]:
    """Append to the sequence of events; the last thing that a transaction does, for others wait.

    Numbers are given out under a lock, so that a later one is never seen before an earlier one.
    """
    if not notes:
        return
    yield from ask("UPDATE aioclock_meta SET value = value + :count WHERE name = 'sequence'", count=len(notes))
    rows = yield from ask("SELECT value FROM aioclock_meta WHERE name = :name", name="sequence")
    first = int(rows[0][0]) - len(notes) + 1
    yield from tell(_INSERT_NOTE, [_params_of_note(note, first + index) for index, note in enumerate(notes)])


_INSERT_NOTE = (
    "INSERT INTO aioclock_event (sequence, noted_at, kind, task_key, run_id, node, remark) "
    "VALUES (:sequence, :at, :kind, :task_key, :run_id, :node, :text)"
)


def _params_of_note(note: Note, sequence: int) -> dict[str, Any]:
    return {
        "sequence": sequence,
        "at": note.at,
        "kind": note.kind,
        "task_key": note.task_key,
        "run_id": note.run_id,
        "node": note.node,
        "text": storable(note.text),
    }
