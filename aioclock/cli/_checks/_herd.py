"""Many tasks at one instant."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import takewhile
from typing import TypeAlias

from aioclock._engine import LIFECYCLE
from aioclock.cli._checks._problem import Problem
from aioclock.cli._checks._ticks import TriggerFault, is_foreseeable, leaves_of, same_schedule, ticks_of
from aioclock.task import Task
from aioclock.triggers import BaseTrigger

__all__ = ["MANY", "of_herds"]

MANY = 25
"""So many are a herd, unless somebody says otherwise."""

AHEAD = timedelta(days=1)

MOST_TICKS = 300_000
"""How many ticks are looked at, of all tasks together: some half a second."""

LEAST_TICKS = 60
CANDIDATES = 200
NAMED = 5

Instant: TypeAlias = tuple[bool, datetime]
"""Whether it counts from the start of the serving, and when it is: the two sorts never meet."""


@dataclass(frozen=True, slots=True)
class _Flock:
    """Tasks with the same schedule, and its next ticks; *last*: the latest of them, if there are more that day."""

    tasks: list[Task]
    ticks: list[Instant]
    last: datetime | None

    def is_due(self, instant: Instant, moment: datetime) -> bool:
        if self.last is None or instant[1] <= self.last:
            return instant in self.ticks
        trigger = self.tasks[0].trigger
        return _counts_elapsed_time(trigger) == instant[0] and (
            trigger.next_after(instant[1] - timedelta.resolution, moment) == instant[1]
        )


def of_herds(tasks: Iterable[Task], moment: datetime, many: int = MANY) -> Iterator[Problem]:
    """Yield where *many* tasks or more are due at one instant of the day after *moment* (aware); jitter keeps apart."""
    alike: dict[object, list[Task]] = defaultdict(list)
    for task in tasks:
        if task.policies.jitter is None and task.trigger.type_ not in LIFECYCLE and is_foreseeable(task.trigger):
            alike[same_schedule(task.trigger)].append(task)
    if sum(map(len, alike.values())) < many:
        return
    most = max(LEAST_TICKS, MOST_TICKS // len(alike))
    flocks = [_flock(tasks, moment, most) for tasks in alike.values()]
    instant, count = _fullest(flocks, moment)
    if count >= many:
        due = [task for flock in flocks if flock.is_due(instant, moment) for task in flock.tasks]
        yield _problem(instant, due, moment)


def _flock(tasks: list[Task], moment: datetime, most: int) -> _Flock:
    trigger, ticks, last = tasks[0].trigger, list[Instant](), None
    elapsed = _counts_elapsed_time(trigger)
    with suppress(TriggerFault):  # which is told elsewhere
        for tick in takewhile(lambda tick: tick <= moment + AHEAD, ticks_of(trigger, moment)):
            if len(ticks) == most:
                last = ticks[-1][1]
                break
            ticks.append((elapsed, tick))
    return _Flock(tasks, ticks, last)


def _fullest(flocks: list[_Flock], moment: datetime) -> tuple[Instant, int]:
    """Return the first instant at which most tasks are due, and how many they are."""
    counts: Counter[Instant] = Counter()
    for flock in flocks:
        size = len(flock.tasks)
        for tick in flock.ticks:
            counts[tick] += size
    candidates = dict(counts.most_common(CANDIDATES))
    for flock in flocks:
        if (last := flock.last) is not None:
            for instant in candidates:
                if instant[1] > last and flock.is_due(instant, moment):
                    candidates[instant] += len(flock.tasks)
    return min(candidates.items(), key=lambda counted: (-counted[1], counted[0][1]), default=((False, moment), 0))


def _counts_elapsed_time(trigger: BaseTrigger) -> bool:
    return all(leaf.counts_elapsed_time for leaf in leaves_of(trigger))


def _problem(instant: Instant, tasks: list[Task], moment: datetime) -> Problem:
    elapsed, due = instant
    after_s = (due - moment).total_seconds()
    when = due.isoformat()
    if elapsed:
        when = f"{after_s:g} s after the start" if after_s else "the start"
    names = ", ".join(task.key for task in tasks[:NAMED])
    more = f" and {len(tasks) - NAMED} more" if len(tasks) > NAMED else ""
    text = f"{len(tasks)} tasks are due at one instant, {when}: {names}{more}; set jitter=, or spread them"
    return Problem("AC217", None, text)
