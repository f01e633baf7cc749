"""Triggers that wait by themselves: each is followed by one coroutine."""

import asyncio
from collections.abc import Callable

from aioclock._engine.cursor import Awaited, Moment
from aioclock._engine.entry import Entry
from aioclock._engine.run import LiveRun
from aioclock.logger import logger
from aioclock.runs import Outcome
from aioclock.utils import longer_delay

__all__ = ["follow"]


async def follow(source: Awaited, entry: Entry, start: Callable[[], LiveRun], now: Callable[[], Moment]) -> None:
    """Start a run for every event of the trigger, one after the other, until it is exhausted.

    An event that comes while another child of an `OrTrigger` has a run going waits for the end of that run: what a
    trigger took from a queue must not be skipped.
    """
    trigger = source.trigger
    while not any(quota.left <= 0 for quota in source.quotas):
        asked_at = now().elapsed
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
        while entry.run is not None:
            await asyncio.wait((entry.run.handle,))
        if any(quota.left <= 0 for quota in source.quotas):
            return
        run = start()
        await asyncio.wait((run.handle,))
        if run.outcome is not Outcome.SUCCEEDED and now().elapsed - asked_at < entry.run_delay_s:
            # Neither the trigger nor the run takes any time: without a pause they would spin the event loop.
            await asyncio.sleep(entry.run_delay_s)
