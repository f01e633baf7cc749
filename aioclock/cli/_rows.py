"""The rows of a timeline as lines for people and as values for JSON."""

import sys
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from aioclock.cli._moments import WEEKDAYS, shown_moment, shown_span, shown_time
from aioclock.cli._output import stdout
from aioclock.cli._timeline import Row, zone_of
from aioclock.triggers._clock_changes import ClockMark

__all__ = ["Line", "print_lines", "row_as_json", "rows_in_lines"]


class Line(NamedTuple):
    """One line of text, and how a terminal shows it."""

    text: str
    style: str | None = None


def print_lines(lines: Iterable[Line]) -> None:
    """Print *lines*, with their styles on a terminal only; none is ever wrapped or cut."""
    console = stdout()
    if not console.is_terminal:
        # Thousands of lines take as many milliseconds the other way.
        sys.stdout.write("".join(f"{line.text}\n" for line in lines))
        return
    for line in lines:
        console.print(line.text, style=line.style, soft_wrap=True)


def rows_in_lines(rows: Sequence[Row], start: datetime, *, tasks: bool = True) -> Iterator[Line]:
    """Yield the lines that show *rows*, each mark on a line of its own.

    Args:
        start: What "in" counts from.
        tasks: Whether the rows are of several tasks, so that each says of which.
    """
    seconds = any(row.at.second for row in rows)
    zones = {row.task: zone_of(row.task) for row in rows}
    table = [("local", "UTC", "in", "zone", "task")]
    for row in rows:
        zone = zones[row.task]
        when = (
            _when(row, seconds=seconds)
            if not row.fires
            else (
                shown_moment(row.at, zone, seconds=seconds),
                f"{row.at.date()} {shown_time(row.at, seconds=seconds)}",
                shown_span((row.at - start).total_seconds()),
            )
        )
        table.append((*when, "UTC" if zone is None else zone.key, row.task.key))
    columns = list(zip(*table, strict=True))[: 5 if tasks else 4]
    widths = [max(map(len, column)) for column in columns]
    for place, cells in enumerate(zip(*columns, strict=True)):
        text = "  ".join(map(str.ljust, cells, widths)).rstrip()
        if place == 0:
            yield Line(text, "bold")
            continue
        row = rows[place - 1]
        yield Line(text, None if row.fires else "dim")
        for mark in row.marks:
            yield Line(f"    {mark.reason}", "yellow")


def _when(row: Row, *, seconds: bool) -> tuple[str, str, str]:
    # What the clock would have shown; no instant has it.
    wall = row.marks[0].first
    return f"{WEEKDAYS[wall.weekday()]} {wall.date()} {shown_time(wall, seconds=seconds)}", "-", "never"


def row_as_json(row: Row, start: datetime) -> dict[str, Any]:
    """Return *row* as it stands in JSON."""
    zone = zone_of(row.task)
    return {
        "task": row.task.key,
        "at": row.at,
        "local": row.at.astimezone(zone),
        "zone": None if zone is None else zone.key,
        "in_s": (row.at - start).total_seconds(),
        "fires": row.fires,
        "clock_changes": [_mark_as_json(mark) for mark in row.marks],
    }


def _mark_as_json(mark: ClockMark) -> dict[str, Any]:
    return {
        "effect": mark.effect,
        "reason": mark.reason,
        "changes_at": mark.change.at,
        "clock_from": mark.change.old_wall,
        "clock_to": mark.change.new_wall,
        "first": mark.first,
        "last": mark.last,
        "count": mark.count,
        "second_time": mark.second_time,
    }
