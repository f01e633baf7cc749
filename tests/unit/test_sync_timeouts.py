"""A sync task that outlives its timeout. Threads are real, so time is too: but never more than a moment."""

import asyncio
import threading

import pytest

from aioclock import AioClock, Every, Once
from aioclock.api import get_metadata_of_all_tasks, run_specific_task
from aioclock.exceptions import TaskTimeoutError
from aioclock.runs import Outcome, RunFacts


async def test_whoever_waits_for_a_thread_is_told_of_its_timeout_at_once() -> None:
    release = threading.Event()
    app = AioClock()
    app.task(trigger=Once(), timeout=0.05, name="hangs")(release.wait)
    [metadata] = await get_metadata_of_all_tasks(app)
    try:
        async with asyncio.timeout(2):
            with pytest.raises(TaskTimeoutError, match=r"'hangs' was cancelled after 0\.05 s"):
                await run_specific_task(metadata.id, app)
    finally:
        release.set()


async def test_a_task_does_not_run_again_before_its_timed_out_thread_has_ended() -> None:
    release, threads, most = threading.Event(), [], []
    runs: list[RunFacts] = []
    three = asyncio.Event()

    def note(run: RunFacts) -> None:
        runs.append(run)
        if len(runs) == 3:
            three.set()

    app = AioClock()
    app._roster.runner.ledger.observers.append(note)

    @app.task(trigger=Every(seconds=0.05), timeout=0.02, name="hangs")
    def work() -> None:
        threads.append(1)
        most.append(len(threads))
        release.wait(5)
        threads.pop()

    serving = asyncio.create_task(app.serve())
    await three.wait()
    release.set()
    await app.stop()
    await serving
    assert [run.outcome for run in runs[:3]] == [Outcome.TIMED_OUT, Outcome.SKIPPED, Outcome.SKIPPED]
    assert max(most) == 1
