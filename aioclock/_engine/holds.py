"""Tasks that one process at a time has to itself."""

from collections.abc import Iterable, Mapping

from aioclock._engine.entry import Entry
from aioclock._engine.grant import LeaseTerm
from aioclock._engine.outbox import Outbox
from aioclock._engine.shared_schedules import SharedSchedules
from aioclock.clock import steady_s
from aioclock.logger import logger
from aioclock.stores import Change
from aioclock.stores._words import EXHAUSTED

__all__ = ["Holds"]


class Holds:
    """Takes such tasks, keeps them while the store renews their leases, and gives them up in time.

    Args:
        entries: All tasks by key; they may come and go.
        label: What this process is called in the store's records.
    """

    def __init__(
        self,
        entries: Mapping[str, Entry],
        schedules: SharedSchedules,
        outbox: Outbox,
        term: LeaseTerm,
        *,
        label: str,
    ) -> None:
        self._entries = entries
        self._schedules = schedules
        self._outbox = outbox
        self._term = term
        self._label = label

    def wanted(self) -> tuple[str, ...]:
        """Return the keys of the tasks that this process holds or wants to."""
        return tuple(key for key, entry in self._entries.items() if _is_wanted(entry))

    def renew(self, keys: Iterable[str], held: frozenset[str], asked_at: float) -> None:
        """Take in which of the tasks *keys* are this process's by what the store was asked for at *asked_at*."""
        for key in keys:
            entry = self._entries.get(key)
            if entry is None or not _is_wanted(entry):  # it was when the store was asked
                continue
            stored = entry.in_store
            if key in held:
                self._have(entry, self._term.trusted_until_s(asked_at))
            elif stored.known.cursor == EXHAUSTED:
                stored.held_until_s = None
                self._schedules.end(entry)
            elif stored.held_until_s is not None:
                self._drop(entry)

    def _have(self, entry: Entry, until_s: float) -> None:
        stored = entry.in_store
        is_new, stored.held_until_s = stored.held_until_s is None, until_s
        if is_new:
            self._schedules.restart(entry)
        elif entry.idle:
            self._tell_if_exhausted(entry)

    def _tell_if_exhausted(self, entry: Entry) -> None:
        if self._schedules.is_exhausted(entry):
            self._outbox.tell(Change(key=entry.key, exhausted=True, by=self._label))

    def expire(self) -> None:
        """Give up the tasks whose leases have passed."""
        now = steady_s()
        for entry in list(self._entries.values()):
            until_s = entry.in_store.held_until_s
            if until_s is not None and until_s < now:
                self._drop(entry)

    def _drop(self, entry: Entry) -> None:
        entry.in_store.held_until_s = None
        logger.warning("%s is another process's from now on", entry.key, extra={"task": entry.key})
        for run in list(entry.runs):
            run.lose()
        self._schedules.restart(entry)

    def halt(self) -> None:
        """Tell the others which tasks are exhausted, as long as that can be seen: the schedules are about to end."""
        for entry in self._entries.values():
            if entry.in_store.held_until_s is not None:
                self._tell_if_exhausted(entry)


def _is_wanted(entry: Entry) -> bool:
    return entry.in_store.mode == "held" and entry.in_store.fits
