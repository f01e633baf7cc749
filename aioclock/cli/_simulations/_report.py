"""What a simulation has shown, for people and for programs."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from rich.console import Console
from rich.table import Table

from aioclock.cli._moments import shown_moment
from aioclock.cli._simulations._drive import Course
from aioclock.cli._simulations._heat_map import heat_map
from aioclock.cli._simulations._tally import MINUTES_A_CELL, Busy, Tally, TaskTally
from aioclock.runs import Outcome

__all__ = ["Report"]

BUSIEST = 8
NAMED = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What came of a simulation from *start* to *end*."""

    tally: Tally
    start: datetime
    end: datetime
    course: Course
    zone: ZoneInfo
    seed: int
    executed: bool
    left_out: Mapping[str, str]
    partly: Mapping[str, str]

    @property
    def reached(self) -> datetime:
        return self.course.reached

    @property
    def complete(self) -> bool:
        return self.reached >= self.end

    def print(self, console: Console) -> None:
        """Print it as tables."""
        if not self.tally.tasks:
            console.print("the app has no tasks")
            return
        tasks = self.tally.tasks.values()
        runs, ticks = sum(task.runs for task in tasks), sum(task.ticks for task in tasks)
        console.print(
            f"{shown_moment(self.start, self.zone, seconds=False)} to "
            f"{shown_moment(self.reached, self.zone, seconds=False)}: {ticks:,} ticks, {runs:,} runs",
            style="bold",
        )
        console.print()
        console.print(self._tasks())
        for key, reason in self.left_out.items():
            console.print(f"not simulated: {key}: {reason}", soft_wrap=True)
        for key, reason in self.partly.items():
            console.print(f"simulated in part: {key}: {reason}", soft_wrap=True)
        if runs:
            console.print()
            self._print_busiest(console)
            console.print()
            unicode = console.encoding.lower().startswith("utf")
            for line in heat_map(self.tally.heat, unicode=unicode):
                console.print(line, soft_wrap=True)
        self._print_failures(console)

    def _tasks(self) -> Table:
        table = Table("task", box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
        table.add_column("ticks", justify="right")
        table.add_column("runs", justify="right")
        table.add_column("skipped")
        if self.executed:
            table.add_column("not succeeded")
        for key, task in self.tally.tasks.items():
            failed = [_in_words(_unsuccessful(task))] if self.executed else []
            table.add_row(key, f"{task.ticks:,}", f"{task.runs:,}", _in_words(task.skipped), *failed)
        return table

    def _print_busiest(self, console: Console) -> None:
        busiest = [busy for busy in self.tally.busiest(BUSIEST) if busy.runs > 1]
        if not busiest:
            console.print("no two runs begin in the same minute")
            return
        table = Table(f"busiest ({self.zone.key})", box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
        table.add_column("runs", justify="right")
        table.add_column("days", justify="right")
        table.add_column("tasks")
        for busy in busiest:
            table.add_row(f"{busy.moment:%H:%M}", f"{busy.runs:,}", f"{busy.days:,}", _named(busy))
        console.print(table)

    def _print_failures(self, console: Console) -> None:
        if self.tally.failures:
            console.print()
            console.print("the first runs that failed", style="bold")
        for run in self.tally.failures:
            said = "" if run.error is None else f": {run.error.type}: {run.error.message}".partition("\n")[0]
            when = shown_moment(run.scheduled_at, self.zone)
            console.print(f"{when}  {run.task_key}{said}", soft_wrap=True)

    def as_json(self) -> dict[str, Any]:
        """Return it as the documented JSON."""
        return {
            "from": self.start.astimezone(self.zone),
            "to": self.end.astimezone(self.zone),
            "reached": self.reached.astimezone(self.zone),
            "complete": self.complete,
            "executed": self.executed,
            "seed": self.seed,
            "ticks": sum(task.ticks for task in self.tally.tasks.values()),
            "runs": sum(task.runs for task in self.tally.tasks.values()),
            "tasks": list(self._tasks_as_json()),
            "busiest_minutes": [
                {"minute": busy.moment, "runs": busy.runs, "days": busy.days, "tasks": dict(_fullest_first(busy))}
                for busy in self.tally.busiest(BUSIEST)
            ],
            "heat_map": {"tz": self.zone.key, "minutes_per_cell": MINUTES_A_CELL, "runs": self.tally.heat},
            "failures": [
                {
                    "task": run.task_key,
                    "scheduled_at": run.scheduled_at.astimezone(self.zone),
                    "outcome": run.outcome,
                    "error": None if run.error is None else run.error.type,
                    "message": None if run.error is None else run.error.message,
                    "traceback": None if run.error is None else run.error.traceback,
                }
                for run in self.tally.failures
            ],
        }

    def _tasks_as_json(self) -> Iterator[dict[str, Any]]:
        for key, task in self.tally.tasks.items():
            yield {
                "key": key,
                "ticks": task.ticks,
                "runs": task.runs,
                "outcomes": dict(task.outcomes) if self.executed else None,
                "skipped": dict(task.skipped),
                "simulated": "no" if key in self.left_out else "partly" if key in self.partly else "yes",
                "reason": self.left_out.get(key) or self.partly.get(key),
            }


def _unsuccessful(task: TaskTally) -> dict[str, int]:
    return {outcome: count for outcome, count in task.outcomes.items() if outcome != Outcome.SUCCEEDED}


def _in_words(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} {what.replace('_', ' ')}" for what, count in sorted(counts.items()))


def _fullest_first(busy: Busy) -> list[tuple[str, int]]:
    return sorted(busy.tasks.items(), key=lambda task: (-task[1], task[0]))


def _named(busy: Busy) -> str:
    fullest = _fullest_first(busy)
    names = [f"{key} ×{runs:,}" if runs > 1 else key for key, runs in fullest[:NAMED]]
    more = [f"{len(fullest) - NAMED} more"] if len(fullest) > NAMED else []
    return ", ".join(names + more)
