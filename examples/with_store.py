"""Three processes share one store, and one of them dies. Start it with `python examples/with_store.py`.

It ends by itself after about nine seconds and prints what the store has on record. To see one process after the other
come and go, start `python examples/with_store.py sqlite:///clock.db` in several terminals and end them as you like.
"""

import asyncio
import logging
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter

from aioclock import AioClock, CurrentRun, Every


def say(text: str) -> None:
    print(f"process {os.getpid()}: {text}", flush=True)


def make_app(store: str) -> AioClock:
    # A process that gives no sign of life for two seconds has lost its runs. The default is 30.
    app = AioClock(store=store, lease=2)

    # Each tick is claimed by one process. Which one that is, nobody knows beforehand.
    @app.task(trigger=Every(seconds=1), name="count")
    async def count(run: CurrentRun) -> None:
        say(f"count, run {run.fence}")

    # If its process dies, another one runs it again, with the same tick and the same key.
    @app.task(trigger=Every(seconds=2.5, max_loop_count=1), name="fragile", on_lost="rerun")
    async def fragile(run: CurrentRun) -> None:
        if run.attempt == 1:
            say("fragile, and I die")
            os._exit(1)  # as if somebody had pulled the plug
        say(f"fragile, attempt {run.attempt}")

    # What a process must do for itself is not shared.
    @app.task(trigger=Every(seconds=3), name="refresh", scope="node")
    async def refresh() -> None:
        say("refresh, as every process does")

    return app


def show(store: str) -> None:
    workers = [subprocess.Popen([sys.executable, __file__, store]) for _ in range(3)]
    time.sleep(8)
    for worker in workers:
        worker.terminate()  # SIGTERM: runs may finish, and what the process had is free at once
    for worker in workers:
        worker.wait()
    runs = asyncio.run(make_app(store).history())
    for key in ("count", "fragile"):
        ticks = {run.scheduled_at for run in runs if run.task_key == key}
        outcomes = Counter(str(run.outcome) for run in runs if run.task_key == key)
        print(f"{key}: ticks {len(ticks)}, runs {outcomes.total()}, {dict(outcomes)}", flush=True)


if __name__ == "__main__":
    logging.getLogger("aioclock").setLevel(logging.CRITICAL)  # the death of a process is what this is about
    if len(sys.argv) > 1:
        make_app(sys.argv[1]).run()
    else:
        with tempfile.TemporaryDirectory() as folder:
            show(f"sqlite:///{folder}/clock.db")
