"""Look at an app and run its tasks by hand."""

from collections.abc import Awaitable, Callable
from typing import Any, ParamSpec, TypeVar, cast
from uuid import UUID

from pydantic import BaseModel, SerializeAsAny

from aioclock.app import AioClock, owner_of
from aioclock.exceptions import TaskIdNotFound
from aioclock.task import Task
from aioclock.triggers import Once

__all__ = ["TaskMetadata", "get_metadata_of_all_tasks", "run_specific_task", "run_with_injected_deps"]

P = ParamSpec("P")
R = TypeVar("R")


class TaskMetadata(BaseModel):
    """What can be told about a task without running it."""

    id: UUID
    """Stable: the same code gives the same id after a restart."""
    trigger: SerializeAsAny[Any]
    """A copy of the task's trigger; `expected_trigger_time` is its next tick while the app serves (aware, UTC)."""
    task_name: str


async def run_with_injected_deps(func: Callable[P, Awaitable[R] | R]) -> R:
    """Run *func*, sync or async, with its dependencies and return its result.

    The overrides of the app it belongs to hold. If it belongs to several, that is the one being served, else the
    youngest; a function of no app uses the process-wide provider.

    Raises:
        DependencyError: a parameter of the function or of a dependency can't be filled.
    """
    task = owner_of(func) or Task(func=func, trigger=Once())
    return cast(R, await task.prepare()())


async def run_specific_task(task_id: UUID, app: AioClock) -> Any:
    """Run the task with the id *task_id* now, within its timeout, and return its result.

    It goes on beside whatever is going on of the task; `AioClock.run_now` keeps to the overlap policy instead.

    Raises:
        TaskIdNotFound: no task of *app* has that id.
        TaskTimeoutError: the run outlived the task's timeout and was cancelled.
        RunCancelledError: the run was cancelled.
        RunSkippedError: the app is stopping.
        Exception: what the function raised.
    """
    task = next((task for task in app._tasks if task.id == task_id), None)
    if task is None:
        raise TaskIdNotFound(task_id)
    return await app._roster.run_now(app._roster.entries[task.key], beside=True)


async def get_metadata_of_all_tasks(app: AioClock) -> list[TaskMetadata]:
    """Return what can be told about every task of *app*, start-up and shut-down tasks included."""
    return [
        TaskMetadata(
            id=task.id,
            trigger=task.trigger.model_copy(update={"expected_trigger_time": await app.next_tick(task)}),
            task_name=task.display_name,
        )
        for task in app._tasks
    ]
