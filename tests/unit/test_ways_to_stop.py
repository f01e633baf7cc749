"""Signals, lifespans and hooks at the edges of a serving."""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from aioclock import AioClock, Every, Once
from aioclock.exceptions import ServingError, TaskDeclarationError
from aioclock.runs import Run
from aioclock.testing import VirtualEventLoop, simulate

START = datetime(2026, 1, 1, tzinfo=UTC)

needs_sigterm = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGTERM to speak of")


async def endless() -> None:
    await asyncio.sleep(10**6)


async def sigterm() -> None:
    signal.raise_signal(signal.SIGTERM)


def lifespan_that(*, leaving: Callable[[], Any] = lambda: None, entering: Callable[[], Any] = lambda: None) -> Any:
    @asynccontextmanager
    async def lifespan(app: AioClock) -> AsyncIterator[None]:
        entering()
        yield
        leaving()

    return lifespan


def failing(error: Exception) -> Callable[[], Any]:
    def fail() -> None:
        raise error

    return fail


# Signals


@needs_sigterm
def test_sigterm_on_virtual_time_is_a_stop_if_the_app_is_told_to_handle_it() -> None:
    before = signal.getsignal(signal.SIGTERM)
    app = AioClock(handle_signals=True)

    @app.task(trigger=Once(), name="work")
    async def work() -> None:
        await asyncio.sleep(20)

    app.task(trigger=Every(seconds=5), name="every")(lambda: None)
    with simulate(app, start=START) as sim:
        sim.advance(seconds=12)
        sim.run(sigterm())
        sim.advance(seconds=60)
        assert [run.outcome for run in sim.runs("work")] == ["succeeded"]
        assert len(sim.runs("every")) == 2
        assert signal.getsignal(signal.SIGTERM) is before


@needs_sigterm
def test_a_second_sigterm_waits_for_no_run(caplog: pytest.LogCaptureFixture) -> None:
    app = AioClock(handle_signals=True)
    app.task(trigger=Once(), name="work")(endless)
    with simulate(app, start=START) as sim:
        sim.advance(seconds=1)
        sim.run(sigterm())
        sim.advance(seconds=1)
        assert sim.runs() == []
        sim.run(sigterm())
        sim.advance(seconds=0)
        assert [(run.outcome, run.finished_at) for run in sim.runs()] == [("cancelled", START + timedelta(seconds=2))]
    assert "asked to stop again" in caplog.text


@needs_sigterm
@pytest.mark.parametrize("handled", [False, None])
def test_an_app_on_virtual_time_leaves_signals_alone_unless_told_otherwise(handled: bool | None) -> None:
    before = signal.getsignal(signal.SIGTERM)
    with simulate(AioClock(handle_signals=handled), start=START):
        assert signal.getsignal(signal.SIGTERM) is before


async def test_signals_can_not_be_handled_outside_the_main_thread() -> None:
    def serve() -> None:
        asyncio.run(AioClock(handle_signals=True).serve())

    with pytest.raises(ServingError, match="handle_signals=True needs the main thread"):
        await asyncio.to_thread(serve)


# Lifespans


async def test_a_lifespan_that_gives_no_context_manager_is_refused_with_what_it_gave() -> None:
    with pytest.raises(TaskDeclarationError, match="must return a context manager, got 5; decorate it with"):
        await AioClock(lifespan=lambda app: 5).serve()  # type: ignore[arg-type,return-value]


async def test_a_timeout_error_of_a_lifespan_at_its_end_comes_out_of_serve() -> None:
    with pytest.raises(TimeoutError, match="of the database"):
        await AioClock(lifespan=lifespan_that(leaving=failing(TimeoutError("of the database")))).serve()


@pytest.mark.virtual_time
async def test_an_error_at_the_end_of_a_lifespan_comes_out_of_a_cancelled_serve() -> None:
    app = AioClock(lifespan=lifespan_that(leaving=failing(OSError("the end went wrong"))))
    app.task(trigger=Once())(endless)
    serving = asyncio.create_task(app.serve())
    await asyncio.sleep(1)
    serving.cancel()
    with pytest.raises(OSError, match="the end went wrong") as caught:
        await serving
    assert caught.value.__cause__ is None


@pytest.mark.virtual_time
async def test_an_app_can_be_served_again_after_its_lifespan_failed() -> None:
    app, ran = AioClock(lifespan=lifespan_that(entering=lambda: next(errors)())), []
    errors = iter([failing(OSError("not yet")), lambda: None])
    app.task(trigger=Once())(lambda: ran.append(1))
    with pytest.raises(OSError, match="not yet"):
        await app.serve()
    assert ran == []
    await app.serve()
    assert ran == [1]


# Stops


@pytest.mark.virtual_time
async def test_a_stop_without_patience_cancels_runs_at_once() -> None:
    app, loop = AioClock(), asyncio.get_running_loop()
    app.task(trigger=Once())(endless)
    serving = asyncio.create_task(app.serve())
    await asyncio.sleep(1)
    await app.stop(timeout=0)
    assert (serving.done(), loop.time()) == (True, 1)


@pytest.mark.virtual_time
async def test_a_stop_of_an_app_that_does_not_serve_does_nothing() -> None:
    await AioClock().stop()


def test_an_error_of_the_agenda_itself_ends_the_serving() -> None:
    def broken(run: Run) -> None:
        if run.outcome == "skipped":
            raise OSError("the observer failed")

    async def serve() -> None:
        app = AioClock()
        app._roster.runner.ledger.observers.append(broken)
        app.task(trigger=Every(seconds=5))(endless)
        await app.serve()

    with asyncio.Runner(loop_factory=VirtualEventLoop) as runner, pytest.raises(OSError, match="the observer failed"):
        runner.run(serve())
