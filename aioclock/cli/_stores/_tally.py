"""How a task fares, by the runs that a store has of it."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from statistics import median
from typing import Any

from aioclock.cli._output import stdout
from aioclock.cli._stores._runs import duration_s, late_s
from aioclock.cli._stores._words import moment_at, shown_at, shown_seconds
from aioclock.cli._tables import print_table
from aioclock.stores import RunRecord, TaskState
from aioclock.stores._words import OPEN_STATES

__all__ = ["Spread", "Tally", "print_tallies"]

TITLES = (
    "task", "runs", "success", "outcomes", "skipped", "median", "p95", "late median", "late p95", "last success",
    "failed in a row", "paused",
)  # fmt: skip
ALWAYS = 3

UNSUCCESSFUL = ("failed", "timed_out", "lost")


@dataclass(frozen=True, slots=True)
class Spread:
    """Seconds that half of the runs, and 95 in 100, do not exceed."""

    median_s: float
    p95_s: float

    @classmethod
    def of(cls, values: Iterable[float]) -> "Spread | None":
        ordered = sorted(values)
        return cls(median(ordered), ordered[ceil(0.95 * len(ordered)) - 1]) if ordered else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """What came of the runs of one task.

    Attributes:
        states: How many runs are in which state, skipped ones included.
        skipped: How many were skipped for which reason.
        cut: Whether there are more runs than were counted.
    """

    task: TaskState
    states: Mapping[str, int]
    skipped: Mapping[str, int]
    duration: Spread | None
    lateness: Spread | None
    cut: bool

    @classmethod
    def of(cls, task: TaskState, records: Sequence[RunRecord], *, most: int) -> "Tally":
        """Return the tally of *records*, the latest first, of which *most* are counted."""
        counted = records[:most]
        return cls(
            task=task,
            states=Counter(record.state for record in counted),
            skipped=Counter(record.reason or "" for record in counted if record.state == "skipped"),
            duration=Spread.of(took for record in counted if (took := duration_s(record)) is not None),
            lateness=Spread.of(late for record in counted if (late := late_s(record)) is not None),
            cut=len(records) > most,
        )

    @property
    def runs(self) -> int:
        """How many there were, those that go on included and the skipped ones not."""
        return sum(self.states.values()) - self.states.get("skipped", 0)

    @property
    def success_rate(self) -> float | None:
        """Which part of the runs that came to an end by themselves succeeded; None if there were none."""
        good = self.states.get("succeeded", 0)
        bad = sum(self.states.get(outcome, 0) for outcome in UNSUCCESSFUL)
        return good / (good + bad) if good + bad else None

    def as_json(self) -> dict[str, Any]:
        last = self.task.last_success
        return {
            "key": self.task.key,
            "runs": self.runs,
            "outcomes": {state: number for state, number in self.states.items() if state not in OPEN_STATES},
            **{state: self.states.get(state, 0) for state in OPEN_STATES},
            "skipped": dict(self.skipped),
            "success_rate": self.success_rate,
            "duration_s": _spread_as_json(self.duration),
            "lateness_s": _spread_as_json(self.lateness),
            "last_success": None if last is None else moment_at(last),
            "failures_in_a_row": self.task.failures,
            "paused": self.task.paused,
            "note": self.task.note,
            "cut": self.cut,
        }


def _spread_as_json(spread: Spread | None) -> dict[str, float] | None:
    return None if spread is None else {"median": spread.median_s, "p95": spread.p95_s}


def print_tallies(tallies: Sequence[Tally]) -> None:
    print_table(TITLES, [_cells(tally) for tally in tallies], always=ALWAYS)
    for tally in tallies:
        if tally.cut:
            stdout().print(
                f"{tally.task.key}: only the latest {sum(tally.states.values()):,} are counted", soft_wrap=True
            )


def _cells(tally: Tally) -> tuple[str, ...]:
    task, rate = tally.task, tally.success_rate
    return (
        task.key,
        f"{tally.runs:,}",
        "" if rate is None else _percent(rate),
        _counted({state: number for state, number in tally.states.items() if state not in ("skipped", "succeeded")}),
        _counted(tally.skipped),
        *_spans(tally.duration),
        *_spans(tally.lateness),
        shown_at(task.last_success),
        str(task.failures or ""),
        (task.note or "paused") if task.paused else "",
    )


def _percent(rate: float) -> str:
    # 99.96 % must not look like 100 %: something went wrong.
    return f"{int(rate * 1000) / 10:g} %"


def _counted(numbers: Mapping[str, int]) -> str:
    return ", ".join(f"{number:,} {name}" for name, number in sorted(numbers.items()))


def _spans(spread: Spread | None) -> tuple[str, str]:
    return ("", "") if spread is None else (shown_seconds(spread.median_s), shown_seconds(spread.p95_s))
