"""Runs on an event loop whose tasks begin before they are handed out."""

import asyncio
import sys

import pytest

from aioclock import AioClock, CurrentRun, Every, Forever, Retry
from aioclock.runs import Outcome

pytestmark = [
    pytest.mark.virtual_time,
    pytest.mark.skipif(sys.version_info < (3, 12), reason="Python 3.11 has no eager tasks"),
]


async def test_a_run_may_end_before_its_task_is_handed_out() -> None:
    asyncio.get_running_loop().set_task_factory(asyncio.eager_task_factory)  # type: ignore[attr-defined]
    app = AioClock()

    @app.task(trigger=Every(seconds=10, max_loop_count=3), name="at once")
    async def at_once() -> None: ...

    @app.task(trigger=Every(seconds=10, max_loop_count=3), timeout=2, retry=Retry(attempts=2), name="retried")
    async def retried(run: CurrentRun) -> None:
        await asyncio.sleep(3 if run.attempt == 1 else 1)

    await app.serve()
    assert [run.outcome for run in app.runs()] == [Outcome.SUCCEEDED] * 6
    assert [run.attempt for run in app.runs("retried")] == [2, 2, 2]


async def test_forever_leaves_the_event_loop_its_turns() -> None:
    asyncio.get_running_loop().set_task_factory(asyncio.eager_task_factory)  # type: ignore[attr-defined]
    app = AioClock()
    runs = 0

    @app.task(trigger=Forever())
    async def again() -> None:
        nonlocal runs
        runs += 1
        if runs == 5_000:
            await asyncio.sleep(1)

    async with app.running():
        await asyncio.sleep(1)
    assert runs >= 5_000
