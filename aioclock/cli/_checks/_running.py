"""What keeps an app from serving at all: `serve()` would refuse it."""

from collections.abc import Callable, Iterator

from aioclock._engine import lifespan_opener
from aioclock.app import AioClock
from aioclock.cli._checks._problem import Problem
from aioclock.cli._facts import place_of
from aioclock.exceptions import DependencyError, TaskDeclarationError
from aioclock.task import Task

__all__ = ["of_lifespan", "of_listeners", "of_task"]


def of_task(task: Task) -> Iterator[Problem]:
    """Yield why *task* can't run."""
    place, prefix = place_of(task.func), f"task {task.key!r}: "
    if (refusal := _refusal_of(task.prepare)) is not None:
        code = "AC103" if isinstance(refusal, TaskDeclarationError) else "AC102"
        yield Problem(code, task.key, str(refusal).removeprefix(prefix), place)


def of_listeners(app: AioClock) -> Iterator[Problem]:
    """Yield which listeners of *app* can't be called."""
    for inbox in app._listeners._inboxes:
        if (refusal := _refusal_of(inbox.listener.prepare)) is not None:
            yield Problem("AC104", None, str(refusal), place_of(inbox.listener._func))


def of_lifespan(app: AioClock) -> Iterator[Problem]:
    """Yield why the lifespan of *app* can't be entered."""
    lifespan = app._lifespan
    refusal = _refusal_of(lambda: lifespan_opener(lifespan, app, app.dependencies))
    if lifespan is not None and refusal is not None:
        yield Problem("AC105", None, str(refusal), place_of(lifespan))


def _refusal_of(prepare: Callable[[], object]) -> DependencyError | TaskDeclarationError | None:
    try:
        prepare()
    except (DependencyError, TaskDeclarationError) as refusal:
        return refusal
    return None
