"""Which run starts, which waits and which is skipped: the policies of overlap, jitter and grace at work."""

from collections import defaultdict, deque
from collections.abc import Iterable
from typing import Protocol

from aioclock._engine.cursor import Quota
from aioclock._engine.entry import Entry
from aioclock._engine.present import Present
from aioclock._engine.run import LiveRun

__all__ = ["HAIR_S", "Admission", "Schedules"]

HAIR_S = 1e-6
"""Two instants that are no further apart are one."""


class Schedules(Protocol):
    """Where ticks come from while the app serves."""

    def count(self, entry: Entry, quotas: Iterable[Quota]) -> None:
        """Count a tick that got a run, or will get one."""

    def refund(self, entry: Entry, quotas: Iterable[Quota]) -> None:
        """Take back what was counted for a tick that got no run after all."""

    def unpark(self, entry: Entry) -> None:
        """Go on with what waited for the runs of *entry*."""

    def seconds_to_next_tick(self, entry: Entry) -> float | None:
        """Return how long it is until the next tick, or None when that is unknown or never."""

    def look(self) -> None:
        """Look at the wall clock."""

    def check_idle(self) -> None:
        """Take note that nothing is going on or waiting any more."""


class Starter(Protocol):
    """Who starts the runs that are admitted."""

    present: Present
    """Tells the time where runs are going."""

    schedules: Schedules | None
    """Those of the serving, while there is one."""

    def start(self, run: LiveRun, /) -> None:
        """Let *run* begin."""

    def admit(self, run: LiveRun, quotas: tuple[Quota, ...], /) -> None:
        """Let *run* start, wait or be skipped, whoever decides that."""


class Admission:
    """Owns the runs that wait."""

    def __init__(self, starter: Starter) -> None:
        self._starter = starter
        self.waiting: dict[LiveRun, tuple[Quota, ...]] = {}
        """Runs that have not started, in the order of their ticks, and what each is counted against."""
        self._queues: defaultdict[Entry, deque[LiveRun]] = defaultdict(deque)
        """Those of them that wait for a run of their task to end."""

    def admit(self, run: LiveRun, quotas: tuple[Quota, ...]) -> None:
        """Let *run* start, wait for others to end, or be skipped."""
        entry: Entry = run.entry
        if entry.grace is not None and self._comes_too_late(run, entry.grace):
            run.skip("missed")
        elif len(entry.runs) < entry.most_going:
            if quotas:  # first: an eager task may end before its start returns
                self._count(entry, quotas)
            self._starter.start(run)
        else:
            self._overlap(run, quotas)

    def hold_back(self, run: LiveRun, quotas: tuple[Quota, ...]) -> None:
        """Admit *run* after the jitter of its task."""
        entry: Entry = run.entry
        assert entry.jitter is not None
        # Held back beyond the next tick, runs would pile up and change places.
        schedules, present = self._starter.schedules, self._starter.present
        gap_s = None if schedules is None else schedules.seconds_to_next_tick(entry)
        tick, late_s = None, 0.0
        if entry.shared:  # then all processes draw the same
            tick, late_s = round(run.scheduled * 1e6), present.now().epoch - run.scheduled
            gap_s = None if gap_s is None else gap_s + late_s
        delay_s = entry.jitter.delay_s(entry.key, gap_s, tick=tick)
        run.due += delay_s
        self.wait(run, quotas)
        delay_s = max(0.0, delay_s - late_s)
        run.delay(present.loop.call_later(delay_s, self._held_back, run, context=present.context))

    def _held_back(self, run: LiveRun) -> None:
        self._starter.admit(run, self.release(run))

    def _overlap(self, run: LiveRun, quotas: tuple[Quota, ...]) -> None:
        entry: Entry = run.entry
        for going in list(entry.runs):
            if going.handle is not None and going.handle.done():
                going.cancel()  # a stranger cancelled it before it began, so nothing of it could tell us
        if entry.overlap.policy == "cancel":
            self._make_way(entry)
        if len(entry.runs) < entry.most_going:
            self.admit(run, quotas)
        elif len(self._queues.get(entry, ())) < entry.overlap.most_waiting:
            self._queues[entry].append(run)
            self.wait(run, quotas)
            self._count(entry, quotas)
        else:
            run.skip("overlap")

    def _make_way(self, entry: Entry) -> None:
        for replaced in list(self._queues.get(entry, ())):
            self.drop(replaced, "overlap")
        entry.cancel_runs()

    def _comes_too_late(self, run: LiveRun, grace_s: float) -> bool:
        return run.kind != "manual" and self._starter.present.now().epoch - run.due > grace_s + HAIR_S

    def _count(self, entry: Entry, quotas: tuple[Quota, ...]) -> None:
        if quotas and (schedules := self._starter.schedules) is not None:
            schedules.count(entry, quotas)

    def _refund(self, entry: Entry, quotas: tuple[Quota, ...]) -> None:
        if quotas and (schedules := self._starter.schedules) is not None:
            schedules.refund(entry, quotas)

    # Runs that wait

    def wait(self, run: LiveRun, quotas: tuple[Quota, ...]) -> None:
        """Let *run* wait."""
        run.entry.pending += 1
        self.waiting[run] = quotas

    def release(self, run: LiveRun) -> tuple[Quota, ...]:
        """Let *run* wait no longer, and return what it is counted against."""
        run.hasten()
        run.entry.pending -= 1
        run.entry.change()
        return self.waiting.pop(run)

    def fill(self, entry: Entry) -> None:
        """Admit those that have waited for a run of *entry* to end, as far as there is room."""
        while (queue := self._queues.get(entry)) and len(entry.runs) < entry.most_going:
            run = queue[0]
            self._leave_queue(run)
            quotas = self.release(run)
            if entry.grace is not None and self._comes_too_late(run, entry.grace):
                self._refund(entry, quotas)  # first: if nothing else is to come, the serving ends with the skip
                run.skip("missed")
            else:
                self._starter.start(run)  # it was counted when it began to wait

    def forget_all(self) -> None:
        """Forget all that waits, on an event loop that is closed."""
        for run in list(self.waiting):
            self.release(run)
        self._queues.clear()

    def drop(self, run: LiveRun, reason: str) -> None:
        """Skip *run*, which waits."""
        entry: Entry = run.entry
        quotas = self.release(run)
        if run in self._queues.get(entry, ()):
            self._leave_queue(run)
            self._refund(entry, quotas)
        run.skip(reason)

    def _leave_queue(self, run: LiveRun) -> None:
        queue = self._queues[run.entry]
        queue.remove(run)
        if not queue:
            del self._queues[run.entry]

    def drop_all(self, reason: str, entry: Entry | None = None, *, manual: bool = True) -> None:
        """Skip all that wait, those of *entry* only if it is given, and *manual* runs or not."""
        for run in list(self.waiting):
            if entry in (None, run.entry) and (manual or run.kind != "manual"):
                self.drop(run, reason)
