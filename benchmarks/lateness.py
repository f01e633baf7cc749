"""How late a task of every 10 ms runs while another one keeps a processor busy in a worker process.

usage: python lateness.py bare|aioclock SECONDS
"""

import asyncio
import json
import multiprocessing
import sys
import time
from concurrent.futures import ProcessPoolExecutor

PERIOD_S = 0.01
BUSY_S = 0.5


def compute() -> None:
    end = time.perf_counter() + BUSY_S
    while time.perf_counter() < end:
        sum(range(1000))


async def bare(seconds: float) -> list[float]:
    lateness: list[float] = []
    loop = asyncio.get_running_loop()
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        await loop.run_in_executor(pool, compute)
        busy = asyncio.create_task(_again_and_again(pool))
        start = loop.time()
        for number in range(1, int(seconds / PERIOD_S)):
            await asyncio.sleep(start + number * PERIOD_S - loop.time())
            lateness.append(loop.time() - start - number * PERIOD_S)
        busy.cancel()
    return lateness


async def _again_and_again(pool: ProcessPoolExecutor) -> None:
    while True:
        await asyncio.get_running_loop().run_in_executor(pool, compute)


async def aioclock(seconds: float) -> list[float]:
    from aioclock import AioClock, CurrentRun, Every, Forever

    app = AioClock()
    app.task(trigger=Forever(), executor="process", name="busy")(compute)
    lateness: list[float] = []

    @app.task(trigger=Every(seconds=PERIOD_S))
    async def often(run: CurrentRun) -> None:
        lateness.append(run.lateness_s)

    async with app.running():
        await asyncio.sleep(2 * BUSY_S + 1)  # the worker process has started then
        lateness.clear()
        await asyncio.sleep(seconds)
        return lateness


if __name__ == "__main__":
    measured = sorted(asyncio.run({"bare": bare, "aioclock": aioclock}[sys.argv[1]](float(sys.argv[2]))))
    print(
        json.dumps({"p99_ms": measured[int(len(measured) * 0.99)] * 1e3, "p50_ms": measured[len(measured) // 2] * 1e3})
    )
