"""`aioclock next`: the ticks to come."""

from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from aioclock.cli._errors import FAILED, CommandError
from aioclock.cli._options import App, Factory, Json
from aioclock.cli._output import print_json

if TYPE_CHECKING:
    from aioclock.cli._remarks import Remark
    from aioclock.cli._timeline import Timeline

__all__ = ["next_ticks"]

COUNT = 10
MOST = 10_000
"""Ticks that are shown at the most, so that a far `--until` comes to an end."""

Tasks = Annotated[
    list[str] | None,
    typer.Option("--task", metavar="KEY", help="Only this task (key, id or function name); may be repeated."),
]
Count = Annotated[
    int | None,
    typer.Option(
        "--count",
        min=1,
        max=MOST,
        help="How many ticks in all.",
        show_default=f"{COUNT}; with --until all, up to {MOST}",
    ),
]
From = Annotated[
    str | None, typer.Option("--from", metavar="ISO", help="As of then, such as 2026-03-28T12:00Z.", show_default="now")
]
Until = Annotated[str | None, typer.Option("--until", metavar="ISO", help="No tick after that.", show_default=False)]


def next_ticks(
    app: App = None,
    *,
    task: Tasks = None,
    count: Count = None,
    begin: From = None,
    until: Until = None,
    factory: Factory = None,
    as_json: Json = False,
) -> None:
    """Show the ticks to come of all tasks in one timeline.

    The ticks are those of an app whose serving begins at --from. A tick that a clock change moves or doubles is marked
    with the reason; those that it drops have a row of their own, which does not count. Local is the time in the task's
    zone, or in UTC for tasks without one.
    """
    start, end = _span(begin, until)

    from aioclock.cli._facts import tasks_of
    from aioclock.cli._remarks import remarks_on
    from aioclock.cli._target import load_app
    from aioclock.cli._timeline import timeline

    clock = load_app(app, factory=factory)
    tasks = tasks_of(clock, task or ())
    shown = timeline(clock, tasks, start=start, until=end, count=count or (MOST if end else COUNT))
    remarks = remarks_on(shown, tasks, clock.paused)
    if as_json:
        print_json(_as_json(shown, remarks))
    else:
        _print(shown, remarks)
    if shown.broken:
        raise typer.Exit(FAILED)


def _span(begin: str | None, until: str | None) -> tuple[datetime, datetime | None]:
    from datetime import UTC

    from aioclock.cli._moments import moment_of

    start = datetime.now(UTC).replace(microsecond=0) if begin is None else moment_of(begin, "--from")
    end = None if until is None else moment_of(until, "--until")
    if end is not None and end <= start:
        raise CommandError(f"--until must be later than --from ({start.isoformat()}), got {end.isoformat()}")
    return start, end


def _print(shown: "Timeline", remarks: "Iterable[Remark]") -> None:
    from aioclock.cli._rows import Line, print_lines, rows_in_lines

    lines = [*rows_in_lines(shown.rows, shown.start)] if shown.rows else [Line("no ticks", "bold")]
    notes = [Line(note) for note in _notes(shown)] + [Line(str(remark)) for remark in remarks]
    print_lines([*lines, Line(""), *notes] if notes else lines)


def _notes(shown: "Timeline") -> list[str]:
    from aioclock.cli._moments import shown_moment

    notes = []
    if shown.until is not None and shown.cut:
        notes.append(f"cut after {shown.ticks:,} ticks; there are more until {shown.until.isoformat()}")
    seen = {row.task for row in shown.rows if row.fires}
    later = [(task, tick) for task, tick in shown.later if task not in seen]
    if later:
        task, tick = later[0]
        others = f"{len(later)} tasks are" if len(later) > 1 else "1 task is"
        notes.append(f"{others} due later, first {task.key}: {shown_moment(tick, None)}")
    return notes


def _as_json(shown: "Timeline", remarks: "Iterable[Remark]") -> dict[str, Any]:
    from aioclock.cli._rows import row_as_json

    return {
        "from": shown.start,
        "until": shown.until,
        "ticks": [row_as_json(row, shown.start) for row in shown.rows],
        "cut": shown.cut,
        "later": [{"task": task.key, "at": tick} for task, tick in shown.later],
        "remarks": [{"task": remark.task, "kind": remark.kind, "reason": remark.reason} for remark in remarks],
    }
