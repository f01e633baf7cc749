"""What can be said of a task without serving it."""

import inspect
import sys
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from aioclock._engine import LIFECYCLE, key_of
from aioclock.app import AioClock
from aioclock.cli._errors import CommandError
from aioclock.custom_types import Triggers
from aioclock.exceptions import TaskIdNotFound
from aioclock.policies import CatchUp, Jitter, Overlap, Retry
from aioclock.task import Task
from aioclock.triggers import BaseTrigger, OrTrigger
from aioclock.triggers._base import is_pure_trigger

if TYPE_CHECKING:
    from aioclock.config._command import Command

__all__ = [
    "Place",
    "command_of",
    "place_of",
    "policies_as_json",
    "policies_in_words",
    "summary_of",
    "task_of",
    "tasks_of",
    "unknowable",
]


def task_of(app: AioClock, ref: str) -> Task:
    """Return the task that *ref* means: its key, its id or the name of its function.

    Raises:
        CommandError: it means none, or several.
    """
    try:
        return app.tasks[key_of(ref, app.tasks)]
    except TaskIdNotFound as error:
        raise CommandError(str(error)) from error


def tasks_of(app: AioClock, refs: Iterable[str]) -> list[Task]:
    """Return the tasks that *refs* mean, each once; all tasks if there are no *refs*."""
    chosen = {task.key: task for task in (task_of(app, ref) for ref in refs)}
    return list(chosen.values()) or list(app.tasks.values())


def unknowable(trigger: BaseTrigger) -> str | None:
    """Return why not all ticks of *trigger* can be told ahead; None if they can."""
    if trigger.type_ in LIFECYCLE:
        return f"comes when the app {'starts' if trigger.type_ == Triggers.ON_START_UP else 'stops'}"
    if not is_pure_trigger(trigger):
        return "its trigger waits by itself, for what nobody can know"
    if isinstance(trigger, OrTrigger):
        reasons = dict.fromkeys(filter(None, map(unknowable, trigger.triggers)))
        return f"a part of its trigger: {'; '.join(reasons)}" if reasons else None
    if trigger.pause_after_run is not None:
        return "each tick but the first follows the end of a run"
    return None


class Place(NamedTuple):
    """Where a function is defined."""

    file: Path
    line: int

    def __str__(self) -> str:
        return f"{self.shown_file}:{self.line}"

    @property
    def shown_file(self) -> str:
        """The file, relative to the current folder if it is in there."""
        here = Path.cwd()
        return str(self.file.relative_to(here) if self.file.is_relative_to(here) else self.file)


def place_of(func: Callable[..., Any]) -> Place | None:
    """Return where *func* begins, decorators included, or a command stands; None for what has no Python source."""
    if (command := command_of(func)) is not None:
        file, _, line = command.declared_at.rpartition(":")
        return Place(Path(file).resolve(), int(line))
    code = _code_of(func)
    if code is None or code.co_filename.startswith("<"):
        return None
    return Place(Path(code.co_filename).resolve(), code.co_firstlineno)


def _code_of(func: Any) -> Any:
    func = undecorated(func)
    if not inspect.isroutine(func):
        # A class, or an object that can be called.
        func = inspect.unwrap(getattr(func, "__init__" if isinstance(func, type) else "__call__", func))
    return getattr(func, "__code__", None)


def undecorated(func: Any) -> Any:
    """Return the function within partials and decorators that say what they wrap."""
    while isinstance(func, partial) or hasattr(func, "__wrapped__"):
        func = func.func if isinstance(func, partial) else func.__wrapped__
    return func


def summary_of(func: Callable[..., Any]) -> str | None:
    """Return the first line of what the author wrote about *func*."""
    text = None if command_of(func) is not None else undecorated(func).__doc__
    return next((line.strip() for line in (text or "").splitlines() if line.strip()), None)


def command_of(func: Any) -> "Command | None":
    """Return *func* if it stands for a program that a configuration file names."""
    module = sys.modules.get("aioclock.config._command")  # where nobody has imported it, there is none
    return func if module is not None and isinstance(func, module.Command) else None


def policies_in_words(task: Task) -> dict[str, str]:
    """Return those policies of *task* that are set, by name, in a few words each."""
    words = {name: _SAID[name](value) for name, value in _set(task)}
    return {name: words[name] for name in _SAID if name in words}


def policies_as_json(task: Task) -> dict[str, Any]:
    """Return those policies of *task* that are set; seconds are in names that end in `_s`."""
    found: dict[str, Any] = {}
    for name, value in _set(task):
        key = f"{name}_s" if name in ("timeout", "grace") else name
        found[key] = _PLAIN[type(value)](value) if type(value) in _PLAIN else value
    return found


def _set(task: Task) -> list[tuple[str, Any]]:
    # A command is a process by itself: no executor holds for it.
    names = [name for name in _SAID if name != "executor" or command_of(task.func) is None]
    return [(name, value) for name in names if (value := getattr(task.policies, name)) is not None]


def _overlap_in_words(overlap: Overlap) -> str:
    return overlap.policy + ("" if overlap.limit is None else f" (limit {overlap.limit})")


def _retry_in_words(retry: Retry) -> str:
    on = "" if retry.on == (Exception,) else f" on {', '.join(_names(retry))}"
    return f"{retry.attempts} attempts{on}" if retry.attempts != 1 else f"1 attempt{on}"


def _jitter_in_words(jitter: Jitter) -> str:
    return f"up to {jitter.seconds:g} s" + (" (stable)" if jitter.stable else "")


def _catch_up_in_words(catch_up: CatchUp) -> str:
    return catch_up.policy + ("" if catch_up.limit is None else f" (limit {catch_up.limit})")


def _failures_in_words(failures: int) -> str:
    return f"{failures} in a row" if failures != 1 else "the first one"


def _seconds_in_words(seconds: float) -> str:
    return f"{seconds:g} s"


_SAID: dict[str, Callable[[Any], str]] = {
    "timeout": _seconds_in_words,
    "overlap": _overlap_in_words,
    "retry": _retry_in_words,
    "grace": _seconds_in_words,
    "jitter": _jitter_in_words,
    "pause_after_failures": _failures_in_words,
    "executor": str,
    "scope": str,
    "on_lost": str,
    "catch_up": _catch_up_in_words,
}


def _names(retry: Retry) -> list[str]:
    errors = retry.on if isinstance(retry.on, tuple) else (retry.on,)
    return [error.__qualname__ for error in errors]


def _retry_as_json(retry: Retry) -> dict[str, Any]:
    return {
        "attempts": retry.attempts,
        "delay_s": retry.delay,
        "factor": retry.factor,
        "max_delay_s": retry.max_delay,
        "jitter": retry.jitter,
        "on": _names(retry),
        "outlive_tick": retry.outlive_tick,
    }


_PLAIN: dict[type, Callable[[Any], dict[str, Any]]] = {
    Overlap: lambda overlap: {"policy": overlap.policy, "limit": overlap.limit},
    Retry: _retry_as_json,
    CatchUp: lambda catch_up: {"policy": catch_up.policy, "limit": catch_up.limit},
    Jitter: lambda jitter: {"up_to_s": jitter.seconds, "stable": jitter.stable},
}
