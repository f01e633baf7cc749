"""Start-up and shut-down tasks under policies that are meant for schedules."""

import asyncio

import pytest

from aioclock import AioClock, Every, OnShutDown, OnStartUp, Retry
from aioclock.runs import Outcome
from aioclock.testing import simulate

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def test_jitter_neither_delays_start_up_nor_loses_shut_down() -> None:
    app, ran = AioClock(jitter=10), list[str]()
    app.task(trigger=OnStartUp(), name="start")(lambda: ran.append("start"))
    app.task(trigger=OnShutDown(), name="end")(lambda: ran.append("end"))
    with simulate(app):
        pass
    assert ran == ["start", "end"]
    assert [run.lateness_s for run in app.runs()] == [0, 0]


def test_start_up_is_attempted_again_as_its_policy_says_before_anything_else_begins() -> None:
    app, ran = AioClock(), list[str]()

    @app.task(trigger=OnStartUp(), retry=Retry(attempts=3, delay=5, jitter=0))
    async def connect() -> None:
        ran.append("connect")
        if ran.count("connect") < 3:
            raise OSError

    @app.task(trigger=Every(seconds=1, first_run_strategy="immediate"))
    async def work() -> None:
        ran.append("work")

    with simulate(app) as sim:
        sim.advance(seconds=15)
        assert ran == ["connect", "connect", "connect", "work"]


def test_a_paused_shut_down_task_is_skipped() -> None:
    app, ran = AioClock(), list[int]()
    app.task(trigger=OnShutDown(), name="end")(lambda: ran.append(1))
    app.pause("end")
    with simulate(app):
        pass
    assert ran == []
    assert [(run.outcome, run.reason) for run in app.runs()] == [(Outcome.SKIPPED, "paused")]


def test_shut_down_tasks_wait_for_nobody_when_stopping_is_cancelled() -> None:
    app, ran = AioClock(), list[int]()

    @app.task(trigger=OnShutDown(), overlap="queue")
    async def end() -> None:
        await asyncio.sleep(1)
        ran.append(1)

    with simulate(app) as sim:
        sim.run(app.stop(timeout=0))
    assert ran == [1]
