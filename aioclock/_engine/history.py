"""The latest runs of a task, in little memory."""

from array import array
from collections.abc import Iterator
from math import isnan, nan

from aioclock.runs import RunFacts

__all__ = ["History"]

FIELDS = 4


class History:
    """Keeps the last *size* runs.

    Most runs are all alike: on time, at the first attempt, successful. Of those only the times are kept, as plain
    numbers: a fleet of thousands of tasks would otherwise keep millions of objects for the garbage collector to visit.
    """

    __slots__ = ("_end", "_next", "_others", "_times")

    def __init__(self, size: int) -> None:
        self._end = size * FIELDS
        self.clear()

    def clear(self) -> None:
        """Forget all."""
        self._next = 0
        self._times = array("d")
        self._others: dict[int, RunFacts] | None = None

    def add_success(self, scheduled: float, started: float, finished: float, previous: float) -> None:
        """Keep an ordinary successful run; *previous* is nan if there was no success before it."""
        times, place = self._times, self._next
        if place == len(times):
            times.extend((scheduled, started, finished, previous))
        else:
            times[place] = scheduled
            times[place + 1] = started
            times[place + 2] = finished
            times[place + 3] = previous
            if self._others:
                self._others.pop(place, None)
        place += FIELDS
        self._next = 0 if place == self._end else place

    def add(self, facts: RunFacts) -> None:
        """Keep any other run."""
        place = self._next
        self.add_success(nan, nan, nan, nan)
        if self._others is None:
            self._others = {}
        self._others[place] = facts

    def newest_first(self, key: str) -> Iterator[RunFacts]:
        """Yield the facts of what is kept; *key* is that of the task."""
        count = len(self._times)
        for back in range(FIELDS, count + 1, FIELDS):
            place = (self._next - back) % count
            other = self._others.get(place) if self._others else None
            yield other or self._success(key, place)

    def _success(self, key: str, place: int) -> RunFacts:
        scheduled, started, finished, previous = self._times[place : place + FIELDS]
        return RunFacts(
            key, scheduled, "succeeded", finished, started, previous_success=None if isnan(previous) else previous
        )
