"""Finding a task by whatever a test has at hand."""

from collections.abc import Callable, Iterable
from typing import Any, TypeAlias
from uuid import UUID

from aioclock.exceptions import TaskIdNotFound
from aioclock.task import Task
from aioclock.utils import callable_name, did_you_mean

__all__ = ["TaskRef", "keys_of"]

TaskRef: TypeAlias = str | UUID | Callable[..., Any]


def keys_of(ref: TaskRef, tasks: Iterable[Task]) -> set[str]:
    """Return the keys of the tasks that *ref* means: one, or all that were made of one function.

    Raises:
        TaskIdNotFound: *ref* means no task, or its name is that of several.
    """
    tasks = list(tasks)
    if isinstance(ref, UUID):
        found = {task.key for task in tasks if task.id == ref}
    elif isinstance(ref, str):
        found = _named(ref, tasks)
    elif callable(ref):
        found = {task.key for task in tasks if task.func == ref}
    else:
        raise TypeError(f"a task is told by its key, its id, its function or the function's name, got {ref!r}")
    if not found:
        raise TaskIdNotFound(ref if isinstance(ref, str | UUID) else None, message=_unknown(ref, tasks))
    return found


def _named(name: str, tasks: list[Task]) -> set[str]:
    if any(task.key == name for task in tasks):
        return {name}
    found = sorted(task.key for task in tasks if callable_name(task.func) == name)
    if len(found) > 1:
        candidates = ", ".join(map(repr, found))
        raise TaskIdNotFound(name, message=f"{name!r} is the function of {len(found)} tasks; use a key: {candidates}")
    return set(found)


def _unknown(ref: TaskRef, tasks: list[Task]) -> str:
    name = ref if isinstance(ref, str | UUID) else callable_name(ref)
    known = [*(task.key for task in tasks), *(callable_name(task.func) for task in tasks)]
    return f"no task of the app answers to {str(name)!r}{did_you_mean(str(name), dict.fromkeys(known))}"
