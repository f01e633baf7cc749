"""CPU of one firing: N tasks fire K times each, with no waiting in between and bodies that only count.

usage: python fires.py {bare|aioclock|apscheduler} {plain|dependency|thread} N K

bare         one coroutine per task: `await sleep(0)`, then the body (injected, or in a thread of anyio's)
aioclock     `Every(seconds=0, max_loop_count=K)`, of whichever AioClock is installed
apscheduler  an interval of a millisecond, so that every job is always due, until N x K firings are done
"""

import asyncio
import importlib
import json
import logging
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any

logging.disable(logging.CRITICAL)
IMPORTED = {"bare": "fast_depends", "aioclock": "aioclock.app", "apscheduler": "apscheduler.schedulers.asyncio"}
fired = 0


def count() -> None:
    global fired
    fired += 1


async def count_async() -> None:
    count()


async def one() -> int:
    return 1


def bare(kind: str, n: int, k: int) -> Callable[[], Awaitable[object]]:
    import anyio.to_thread
    from fast_depends import Depends, inject

    @inject
    async def injected(value: int = Depends(one)) -> None:
        count()

    async def in_thread() -> None:
        await anyio.to_thread.run_sync(count)

    body = {"plain": count_async, "dependency": injected, "thread": in_thread}[kind]

    async def loop() -> None:
        for _ in range(k):
            await asyncio.sleep(0)
            await body()

    async def serve() -> None:
        await asyncio.gather(*(loop() for _ in range(n)))

    return serve


def aioclock(kind: str, n: int, k: int) -> Callable[[], Awaitable[object]]:
    from aioclock import AioClock, Depends, Every

    # Each registration gets a function of its own, as in a real program.
    def body() -> Callable[..., Any]:
        async def plain() -> None:
            count()

        async def dependency(value: int = Depends(one)) -> None:
            count()

        def thread() -> None:
            count()

        return {"plain": plain, "dependency": dependency, "thread": thread}[kind]

    app = AioClock()
    for _ in range(n):
        app.task(trigger=Every(seconds=0, max_loop_count=k))(body())
    return app.serve


def apscheduler(kind: str, n: int, k: int) -> Callable[[], Awaitable[object]]:
    from datetime import UTC

    from apscheduler.schedulers.asyncio import AsyncIOScheduler

    scheduler = AsyncIOScheduler(timezone=UTC)
    for _ in range(n):
        body = count if kind == "thread" else count_async
        scheduler.add_job(body, "interval", seconds=0.001, misfire_grace_time=None)

    async def serve() -> None:
        scheduler.start()
        while fired < n * k:
            await asyncio.sleep(0.01)
        scheduler.shutdown(wait=False)

    return serve


def main(who: str, kind: str, n: int, k: int) -> None:
    build = {"bare": bare, "aioclock": aioclock, "apscheduler": apscheduler}[who]
    importlib.import_module(IMPORTED[who])  # has a row of its own
    start = time.process_time()
    serve = build(kind, n, k)
    registered = time.process_time()
    asyncio.run(serve())  # type: ignore[arg-type]  # every serve above is a coroutine function
    served = time.process_time()
    assert fired >= n * k, f"fired {fired} of {n * k}"
    report = {"fire_us": (served - registered) / fired * 1e6}
    if who != "bare":  # where nothing is registered
        report["register_us"] = (registered - start) / n * 1e6
    print(json.dumps(report))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
