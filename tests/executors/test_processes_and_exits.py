"""What becomes of workers and their parents when either ends. Each test is a real script: its end is what matters."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from processes import PATIENCE_S, runs, wait_until

SCRIPT = """
import asyncio, os, signal, sys, time
from pathlib import Path
from aioclock.executors import ProcessPool

def work(seconds):
    Path("pid.new").write_text(str(os.getpid()))
    os.rename("pid.new", "pid")
    time.sleep(seconds)
    return "done"

def wait_for(name):
    give_up = time.monotonic() + 15
    while not Path(name).exists() and time.monotonic() < give_up:
        time.sleep(0.01)

pool = ProcessPool(1)

async def abandon():
    call = asyncio.ensure_future(pool.run(work, (60,), {}))
    while not Path("pid").exists():
        await asyncio.sleep(0.01)
    return call

if __name__ == "__main__":
    signal.signal(signal.SIGINT, lambda *_: print("told", flush=True))
    Path("guarded").touch()
"""
WORK = SCRIPT + "    print(asyncio.run(pool.run(work, (float(sys.argv[1]),), {})))\n"
ABANDON = SCRIPT + "    loop = asyncio.new_event_loop()\n    call = loop.run_until_complete(abandon())\n"
UNGUARDED = SCRIPT.partition("if __name__")[0] + "asyncio.run(pool.run(work, (0,), {}))\n"

Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    scripts: list[subprocess.Popen[str]] = []

    def start(code: str, *args: str) -> "subprocess.Popen[str]":
        (tmp_path / "script.py").write_text(code)
        command = [sys.executable, "script.py", *args]
        pipe = subprocess.PIPE
        scripts.append(
            subprocess.Popen(command, cwd=tmp_path, stdout=pipe, stderr=pipe, text=True, start_new_session=True)
        )
        return scripts[-1]

    yield start
    for script in scripts:
        with suppress(ProcessLookupError):
            script.kill()
        script.communicate()


def pid_in(folder: Path) -> int:
    wait_until((folder / "pid").exists)
    return int((folder / "pid").read_text())


def test_workers_end_when_their_parent_is_killed(start: Start, tmp_path: Path) -> None:
    script = start(WORK, "60")
    worker = pid_in(tmp_path)
    script.kill()
    wait_until(lambda: not runs(worker), seconds=3)


def test_a_hanging_worker_does_not_keep_its_parent_from_exiting(start: Start, tmp_path: Path) -> None:
    script = start(ABANDON)
    worker = pid_in(tmp_path)
    began = time.monotonic()
    errors = script.communicate(timeout=PATIENCE_S)[1]
    assert time.monotonic() - began < 5
    assert script.returncode == 0
    assert "Traceback" not in errors
    assert not runs(worker)


def test_ctrl_c_reaches_the_parent_only_and_an_idle_worker_ends_with_it(start: Start, tmp_path: Path) -> None:
    script = start(WORK.replace("time.sleep(seconds)", 'wait_for("enough")'), "0")
    worker = pid_in(tmp_path)
    os.killpg(script.pid, signal.SIGINT)
    os.kill(worker, signal.SIGINT)
    (tmp_path / "enough").touch()
    assert script.communicate(timeout=PATIENCE_S) == ("told\ndone\n", "")
    assert not runs(worker)


def test_ctrl_c_does_not_hit_a_worker_that_is_starting(start: Start, tmp_path: Path) -> None:
    script = start(WORK.replace("pool =", "if __name__ != '__main__': wait_for('hit')\npool ="), "0")
    deadline = time.monotonic() + PATIENCE_S
    while not (tmp_path / "pid").exists() and script.poll() is None and time.monotonic() < deadline:
        if (tmp_path / "guarded").exists():
            os.killpg(script.pid, signal.SIGINT)
            (tmp_path / "hit").touch()  # before that the worker does not get through its start
        time.sleep(0.02)
    out, errors = script.communicate(timeout=PATIENCE_S)
    assert out.startswith("told\n")
    assert out.endswith("done\n")
    assert errors == ""


def test_a_main_script_without_a_guard_is_told_the_way_out(start: Start) -> None:
    script = start(UNGUARDED)
    errors = script.communicate(timeout=PATIENCE_S)[1]
    assert errors.count("Traceback") == 1
    assert 'put that under `if __name__ == "__main__":`' in errors.splitlines()[-1]


def test_a_worker_that_cannot_start_is_told(start: Start) -> None:
    script = start(WORK.replace("pool =", "assert __name__ == '__main__', 'not twice'\npool ="), "0")
    errors = script.communicate(timeout=PATIENCE_S)[1]
    assert "AssertionError: not twice" in errors
    assert "WorkerDiedError: the worker process for 'work' could not start (exit code 1)" in errors
