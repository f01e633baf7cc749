"""The schedules of tasks that processes share."""

from collections.abc import Iterable

from aioclock._engine.backlog import Backlog
from aioclock._engine.engine import Engine
from aioclock._engine.entry import Entry

__all__ = ["SharedSchedules"]


class SharedSchedules:
    """Lets schedules go on here as the store and the other processes let it; until `begin` there are none."""

    def __init__(self, backlog: Backlog) -> None:
        self._backlog = backlog
        self._engine: Engine | None = None

    @property
    def begun(self) -> bool:
        """Whether there are any."""
        return self._engine is not None

    def begin(self, engine: Engine, entries: Iterable[Entry]) -> None:
        """Start the schedules of those of *entries* that are shared."""
        self._engine = engine
        for entry in entries:
            if entry.in_store.mode != "node":
                self._enter(entry, engine)

    def expect(self, entry: Entry) -> None:
        """Wait for what the store says of *entry*."""
        if self._engine is not None and entry.in_store.mode != "node":
            self._engine.expect(entry)

    def restart(self, entry: Entry) -> None:
        """Start the schedule of *entry* anew, from where the store says it stands."""
        if self._engine is not None:
            self._backlog.leave(entry)
            self._engine.remove(entry)
            self._enter(entry, self._engine)
            self._engine.check_idle()

    def _enter(self, entry: Entry, engine: Engine) -> None:
        stored = entry.in_store
        if not stored.runs_here:
            engine.expect(entry)
        elif stored.shared and stored.catch_up.policy == "all" and self._backlog.has(entry):
            engine.expect(entry)
            self._backlog.answer(entry, then=self._go_on)
        else:
            engine.add(entry)

    def _go_on(self, entry: Entry) -> None:
        if self._engine is not None:
            self._engine.add(entry)
            self.end_if_used_up(entry)

    def forget(self, entry: Entry) -> None:
        """Answer nothing any more of a task that is this process's no longer."""
        self._backlog.leave(entry)

    def end(self, entry: Entry) -> None:
        """End the schedule of *entry*, which will bring no tick any more."""
        if self._engine is not None:
            self._engine.remove(entry)
            self._engine.check_idle()

    def end_if_used_up(self, entry: Entry) -> None:
        """End the schedule of *entry* if it has had all the runs that it may have."""
        stored, most = entry.in_store, entry.most_fired
        if self._engine is not None and most is not None and stored.shared and stored.known.fired >= most:
            self._engine.exhaust(entry)

    def is_exhausted(self, entry: Entry) -> bool:
        """Tell whether the schedule of *entry*, which goes on here, has come to its end."""
        return self._engine is not None and self._engine.is_exhausted(entry)
