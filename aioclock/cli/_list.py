"""`aioclock list`: the tasks of an app."""

from typing import TYPE_CHECKING

import typer

from aioclock.cli._errors import FAILED
from aioclock.cli._options import App, Factory, Json
from aioclock.cli._output import print_json

if TYPE_CHECKING:
    from aioclock.cli._portrait import Portrait

__all__ = ["list_tasks"]

TITLES = ("task", "trigger", "next tick", "policies", "defined at")
ALWAYS = 3
"""How many columns are shown even if they are empty."""


def list_tasks(app: App = None, *, factory: Factory = None, as_json: Json = False) -> None:
    """List the tasks: trigger in words, next tick, policies, source.

    The next tick is that of an app whose serving begins now, local to the task's zone, or in UTC for tasks without
    one. Of the policies those are listed that somebody has set: the task, its group or the app.
    """
    from datetime import UTC, datetime

    from aioclock.cli._portrait import portrait_of
    from aioclock.cli._tables import print_table
    from aioclock.cli._target import load_app

    clock = load_app(app, factory=factory)
    now = datetime.now(UTC).replace(microsecond=0)
    paused = clock.paused
    portraits = [portrait_of(clock, task, now, paused=paused) for task in clock.tasks.values()]
    if as_json:
        print_json({"at": now, "store": clock.health.store, "tasks": [portrait.as_json() for portrait in portraits]})
    elif portraits:
        print_table(TITLES, [_cells(portrait) for portrait in portraits], always=ALWAYS)
    else:
        typer.echo("the app has no tasks")
    if any(portrait.failed for portrait in portraits):
        raise typer.Exit(FAILED)


def _cells(portrait: "Portrait") -> tuple[str, ...]:
    return (
        portrait.task.key,
        portrait.trigger,
        portrait.next_in_words(),
        portrait.policies_in_words(),
        "" if portrait.place is None else str(portrait.place),
    )
