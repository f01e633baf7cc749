"""`aioclock show`: everything about one task."""

from typing import TYPE_CHECKING, Any

import typer

from aioclock.cli._errors import FAILED
from aioclock.cli._options import App, Factory, Json, Key
from aioclock.cli._output import as_json_value, print_json, stdout

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aioclock._engine.stored import Mode
    from aioclock.app import AioClock
    from aioclock.cli._portrait import Portrait
    from aioclock.triggers import BaseTrigger

__all__ = ["show"]

TICKS = 5


def show(app: App = None, key: Key = None, *, factory: Factory = None, as_json: Json = False) -> None:
    """Show everything about one task.

    Its function, its trigger with all fields, its policies and who set each, what it depends on, and the next ticks of
    an app whose serving begins now, with what clock changes do to them.
    """
    from datetime import UTC, datetime

    from aioclock.cli._facts import task_of
    from aioclock.cli._portrait import portrait_of
    from aioclock.cli._target import app_and_key, load_app

    app, key = app_and_key(app, key)
    clock = load_app(app, factory=factory)
    task = task_of(clock, key)
    portrait = portrait_of(clock, task, datetime.now(UTC).replace(microsecond=0), paused=clock.paused, count=TICKS)
    facts = _facts(clock, portrait)
    if as_json:
        print_json(facts)
    else:
        _print(portrait, facts)
    if portrait.failed:
        raise typer.Exit(FAILED)


def _facts(clock: "AioClock", portrait: "Portrait") -> dict[str, Any]:
    """Return all that JSON says of the task."""
    from dataclasses import asdict

    from aioclock.cli._descent import dependencies_of, names_of, origins_of, path_of
    from aioclock.cli._facts import summary_of
    from aioclock.cli._rows import row_as_json

    task = portrait.task
    dependencies, problem = dependencies_of(task)
    return {
        **portrait.as_json(),
        "summary": summary_of(task.func),
        "trigger_fields": _fields(task.trigger),
        "store": clock.health.store,
        "shared": _shared(clock, task.key),
        "groups": names_of(path_of(clock, task), task),
        "policies_from": origins_of(clock, task),
        "dependencies": [asdict(dependency) for dependency in dependencies],
        "dependency_problem": problem,
        "next_ticks": [row_as_json(row, portrait.start) for row in portrait.rows],
    }


def _shared(clock: "AioClock", key: str) -> "Mode | None":
    stored = clock._roster.entries[key].stored
    return None if stored is None else stored.mode


def _fields(trigger: "BaseTrigger") -> dict[str, Any]:
    try:
        return trigger.model_dump(mode="json", exclude={"expected_trigger_time"}, warnings=False)
    except ValueError:  # one of the user's own, with something in it that JSON has no place for
        return {name: as_json_value(getattr(trigger, name)) for name in type(trigger).model_fields}


def _print(portrait: "Portrait", facts: dict[str, Any]) -> None:
    from rich.table import Table
    from rich.text import Text

    from aioclock.cli._rows import Line, print_lines, rows_in_lines

    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, values in _said(portrait, facts):
        for place, value in enumerate(values):
            table.add_row("" if place else name, Text(value))
    stdout().print(table)
    if portrait.rows:
        print_lines([Line(""), *rows_in_lines(portrait.rows, portrait.start, tasks=False)])


def _said(portrait: "Portrait", facts: dict[str, Any]) -> "Iterator[tuple[str, list[str]]]":
    """Yield the name of each fact and its lines; what is not there is left out."""
    from aioclock.cli._facts import policies_in_words

    task = portrait.task
    yield "task", [task.key]
    for name in ("summary", "function", "command"):
        yield name, [facts[name]] if facts[name] else []
    yield "defined at", [str(portrait.place)] if portrait.place else []
    yield "id", [facts["id"]]
    yield "trigger", [portrait.trigger, _as_written(task.trigger)]
    yield "clock changes", _habits(task.trigger)
    yield "runs in", [_EXECUTORS[facts["executor"]]]
    yield "store", [facts["store"], _SHARED[facts["shared"]]] if facts["store"] else []
    yield "groups", [" > ".join(facts["groups"])] if facts["groups"] else []
    policies, owners = policies_in_words(task), facts["policies_from"]
    yield "policies", [f"{name} {said} ({owners[name]})" for name, said in policies.items()]
    problem = [facts["dependency_problem"]] if facts["dependency_problem"] else []
    yield "depends on", [*(f"{'  ' * d['depth']}{_dependency(d)}" for d in facts["dependencies"]), *problem]
    yield "remarks", [remark.reason for remark in portrait.remarks]


def _dependency(dependency: dict[str, Any]) -> str:
    name: str = f"{dependency['parameter']}: " if dependency["parameter"] else ""
    return f"{name}{dependency['function']}" + (f", for {dependency['stands_for']}" if dependency["stands_for"] else "")


_EXECUTORS = {"loop": "the event loop", "thread": "a worker thread", "process": "another process"}


_SHARED = {
    "ticks": "each tick runs in one of the processes that share it",
    "held": "one of the processes that share it has the whole task, while it lives",
    "node": "each process runs every tick by itself",
}


def _as_written(trigger: "BaseTrigger") -> str:
    given = (name for name in type(trigger).model_fields if name in trigger.model_fields_set and name != "type_")
    fields = sorted(given, key=("tz", "max_loop_count").__contains__)  # what several kinds have comes last
    return f"{type(trigger).__name__}({', '.join(f'{name}={_value(getattr(trigger, name))}' for name in fields)})"


def _value(value: Any) -> str:
    from aioclock.triggers import BaseTrigger

    if isinstance(value, list):
        return f"[{', '.join(map(_value, value))}]"
    return _as_written(value) if isinstance(value, BaseTrigger) else repr(value)


def _habits(trigger: "BaseTrigger") -> list[str]:
    from aioclock.triggers._clock_changes import wall_clock_leaves

    kinds = {leaf.pattern.wildcard for leaf in wall_clock_leaves(trigger) if leaf.tz != "UTC"}
    if len(kinds) != 1:
        return []
    if kinds.pop():
        return ["wildcard: a time that the clock skips is dropped, one that it repeats comes twice"]
    return ["fixed: a time that the clock skips comes right after the gap, one that it repeats the first time only"]
