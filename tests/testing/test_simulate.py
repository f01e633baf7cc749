"""`simulate`: moving the time and looking at what ran."""

import asyncio
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest

from aioclock import AioClock, At, Cron, Every
from aioclock.runs import Outcome
from aioclock.testing import VirtualTimeError, _loop, simulate

START = "2026-01-01T00:00:00+00:00"
MIDNIGHT = datetime(2026, 1, 1, tzinfo=UTC)


async def noop() -> None: ...


@pytest.fixture
def app() -> AioClock:
    app = AioClock()

    @app.task(trigger=Every(minutes=10), name="poll")
    async def poll_source() -> None: ...

    @app.task(trigger=Cron(cron="0 * * * *", tz="UTC"))
    async def report() -> None: ...

    return app


def test_advance_runs_what_is_due_up_to_its_end_included(app: AioClock) -> None:
    with simulate(app, start=START) as sim:
        sim.advance(minutes=59, seconds=59)
        assert len(sim.runs("poll")) == 5
        sim.advance(timedelta(seconds=1))
        assert len(sim.runs("poll")) == 6
        assert len(sim.runs("report")) == 1
        assert sim.now == MIDNIGHT + timedelta(hours=1)


def test_many_small_steps_equal_one_big_step(app: AioClock) -> None:
    app.task(trigger=Every(seconds=0.7), name="often")(noop)
    with simulate(app, start=START) as sim:
        for _ in range(3600):
            sim.advance(seconds=0.1)
        assert sim.now == MIDNIGHT + timedelta(minutes=6)
        small = sim.runs()
    with simulate(app, start=START) as sim:
        sim.advance(minutes=6)
        assert sim.runs() == small


@pytest.mark.parametrize("seconds", [0.1, 0.3, 0.7, 1 / 3])
def test_fractions_of_a_second_neither_drift_nor_lose_a_tick(seconds: float) -> None:
    app = AioClock()

    @app.task(trigger=Every(seconds=seconds))
    async def tick() -> None: ...

    with simulate(app, start=START) as sim:
        for number in range(1, 50):
            sim.run_until(MIDNIGHT + timedelta(seconds=number * seconds + 1e-6))
            assert len(sim.runs(tick)) == number


def test_run_until_stops_at_the_moment(app: AioClock) -> None:
    with simulate(app, start=START) as sim:
        sim.run_until(datetime.fromisoformat("2026-01-01T02:30:00+01:00"))
        assert sim.now == MIDNIGHT + timedelta(hours=1, minutes=30)
        sim.run_until("2026-01-01T02:00:00Z")
        assert len(sim.runs("report")) == 2


def test_a_cron_task_follows_the_clock_change() -> None:
    app = AioClock()

    @app.task(trigger=Cron(cron="30 2 * * *", tz="Europe/Berlin"))
    async def report() -> None: ...

    with simulate(app, start="2026-03-27T22:00:00+01:00") as sim:
        sim.advance(days=3)
        assert [run.scheduled_at.isoformat() for run in sim.runs(report)] == [
            "2026-03-28T01:30:00+00:00",
            "2026-03-29T01:00:00+00:00",  # 02:30 does not exist: 03:00, right after the gap
            "2026-03-30T00:30:00+00:00",
        ]
        assert all(run.lateness_s == 0 for run in sim.runs())


def test_a_fortnight_by_the_minute_is_complete() -> None:
    app = AioClock()

    @app.task(trigger=Cron(cron="* * * * *", tz="Europe/Berlin"))
    async def tick() -> None: ...

    with simulate(app, start="2026-02-01T00:00:00+01:00") as sim:
        sim.advance(days=14)
        times = [run.scheduled_at for run in sim.runs(tick)]
    assert len(times) == 14 * 24 * 60
    assert {later - earlier for earlier, later in pairwise(times)} == {timedelta(minutes=1)}


def test_every_tick_is_on_time() -> None:
    app = AioClock()

    @app.task(trigger=At(hour=12, tz="UTC"))
    async def noon() -> None: ...

    with simulate(app, start=START) as sim:
        sim.advance(days=60)
        runs = sim.runs(noon)
    assert len(runs) == 60
    assert all(run.started_at == run.scheduled_at for run in runs)


def test_two_simulations_of_one_app_are_equal(app: AioClock) -> None:
    @app.task(trigger=Every(seconds=7), timeout=3)
    async def slow() -> None:
        await asyncio.sleep(5 if current_second() % 2 else 1)

    def current_second() -> int:
        return int(asyncio.get_running_loop().time())

    def record() -> list[tuple[Any, ...]]:
        with simulate(app, start=START) as sim:
            sim.advance(hours=1)
        return [(run.key, run.outcome, run.started_at, run.finished_at) for run in sim.runs()]

    assert record() == record()


def test_runs_are_sorted_by_tick_even_if_later_ones_end_first() -> None:
    app = AioClock()

    @app.task(trigger=Every(seconds=10))
    async def slow() -> None:
        await asyncio.sleep(15)

    with simulate(app, start=START) as sim:
        sim.advance(seconds=30)
        assert [run.outcome for run in sim.runs()] == [Outcome.SUCCEEDED, Outcome.SKIPPED]


# Coroutines


def test_run_returns_the_result_and_takes_virtual_time(app: AioClock) -> None:
    async def wait() -> str:
        await asyncio.sleep(1800)
        return "waited"

    with simulate(app, start=START) as sim:
        assert sim.run(wait()) == "waited"
        assert sim.now == MIDNIGHT + timedelta(minutes=30)
        assert len(sim.runs("poll")) == 3


def test_run_raises_what_the_coroutine_raises(app: AioClock) -> None:
    async def fail() -> None:
        await asyncio.sleep(1)
        raise LookupError("no such thing")

    with simulate(app, start=START) as sim:
        with pytest.raises(LookupError, match="no such thing"):
            sim.run(fail())
        sim.advance(minutes=10)
        assert len(sim.runs("poll")) == 1


def test_run_refuses_what_is_no_coroutine(app: AioClock) -> None:
    async def work() -> None: ...

    with simulate(app, start=START) as sim, pytest.raises(TypeError, match="what calling an async function gives"):
        sim.run(work)  # type: ignore[arg-type]


def test_run_of_what_can_not_finish_is_an_error() -> None:
    cancelled = False

    async def wait() -> None:
        nonlocal cancelled
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled = True
            raise

    with simulate(AioClock(), start=START) as sim:
        with pytest.raises(VirtualTimeError, match="nothing can happen"):
            sim.run(wait())
        assert cancelled


def test_run_beside_an_endless_schedule_gives_up_in_the_end(app: AioClock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_loop, "MAX_JUMPS", 100)
    with simulate(app, start=START) as sim, pytest.raises(VirtualTimeError, match="still not finished after 100 jumps"):
        sim.run(asyncio.Event().wait())
