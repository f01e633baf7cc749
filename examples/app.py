"""A first look at aioclock: start it with `make run` or `python examples/app.py`, end it with Ctrl+C."""

import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime

from aioclock import AioClock, At, Cron, Depends, Every, Group


def say(text: str) -> None:
    # Flushed, so that every line is seen at once, also through a pipe.
    print(f"{datetime.now().astimezone():%H:%M:%S}  {text}", flush=True)


# What stands before `yield` happens before the first task, what stands after it when all tasks have ended.
@asynccontextmanager
async def lifespan(app: AioClock) -> AsyncIterator[None]:
    say("hello: press Ctrl+C to stop")
    yield
    say("goodbye: everything has stopped")


app = AioClock(lifespan=lifespan)


# An async function runs on the event loop.
@app.task(trigger=Every(seconds=1))
async def async_task() -> None:
    say("async task       every second")


# A sync function runs in a worker thread, so it may block without holding up the others.
@app.task(trigger=Every(seconds=2))
def sync_task() -> None:
    time.sleep(0.1)
    say(f"sync task        every 2 seconds, in the {threading.current_thread().name}")


# A parameter with `Depends` is filled at each run. What stands after `yield` cleans up when the run has ended.
async def get_session() -> AsyncIterator[str]:
    say("dependency       opens a session")
    yield "a session"
    say("dependency       closes the session")


@app.task(trigger=Every(seconds=2, first_run_strategy="immediate"))
async def task_with_dependency(session: str = Depends(get_session)) -> None:
    say(f"dependency       a task works with {session}")


# A cron expression; the sixth field is seconds.
@app.task(trigger=Cron(cron="* * * * * */2", tz="UTC"))
async def cron_task() -> None:
    say("cron task        at every even second")


# A group collects tasks, in a module of their own for example, and gives them common settings.
reports = Group(timeout=10)


@reports.task(trigger=Every(seconds=1.5))
async def group_task() -> None:
    say("task of a group  every 1.5 seconds")


@reports.task(trigger=At(hour=9, at="every monday", tz="Europe/Berlin"))
async def weekly_report() -> None:
    say("task of a group  every Monday at nine, Berlin time")


app.include_group(reports)


def main() -> None:
    # After Ctrl+C it returns when all runs have ended and the lifespan is left.
    app.run()


if __name__ == "__main__":
    main()
