"""Where a task comes from: the groups it was declared in, who set its policies, what its function depends on."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass

from fast_depends.core import CallModel

from aioclock.app import AioClock
from aioclock.config import FileGroup
from aioclock.exceptions import DependencyError
from aioclock.group import Group
from aioclock.policies import Policies
from aioclock.provider import call_model, needs_injection, require_resolvable
from aioclock.task import Task, default_key

__all__ = ["Dependency", "dependencies_of", "names_of", "origins_of", "path_of"]


def path_of(clock: AioClock, task: Task) -> list[Group]:
    """Return the groups that *task* came into the app through, the outermost first."""
    return [] if task.origin is None else _path(clock._root, task.origin)[1:]


def _path(group: Group, origin: Task) -> list[Group]:
    if any(task is origin for task in group._tasks):
        return [group]
    for inner in group._groups:
        if path := _path(inner, origin):
            return [group, *path]
    return []


def names_of(path: list[Group], task: Task) -> list[str]:
    """Return what the groups of *path* are called: by the variable that holds one, such as `shop.reports:group`.

    Those of a configuration file have names of their own, and the file itself is the outermost.
    """
    home = getattr(task.func, "__module__", None)
    return [(group.name if isinstance(group, FileGroup) else _variable(group, home)) or "a group" for group in path]


def _variable(wanted: object, home: str | None) -> str | None:
    found = {
        module_name: name
        for module_name, module in list(sys.modules.items())
        for name, value in list(getattr(module, "__dict__", {}).items())
        if value is wanted
    }
    # Where the function is, else where it was imported from: that module was loaded last.
    module_name = home if home in found else next(reversed(found), None)
    return f"{module_name}:{found[module_name]}" if module_name is not None else None


def origins_of(clock: AioClock, task: Task) -> dict[str, str]:
    """Return who set each policy that holds for *task*: `task`, a group by its name, or `app`."""
    path = path_of(clock, task)
    levels: list[tuple[str, Policies]] = [("app", clock._policies)]
    levels += [(name, group._defaults.policies) for name, group in zip(names_of(path, task), path, strict=True)]
    if task.origin is not None:
        levels.append(("task", task.origin.policies))
    names = Policies.__dataclass_fields__
    return {name: owner for owner, policies in levels for name in names if getattr(policies, name) is not None}


@dataclass(frozen=True, slots=True)
class Dependency:
    """What fills a parameter (None: it is called for its effect only), and in whose stead if it is an override."""

    parameter: str | None
    function: str
    stands_for: str | None
    depth: int


def dependencies_of(task: Task) -> tuple[list[Dependency], str | None]:
    """Return what `Depends` brings in, each followed by its own dependencies one level deeper, and what is wrong."""
    owner = f"task {task.key!r}"
    found: list[Dependency] = []
    try:
        if needs_injection(task.func, owner=owner):
            model = call_model(task.func, task.provider)
            found += _below(model, 0)
            require_resolvable(model, owner=owner)
    except DependencyError as error:
        return found, str(error)
    return found, None


def _below(model: CallModel, depth: int) -> Iterator[Dependency]:
    keys = [*model.dependencies.items(), *((None, key) for key in model.extra_dependencies)]
    for parameter, key in keys:
        dependant = model.dependency_provider.get_dependant(key)
        overridden = dependant is not model.dependency_provider.dependencies.get(key)
        yield Dependency(
            parameter, default_key(dependant.call), default_key(key) if overridden and callable(key) else None, depth
        )
        yield from _below(dependant, depth + 1)
