"""Triggers that wait by themselves: each is followed by one coroutine."""

import asyncio
from typing import Protocol

from aioclock._engine.cursor import Awaited
from aioclock._engine.entry import Entry
from aioclock._engine.present import Present
from aioclock._engine.run import CANCEL_GRACE_S, LiveRun
from aioclock.logger import logger

__all__ = ["Followers"]


class Desk(Protocol):
    """Where events are handed in."""

    def start_followed(self, source: Awaited, scheduled: float) -> LiveRun:
        """Start a run for an event; it has waited for whatever it must wait for."""
        ...

    def drop_followed(self, source: Awaited, scheduled: float) -> None:
        """Record that an event got no run."""

    def lost_follower(self) -> None:
        """Take note that a trigger will bring no further event."""


class Followers:
    """Owns the coroutines that follow triggers.

    Args:
        desk: Gets their events.
    """

    def __init__(self, present: Present, desk: Desk) -> None:
        self._present = present
        self._desk = desk
        self._sources: dict[asyncio.Task[None], Awaited] = {}

    def follow(self, source: Awaited) -> None:
        """Begin to follow the trigger of *source*."""
        follower = self._present.loop.create_task(
            _follow(source, self._present, self._desk),
            name=f"trigger of {source.entry.key}",
            context=self._present.context.copy(),
        )
        self._sources[follower] = source
        follower.add_done_callback(self._ended)

    def _ended(self, follower: "asyncio.Task[None]") -> None:
        del self._sources[follower]
        if not follower.cancelled() and (error := follower.exception()) is not None:
            logger.critical("%s ended by an error", follower.get_name(), exc_info=error)
        self._desk.lost_follower()

    def sources(self, entry: Entry | None = None) -> list[Awaited]:
        """Return those that are followed, of all tasks or of *entry*."""
        return [source for source in self._sources.values() if entry in (None, source.entry)]

    def cancel(self, sources: list[Awaited]) -> None:
        """Follow *sources* no longer."""
        for follower, source in self._sources.items():
            if source in sources:
                source.dismissed = True
                follower.cancel()

    async def gone(self) -> None:
        """Return when all have ended that were cancelled; one that ignores it is left behind."""
        if self._sources:
            _, pending = await asyncio.wait(self._sources, timeout=CANCEL_GRACE_S)
            for follower in pending:
                logger.error("the %s ignores its cancellation and is left behind", follower.get_name())


async def _follow(source: Awaited, present: Present, desk: Desk) -> None:
    """Start a run for every event of the trigger until it is exhausted.

    What a trigger took from a queue must not be skipped. So an event waits until the task may run, and the trigger is
    asked again only then: after the run, unless the task's runs may overlap.
    """
    trigger, entry = source.trigger, source.entry
    while not _is_over(source):
        asked_at = present.loop.time()
        try:
            if not trigger.should_trigger():
                return
            await trigger.trigger_next()
        except (Exception, asyncio.CancelledError) as error:
            if source.dismissed or (isinstance(error, asyncio.CancelledError) and _is_cancelled()):
                raise
            await asyncio.sleep(entry.trigger_failed(error))
            continue
        entry.trigger_delay_s = 0.0
        scheduled = present.now().epoch
        try:
            await _until_admitted(entry)
        except asyncio.CancelledError:
            if not source.used_up:
                desk.drop_followed(source, scheduled)
            raise
        if source.used_up:
            return
        await _until_next(entry, desk.start_followed(source, scheduled))
        if entry.run_delay_s and present.loop.time() - asked_at < entry.run_delay_s:
            # Neither the trigger nor the run takes any time: without a pause they would spin the event loop.
            await asyncio.sleep(entry.run_delay_s)


def _is_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and bool(task.cancelling())


def _is_over(source: Awaited) -> bool:
    return source.dismissed or source.used_up


async def _until_admitted(entry: Entry) -> None:
    """Wait for as long as the task's policies want an event to wait."""
    if entry.jitter is not None:
        await asyncio.sleep(entry.jitter.delay_s(entry.key))
    while entry.pause is not None or len(entry.runs) + entry.pending >= entry.most_going:
        if entry.pause is None and entry.overlap.policy == "cancel":
            entry.cancel_runs()
        await entry.changed()


async def _until_next(entry: Entry, run: LiveRun) -> None:
    """Wait until the trigger may be asked again."""
    if entry.overlap.policy in ("allow", "cancel"):
        await asyncio.sleep(0)  # a trigger that never waits leaves the others a turn
    else:
        while run in entry.runs or run.outcome is None:
            await entry.changed()
