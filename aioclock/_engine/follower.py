"""Triggers that wait by themselves: each is followed by one coroutine."""

import asyncio
from collections.abc import Callable

from aioclock._engine.cursor import Awaited
from aioclock._engine.entry import Entry
from aioclock._engine.run import LiveRun
from aioclock.logger import logger
from aioclock.utils import longer_delay

__all__ = ["follow"]


async def follow(source: Awaited, entry: Entry, start: Callable[[], LiveRun], elapsed: Callable[[], float]) -> None:
    """Start a run for every event of the trigger until it is exhausted.

    What a trigger took from a queue must not be skipped. So an event waits until the task may run, and the trigger is
    asked again only then: after the run, unless the task's runs may overlap.
    """
    trigger = source.trigger
    while not _used_up(source):
        asked_at = elapsed()
        try:
            if not trigger.should_trigger():
                return
            await trigger.trigger_next()
        except Exception as error:
            delay_s = entry.trigger_delay_s = longer_delay(entry.trigger_delay_s)
            logger.error(
                "the trigger of %s failed; it is asked again in %g s", entry.key, delay_s, exc_info=error,
                extra={"task": entry.key, "delay_s": delay_s},
            )  # fmt: skip
            await asyncio.sleep(delay_s)
            continue
        entry.trigger_delay_s = 0.0
        while entry.pause is not None or not _has_room(entry):
            await entry.changed()
        if _used_up(source):
            return
        await _until_next(entry, start())
        if entry.run_delay_s and elapsed() - asked_at < entry.run_delay_s:
            # Neither the trigger nor the run takes any time: without a pause they would spin the event loop.
            await asyncio.sleep(entry.run_delay_s)


def _used_up(source: Awaited) -> bool:
    return any(quota.left <= 0 for quota in source.quotas)


def _has_room(entry: Entry) -> bool:
    # A newer event of such a task cancels the older run, and so needs no room.
    return entry.overlap.policy == "cancel" or len(entry.runs) + entry.pending < entry.most_going


async def _until_next(entry: Entry, run: LiveRun) -> None:
    """Wait until the trigger may be asked again."""
    if entry.overlap.policy == "allow":
        await asyncio.sleep(0)  # a trigger that never waits leaves the others a turn
    elif entry.overlap.policy == "cancel":
        while run.handle is None and run.outcome is None:
            await entry.changed()
        await asyncio.sleep(0)
    else:
        while run in entry.runs or run.outcome is None:
            await entry.changed()
