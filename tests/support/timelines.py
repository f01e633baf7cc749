"""Servings on virtual time, told in seconds since they began."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, Literal
from unittest.mock import patch

from aioclock import AioClock
from aioclock.clock import LONGEST_SLEEP_S
from aioclock.runs import Run
from aioclock.testing import Simulation, VirtualClock, VirtualEventLoop, simulate
from aioclock.triggers import BaseTrigger

START = datetime(2026, 1, 1, tzinfo=UTC)


def simulated(app: AioClock) -> Simulation:
    """Serve *app* on virtual time, from START on."""
    return simulate(app, start=START)


@contextmanager
def on_a_clock_that_may_be_set(app: AioClock, *, start: datetime = START) -> Iterator[Simulation]:
    """Serve *app* on virtual time whose wall clock is looked at as often as a real one, since it may be set."""
    looked_at_often = patch.object(VirtualClock, "longest_sleep_s", LONGEST_SLEEP_S, create=True)
    with looked_at_often, simulate(app, start=start) as sim:
        yield sim


def offset(moment: datetime | None) -> float:
    """Return the seconds from START to *moment*, which there has to be."""
    assert moment is not None
    return (moment - START).total_seconds()


def due(runs: list[Run], outcome: str | None = None, reason: str | None = None) -> list[float]:
    """Return when those of *runs* were due that ended with *outcome* and for *reason*, where these are given."""
    return [
        offset(run.scheduled_at)
        for run in runs
        if (outcome is None or run.outcome == outcome) and (reason is None or run.reason == reason)
    ]


def period(app: AioClock, ref: Any) -> float:
    """Return the hours between the next two ticks of the task that *ref* means."""
    first, second = app.next_ticks(ref, count=2)
    return (second - first).total_seconds() / 3600


def sleeping(seconds: float, result: Any = None) -> Callable[[], Any]:
    """Return a function for a task: it takes *seconds* and gives *result*."""

    async def nap() -> Any:
        await asyncio.sleep(seconds)
        return result

    return nap


class Letters(BaseTrigger[Literal["LETTERS"]]):
    """Waits by itself: each letter in the box is an event, and taking it out can't be undone."""

    type_: Literal["LETTERS"] = "LETTERS"
    box: Any
    taken: Any

    async def trigger_next(self) -> None:
        self.taken.append(await self.box.get())


def letters() -> Letters:
    """Return a trigger whose box is empty."""
    return Letters(box=asyncio.Queue(), taken=[])


def virtual_loop() -> VirtualEventLoop:
    """Return the running event loop, which has to be one of virtual time."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualEventLoop)
    return loop


async def block(seconds: float) -> None:
    """Do to virtual time what a blocking call does to real time: the clock moves, and nobody had a turn."""
    virtual_loop()._now_s += seconds


async def set_wall_clock(step: timedelta) -> None:
    """Move the wall clock against elapsed time, as its owner or a suspended machine does."""
    virtual_loop().clock.start += step
