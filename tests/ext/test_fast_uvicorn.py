"""The routes and the shut-down under a real uvicorn process.

This needs a server and the real clock: who handles SIGTERM, in which order lifespans end and what is still printed
before the process is gone are decided between uvicorn, the event loop and the operating system, which no test client
and no virtual time imitates.
"""

import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic

import httpx
import pytest

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGTERM to send")

APP = """
import asyncio
import sys
from contextlib import asynccontextmanager, suppress

from fastapi import FastAPI

from aioclock import AioClock, Every
from aioclock.ext.fast import make_fastapi_router

sys.stdout.reconfigure(line_buffering=True)


@asynccontextmanager
async def clock_lifespan(app):
    print("clock: hello")
    yield
    await asyncio.sleep(0.01)
    print("clock: goodbye")


clock = AioClock(lifespan=clock_lifespan)


@clock.task(trigger=Every(hours=1, first_run_strategy="immediate"))
async def never_done():
    try:
        await asyncio.sleep(3600)
    finally:
        print("run: ended")


@clock.task(trigger=Every(hours=1))
def add():
    return {"sum": 1 + 1}


@asynccontextmanager
async def lifespan(app):
    task = asyncio.create_task(clock.serve())
    yield
    END
    print("web: goodbye")


app = FastAPI(lifespan=lifespan)
app.include_router(make_fastapi_router(clock))
"""

CANCEL = "task.cancel()"
CANCEL_AND_WAIT = """task.cancel()
    with suppress(asyncio.CancelledError):
        await task"""
STOP = """await clock.stop(timeout=0.1)
    await task"""


@contextmanager
def uvicorn(directory: Path, *, end: str) -> Iterator[tuple["subprocess.Popen[str]", str]]:
    """Serve APP, whose lifespan ends by the lines *end*; yield the process and its URL."""
    (directory / "web.py").write_text(APP.replace("END", end), encoding="utf-8")
    command = [sys.executable, "-m", "uvicorn", "web:app", "--port", "0", "--no-access-log"]  # 0: any free port
    with subprocess.Popen(command, cwd=directory, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process, url_from_log(process)
        finally:
            process.kill()


def url_from_log(process: "subprocess.Popen[str]") -> str:
    assert process.stderr is not None
    log = ""
    for line in process.stderr:
        if found := re.search(r"running on (http://[\d.:]+)", line):
            return found[1]
        log += line
    raise AssertionError(f"uvicorn did not start:\n{log}")


def end_of(process: "subprocess.Popen[str]", signum: signal.Signals) -> tuple[list[str], str, float]:
    """Send *signum*; return the lines of stdout, the text of stderr and how many seconds the end took."""
    began = monotonic()
    process.send_signal(signum)
    out, log = process.communicate(timeout=20)
    return out.splitlines(), log, monotonic() - began


@pytest.mark.parametrize("end", [CANCEL_AND_WAIT, STOP], ids=["cancel", "stop"])
@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
def test_uvicorn_serves_the_routes_and_a_signal_ends_everything_in_order(
    signum: signal.Signals, end: str, tmp_path: Path
) -> None:
    with uvicorn(tmp_path, end=end) as (process, url):
        tasks = {task["task_name"]: task for task in httpx.get(f"{url}/tasks").json()}
        assert tasks["add"]["trigger"]["expected_trigger_time"] is not None
        assert httpx.post(f"{url}/task/{tasks['add']['id']}").json() == {"sum": 2}
        out, log, seconds = end_of(process, signum)
    assert out == ["clock: hello", "run: ended", "clock: goodbye", "web: goodbye"]
    assert "Traceback" not in log
    assert "Application shutdown complete" in log
    assert seconds < 5
    # Having shut down, uvicorn ends by the very signal that it got.
    assert process.returncode in (0, -signum)


def test_a_lifespan_that_only_cancels_ends_without_a_traceback(tmp_path: Path) -> None:
    with uvicorn(tmp_path, end=CANCEL) as (process, url):
        assert httpx.get(f"{url}/tasks").status_code == 200
        out, log, seconds = end_of(process, signal.SIGTERM)
    # uvicorn dies of its own SIGTERM right after its lifespan, but not before the clock is through.
    assert out == ["clock: hello", "web: goodbye", "run: ended", "clock: goodbye"]
    assert "Traceback" not in log
    assert seconds < 5
