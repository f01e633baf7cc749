"""Every trigger there is, two of our own among them. Start it with `python examples/awesome_triggers.py`.

It first prints when each task is due next, then shows the triggers at work and ends by itself after two seconds.
`OnStartUp` and `OnShutDown` are left out: they are deprecated, and the lifespan does what they did.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import datetime, timedelta
from typing import Literal

from pydantic import Field

from aioclock import AioClock, At, Cron, Every, Forever, Once, OrTrigger
from aioclock.api import get_metadata_of_all_tasks
from aioclock.triggers import BaseTrigger


class Doubling(BaseTrigger[Literal["DOUBLING"]]):
    """A trigger of our own that is a pure function of time: due after 0.1, 0.2, 0.4, 0.8 ... seconds."""

    type_: Literal["DOUBLING"] = "DOUBLING"
    first: timedelta = timedelta(seconds=0.1)

    def next_after(self, moment: datetime, anchor: datetime) -> datetime:
        delay = self.first
        while anchor + delay <= moment:
            delay *= 2
        return anchor + delay


class DoorBell(BaseTrigger[Literal["DOOR_BELL"]]):
    """A trigger of our own that waits for something to happen."""

    type_: Literal["DOOR_BELL"] = "DOOR_BELL"
    rung: asyncio.Event = Field(default_factory=asyncio.Event)

    async def trigger_next(self) -> None:
        await self.rung.wait()
        self.rung.clear()


def say(text: str) -> None:
    print(text, flush=True)


@asynccontextmanager
async def lifespan(app: AioClock) -> AsyncIterator[None]:
    say("opening")
    yield
    say("closed")


app = AioClock(lifespan=lifespan)
bell = DoorBell()


@app.task(trigger=Once())
async def once() -> None:
    for task in await get_metadata_of_all_tasks(app):
        due = task.trigger.expected_trigger_time
        say(f"{task.task_name} is due {'when something happens' if due is None else due.isoformat(' ', 'seconds')}")


# As soon as the last run has ended: the task itself decides how long that takes.
@app.task(trigger=Forever())
async def forever() -> None:
    await asyncio.sleep(0.6)
    say("forever")


# The first run comes at once, then one every half second, three altogether.
@app.task(trigger=Every(seconds=0.5, first_run_strategy="immediate", max_loop_count=3))
async def every() -> None:
    say("every")


# The pause is counted from the end of each run; without the mode, ticks keep their grid however long a run takes.
@app.task(trigger=Every(seconds=0.3, mode="fixed_delay"))
async def every_with_fixed_delay() -> None:
    await asyncio.sleep(0.1)
    say("every_with_fixed_delay")


# A time of day in a zone of its own: daylight saving is taken care of.
@app.task(trigger=At(hour=8, minute=30, at="every friday", tz="America/New_York"))
async def at() -> None:
    say("at")


# Five fields as in any crontab; a sixth is seconds.
@app.task(trigger=Cron(cron="* * * * * *", tz="Asia/Tokyo"))
async def cron() -> None:
    say("cron")


# Whenever one of several triggers is due.
@app.task(trigger=OrTrigger(triggers=[Every(seconds=0.4), At(hour=12, tz="UTC"), Cron(cron="0 9 * * mon", tz="UTC")]))
async def one_of_several() -> None:
    say("one_of_several")


@app.task(trigger=Doubling())
async def doubling() -> None:
    say("doubling")


@app.task(trigger=bell)
async def door_bell() -> None:
    say("door_bell")


@app.task(trigger=Every(seconds=0.7))
async def visitor() -> None:
    bell.rung.set()


@app.task(trigger=Every(seconds=2))
async def end_of_the_show() -> None:
    await app.stop()


def main() -> None:
    with suppress(KeyboardInterrupt):
        asyncio.run(app.serve())


if __name__ == "__main__":
    main()
