"""What the app is made of, as a whole."""

import sys
from collections.abc import Iterator

from aioclock._engine import LIFECYCLE
from aioclock.app import AioClock
from aioclock.cli._checks._problem import Problem
from aioclock.cli._facts import place_of
from aioclock.group import Group
from aioclock.task import Task

__all__ = ["of_groups", "of_key", "of_tasks"]


def of_tasks(app: AioClock) -> Iterator[Problem]:
    """Yield what is wrong with the number of tasks."""
    if not app.tasks:
        yield Problem("AC201", None, "the app has no tasks; import the modules that declare them, include their groups")


def of_groups(app: AioClock) -> Iterator[Problem]:
    """Yield the groups of imported modules whose tasks will never run, in any app."""
    served = {id(group) for group in app._root.family()}
    seen: set[int] = set()
    for name, module in list(sys.modules.items()):
        for variable, group in list(getattr(module, "__dict__", {}).items()):
            # Not isinstance: a proxy of something that is not there yet, as web frameworks have them, would fail.
            if not issubclass(type(group), Group) or id(group) in seen | served or _is_included(group):
                continue
            seen.add(id(group))
            tasks = [task for task, _ in group.declarations()]
            if tasks:
                count = "its task never runs" if len(tasks) == 1 else f"its {len(tasks)} tasks never run"
                yield Problem(
                    "AC202",
                    None,
                    f"the group {name}.{variable} is included nowhere, so {count}; app.include_group({variable})",
                    place_of(tasks[0].func),
                )


def _is_included(group: Group) -> bool:
    return any(includer() is not None for includer in group._includers)


def of_key(task: Task, app: AioClock) -> Iterator[Problem]:
    """Yield what is wrong with how *task* is told from others, and with its kind."""
    place = place_of(task.func)
    original, _, number = task.key.rpartition("#")
    if task.name is None and number.isdigit() and original in app.tasks:
        again = app.tasks[original]
        same = " and has the same trigger" if again.trigger == task.trigger else ""
        yield Problem(
            "AC203",
            task.key,
            f"the function is that of {original!r} too{same}, and which of them gets this key depends on the order of "
            "declarations; give each a name=",
            place,
        )
    if task.trigger.type_ in LIFECYCLE:
        yield Problem(
            "AC204", task.key, f"{type(task.trigger).__name__} is deprecated; use AioClock(lifespan=...)", place
        )
