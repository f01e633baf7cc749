"""Groups and tasks in a configuration file."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from aioclock.config._callables import find
from aioclock.config._command import Command
from aioclock.config._group import FileGroup
from aioclock.config._place import Place
from aioclock.config._policies import POLICIES, read_policies
from aioclock.config._triggers import read_trigger
from aioclock.exceptions import TaskDeclarationError
from aioclock.group import Group

__all__ = ["COMMAND_KEYS", "CONTENTS", "GROUP_KEYS", "TASK_KEYS", "Names", "fill"]

CONTENTS = ("tasks", "groups")
COMMAND_KEYS = ("env", "cwd", "stdin")
TASK_KEYS = ("name", "call", "command", *COMMAND_KEYS, "trigger", *POLICIES)
GROUP_KEYS = ("name", *CONTENTS, *POLICIES)


@dataclass(frozen=True, slots=True)
class Names:
    """What holds for tasks wherever they stand in the file.

    Attributes:
        folder: The file's own, which commands run in.
        prefix: The names of the groups around, each with a dot.
        taken: The line of each task's name.
        has_store: Whether the file names a store.
    """

    folder: Path
    prefix: str = ""
    taken: dict[str, int] = field(default_factory=dict)
    has_store: bool = False


def fill(group: Group, places: Mapping[str, Place], names: Names) -> None:
    """Add to *group* the tasks and groups that stand at *places*, by key."""
    if "tasks" in places:
        for place in places["tasks"].elements("tasks"):
            _add_task(group, place, names)
    if "groups" in places:
        for place in places["groups"].elements("groups"):
            _add_group(group, place, names)


def _add_group(group: Group, place: Place, names: Names) -> None:
    places = place.mapping("a group")
    if places is None:
        return
    place.refuse_unknown(GROUP_KEYS)
    name = _name(places["name"], "the name of a group") if "name" in places else None
    if name:
        names = replace(names, prefix=f"{names.prefix}{name}.")
    inner = FileGroup(name, **read_policies(dict(places), has_store=names.has_store))
    fill(inner, places, names)
    group.include_group(inner)


def _add_task(group: Group, place: Place, names: Names) -> None:
    places = place.mapping("a task")
    if places is None:
        return
    place.refuse_unknown(TASK_KEYS)
    name = _task_name(place, places, names)
    func = _func(place, places, name or "", names)
    trigger = read_trigger(places["trigger"]) if "trigger" in places else None
    if "trigger" not in places:
        place.refuse("trigger is missing; it says when the task is due", shows_value=False)
    given = {key: value for key, value in places.items() if key != "executor" or "call" in places}
    policies = read_policies(given, has_store=names.has_store)
    if isinstance(func, Command):
        policies["executor"] = "loop"  # whatever its group says: a command is a process by itself
    if name is None or func is None or trigger is None:
        return
    try:
        group.task(trigger=trigger, name=name, **policies)(func)
    except TaskDeclarationError as error:
        message = str(error).removeprefix(f"task {name!r}: ")
    else:
        return
    place.refuse(message)


def _task_name(place: Place, places: Mapping[str, Place], names: Names) -> str | None:
    if "name" not in places:
        place.refuse("name is missing", shows_value=False)
        return None
    own = _name(places["name"], "the name of a task")
    if own is None:
        return None
    name = names.prefix + own
    if name in names.taken:
        message = f"the task in line {names.taken[name]} has this name already; names are unique"
        places["name"].refuse(message, shows_value=False)
        return None
    names.taken[name] = places["name"].line
    return name


def _name(place: Place, what: str) -> str | None:
    name = place.text(what)
    if name is not None and not name.strip():
        place.refuse(f"{what} must not be empty")
        return None
    return name


def _func(place: Place, places: Mapping[str, Place], name: str, names: Names) -> Any:
    given = [key for key in ("call", "command") if key in places]
    if len(given) != 1:
        wrong = "both call and command are given" if given else "call and command are missing"
        place.refuse(f"{wrong}; a task has one of them", shows_value=False)
        return None
    if given == ["command"]:
        return _command(places, name, names)
    for key in COMMAND_KEYS:
        if key in places:
            places[key].refuse(f"{key} goes with command, not with call", shows_value=False)
    func = find(places["call"], "a function")
    if func is not None and not callable(func):
        places["call"].refuse(f"{places['call'].value!r} is no function but {func!r:.80}")
        return None
    return func


def _command(places: Mapping[str, Place], name: str, names: Names) -> Command | None:
    if "executor" in places:
        places["executor"].refuse("a command is a process by itself; leave executor out", shows_value=False)
    place = places["command"]
    items = place.elements("command")
    argv = [item.text("each part of a command") for item in items]
    if isinstance(place.value, list) and not (items and argv[0] != ""):
        place.refuse("command must name a program", shows_value=False)
    env = _environment(places["env"]) if "env" in places else {}
    cwd = _optional_text(places, "cwd")
    stdin = _optional_text(places, "stdin")
    if not items:
        return None
    return Command(
        name=name,
        argv=tuple(part or "" for part in argv),
        env=env,
        cwd=names.folder / (cwd or ""),
        stdin=stdin,
        shown=str(items[0].source),
        declared_at=f"{place.document.name}:{place.line}",
    )


def _optional_text(places: Mapping[str, Place], key: str) -> str | None:
    return places[key].text(key) if key in places and places[key].value is not None else None


def _environment(place: Place) -> dict[str, str]:
    env = {}
    for key, item in (place.mapping("env") or {}).items():
        if not key or "=" in key or "\0" in key:
            item.refuse(f"{key!r} can't be the name of an environment variable", shows_value=False)
        elif (value := item.text(f"the environment variable {key}")) is not None:
            env[key] = value
    return env
