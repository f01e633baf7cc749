"""What the store says of tasks, and what follows from it here."""

from collections.abc import Iterable, Mapping
from functools import partial
from typing import Protocol

from aioclock._engine.entry import Entry
from aioclock._engine.jobs import Jobs
from aioclock._engine.runner import Runner
from aioclock._engine.store_clock import StoreClock
from aioclock._engine.store_link import StoreLink
from aioclock.clock import steady_s
from aioclock.logger import logger
from aioclock.stores import Registration, TaskState
from aioclock.stores._words import micros

__all__ = ["Replica"]

NEVER = float("-inf")


class Schedules(Protocol):
    """Who has the schedules of tasks that processes share."""

    def restart(self, entry: Entry, /) -> None:
        """Start a schedule anew, from where the store says it stands."""

    def end_if_used_up(self, entry: Entry, /) -> None:
        """End a schedule that has had all the runs that it may have."""


class Untold(Protocol):
    """Who has the changes that the store has not been told."""

    def concerns(self, key: str, /) -> bool:
        """Tell whether what the store says of a task is old."""
        ...


class Replica:
    """Keeps the tasks of this process as the store has them.

    Args:
        entries: The tasks by key; they may come and go.
        label: What this process is called in the store's records.
        idle: An old checkout that runs a task by hand must not edit the schedules of those who serve.
    """

    def __init__(
        self,
        entries: Mapping[str, Entry],
        link: StoreLink,
        clock: StoreClock,
        runner: Runner,
        jobs: Jobs,
        *,
        label: str,
        idle: bool,
    ) -> None:
        self._entries = entries
        self._link = link
        self._clock = clock
        self._runner = runner
        self._jobs = jobs
        self._label = label
        self._idle = idle
        self._schedules: Schedules
        self._untold: Untold
        self._applied: dict[str, TaskState] = {}
        """What was last taken in, by key."""
        self._heard_at: dict[str, float] = {}
        """When the store last had news of a task, on the steady clock."""
        self._warned_of: dict[str, str] = {}
        """Fingerprints of schedules that other processes declare instead, by key."""

    def attach(self, schedules: Schedules, untold: Untold) -> None:
        """Let *schedules* follow the store, except for what is *untold*."""
        self._schedules, self._untold = schedules, untold

    def entry_of(self, key: str) -> Entry | None:
        return self._entries.get(key)

    def forget(self, entry: Entry) -> None:
        """Forget what the store said of a task that is this process's no longer."""
        self._applied.pop(entry.key, None)
        self._heard_at.pop(entry.key, None)
        self._warned_of.pop(entry.key, None)

    # Asking

    async def register(self, entries: list[Entry]) -> None:
        """Make *entries* known to the store, and take in what it says of them."""
        self.fall_behind(entries)
        if self._idle:
            await self.refresh(entries)
            entries = [entry for entry in entries if entry.in_store.state is None]
        tasks = [Registration(key=entry.key, fingerprint=entry.in_store.fingerprint) for entry in entries]
        states = await self._link.call(partial(self._link.store.register, tasks, by=self._label))
        for entry, state in zip(entries, states, strict=True):
            self._apply(entry, state)

    def fall_behind(self, entries: Iterable[Entry]) -> None:
        """Call what is due before now missed: until now nothing could run."""
        now = micros(self._clock.now().timestamp())
        for entry in entries:
            entry.in_store.behind_until = now

    async def refresh(self, entries: Iterable[Entry]) -> None:
        """Take in what the store says of *entries* now."""
        for state in await self._link.call(partial(self._link.store.tasks, [entry.key for entry in entries])):
            self.hear(state)

    # Taking in

    def note(self, entry: Entry, state: TaskState | None) -> None:
        """Take in how a task is after a claim; None: the store does not know it."""
        if state is None:
            self._jobs.start(self.register([entry]))
            return
        self._apply(entry, state)
        self._schedules.end_if_used_up(entry)

    def hear(self, state: TaskState, *, asked_at: float = NEVER) -> None:
        """Take in how a task is.

        Args:
            asked_at: When the store was asked for that, on the steady clock, if that is known.
        """
        if (entry := self._entries.get(state.key)) is not None:
            self._apply(entry, state, asked_at)

    def take_back(self, key: str) -> None:
        """Return to what the store says of a task, which was to be changed and could not be."""
        entry, known = self._entries.get(key), self._applied.pop(key, None)
        if entry is not None and known is not None:
            self._apply(entry, known)

    def _apply(self, entry: Entry, state: TaskState, asked_at: float = NEVER) -> None:
        stored, key = entry.in_store, entry.key
        if stored.state is None or _version(state) > _version(stored.state):
            self._heard_at[key] = steady_s()
        elif _version(state) < _version(stored.state) and asked_at <= self._heard_at.get(key, NEVER):
            state = stored.state  # that one was overtaken on its way; else the store's clock was set back
        stored.state = state
        if self._untold.concerns(key):
            return
        before, self._applied[key] = self._applied.get(key), state
        if before is None or (state.paused, state.note) != (before.paused, before.note):
            self._apply_pause(entry, state)
        if before is None or state.generation != before.generation:
            self._apply_schedule(entry, state)

    def _apply_pause(self, entry: Entry, state: TaskState) -> None:
        if state.paused:
            self._runner.pause(entry, state.note, told=True)
        else:
            self._runner.resume(entry, told=True)

    def _apply_schedule(self, entry: Entry, state: TaskState) -> None:
        stored, before = entry.in_store, entry.task.trigger
        if stored.outdated:
            self._warn_once(entry.key, state.fingerprint)
        else:
            self._warned_of.pop(entry.key, None)
            try:
                entry.task.trigger = stored.take_trigger(key=entry.key)
            except ValueError as error:
                logger.error("the trigger of %s in the store can't be read: %s", entry.key, error)
        if stored.mode != "node" or entry.task.trigger != before:
            self._schedules.restart(entry)

    def _warn_once(self, key: str, fingerprint: str) -> None:
        if self._warned_of.get(key) != fingerprint:  # else that schedule was only given another trigger
            self._warned_of[key] = fingerprint
            log = logger.debug if self._idle else logger.warning
            log(
                "another process declares another schedule for %s, and this one runs it no longer", key,
                extra={"task": key},
            )  # fmt: skip


def _version(state: TaskState) -> tuple[int, int]:
    return state.generation, state.changed_at
