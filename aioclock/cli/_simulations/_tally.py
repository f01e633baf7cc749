"""Counting runs as they come, in a space that does not grow with their number."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo

from aioclock.runs import Outcome, Run, RunFacts, run_of

__all__ = ["CELLS_AN_HOUR", "Busy", "Tally", "TaskTally"]

CELLS_AN_HOUR = 12
MINUTES_A_CELL = 60 // CELLS_AN_HOUR

FAILURES = frozenset({Outcome.FAILED, Outcome.TIMED_OUT, Outcome.LOST})
MOST_FAILURES = 5
"""How many failed runs are kept to be shown."""

OPEN_MINUTES = 1_500
"""After so many more minutes one is over: a run counts when it has ended, and may have begun long before."""


@dataclass(slots=True)
class TaskTally:
    """What became of the ticks of one task."""

    outcomes: Counter[str] = field(default_factory=Counter)
    skipped: Counter[str] = field(default_factory=Counter)
    """By reason."""

    @property
    def ticks(self) -> int:
        return self.runs + self.skipped.total()

    @property
    def runs(self) -> int:
        return self.outcomes.total()

    @property
    def failed(self) -> int:
        return sum(self.outcomes[outcome] for outcome in FAILURES)


@dataclass(slots=True)
class Busy:
    """A minute of the day in which many runs begin."""

    moment: datetime
    """The first time that it was as busy as it ever was."""
    tasks: dict[str, int]
    """How many runs of which task began then."""
    days: int = 1
    """On how many days it was as busy."""

    @property
    def runs(self) -> int:
        return sum(self.tasks.values())


class Tally:
    """Counts runs by task, by minute and by time of day.

    Args:
        zone: Of the minutes and times of day.
        most: How many runs and skipped ticks are not too many.
    """

    def __init__(self, keys: Iterable[str], zone: tzinfo, *, most: int) -> None:
        self.tasks = {key: TaskTally() for key in keys}
        self.failures: list[Run] = []
        self.heat = [[0] * CELLS_AN_HOUR for _ in range(24)]
        """Runs that began, by hour of the day and part of the hour."""
        self.ticks = 0
        self._zone, self._most = zone, most
        self._minutes: dict[int, dict[str, int]] = defaultdict(dict)
        """Those that may still be added to, by minute since the epoch."""
        self._busiest: dict[tuple[int, int], Busy] = {}
        """By hour and minute of the day."""

    @property
    def full(self) -> bool:
        """Whether there were too many."""
        return self.ticks > self._most

    def add(self, facts: RunFacts) -> None:
        """Count a run that has ended, or a tick that was skipped."""
        self.ticks += 1
        task = self.tasks.setdefault(facts.task_key, TaskTally())
        if facts.started is None:
            task.skipped[facts.reason or "unknown"] += 1
        else:
            assert facts.outcome is not None
            task.outcomes[facts.outcome] += 1
            minute = self._minutes[int(facts.started // 60)]
            minute[facts.task_key] = minute.get(facts.task_key, 0) + 1
            if len(self._minutes) > 2 * OPEN_MINUTES:
                self._close(len(self._minutes) - OPEN_MINUTES)
            if facts.outcome in FAILURES and len(self.failures) < MOST_FAILURES:
                self.failures.append(run_of(facts))

    def _close(self, number: int) -> None:
        for minute in sorted(self._minutes)[:number]:
            self._enter(minute, self._minutes.pop(minute))

    def _enter(self, minute: int, tasks: dict[str, int]) -> None:
        moment = datetime.fromtimestamp(minute * 60, UTC).astimezone(self._zone)
        runs, known = sum(tasks.values()), self._busiest.get((moment.hour, moment.minute))
        self.heat[moment.hour][moment.minute // MINUTES_A_CELL] += runs
        if known is None or runs > known.runs:
            self._busiest[moment.hour, moment.minute] = Busy(moment, tasks)
        elif runs == known.runs:
            known.days += 1

    def finish(self) -> None:
        """Take note that no run will be added."""
        self._close(len(self._minutes))

    def busiest(self, most: int) -> list[Busy]:
        """Return the minutes of the day in which most runs began, the busiest first, *most* at the most."""
        minutes = sorted(self._busiest.items(), key=lambda busy: (-busy[1].runs, -busy[1].days, busy[0]))
        return [busy for _, busy in minutes[:most]]
