"""Tasks in worker processes, as an app runs them.

Processes and the clock are real: virtual time stands still while a process works, so no timeout could strike there.
"""

import asyncio
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from aioclock import AioClock, Every, Once, Retry, current_run
from aioclock.exceptions import (
    RunCancelledError,
    RunSkippedError,
    TaskDeclarationError,
    TaskTimeoutError,
    WorkerDiedError,
)
from aioclock.runs import Outcome

JOBS = """
import os, time
from pathlib import Path
from aioclock import CurrentRun, Depends, current_run

def pid():
    return os.getpid()

def parent():
    return os.getpid()

def pids(of_parent: int = Depends(parent)):
    return of_parent, os.getpid()

def hang(folder: str = Depends(lambda: os.environ["JOBS_FOLDER"])):
    Path(folder, "pid").write_text(str(os.getpid()))
    time.sleep(60)

def die_at_first(run: CurrentRun):
    if run.attempt == 1:
        os._exit(3)
    return current_run().key, run.attempt

def die():
    os._exit(3)

def compute():
    end = time.perf_counter() + 0.5
    while time.perf_counter() < end:
        sum(range(1000))
"""

NEVER = Every(hours=1)


@pytest.fixture
def app() -> Iterator[AioClock]:
    app = AioClock(executor="process")
    yield app
    app._pool.close()


def add(app: AioClock, func: Callable[..., Any], **policies: Any) -> None:
    app.add_task(func, trigger=NEVER, **policies)


async def test_dependencies_are_resolved_here_and_the_function_runs_there(app: AioClock, jobs: Any) -> None:
    app.override_dependencies(jobs.parent, os.getpid)
    add(app, jobs.pids)
    of_parent, of_function = await app.run_now("pids")
    assert of_parent == os.getpid() != of_function


async def test_a_timeout_kills_the_process(
    app: AioClock, jobs: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JOBS_FOLDER", str(tmp_path))
    add(app, jobs.pid)
    worker = await app.run_now("pid")  # so that the timeout strikes the function and not the start of the process
    add(app, jobs.hang, timeout=1)
    with pytest.raises(TaskTimeoutError, match="after 1 s"):
        await app.run_now("hang")
    with pytest.raises(ProcessLookupError):
        os.kill(worker, 0)
    assert app.runs("hang")[0].outcome == Outcome.TIMED_OUT


async def test_cancelling_kills_the_process_and_frees_the_task(
    app: AioClock, jobs: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JOBS_FOLDER", str(tmp_path))
    add(app, jobs.hang)
    by_hand = asyncio.create_task(app.run_now("hang"))
    while not (tmp_path / "pid").exists():  # noqa: ASYNC110 - another process makes it
        await asyncio.sleep(0.01)
    with pytest.raises(RunSkippedError, match="overlap"):
        await app.run_now("hang")
    assert app.cancel("hang") == 1
    with pytest.raises(RunCancelledError):
        await by_hand
    assert [run.outcome for run in app.runs()] == [Outcome.CANCELLED, Outcome.SKIPPED]


async def test_a_process_that_dies_is_a_lost_run_and_the_next_one_has_a_new_process(app: AioClock, jobs: Any) -> None:
    add(app, jobs.die)
    add(app, jobs.pid)
    with pytest.raises(WorkerDiedError, match="died in 'die'"):
        await app.run_now("die")
    assert await app.run_now("pid") != os.getpid()
    succeeded, lost = app.runs()
    assert (succeeded.outcome, lost.outcome) == (Outcome.SUCCEEDED, Outcome.LOST)
    assert lost.error is not None
    assert lost.error.type == "WorkerDiedError"


async def test_a_lost_attempt_is_followed_by_another(app: AioClock, jobs: Any) -> None:
    add(app, jobs.die_at_first, retry=Retry(attempts=2, delay=0))
    key, attempt = await app.run_now("die_at_first")
    [run] = app.runs()
    assert (key, attempt) == (run.key, 2)
    assert run.outcome == Outcome.SUCCEEDED


async def test_a_tick_may_run_in_a_process(app: AioClock, jobs: Any) -> None:
    app.add_task(jobs.pid, trigger=Once())
    await asyncio.wait_for(app.serve(), 20)
    assert [run.outcome for run in app.runs()] == [Outcome.SUCCEEDED]


def test_what_can_not_be_sent_to_a_process_is_refused_at_start_by_name() -> None:
    app = AioClock(executor="process")
    app.add_task(lambda: None, trigger=NEVER, name="report")
    with pytest.raises(TaskDeclarationError, match=r"task 'report'.*lambda"):
        asyncio.run(app.serve())


async def test_the_run_is_known_in_the_parent_as_well(app: AioClock, jobs: Any) -> None:
    keys: list[str] = []
    app.override_dependencies(jobs.parent, lambda: keys.append(current_run().key) or os.getpid())
    add(app, jobs.pids)
    await app.run_now("pids")
    assert keys == [app.runs()[0].key]


async def test_a_busy_process_does_not_delay_other_tasks(app: AioClock, jobs: Any) -> None:
    # On the event loop itself, each of its runs would delay the others by half a second; `make bench` shows how little
    # it is here. The limit is that of a machine which does other things as well.
    app.add_task(jobs.compute, trigger=Every(seconds=0.6, first_run_strategy="immediate"))
    lateness: list[float] = []

    async def often() -> None:
        lateness.append(current_run().lateness_s)

    app.add_task(often, trigger=Every(seconds=0.01), executor="loop")
    async with app.running():
        await asyncio.sleep(2)
        while not app.runs("compute", outcome="succeeded"):  # noqa: ASYNC110 - processes set no event
            await asyncio.sleep(0.02)
    assert app.runs("compute", outcome="succeeded")
    assert sorted(lateness)[int(len(lateness) * 0.99) - 1] < 0.2
