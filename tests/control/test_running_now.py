"""Runs that are asked for, and runs that are cancelled."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from aioclock import (
    AioClock,
    CurrentRun,
    Every,
    Forever,
    Once,
    OnShutDown,
    Overlap,
    Retry,
)
from aioclock.exceptions import (
    RunCancelledError,
    RunSkippedError,
    TaskTimeoutError,
)
from timelines import START, due, offset, simulated, sleeping

pytestmark = pytest.mark.filterwarnings("ignore:On(StartUp|ShutDown):DeprecationWarning")


# Running now


@pytest.mark.virtual_time
@pytest.mark.parametrize("serving", [True, False])
async def test_run_now_gives_the_result_or_the_error_and_is_recorded_as_manual(serving: bool) -> None:
    app = AioClock()
    app.task(trigger=Every(hours=1), name="good")(sleeping(3, result=[1, 2]))

    @app.task(trigger=Every(hours=1), name="bad")
    def bad() -> None:
        raise KeyError("lost key")

    async def check() -> None:
        assert await app.run_now("good") == [1, 2]
        with pytest.raises(KeyError, match="lost key"):
            await app.run_now("bad")

    if serving:
        async with app.running():
            await check()
    else:
        await check()
    (failed,), (good,) = app.runs("bad"), app.runs("good")
    assert (failed.kind, failed.outcome, failed.error and failed.error.type) == ("manual", "failed", "KeyError")
    assert (good.kind, good.outcome, good.attempt) == ("manual", "succeeded", 1)
    assert good.started_at is not None
    assert good.finished_at is not None
    assert good.finished_at - good.started_at == timedelta(seconds=3)


@pytest.mark.virtual_time
@pytest.mark.parametrize("serving", [True, False])
async def test_run_now_keeps_to_the_timeout_and_retries(serving: bool) -> None:
    app, attempts = AioClock(), []
    app.task(trigger=Every(hours=1), name="slow", timeout=2)(sleeping(100))

    @app.task(trigger=Every(hours=1), name="flaky", retry=Retry(attempts=3, delay=5, jitter=0))
    async def flaky(run: CurrentRun) -> int:
        attempts.append(run.attempt)
        if run.attempt < 3:
            raise OSError
        return run.attempt

    async def check() -> None:
        with pytest.raises(TaskTimeoutError, match="slow"):
            await app.run_now("slow")
        assert await app.run_now("flaky") == 3

    if serving:
        async with app.running():
            await check()
    else:
        await check()
    assert attempts == [1, 2, 3]
    assert [run.outcome for run in app.runs("slow")] == ["timed_out"]
    assert [(run.attempt, run.outcome) for run in app.runs("flaky")] == [(3, "succeeded")]


@pytest.mark.virtual_time
@pytest.mark.parametrize("serving", [True, False])
@pytest.mark.parametrize(
    ("overlap", "first", "second", "finished_s"),
    [
        ("skip", "done", "work skipped: overlap", [10]),
        ("allow", "done", "done", [10, 11]),
        (Overlap("allow", limit=1), "done", "work skipped: overlap", [10]),
        ("queue", "done", "done", [10, 20]),
        ("cancel", "cancelled", "done", [11]),
    ],
)
async def test_run_now_keeps_to_the_overlap_policy(
    overlap: Any, first: str, second: str, finished_s: list[float], serving: bool
) -> None:
    app, begin = AioClock(), asyncio.get_running_loop().time()
    app.task(trigger=Every(hours=1), name="work", overlap=overlap)(sleeping(10, "done"))

    async def answer() -> Any:
        try:
            return await app.run_now("work")
        except RunSkippedError as error:
            return f"{error.task_name} skipped: {error.reason}"
        except RunCancelledError:
            return "cancelled"

    async def check() -> None:
        one = asyncio.create_task(answer())
        await asyncio.sleep(1)
        assert await answer() == second
        assert await one == first

    if serving:
        async with app.running():
            await check()
    else:
        await check()
    ends = sorted(run.finished_at.timestamp() for run in app.runs(outcome="succeeded") if run.finished_at)
    start = START.replace(year=2025).timestamp() + begin
    assert [round(end - start, 3) for end in ends] == finished_s


def test_run_now_runs_a_paused_task_and_moves_neither_its_grid_nor_its_loop_count() -> None:
    app = AioClock()
    app.task(trigger=Every(seconds=10, max_loop_count=2), name="work")(sleeping(0, "done"))
    with simulated(app) as sim:
        sim.advance(seconds=5)
        app.pause("work")
        assert sim.run(app.run_now("work")) == "done"
        app.resume("work")
        for _ in range(3):
            assert sim.run(app.run_now("work")) == "done"
        sim.advance(seconds=50)
        assert due([run for run in sim.runs("work") if run.kind == "schedule"]) == [10, 20]


def test_pausing_leaves_a_run_that_was_asked_for_in_the_queue() -> None:
    app = AioClock()
    app.task(trigger=Every(seconds=10, max_loop_count=1), name="work", overlap="queue")(sleeping(5, "done"))

    async def ask_and_pause() -> Any:
        asked = asyncio.create_task(app.run_now("work"))
        await asyncio.sleep(1)
        app.pause("work")
        return await asked

    with simulated(app) as sim:
        sim.advance(seconds=11)
        assert sim.run(ask_and_pause()) == "done"


@pytest.mark.virtual_time
@pytest.mark.parametrize("serving", [True, False])
async def test_cancelling_who_waits_for_a_run_cancels_the_run(serving: bool) -> None:
    app, order = AioClock(), []

    @app.task(trigger=Every(hours=1), name="work")
    async def work() -> None:
        try:
            await asyncio.sleep(10)
        finally:
            await asyncio.sleep(1)
            order.append("cleaned up")

    async def check() -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(app.run_now("work"), 3)
        order.append("told")

    if serving:
        async with app.running():
            await check()
    else:
        await check()
    assert order == ["cleaned up", "told"]
    assert [(run.kind, run.outcome) for run in app.runs()] == [("manual", "cancelled")]


@pytest.mark.virtual_time
@pytest.mark.parametrize("serving", [True, False])
async def test_cancelling_who_waits_in_the_queue_takes_the_run_out_of_it(serving: bool) -> None:
    app, ran = AioClock(), []

    @app.task(trigger=Every(hours=1), name="work", overlap="queue")
    async def work() -> None:
        ran.append(1)
        await asyncio.sleep(10)

    async def check() -> None:
        going = asyncio.create_task(app.run_now("work"))
        await asyncio.sleep(1)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(app.run_now("work"), 3)
        await going
        await asyncio.sleep(20)

    if serving:
        async with app.running():
            await check()
    else:
        await check()
    assert ran == [1]
    assert sorted((str(run.outcome), run.reason) for run in app.runs()) == [
        ("skipped", "withdrawn"),
        ("succeeded", None),
    ]


@pytest.mark.virtual_time
async def test_a_task_that_runs_itself_now_is_skipped_and_one_that_runs_another_gets_its_result() -> None:
    app, got = AioClock(), []
    app.task(trigger=Every(hours=1), name="other")(sleeping(1, "other's"))

    @app.task(trigger=Once(), name="work")
    async def work() -> None:
        with pytest.raises(RunSkippedError):
            await app.run_now("work")
        got.append(await app.run_now("other"))
        await app.stop()

    await app.serve()
    assert got == ["other's"]
    assert app.runs("work")[0].outcome == "succeeded"


@pytest.mark.virtual_time
async def test_a_run_that_is_asked_for_while_runs_finish_is_refused_but_one_that_shuts_down_is_not() -> None:
    app, answers = AioClock(), []
    app.task(trigger=Every(hours=1), name="other", overlap="queue")(sleeping(1, "done"))
    app.task(trigger=Once(), name="going")(sleeping(10))

    @app.task(trigger=OnShutDown(), name="down")
    async def down() -> None:
        answers.append(await app.run_now("other"))

    async with app.running():
        await asyncio.sleep(1)
        stopping = asyncio.create_task(app.stop())
        await asyncio.sleep(1)
        with pytest.raises(RunSkippedError, match="stopping") as refused:
            await app.run_now("other")
        assert refused.value.reason == "stopping"
        await stopping
    assert answers == ["done"]
    assert await app.run_now("other") == "done"


@pytest.mark.virtual_time
async def test_what_waits_in_the_queue_when_the_app_stops_is_told_that_it_was_skipped() -> None:
    app = AioClock()
    app.task(trigger=Every(hours=1), name="work", overlap="queue")(sleeping(10, "done"))
    async with app.running():
        going = asyncio.create_task(app.run_now("work"))
        await asyncio.sleep(1)
        waiting = asyncio.create_task(app.run_now("work"))
        await asyncio.sleep(1)
    assert await going == "done"
    with pytest.raises(RunSkippedError, match="stopping"):
        await waiting


# Cancelling


def test_cancelling_tells_how_many_runs_and_the_schedule_goes_on() -> None:
    app = AioClock()
    app.task(trigger=Every(seconds=10), name="work", overlap="allow")(sleeping(25))
    with simulated(app) as sim:
        assert app.cancel("work") == 0
        sim.advance(seconds=34)
        assert app.cancel("work") == 3
        sim.advance(seconds=2)
        assert due(sim.runs("work"), "cancelled") == [10, 20, 30]
        assert app.cancel("work") == 0
        sim.advance(seconds=30)
        assert due(sim.runs("work"), "succeeded") == [40]


def test_cancelling_a_run_lets_the_next_in_the_queue_start() -> None:
    app = AioClock()
    app.task(trigger=Every(seconds=1, max_loop_count=3), name="work", overlap="queue")(sleeping(10))
    with simulated(app) as sim:
        sim.advance(seconds=5)
        assert app.cancel("work") == 1
        sim.advance(seconds=25)
        assert due(sim.runs("work"), "cancelled") == [1]
        assert [(offset(run.scheduled_at), offset(run.started_at)) for run in sim.runs("work")[1:]] == [(2, 5), (3, 15)]


def test_cancelling_between_two_attempts_ends_the_run() -> None:
    app, tries = AioClock(), []

    @app.task(trigger=Every(hours=1), name="work", retry=Retry(attempts=5, delay=60, jitter=0))
    async def work() -> None:
        tries.append(1)
        raise OSError

    with simulated(app) as sim:
        sim.advance(hours=1, seconds=30)
        assert app.cancel("work") == 1
        sim.advance(minutes=30)
        assert [(run.outcome, run.attempt) for run in sim.runs("work")] == [("cancelled", 1)]
    assert tries == [1]


def test_a_cancelled_forever_task_starts_again_after_a_pause() -> None:
    app = AioClock()
    app.task(trigger=Forever(), name="work")(sleeping(10))
    with simulated(app) as sim:
        sim.advance(seconds=5)
        assert app.cancel("work") == 1
        sim.advance(seconds=10.2)
        assert due(sim.runs("work")) == [0, pytest.approx(5.1)]


@pytest.mark.virtual_time
async def test_a_run_that_somebody_waits_for_and_another_cancels_is_an_error_for_the_first() -> None:
    app = AioClock()
    app.task(trigger=Every(hours=1), name="work")(sleeping(10))
    asked = asyncio.create_task(app.run_now("work"))
    await asyncio.sleep(1)
    assert app.cancel("work") == 1
    with pytest.raises(RunCancelledError, match="run of 'work' was cancelled"):
        await asked
    assert app.runs("work")[0].outcome == "cancelled"


def test_a_task_may_cancel_itself() -> None:
    app, order = AioClock(), []

    @app.task(trigger=Every(seconds=10), name="work")
    async def work() -> None:
        order.append(app.cancel("work"))
        await asyncio.sleep(0)
        order.append("still here")

    with simulated(app) as sim:
        sim.advance(seconds=20)
        assert due(sim.runs("work"), "cancelled") == [10, 20]
    assert order == [1, 1]


@pytest.mark.virtual_time
async def test_a_task_that_replaces_itself_by_a_run_of_its_own_is_cancelled_and_nothing_is_left() -> None:
    app, before = AioClock(), asyncio.all_tasks()

    @app.task(trigger=Every(seconds=10, max_loop_count=1), name="work", overlap="cancel")
    async def work() -> None:
        await app.run_now("work")

    await app.serve()
    assert sorted((run.kind, str(run.outcome)) for run in app.runs()) == [
        ("manual", "skipped"),
        ("schedule", "cancelled"),
    ]
    await asyncio.sleep(0)
    assert asyncio.all_tasks() == before


@pytest.mark.virtual_time
async def test_runs_that_are_asked_for_at_one_instant_have_keys_of_their_own() -> None:
    app = AioClock()
    app.task(trigger=Every(hours=1), name="work", overlap="allow")(sleeping(1))
    await asyncio.gather(*(app.run_now("work") for _ in range(50)))
    assert len({run.key for run in app.runs("work")}) == 50
    assert {run.lateness_s for run in app.runs("work")} == {0}
