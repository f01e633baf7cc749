"""Each example runs as its docstring says.

They are started as processes on the real clock, for Ctrl+C, SIGTERM and the exit code belong to what they show.
"""

import importlib.util
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

import httpx
import pytest

from aioclock.testing import simulate

ROOT = Path(__file__).parent.parent
EXAMPLES = ROOT / "examples"
KINDS = {"async task", "sync task", "dependency", "task of a group", "cron task"}

needs_signals = pytest.mark.skipif(sys.platform == "win32", reason="Windows can't send these signals")


@pytest.fixture(autouse=True)
def _interruptible() -> Iterator[None]:
    """Let processes take Ctrl+C even if these tests run in the background of a shell, which ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@contextmanager
def started(*arguments: str) -> Iterator["subprocess.Popen[str]"]:
    command = [sys.executable, "-W", "error", *arguments]
    # The library is found from the checkout as well as when it is installed.
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))}
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def finished(name: str) -> list[str]:
    """Run an example that ends by itself; return its lines."""
    with started(str(EXAMPLES / name)) as process:
        out, errors = process.communicate(timeout=30)
    assert errors == ""
    assert process.returncode == 0
    return out.splitlines()


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"example_{name}", EXAMPLES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def kinds_in(text: str) -> set[str]:
    return {kind for kind in KINDS if kind in text}


def test_every_example_has_a_test() -> None:
    assert {path.stem for path in EXAMPLES.glob("*.py")} == {
        "app",
        "awesome_triggers",
        "dependency_injection",
        "policies_and_events",
        "with_fast_api",
        "with_store",
    }


def test_app_shows_every_kind_of_task_within_four_seconds(capsys: pytest.CaptureFixture[str]) -> None:
    with simulate(load("app").app, start="2026-01-01T00:00:00+00:00") as sim:
        sim.advance(seconds=4)
        assert {str(run.outcome) for run in sim.runs()} == {"succeeded"}
        assert kinds_in(capsys.readouterr().out) == KINDS
    assert "goodbye" in capsys.readouterr().out


@needs_signals
def test_app_runs_until_ctrl_c_ends_it_cleanly() -> None:
    with started(str(EXAMPLES / "app.py")) as process:
        assert process.stdout is not None
        seen = ""
        for line in process.stdout:
            seen += line
            if kinds_in(seen) == KINDS:
                break
        process.send_signal(signal.SIGINT)
        rest, errors = process.communicate(timeout=10)
    assert kinds_in(seen) == KINDS
    assert "hello" in seen.splitlines()[0]
    assert "goodbye" in rest.splitlines()[-1]
    assert "Traceback" not in errors
    assert process.returncode == 0


@needs_signals
def test_app_is_ended_by_sigterm_as_well() -> None:
    with started(str(EXAMPLES / "app.py")) as process:
        assert process.stdout is not None
        assert "hello" in process.stdout.readline()
        process.send_signal(signal.SIGTERM)
        rest, errors = process.communicate(timeout=10)
    assert "goodbye" in rest.splitlines()[-1]
    assert errors == ""
    assert process.returncode == 0


def test_awesome_triggers_shows_them_all_and_ends_by_itself() -> None:
    lines = finished("awesome_triggers.py")
    assert lines[0] == "opening"
    assert lines[-1] == "closed"
    fired = {line for line in lines if " " not in line}
    assert fired >= {"forever", "every", "every_with_fixed_delay", "cron", "one_of_several", "doubling", "door_bell"}
    assert lines.count("every") == 3
    assert any(re.fullmatch(r"at is due \d{4}-\d\d-\d\d 1[23]:30:00\+00:00", line) for line in lines)
    assert "door_bell is due when something happens" in lines


def test_dependency_injection_opens_shares_and_closes_and_overrides() -> None:
    lines = [line.strip() for line in finished("dependency_injection.py")]
    first_run = lines[1:6]
    assert first_run == [
        "connect to postgres://production",
        "read users through the connection to postgres://production",
        "hello Ada and Grace, sent through the connection to postgres://production",
        "forget the users",
        "disconnect from postgres://production",
    ]
    assert lines[7:12] == [line.replace("postgres://production", "sqlite://memory") for line in first_run]
    assert lines[13:18] == first_run
    assert lines[-1] == "it returned 'hello you'"


def test_policies_and_events_tells_what_came_of_every_task_and_ends_by_itself() -> None:
    lines = finished("policies_and_events.py")
    assert "RunRetrying: attempt 2 of shaky: nobody answered attempt 2" in lines
    assert "RunTimedOut: attempt 1 of hanging: task 'hanging' was cancelled after 0.2 s" in lines
    assert lines.count("RunFailed: attempt 1 of hopeless: it never works") == 3
    assert "TaskPaused: hopeless, paused after 3 failures in a row" in lines
    outcomes = dict(line.split(maxsplit=1) for line in lines[-6:])
    assert outcomes["shaky"] == "1 succeeded"
    assert outcomes["hanging"] == "1 timed_out"
    assert outcomes["hopeless"].startswith("3 failed, ")
    assert outcomes["factorial"] == "1 succeeded"
    assert "skipped: stopping" in outcomes["slow"]


@needs_signals
def test_with_store_runs_each_tick_once_though_a_process_dies() -> None:
    *said, count, fragile = finished("with_store.py")
    process_of = dict(line.removeprefix("process ").split(": ")[::-1] for line in said if "refresh" not in line)
    assert process_of["fragile, and I die"] != process_of["fragile, attempt 2"]
    assert fragile == "fragile: ticks 1, runs 1, {'succeeded': 1}"
    found = re.fullmatch(r"count: ticks (\d+), runs (\d+), \{.*'succeeded': .*\}", count)
    assert found, count
    assert found[1] == found[2]


@needs_signals
def test_with_fast_api_is_served_by_uvicorn_until_a_signal() -> None:
    with started("-m", "uvicorn", "examples.with_fast_api:app", "--port", "0") as process:
        assert process.stderr is not None
        log = ""
        for line in process.stderr:
            log += line
            if found := re.search(r"running on (http://[\d.:]+)", line):
                break
        assert found, log
        url = found[1]
        [task] = httpx.get(f"{url}/clock/tasks").json()
        assert task["task_name"] == "count"
        runs = httpx.post(f"{url}/clock/task/{task['id']}").json()["runs"]
        assert httpx.get(url).json()["runs"] >= runs
        assert httpx.get(f"{url}/docs").status_code == 200
        process.send_signal(signal.SIGTERM)
        _, log = process.communicate(timeout=10)
    assert "Traceback" not in log
    assert "Application shutdown complete" in log
    assert process.returncode in (0, -signal.SIGTERM)
