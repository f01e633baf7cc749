"""Tasks that are declared while their app is being served, and signals while it is not served yet."""

import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from aioclock import AioClock, Every, OnShutDown, OnStartUp
from aioclock.exceptions import ServingError
from aioclock.testing import simulate

pytestmark = pytest.mark.filterwarnings("ignore:On(StartUp|ShutDown) is deprecated:DeprecationWarning")


def test_a_shut_down_task_that_joins_late_runs_at_the_end() -> None:
    app, ran = AioClock(), []
    app.task(trigger=Every(hours=1))(lambda: None)
    with simulate(app):
        app.task(trigger=OnShutDown(), name="late")(lambda: ran.append("late"))
        assert ran == []
    assert ran == ["late"]


def test_a_start_up_task_that_joins_after_the_start_up_is_refused_by_name() -> None:
    app = AioClock()
    app.task(trigger=Every(hours=1))(lambda: None)
    with simulate(app), pytest.raises(ServingError, match="'late' comes too late"):
        app.task(trigger=OnStartUp(), name="late")(lambda: None)
    assert "late" not in [task.key for task in app._get_tasks(exclude_type=())]


def test_a_lifespan_may_declare_tasks() -> None:
    ran = []

    @asynccontextmanager
    async def lifespan(app: AioClock) -> AsyncIterator[None]:
        app.task(trigger=OnStartUp(), name="first")(lambda: ran.append("first"))
        app.task(trigger=Every(hours=1), name="then")(lambda: ran.append("then"))
        yield

    with simulate(AioClock(lifespan=lifespan)) as sim:
        sim.advance(hours=2)
    assert ran == ["first", "then", "then"]


STUCK_AT_THE_START = """
import asyncio
from contextlib import asynccontextmanager
from aioclock import AioClock

@asynccontextmanager
async def lifespan(app):
    print("entering", flush=True)
    try:
        await asyncio.Event().wait()
    finally:
        print("given up", flush=True)
    yield

asyncio.run(AioClock(lifespan=lifespan).serve())
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGTERM that a process could handle")
def test_a_second_sigterm_gives_up_a_lifespan_that_never_finishes_entering() -> None:
    # A real process: what is tested is what SIGTERM does to one.
    with subprocess.Popen([sys.executable, "-c", STUCK_AT_THE_START], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "entering\n"
        os.kill(process.pid, signal.SIGTERM)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(timeout=0.3)  # the first one lets it finish
        os.kill(process.pid, signal.SIGTERM)
        assert process.communicate(timeout=10)[0] == "given up\n"
