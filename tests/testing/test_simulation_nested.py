"""`simulate` inside a running event loop: an async test, a notebook, another simulation."""

import asyncio

import pytest

from aioclock import AioClock, Every
from aioclock.testing import VirtualTimeError, simulate

START = "2026-01-01T00:00:00+00:00"


def ticking(**options: object) -> AioClock:
    app = AioClock(**options)  # type: ignore[arg-type]
    app.task(trigger=Every(minutes=1), name="tick")(noop)
    return app


async def noop() -> None: ...


async def test_it_works_inside_a_running_loop() -> None:
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    beside = asyncio.create_task(asyncio.sleep(0, "the outer loop goes on"))
    with simulate(ticking(), start=START) as sim:
        sim.advance(hours=1)
        assert asyncio.get_running_loop() is loop
        assert asyncio.current_task() is task
        await asyncio.sleep(0)
        assert sim.run(asyncio.sleep(60, "inner")) == "inner"
    assert len(sim.runs("tick")) == 61
    assert await beside == "the outer loop goes on"


async def test_the_running_loop_is_restored_after_an_error() -> None:
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    with pytest.raises(VirtualTimeError), simulate(AioClock(), start=START) as sim:
        sim.run(asyncio.Event().wait())
    assert asyncio.get_running_loop() is loop
    assert asyncio.current_task() is task
    async with asyncio.timeout(1):
        await asyncio.sleep(0)


async def test_it_works_in_a_callback_of_a_running_loop() -> None:
    counted: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    def callback() -> None:  # a notebook's front end calls like this: a loop, but no task
        with simulate(ticking(), start=START) as sim:
            sim.advance(minutes=3)
        counted.set_result(len(sim.runs()))

    asyncio.get_running_loop().call_soon(callback)
    assert await counted == 3


async def test_sync_tasks_work_inside_a_running_loop() -> None:
    app = AioClock()
    app.task(trigger=Every(minutes=1), name="sync")(lambda: None)
    assert await asyncio.to_thread(int) == 0
    with simulate(app, start=START) as sim:
        sim.advance(minutes=3)
    assert len(sim.runs("sync")) == 3
    assert await asyncio.to_thread(int) == 0


def test_a_simulation_may_contain_another() -> None:
    async def nest() -> int:
        with simulate(ticking(), start="2030-01-01T00:00:00+00:00") as inner:
            inner.advance(days=1)
        return len(inner.runs())

    with simulate(ticking(), start=START) as sim:
        assert sim.run(nest()) == 24 * 60
        assert sim.now.isoformat() == START


def test_two_apps_can_be_simulated_side_by_side() -> None:
    first, second = ticking(), ticking()
    with simulate(first, start=START) as one, simulate(second, start=START) as two:
        one.advance(minutes=2)
        two.advance(minutes=3)
    assert (len(one.runs()), len(two.runs())) == (2, 3)
