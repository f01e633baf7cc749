"""Who is due first."""

from collections.abc import Callable
from heapq import heappop, heappush
from typing import TypeAlias

from aioclock._engine.cursor import Cursor
from aioclock._engine.present import Moment

__all__ = ["DueQueue", "Fire"]

Fire: TypeAlias = Callable[[Cursor, Moment], None]


MOST_VOID = 1000
"""How many void cursors are left lying around at most, or as many as there are instants if those are more."""


class DueQueue:
    """Cursors in the order in which they are due; those due at one instant in the order of their arrival.

    Tasks of one period share their instants, so the heap holds instants and not cursors: a fleet of equal periods
    costs one heap operation per tick, and nothing that the garbage collector has to look at.
    """

    __slots__ = ("_cursors", "_fired", "_instants", "_most_void", "_void")

    def __init__(self) -> None:
        self._instants: list[float] = []
        self._cursors: dict[float, list[Cursor]] = {}
        self._fired = 0  # how many cursors of the first instant have had their turn
        self._void = 0  # how many cursors were taken back before their instant
        self._most_void = MOST_VOID

    @property
    def first(self) -> float | None:
        """When the first cursor is due."""
        return self._instants[0] if self._instants else None

    def add(self, cursor: Cursor, due: float) -> None:
        """Note that *cursor* is due at *due*; what was noted for it before is void."""
        waiting = self._cursors.get(due)
        if waiting is not None:
            waiting.append(cursor)
            return
        if self._fired and due < self._instants[0]:
            self._forget_fired()
        self._cursors[due] = [cursor]
        heappush(self._instants, due)

    def take_back(self) -> bool:
        """Note that a cursor in here is not due any more; return whether it is time to `tidy_up`."""
        self._void += 1
        return self._void == self._most_void

    def tidy_up(self) -> None:
        """Drop what was taken back: a task that is removed may have been due in a hundred years."""
        if self._fired:
            self._forget_fired()
        kept = {due: [cursor for cursor in waiting if cursor.due == due] for due, waiting in self._cursors.items()}
        self._cursors = {due: waiting for due, waiting in kept.items() if waiting}
        self._instants = sorted(self._cursors)
        self._void, self._most_void = 0, max(MOST_VOID, len(self._instants))

    def _forget_fired(self) -> None:
        del self._cursors[self._instants[0]][: self._fired]
        self._fired = 0

    def fire(self, until: float, now: Moment, left: int, fire: Fire) -> int:
        """Call *fire* with the cursors due by *until*, *left* at most, keep those it moved, and return what is left."""
        while left and self._instants and self._instants[0] <= until:
            due = self._instants[0]
            waiting = self._cursors[due]
            while left and self._fired < len(waiting) and self._instants[0] == due:
                cursor = waiting[self._fired]
                self._fired += 1
                if cursor.due == due:
                    left -= 1
                    fire(cursor, now)
                    if cursor.due is not None:
                        self.add(cursor, cursor.due)
            if self._fired == len(waiting) and self._instants[0] == due:
                heappop(self._instants)
                del self._cursors[due]
                self._fired = 0
        return left
