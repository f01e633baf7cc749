"""Runs on record, for people and for programs."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from aioclock.cli._stores._words import micros_of, moment_at, shown_at, shown_seconds
from aioclock.cli._tables import print_table
from aioclock.stores import RunRecord
from aioclock.stores._words import OPEN_STATES, run_from

__all__ = ["STYLES", "duration_s", "first_line", "late_s", "print_runs", "run_as_json"]

TITLES = ("scheduled", "task", "outcome", "late", "took", "kind", "attempt", "why")
ALWAYS = 3

STYLES = {
    "succeeded": "green", "failed": "red", "timed_out": "red", "lost": "bold red", "cancelled": "yellow",
    "skipped": "dim", "running": "cyan", "waiting": "cyan",
}  # fmt: skip


def duration_s(record: RunRecord) -> float | None:
    """Return how many seconds the run took; None if it goes on or never began."""
    return None if record.started is None or record.finished is None else (record.finished - record.started) / 1e6


def late_s(record: RunRecord) -> float | None:
    """Return how many seconds after its tick the run began; None if that is not known."""
    return None if record.started is None else max(record.started - record.tick, 0) / 1e6


def run_as_json(record: RunRecord) -> dict[str, Any]:
    """Return *record* as it stands in JSON: the fields of a `Run`, and what only a store knows."""
    return {
        **asdict(run_from(record)),
        "state": record.state,
        "claimed_at": moment_at(record.created),
        "duration_s": duration_s(record),
    }


def print_runs(records: Sequence[RunRecord], now: datetime) -> None:
    print_table(TITLES, [_cells(record, micros_of(now)) for record in records], always=ALWAYS, styles=STYLES)


def _cells(record: RunRecord, now: int) -> tuple[str, ...]:
    late = late_s(record)
    return (
        shown_at(record.tick),
        record.task_key,
        record.state,
        "" if late is None else shown_seconds(late),
        _took(record, now),
        "" if record.kind == "schedule" else record.kind,
        str(record.attempt) if record.attempt > 1 else "",
        _why(record),
    )


def _took(record: RunRecord, now: int) -> str:
    if record.state in OPEN_STATES:
        return f"{shown_seconds((now - record.created) / 1e6)} so far"
    took = duration_s(record)
    return "" if took is None else shown_seconds(took)


def _why(record: RunRecord) -> str:
    parts = [] if record.reason is None else [record.reason]
    if record.error is not None:
        parts.append(f"{record.error.type}: {first_line(record.error.message)}".removesuffix(": "))
    if record.missed:
        parts.append(f"answers {record.missed} earlier {'tick' if record.missed == 1 else 'ticks'} too")
    return ", ".join(parts)


def first_line(text: str) -> str:
    return next((line.strip() for line in text.splitlines() if line.strip()), "")
