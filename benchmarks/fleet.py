"""A fleet: N tasks, each due every second, all at the same instant, watched for some periods.

usage: python fleet.py {bare|aioclock|apscheduler} N PERIODS

bare         one coroutine per task: `await sleep(1)`, then the body
aioclock     `Every(seconds=1)`, of whichever AioClock is installed
apscheduler  an interval of one second, AsyncIOScheduler
"""

import asyncio
import json
import logging
import math
import os
import sys
import time
from collections.abc import Awaitable, Callable

logging.disable(logging.CRITICAL)
PERIOD_S = 1.0
# The watch begins and ends half-way between ticks: a fleet that keeps its grid is quiet then, so nothing is cut in two.
SETTLE_S = 2.5 * PERIOD_S


class Fleet:
    """What has been seen of N tasks since the watch began."""

    def __init__(self, n: int) -> None:
        self.fires = [0] * n
        self.first = [0.0] * n
        self.last = [0.0] * n
        self.errors: list[float] = []
        self.skipped = 0

    def note(self, i: int) -> None:
        now = time.monotonic()
        if self.fires[i]:
            gap = now - self.last[i]
            self.errors.append(abs(gap - PERIOD_S))
            self.skipped += max(0, round(gap / PERIOD_S) - 1)
        else:
            self.first[i] = now
        self.fires[i] += 1
        self.last[i] = now

    def lost(self, watched_s: float, end: float) -> float:
        """Return the share of firings that the period promised and that did not come, by drift or by a gap."""
        promised = done = 0.0
        for fires, first, last in zip(self.fires, self.first, self.last, strict=True):
            if not fires:
                promised += watched_s // PERIOD_S
                continue
            # From the first firing to the last, so that the edges of the watch count for nothing ...
            done += fires - 1
            # ... and whole periods of silence after it, should the task have stopped.
            promised += (last - first) / PERIOD_S + (end - last) // PERIOD_S
        return 1 - done / promised if promised else math.nan

    def report(self, cpu_s: float, watched_s: float) -> dict[str, float]:
        ranked = sorted(self.errors) or [math.nan]
        return {
            "fire_us": cpu_s / max(sum(self.fires), 1) * 1e6,
            "p99_ms": ranked[int(len(ranked) * 0.99)] * 1e3,
            "lost_percent": max(0.0, self.lost(watched_s, time.monotonic())) * 100,
            "skipped": self.skipped,
        }


Start = Callable[["Watch"], Awaitable[None]]


class Watch:
    """The fleet that is watched now; a fresh one is put in when the watch begins."""

    def __init__(self, n: int) -> None:
        self.n = n
        self.fleet = Fleet(n)
        self.keep: list[object] = []  # asyncio holds its tasks weakly


async def bare(watch: Watch) -> None:
    async def loop(i: int) -> None:
        while True:
            await asyncio.sleep(PERIOD_S)
            watch.fleet.note(i)

    watch.keep.extend(asyncio.create_task(loop(i)) for i in range(watch.n))


async def aioclock(watch: Watch) -> None:
    from aioclock import AioClock, Every

    def body(i: int) -> Callable[[], Awaitable[None]]:
        async def fire() -> None:
            watch.fleet.note(i)

        return fire

    app = AioClock()
    for i in range(watch.n):
        app.task(trigger=Every(seconds=PERIOD_S))(body(i))
    watch.keep.append(asyncio.create_task(app.serve()))


async def apscheduler(watch: Watch) -> None:
    from datetime import UTC, datetime, timedelta

    from apscheduler.schedulers.asyncio import AsyncIOScheduler

    async def fire(i: int) -> None:
        watch.fleet.note(i)

    scheduler = AsyncIOScheduler(timezone=UTC)
    first = datetime.now(UTC) + timedelta(seconds=PERIOD_S)
    for i in range(watch.n):
        scheduler.add_job(fire, "interval", seconds=PERIOD_S, args=(i,), next_run_time=first, misfire_grace_time=None)
    scheduler.start()
    watch.keep.append(scheduler)


async def main(who: str, n: int, periods: int) -> None:
    start: Start = {"bare": bare, "aioclock": aioclock, "apscheduler": apscheduler}[who]
    watch = Watch(n)
    await start(watch)
    await asyncio.sleep(SETTLE_S)
    watch.fleet = Fleet(n)
    began_s, cpu_s = time.monotonic(), time.process_time()
    await asyncio.sleep(periods * PERIOD_S)
    cpu_s = time.process_time() - cpu_s
    print(json.dumps(watch.fleet.report(cpu_s, time.monotonic() - began_s)), flush=True)


if __name__ == "__main__":
    asyncio.new_event_loop().run_until_complete(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
    os._exit(0)  # cancelling twenty thousand tasks in an orderly way is no part of the measurement
