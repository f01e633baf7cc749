"""What happens when things go wrong, and who is told. Start it with `python examples/policies_and_events.py`.

It ends by itself after about two seconds and prints what came of every task.
"""

import asyncio
import logging
import math
from collections import Counter

from aioclock import AioClock, CurrentRun, Every, Group, Once, Overlap, Retry
from aioclock.events import RunEvent, RunFailed, RunLost, RunRetrying, RunTimedOut, ServingStopped, TaskPaused


def say(text: str) -> None:
    print(text, flush=True)


# What is said here holds for all tasks whose group, or who themselves, don't say it.
app = AioClock(timeout=5)


# A failed run is attempted again. The waits grow, and the schedule does not move.
@app.task(trigger=Once(), name="shaky", retry=Retry(attempts=3, delay=0.1, jitter=0, on=ConnectionError))
async def shaky(run: CurrentRun) -> None:
    if run.attempt < 3:
        raise ConnectionError(f"nobody answered attempt {run.attempt}")


# A run that hangs is cancelled, here after 0.2 s instead of the app's five.
@app.task(trigger=Once(), name="hanging", timeout=0.2)
async def hanging() -> None:
    await asyncio.Event().wait()


# Each run takes longer than the period. By default the ticks in between would be skipped; here two of them may wait.
@app.task(trigger=Every(seconds=0.2), name="slow", overlap=Overlap("queue", limit=2))
async def slow() -> None:
    await asyncio.sleep(0.5)


# A task that fails again and again is paused.
@app.task(trigger=Every(seconds=0.2), name="hopeless", pause_after_failures=3)
async def hopeless() -> None:
    raise ValueError("it never works")


# A group is a set of defaults, too. Work that keeps a processor busy goes into another process.
busy = Group(executor="process", timeout=30)


@busy.task(trigger=Once(), name="factorial")
def factorial() -> None:
    math.factorial(100_000)


app.include_group(busy)


# Listeners are told what happens, beside the runs; what they need beyond the event, `Depends` fills.
@app.on(RunRetrying, RunFailed, RunTimedOut, RunLost)
async def tell_somebody(event: RunEvent) -> None:
    run = event.run
    say(f"{type(event).__name__}: attempt {run.attempt} of {run.task_key}: {run.error.message if run.error else ''}")


@app.on(TaskPaused)
async def tell_about_pause(event: TaskPaused) -> None:
    say(f"TaskPaused: {event.task_key}, {event.note}")


@app.on(ServingStopped)
async def sum_up() -> None:
    for key in app.tasks:
        outcomes = Counter(f"{run.outcome}: {run.reason}" if run.reason else f"{run.outcome}" for run in app.runs(key))
        say(f"{key:10} {', '.join(f'{count} {outcome}' for outcome, count in sorted(outcomes.items()))}")


# Commands are given from anywhere, from a task for example.
@app.task(trigger=Every(seconds=2, max_loop_count=1), name="end of the show")
async def end_of_the_show() -> None:
    app.cancel("slow")
    await app.stop()


# The guard matters: each worker process imports this file.
if __name__ == "__main__":
    logging.getLogger("aioclock").setLevel(logging.CRITICAL)  # it would say the same once more
    app.run()
