"""Memory of one idle task, trigger included: N tasks that are due in an hour.

usage: python memory.py {bare|aioclock|apscheduler} N
"""

import asyncio
import gc
import json
import logging
import os
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

logging.disable(logging.CRITICAL)
PERIOD_S = 3600.0
keep: list[object] = []


def resident_bytes() -> int:
    pages = Path("/proc/self/statm").read_text(encoding="ascii").split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


async def bare(n: int) -> None:
    async def loop() -> None:
        while True:
            await asyncio.sleep(PERIOD_S)

    keep.extend(asyncio.create_task(loop()) for _ in range(n))


async def aioclock(n: int) -> None:
    from aioclock import AioClock, Every

    def body() -> Callable[[], Awaitable[None]]:
        async def fire() -> None: ...

        return fire

    app = AioClock()
    for _ in range(n):
        app.task(trigger=Every(seconds=PERIOD_S))(body())
    keep.append(asyncio.create_task(app.serve()))


async def apscheduler(n: int) -> None:
    from datetime import UTC

    from apscheduler.schedulers.asyncio import AsyncIOScheduler

    async def fire() -> None: ...

    scheduler = AsyncIOScheduler(timezone=UTC)
    for _ in range(n):
        scheduler.add_job(fire, "interval", seconds=PERIOD_S)
    scheduler.start()
    keep.append(scheduler)


async def main(who: str, n: int) -> None:
    start = {"bare": bare, "aioclock": aioclock, "apscheduler": apscheduler}[who]
    await start(1)  # imports, and whatever is made once, are not the price of a task
    await asyncio.sleep(0.2)
    gc.collect()
    before = resident_bytes()
    await start(n)
    await asyncio.sleep(0.5)
    gc.collect()
    print(json.dumps({"memory_kib": (resident_bytes() - before) / n / 1024}), flush=True)


if __name__ == "__main__":
    asyncio.new_event_loop().run_until_complete(main(sys.argv[1], int(sys.argv[2])))
    os._exit(0)
