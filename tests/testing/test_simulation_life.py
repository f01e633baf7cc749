"""`simulate` from entering to leaving: start-up, errors and shut-down."""

import asyncio
import gc
import logging
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager

import pytest

from aioclock import AioClock, Depends, Every, OnShutDown, OnStartUp
from aioclock.exceptions import DependencyError, ServingError
from aioclock.runs import Outcome
from aioclock.testing import Simulation, VirtualTimeError, simulate

START = "2026-01-01T00:00:00+00:00"


def ticking(**options: object) -> AioClock:
    app = AioClock(**options)  # type: ignore[arg-type]
    app.task(trigger=Every(minutes=1), name="tick")(noop)
    return app


async def noop() -> None: ...


@pytest.mark.filterwarnings("ignore:On.* is deprecated:DeprecationWarning")
def test_entering_starts_up_and_moves_no_time() -> None:
    steps: list[str] = []

    @asynccontextmanager
    async def lifespan(app: AioClock) -> AsyncIterator[None]:
        steps.append("in")
        yield
        steps.append("out")

    app = ticking(lifespan=lifespan)
    app.task(trigger=OnStartUp())(lambda: steps.append("start-up"))
    app.task(trigger=OnShutDown())(lambda: steps.append("shut-down"))
    with simulate(app, start=START) as sim:
        assert steps == ["in", "start-up"]
        assert sim.now.isoformat() == START
    assert steps == ["in", "start-up", "shut-down", "out"]


@pytest.mark.filterwarnings("ignore:On.* is deprecated:DeprecationWarning")
def test_a_start_up_that_takes_time_goes_on_when_time_does() -> None:
    app = ticking()

    @app.task(trigger=OnStartUp())
    async def warm_up() -> None:
        await asyncio.sleep(90)

    with simulate(app, start=START) as sim:
        sim.advance(seconds=89)
        assert sim.runs() == []
        sim.advance(minutes=2)
        assert [run.task_key for run in sim.runs()][1:] == ["tick"]


def test_runs_may_finish_after_the_block() -> None:
    app = AioClock(shutdown_timeout=30)

    @app.task(trigger=Every(seconds=10))
    async def slow() -> None:
        await asyncio.sleep(25)

    with simulate(app, start=START) as sim:
        sim.advance(seconds=10)
    assert [run.outcome for run in sim.runs()] == [Outcome.SUCCEEDED]
    assert (sim.now - sim.runs()[0].scheduled_at).total_seconds() == 25


def test_runs_that_take_too_long_are_cancelled_after_the_block() -> None:
    app = AioClock(shutdown_timeout=30)

    @app.task(trigger=Every(seconds=10))
    async def slow() -> None:
        await asyncio.sleep(3600)

    with simulate(app, start=START) as sim:
        sim.advance(seconds=10)
    assert [run.outcome for run in sim.runs()] == [Outcome.CANCELLED]


def test_an_app_that_serve_refuses_fails_on_entering() -> None:
    app = AioClock()

    @app.task(trigger=Every(seconds=1))
    async def impossible(argument: int) -> None: ...

    with pytest.raises(DependencyError), simulate(app, start=START):
        pytest.fail("the block must not be entered")
    assert app._roster.runner.ledger.observers == []


def breaking() -> AioClock:
    """Return an app that stops after 90 seconds with an error."""

    @asynccontextmanager
    async def lifespan(app: AioClock) -> AsyncIterator[None]:
        yield
        raise LookupError("the database is gone")

    app = ticking(lifespan=lifespan)
    app.task(trigger=Every(seconds=90), name="break")(app.stop)
    return app


@pytest.mark.parametrize(
    "move",
    [
        lambda sim: sim.advance(days=1),
        lambda sim: sim.run_until("2026-01-02T00:00:00Z"),
        lambda sim: sim.run(asyncio.sleep(86400)),
    ],
)
def test_an_error_of_serve_reaches_the_caller_at_once_and_once(move: Callable[[Simulation], None]) -> None:
    with simulate(breaking(), start=START) as sim:
        with pytest.raises(LookupError, match="the database is gone"):
            move(sim)
        assert sim.now.isoformat() == "2026-01-01T00:01:30+00:00"
        sim.advance(days=1)
    assert len(sim.runs("tick")) == 1


def test_an_error_of_serve_on_leaving_comes_out_of_the_block() -> None:
    with pytest.raises(LookupError, match="the database is gone"), simulate(breaking(), start=START):
        pass


def test_an_error_of_serve_ends_the_coroutine_beside_it() -> None:
    with simulate(breaking(), start=START) as sim, pytest.raises(LookupError, match="gone"):
        sim.run(asyncio.Event().wait())


def test_a_cancelled_serve_is_an_error() -> None:
    app = ticking()

    @app.task(trigger=Every(seconds=90))
    async def cancel() -> None:
        next(task for task in asyncio.all_tasks() if task.get_name() == "aioclock serve").cancel()

    with simulate(app, start=START) as sim, pytest.raises(ServingError, match="was cancelled"):
        sim.advance(days=1)


@pytest.mark.filterwarnings("ignore:On.* is deprecated:DeprecationWarning")
def test_an_error_in_the_block_shuts_down_and_is_not_masked() -> None:
    app = AioClock()
    steps: list[str] = []

    @app.task(trigger=OnShutDown())
    async def end() -> None:
        steps.append("end")

    with pytest.raises(ZeroDivisionError), simulate(app, start=START):
        raise ZeroDivisionError
    assert steps == ["end"]


def test_an_error_on_leaving_is_noted_on_the_error_of_the_block() -> None:
    with pytest.raises(ZeroDivisionError) as caught, simulate(breaking(), start=START):
        raise ZeroDivisionError
    assert "LookupError('the database is gone')" in caught.value.__notes__[0]


def test_a_shut_down_that_can_not_finish_is_an_error() -> None:
    @asynccontextmanager
    async def lifespan(app: AioClock) -> AsyncIterator[None]:
        await asyncio.Event().wait()
        yield

    with pytest.raises(VirtualTimeError), simulate(ticking(lifespan=lifespan), start=START):
        pass


def test_time_goes_on_after_the_last_tick() -> None:
    app = AioClock()
    app.task(trigger=Every(seconds=1, max_loop_count=2), name="twice")(noop)
    with simulate(app, start=START) as sim:
        sim.advance(days=1)
        assert len(sim.runs("twice")) == 2
        assert sim.now.isoformat() == "2026-01-02T00:00:00+00:00"


def test_an_app_can_stop_itself() -> None:
    app = ticking()
    with simulate(app, start=START) as sim:
        sim.run(app.stop())
        sim.advance(days=1)
        assert sim.runs() == []


def test_an_app_can_be_simulated_again_and_again() -> None:
    app = ticking()
    for _ in range(3):
        with simulate(app, start=START) as sim:
            sim.advance(minutes=2)
        assert len(sim.runs("tick")) == 2
    assert app._roster.runner.ledger.observers == []


def test_overridden_dependencies_hold() -> None:
    app = AioClock()
    seen: list[str] = []

    def source() -> str:
        return "real"

    @app.task(trigger=Every(seconds=1))
    async def work(origin: str = Depends(source)) -> None:
        seen.append(origin)

    with app.override_dependencies(source, lambda: "fake"), simulate(app, start=START) as sim:
        sim.advance(seconds=1)
    assert seen == ["fake"]


def test_left_over_tasks_and_generators_are_ended(caplog: pytest.LogCaptureFixture) -> None:
    ended: list[str] = []

    async def linger() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("task")

    async def numbers() -> AsyncIterator[int]:
        try:
            yield 1
        finally:
            ended.append("generator")

    kept: list[object] = []

    async def begin() -> None:
        kept.append(asyncio.create_task(linger()))
        generator = numbers()
        kept.append(generator)
        await anext(generator)
        await asyncio.sleep(1)

    with simulate(AioClock(), start=START) as sim:
        sim.run(begin())
    assert ended == ["task", "generator"]
    kept.clear()
    gc.collect()
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []


def test_signals_are_left_alone() -> None:
    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    with simulate(ticking(), start=START) as sim:
        sim.advance(minutes=1)
        assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == before


@pytest.fixture
def _resources() -> Iterator[None]:
    yield
    gc.collect()  # a loop that was left open would warn, and warnings are errors


@pytest.mark.usefixtures("_resources")
def test_nothing_is_left_open() -> None:
    simulate(ticking(), start=START)
    with simulate(ticking(), start=START) as sim:
        sim.advance(minutes=1)
    with pytest.raises(ZeroDivisionError), simulate(ticking(), start=START):
        raise ZeroDivisionError
