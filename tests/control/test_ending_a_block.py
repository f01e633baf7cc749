"""How a block of `running()` ends when somebody loses patience, and tasks as refs."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from aioclock import AioClock, Every, Once
from aioclock.exceptions import TaskIdNotFound

pytestmark = pytest.mark.virtual_time


def elapsed() -> float:
    return asyncio.get_running_loop().time()


def app_with_a_long_run() -> tuple[AioClock, list[str]]:
    said: list[str] = []

    @asynccontextmanager
    async def lifespan(app: AioClock) -> AsyncIterator[None]:
        yield
        await asyncio.sleep(2)
        said.append("closed")

    app = AioClock(lifespan=lifespan, shutdown_timeout=100)

    @app.task(trigger=Once(), name="long")
    async def long() -> None:
        await asyncio.sleep(1_000)

    return app, said


async def within(app: AioClock, seconds: float) -> None:
    async with app.running():
        await asyncio.sleep(seconds)


async def test_a_block_that_is_cancelled_cancels_its_runs_and_still_closes_the_lifespan() -> None:
    app, said = app_with_a_long_run()
    block = asyncio.create_task(within(app, 1_000))
    await asyncio.sleep(5)
    block.cancel()
    await asyncio.wait((block,))
    assert block.cancelled()
    assert (said, elapsed()) == (["closed"], pytest.approx(7))
    assert [run.outcome for run in app.runs()] == ["cancelled"]


async def test_cancelling_the_end_of_a_block_hurries_it_and_cancelling_it_again_does_not_tear_it() -> None:
    app, said = app_with_a_long_run()
    block = asyncio.create_task(within(app, 5))
    await asyncio.sleep(20)  # it stops since 5 s, and would wait for the long run until 105 s
    for _ in range(3):
        block.cancel()
        await asyncio.sleep(0.5)
    await asyncio.wait((block,))
    assert block.cancelled()
    assert (said, elapsed()) == (["closed"], pytest.approx(22))
    assert app._roster.serving is None


async def test_a_task_itself_will_do_as_a_ref_as_long_as_it_belongs_to_the_app() -> None:
    app = AioClock()
    task = app.add_task(elapsed, trigger=Every(hours=1), name="clock", executor="loop")
    assert await app.run_now(task) == elapsed()
    assert repr(task) == f"Task(key='clock', trigger={task.trigger!r})"
    app.remove_task(task)
    with pytest.raises(TaskIdNotFound, match="no task of the app answers to 'clock'"):
        await app.run_now(task)
