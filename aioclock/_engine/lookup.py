"""Finding tasks by whatever somebody has at hand."""

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias
from uuid import UUID

from aioclock.exceptions import TaskIdNotFound
from aioclock.task import Task
from aioclock.utils import callable_name, did_you_mean

__all__ = ["TaskRef", "key_of", "keys_of"]

TaskRef: TypeAlias = str | UUID | Task | Callable[..., Any]
"""A task's key, its id, its function, the function's name, or the task itself."""


MOST_CANDIDATES = 10
"""How many tasks the message of an ambiguous ref lists."""


def key_of(ref: TaskRef, tasks: Mapping[str, Task]) -> str:
    """Return the key of the one task that *ref* means.

    Raises:
        TaskIdNotFound: *ref* means no task or several.
    """
    found = keys_of(ref, tasks)
    if len(found) > 1:
        raise TaskIdNotFound(message=_ambiguous(_text_of(ref), found))
    return found[0]


def keys_of(ref: TaskRef, tasks: Mapping[str, Task]) -> list[str]:
    """Return the keys of the tasks that *ref* means: one, or all that were made of one function.

    Raises:
        TaskIdNotFound: *ref* means no task, or its name is that of several functions.
        TypeError: *ref* can't mean a task.
    """
    if isinstance(ref, str):
        found = _named(ref, tasks)
    elif isinstance(ref, UUID):
        found = [key for key, task in tasks.items() if task.id == ref]
    elif isinstance(ref, Task):
        found = [ref.key] if tasks.get(ref.key) is ref else []
    elif callable(ref):
        found = [key for key, task in tasks.items() if task.func == ref]
    else:
        raise TypeError(f"a task is told by its key, its id, its function or the function's name, got {ref!r}")
    if not found:
        raise TaskIdNotFound(ref if isinstance(ref, str | UUID) else None, message=_unknown(_text_of(ref), tasks))
    return found


def _named(name: str, tasks: Mapping[str, Task]) -> list[str]:
    if name in tasks:
        return [name]
    found = [key for key, task in tasks.items() if callable_name(task.func) == name]
    if len(found) > 1:
        raise TaskIdNotFound(name, message=_ambiguous(name, found))
    return found or _with_id(name, tasks)


def _with_id(text: str, tasks: Mapping[str, Task]) -> list[str]:
    try:
        wanted = UUID(text)
    except ValueError:
        return []
    return [key for key, task in tasks.items() if task.id == wanted]


def _ambiguous(text: str, found: list[str]) -> str:
    shown = sorted(found)[:MOST_CANDIDATES]
    more = f" and {len(found) - len(shown)} more" if len(found) > len(shown) else ""
    candidates = ", ".join(map(repr, shown)) + more
    return f"{text!r} is the function of {len(found)} tasks; use a key: {candidates}"


def _unknown(text: str, tasks: Mapping[str, Task]) -> str:
    known = [*tasks, *(callable_name(task.func) for task in tasks.values())]
    return f"no task of the app answers to {text!r}{did_you_mean(text, dict.fromkeys(known))}"


def _text_of(ref: TaskRef) -> str:
    if isinstance(ref, Task):
        return ref.key
    return str(ref) if isinstance(ref, str | UUID) else callable_name(ref)
