"""Embedding an app with `running()`, and `run()` as a whole program."""

import asyncio
import gc
import logging
import os
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from aioclock import AioClock, Every, Once, OnShutDown, OnStartUp
from aioclock.exceptions import DependencyError, ServingError, TaskDeclarationError
from aioclock.testing import simulate

pytestmark = pytest.mark.filterwarnings("ignore:On(StartUp|ShutDown):DeprecationWarning")

virtual = pytest.mark.virtual_time


def noting_lifespan(order: list[str]) -> Callable[[AioClock], Any]:
    @asynccontextmanager
    async def lifespan(app: AioClock) -> AsyncIterator[None]:
        order.append("in")
        yield
        order.append("out")

    return lifespan


def broken_lifespan(*, at: str, after_s: float = 1) -> Callable[[AioClock], Any]:
    @asynccontextmanager
    async def lifespan(app: AioClock) -> AsyncIterator[None]:
        await asyncio.sleep(after_s)
        if at == "begin":
            raise OSError("no database")
        yield
        if at == "end":
            raise OSError("no goodbye")

    return lifespan


def app_with_work(**settings: Any) -> AioClock:
    app = AioClock(**settings)

    @app.task(trigger=Every(seconds=10), name="work")
    async def work() -> str:
        await asyncio.sleep(3)
        return "done"

    return app


# The block


@virtual
async def test_the_block_begins_after_start_up_and_ends_in_order_while_runs_may_finish() -> None:
    order: list[str] = []
    app = app_with_work(lifespan=noting_lifespan(order))

    @app.task(trigger=OnStartUp(), name="up")
    async def up() -> None:
        await asyncio.sleep(5)
        order.append("up")

    app.task(trigger=OnShutDown(), name="down")(lambda: order.append("down"))
    async with app.running() as handle:
        assert handle.app is app
        assert handle.serving
        assert order == ["in", "up"]
        await asyncio.sleep(11)
    assert order == ["in", "up", "down", "out"]
    assert not handle.serving
    assert [run.outcome for run in app.runs("work")] == ["succeeded"]


@virtual
async def test_the_schedules_have_begun_when_the_block_begins() -> None:
    app = app_with_work()
    async with app.running():
        assert await app.next_tick(app.tasks["work"]) is not None


@virtual
async def test_it_stays_open_without_tasks_and_when_all_is_over() -> None:
    async with AioClock().running() as handle:
        await asyncio.sleep(3600)
        assert handle.serving
    app = AioClock()
    app.task(trigger=Once())(asyncio.Event().set)
    async with app.running() as handle:
        await asyncio.sleep(3600)
        assert handle.serving


@virtual
async def test_an_app_can_run_in_one_block_after_another_and_be_served_after_that() -> None:
    app = AioClock()
    app.task(trigger=Once(), name="work")(asyncio.Event().set)
    for _ in range(3):
        async with app.running():
            await asyncio.sleep(1)
    await app.serve()
    assert len(app.runs("work")) == 4


@virtual
async def test_it_leaves_no_asyncio_task_behind() -> None:
    before = asyncio.all_tasks()
    async with app_with_work().running():
        await asyncio.sleep(25)
    await asyncio.sleep(0)
    assert asyncio.all_tasks() == before


# Errors


@virtual
async def test_an_error_at_the_beginning_of_the_lifespan_comes_out_where_the_block_would_begin() -> None:
    app = app_with_work(lifespan=broken_lifespan(at="begin"))
    with pytest.raises(OSError, match="no database"):
        async with app.running():
            pytest.fail("the block began")
    app._lifespan = None
    async with app.running():
        assert await app.run_now("work") == "done"


@virtual
async def test_an_app_that_can_not_be_served_is_refused_where_the_block_would_begin() -> None:
    app = AioClock()

    @app.task(trigger=Once())
    async def work(unknown: int) -> None: ...

    with pytest.raises(DependencyError, match="unknown"):
        async with app.running():
            pytest.fail("the block began")


@virtual
async def test_an_error_at_the_end_of_the_lifespan_comes_out_at_the_end_of_the_block() -> None:
    app, reached = app_with_work(lifespan=broken_lifespan(at="end")), []
    with pytest.raises(OSError, match="no goodbye"):
        async with app.running():
            reached.append(1)
    assert reached == [1]


@virtual
async def test_an_error_in_the_block_stops_the_app_in_order_and_comes_out() -> None:
    order: list[str] = []
    app = app_with_work(lifespan=noting_lifespan(order))
    app.task(trigger=OnShutDown(), name="down")(lambda: order.append("down"))

    async def block() -> None:
        async with app.running():
            await asyncio.sleep(11)
            raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        await block()
    assert order == ["in", "down", "out"]
    assert [run.outcome for run in app.runs("work")] == ["succeeded"]


@virtual
async def test_of_two_errors_that_of_the_block_comes_out_and_the_other_is_logged_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    app = app_with_work(lifespan=broken_lifespan(at="end"))
    with pytest.raises(KeyError, match="mine"):
        async with app.running():
            raise KeyError("mine")
    gc.collect()
    await asyncio.sleep(0)
    told = [record.getMessage() for record in caplog.records if "no goodbye" in record.getMessage()]
    assert len(told) == 1
    assert not [record for record in caplog.records if record.name == "asyncio"]


@virtual
async def test_an_error_that_ends_the_serving_meanwhile_ends_the_block_and_comes_out_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    app, reached = app_with_work(), []

    def broken(*args: Any) -> None:
        raise ZeroDivisionError("the engine broke")

    async def block() -> None:
        async with app.running():
            monkeypatch.setattr(type(app._roster.runner), "tick", broken)
            try:
                await asyncio.sleep(500)
            finally:
                reached.append(asyncio.get_running_loop().time())

    with pytest.raises(ZeroDivisionError, match="the engine broke"):
        await asyncio.wait_for(block(), 1000)
    assert reached == [10]
    assert asyncio.current_task().cancelling() == 0  # type: ignore[union-attr]


@virtual
async def test_a_cancelled_block_cancels_the_runs_too_shuts_down_in_order_and_stays_cancelled() -> None:
    order: list[str] = []
    app = app_with_work(lifespan=noting_lifespan(order))

    async def main() -> None:
        async with app.running():
            await asyncio.sleep(11)
            order.append("going")
            await asyncio.sleep(1000)

    task = asyncio.create_task(main())
    await asyncio.sleep(12)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert order == ["in", "going", "out"]
    assert [run.outcome for run in app.runs("work")] == ["cancelled"]


@virtual
async def test_cancelled_before_the_block_begins_it_shuts_down_too_and_the_app_is_free_again() -> None:
    order: list[str] = []
    app = app_with_work(lifespan=noting_lifespan(order))

    @app.task(trigger=OnStartUp(), name="up")
    async def up() -> None:
        await asyncio.sleep(5)

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(2), app.running():
            pytest.fail("the block began")
    assert order == ["in", "out"]
    async with app.running():
        pass


@virtual
async def test_a_time_limit_around_the_block_is_a_time_limit() -> None:
    app = app_with_work()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(20), app.running():
            await asyncio.sleep(1000)
    assert not app._roster.serving


@virtual
@pytest.mark.parametrize("nested", [True, False])
async def test_a_second_block_is_refused_and_the_first_goes_on_undisturbed(nested: bool) -> None:
    app = app_with_work()

    async def second() -> None:
        with pytest.raises(ServingError, match="already"):
            async with app.running():
                pytest.fail("a second serving began")

    async with app.running() as handle:
        await (second() if nested else asyncio.create_task(second()))
        await asyncio.sleep(25)
        assert handle.serving
    assert [run.outcome for run in app.runs("work")] == ["succeeded", "succeeded"]


@virtual
async def test_of_two_blocks_that_begin_at_once_one_is_refused() -> None:
    app, begun = app_with_work(), []

    async def block() -> None:
        async with app.running():
            begun.append(1)
            await asyncio.sleep(15)

    results = await asyncio.gather(block(), block(), return_exceptions=True)
    assert begun == [1]
    assert sorted(type(result).__name__ for result in results) == ["NoneType", "ServingError"]
    assert [run.outcome for run in app.runs("work")] == ["succeeded"]


@virtual
async def test_blocks_of_different_apps_nest() -> None:
    one, two = app_with_work(), app_with_work()
    async with one.running(), two.running():
        await asyncio.sleep(15)
    assert [len(app.runs("work")) for app in (one, two)] == [1, 1]


# The handle


@virtual
async def test_the_handle_stops_now_and_the_block_goes_on() -> None:
    app = app_with_work()
    async with app.running() as handle:
        await asyncio.sleep(11)
        await handle.stop()
        assert not handle.serving
        assert [run.outcome for run in app.runs("work")] == ["succeeded"]
        await handle.stop()
        await asyncio.sleep(100)
    assert len(app.runs("work")) == 1


@virtual
async def test_the_handle_stops_within_a_time_limit() -> None:
    app = app_with_work()
    async with app.running() as handle:
        await asyncio.sleep(11)
        await handle.stop(timeout=0)
    assert [run.outcome for run in app.runs("work")] == ["cancelled"]


@virtual
async def test_the_handle_refuses_a_bad_time_limit_and_goes_on() -> None:
    async with app_with_work().running() as handle:
        with pytest.raises(TaskDeclarationError):
            await handle.stop(timeout=-1)
        assert handle.serving


@virtual
async def test_the_handle_waits_for_the_end_however_it_comes() -> None:
    app = app_with_work()
    async with app.running() as handle:
        waiting = asyncio.create_task(handle.wait())
        await asyncio.sleep(5)
        assert not waiting.done()
        await app.stop()
        await waiting
        assert not handle.serving
    await handle.wait()


@virtual
async def test_cancelling_who_waits_for_the_end_ends_nothing() -> None:
    async with app_with_work().running() as handle:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(handle.wait(), 5)
        assert handle.serving


@virtual
async def test_a_task_stops_its_app_by_the_handle_without_waiting_for_itself() -> None:
    app, order = AioClock(), []

    @app.task(trigger=Every(seconds=1), name="work")
    async def work() -> None:
        await handle.stop()
        order.append("finished")

    async with app.running() as handle:
        await asyncio.sleep(60)
    assert order == ["finished"]
    assert [run.outcome for run in app.runs("work")] == ["succeeded"]


@virtual
async def test_a_block_that_ends_after_the_app_was_served_by_somebody_else_leaves_that_alone() -> None:
    app = app_with_work()
    async with app.running() as handle:
        await handle.stop()
        other = asyncio.create_task(app.serve())
        await asyncio.sleep(1)
    await asyncio.sleep(15)
    assert not other.done()
    await app.stop()
    await other


# Within others


async def test_an_app_runs_within_the_lifespan_of_a_web_app() -> None:
    # Real time, for a sync route runs in a thread; all waits are for answers.
    order: list[str] = []
    clock = AioClock(lifespan=noting_lifespan(order))

    @clock.task(trigger=Every(hours=1), name="report")
    async def report() -> str:
        return "written"

    @asynccontextmanager
    async def lifespan(web: FastAPI) -> AsyncIterator[None]:
        async with clock.running():
            yield

    web = FastAPI(lifespan=lifespan)

    @web.post("/report")
    async def make_report() -> str:
        return str(await clock.run_now("report"))

    @web.post("/pause")
    def pause_report() -> bool:
        clock.pause("report")
        return True

    transport = httpx.ASGITransport(app=web)
    async with (
        web.router.lifespan_context(web),  # httpx leaves the lifespan to whoever serves
        httpx.AsyncClient(transport=transport, base_url="http://test") as client,
    ):
        assert (await client.post("/report")).json() == "written"
        assert (await client.post("/pause")).json() is True
        assert order == ["in"]
    assert order == ["in", "out"]
    assert [run.kind for run in clock.runs("report")] == ["manual"]


@virtual
async def test_an_app_that_can_not_start_keeps_its_web_app_from_starting() -> None:
    clock = AioClock(lifespan=broken_lifespan(at="begin"))

    @asynccontextmanager
    async def lifespan(web: FastAPI) -> AsyncIterator[None]:
        async with clock.running():
            yield

    web = FastAPI(lifespan=lifespan)
    with pytest.raises(OSError, match="no database"):
        async with web.router.lifespan_context(web):
            pytest.fail("the web app started")


# run(), which has a process to itself: signals belong to a process, and what it says at its end is part of the promise

PROGRAM = """
import asyncio, os, sys, time
from contextlib import asynccontextmanager
from aioclock import AioClock, Every, Once

def say(word):
    os.write(1, f"{word}\\n".encode())

@asynccontextmanager
async def lifespan(app):
    say("in")
    yield
    await asyncio.sleep(0.01)
    say("out")

app = AioClock(lifespan=lifespan)

def work(seconds):
    @app.task(trigger=Once())
    async def work():
        try:
            say("running")
            await asyncio.sleep(seconds)
            say("finished")
        except asyncio.CancelledError:
            say("cancelled")
            raise

"""

Start = Callable[[str], "subprocess.Popen[str]"]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    processes = []

    def started(body: str) -> "subprocess.Popen[str]":
        script = tmp_path / "program.py"
        script.write_text(PROGRAM + body)
        process = subprocess.Popen(
            [sys.executable, "-W", "error", str(script)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": ":".join(filter(None, sys.path))},
        )
        processes.append(process)
        return process

    yield started
    for process in processes:
        process.kill()
        process.communicate()


def test_run_returns_when_all_is_done(start: Start) -> None:
    program = start("work(0.05); app.run(); say('after')")
    out, err = program.communicate(timeout=20)
    assert (out.split(), err, program.returncode) == (["in", "running", "finished", "out", "after"], "", 0)


def test_run_can_be_called_again_in_one_process(start: Start) -> None:
    program = start("work(0); app.run(); app.run(); say('after')")
    out, err = program.communicate(timeout=20)
    assert (out.split(), err) == (["in", "running", "finished", "out"] * 2 + ["after"], "")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")
@pytest.mark.parametrize(("number", "end"), [(signal.SIGTERM, "finished"), (signal.SIGINT, "cancelled")])
def test_run_returns_after_a_signal_without_a_traceback_and_the_lifespan_ends(
    start: Start, number: signal.Signals, end: str
) -> None:
    seconds = 0.3 if end == "finished" else 60
    program = start(
        f"work({seconds}); app.task(trigger=Every(hours=1))(lambda: None); app.run(); say('after'); sys.exit(7)"
    )
    assert program.stdout is not None
    while program.stdout.readline().strip() != "running":
        assert program.poll() is None
    program.send_signal(number)
    begin = time.monotonic()
    out, err = program.communicate(timeout=20)
    assert (out.split(), program.returncode) == ([end, "out", "after"], 7)
    assert "Traceback" not in err
    assert "Error" not in err
    assert time.monotonic() - begin < 10


@pytest.mark.parametrize("error", ["OSError('in the lifespan')", "SystemExit(3)"])
def test_what_the_lifespan_raises_comes_out_of_run(start: Start, error: str) -> None:
    program = start(
        "@asynccontextmanager\n"
        "async def broken(app):\n"
        f"    raise {error}\n"
        "    yield\n"
        "app = AioClock(lifespan=broken); work(0)\n"
        "try:\n"
        "    app.run()\n"
        "except (OSError, SystemExit) as error: say(type(error).__name__)"
    )
    out, _ = program.communicate(timeout=20)
    assert out.split() == [error.partition("(")[0]]


async def test_run_within_a_running_loop_says_what_to_do_and_leaves_nothing_unawaited() -> None:
    app = app_with_work()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with pytest.raises(ServingError, match=r"await app\.serve\(\)"):
            app.run()
    assert caught == []
    assert not app._requests


def test_run_of_an_app_that_is_served_elsewhere_is_refused() -> None:
    app = app_with_work()
    with simulate(app) as sim:
        with pytest.raises(ServingError, match="already"):
            app.run()
        sim.advance(seconds=15)
        assert len(sim.runs("work")) == 1


def test_the_error_of_run_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    app = app_with_work(lifespan=broken_lifespan(at="begin", after_s=0))
    with caplog.at_level(logging.ERROR), pytest.raises(OSError, match="no database"):
        app.run()
    assert len(caplog.records) == 1


def test_sigterm_ends_a_block_when_the_app_has_stopped() -> None:
    # A real process, for the signal.
    script = """
import asyncio, os, signal
from aioclock import AioClock, Once

app = AioClock()


@app.task(trigger=Once())
async def work() -> None:
    os.kill(os.getpid(), signal.SIGTERM)
    await asyncio.sleep(0.2)
    print("the run has finished", flush=True)


async def main() -> None:
    async with app.running():
        try:
            await asyncio.sleep(1000)
        finally:
            print("the block ends", flush=True)
    print("the program goes on", asyncio.current_task().cancelling(), flush=True)


asyncio.run(main())
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=30, check=False)
    assert (done.stdout.splitlines(), done.returncode) == (
        ["the run has finished", "the block ends", "the program goes on 0"],
        0,
    ), done.stderr


def test_an_app_whose_serving_ended_before_it_began_runs_no_block() -> None:
    app = AioClock()

    @asynccontextmanager
    async def lifespan(app: AioClock) -> AsyncIterator[None]:
        await app.stop()
        yield

    app._lifespan = lifespan

    async def main() -> None:
        async with app.running():
            raise AssertionError("it never began")

    with pytest.raises(ServingError, match="stopped before it began"):
        asyncio.run(main())
