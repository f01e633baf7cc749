"""Scripts about tasks: register, change, restore, tell."""

from collections.abc import Iterable, Sequence

from aioclock.stores._sql._dialects import Dialect
from aioclock.stores._sql._records import Sheet, lock_changes, locked_tasks, runs_about, some_tasks
from aioclock.stores._sql._rows import TASK_COLUMNS, tasks_in
from aioclock.stores._sql._statements import Script, ask, batches, begin, clock
from aioclock.stores._words import Change, Registration, TaskState

__all__ = ["change", "register", "restore", "tasks"]


def register(dialect: Dialect, registrations: Sequence[Registration], by: str) -> Script[list[TaskState]]:
    """Make tasks known, at most a batch of them."""
    keys = [registration.key for registration in registrations]
    # Nearly always nothing is new, and then nothing needs to be locked.
    known = {task.key: task for task in (yield from some_tasks(keys))}
    if all(each.key in known and known[each.key].fingerprint == each.fingerprint for each in registrations):
        return [known[key] for key in keys]
    yield from begin(dialect)
    yield from lock_changes(dialect.for_update)
    sheet = Sheet((yield from locked_tasks(dialect, keys)))
    now = yield from clock(dialect)
    states = [sheet.register(registration, now=now, by=by) for registration in registrations]
    yield from sheet.written()
    return states


def change(dialect: Dialect, changes: Sequence[Change]) -> Script[list[TaskState | None]]:
    """Change tasks, at most a batch of them."""
    yield from begin(dialect)
    yield from lock_changes(dialect.for_update)
    tasks = yield from locked_tasks(dialect, [change.key for change in changes])
    now, runs = yield from runs_about(dialect, keys=[change.key for change in changes if change.cancel])
    sheet = Sheet(tasks, runs)
    states = [sheet.change(change, now=now) for change in changes]
    yield from sheet.written()
    return states


def restore(dialect: Dialect, given: Sequence[TaskState], others_go: bool) -> Script[None]:
    """Write tasks as given."""
    yield from begin(dialect)
    yield from lock_changes(dialect.for_update)
    kept = {task.key for task in given}
    if others_go:
        rows = yield from ask(f'SELECT "key" FROM aioclock_task ORDER BY "key"{dialect.for_update}')
        yield from _forget(str(key) for (key,) in rows if key not in kept)
    sheet = Sheet((yield from locked_tasks(dialect, kept)))
    now = yield from clock(dialect)
    for task in given:
        sheet.restore(task, now=now)
    yield from sheet.written()


def _forget(keys: Iterable[str]) -> Script[None]:
    for some in batches(keys):
        yield from ask("DELETE FROM aioclock_run WHERE task_key IN :keys", keys=some)
        yield from ask('DELETE FROM aioclock_task WHERE "key" IN :keys', keys=some)


def tasks(keys: Sequence[str] | None) -> Script[list[TaskState]]:
    """Return what is kept of tasks."""
    if keys is not None:
        return (yield from some_tasks(keys))
    return tasks_in((yield from ask(f'SELECT {TASK_COLUMNS} FROM aioclock_task ORDER BY "key"')))
