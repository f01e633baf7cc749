"""`aioclock trigger`, as systemd, a CronJob or a person runs it."""

import json
import signal
import sqlite3
from pathlib import Path

import pytest

from commands import PATIENCE_S, aioclock, serving

APP = """
import asyncio
from contextlib import asynccontextmanager

from aioclock import AioClock, At, Depends, Every, OnStartUp
from aioclock.events import RunFailed

pool = []


@asynccontextmanager
async def lifespan(app):
    pool.append("connection")
    yield
    print("closed", flush=True)


async def connection():
    yield pool[0]
    print("given back", flush=True)


app = AioClock(lifespan=lifespan)


@app.task(trigger=Every(seconds=0.001), name="other")
@app.task(trigger=OnStartUp(), name="first")
async def other():
    print("another task")


@app.task(trigger=At(hour=9, tz="UTC"), name="report")
async def report(used=Depends(connection)):
    return {"used": used}


@app.task(trigger=At(hour=9, tz="UTC"), name="silent")
def silent():
    pass


@app.task(trigger=At(hour=9, tz="UTC"), name="object")
def give_an_object():
    return {1, }


@app.task(trigger=At(hour=9, tz="UTC"), name="failing")
async def failing():
    raise OSError("no disk")


@app.task(trigger=At(hour=9, tz="UTC"), name="slow", timeout=0.01)
async def slow():
    await asyncio.sleep(3600)


@app.task(trigger=At(hour=9, tz="UTC"), name="long")
async def long():
    print("began", flush=True)
    try:
        await asyncio.sleep(SECONDS)
    finally:
        print("ended", flush=True)


class Odd:
    def __repr__(self):
        raise ValueError


@app.task(trigger=At(hour=9, tz="UTC"), name="odd")
async def odd():
    return Odd()


@app.task(trigger=At(hour=9, tz="UTC"), name="leaving")
async def leaving():
    print("noise")
    raise SystemExit(0)


@app.task(trigger=At(hour=9, tz="UTC"), name="typo")
async def typo(name: str):
    pass


@app.task(trigger=At(hour=9, tz="UTC"), name="process", executor="process")
def in_process():
    import os
    return os.getppid()


@app.on(RunFailed)
async def tell(event: RunFailed):
    print("told of", event.run.task_key, flush=True)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "shop.py").write_text(APP.replace("SECONDS", "0.3"), encoding="utf-8")
    return tmp_path


def test_it_runs_one_task_with_its_dependencies_within_the_lifespan_and_nothing_else(folder: Path) -> None:
    done = aioclock("trigger", "shop:app", "report", folder=folder)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "given back\nclosed\n{'used': 'connection'}\n"


def test_a_result_of_none_is_not_printed(folder: Path) -> None:
    done = aioclock("trigger", "shop.py:app", "silent", folder=folder)
    assert (done.returncode, done.stdout, done.stderr) == (0, "closed\n", "")


def test_a_failed_run_is_an_exit_code_and_a_traceback_and_listeners_are_told(folder: Path) -> None:
    done = aioclock("trigger", "shop:app", "failing", folder=folder)
    assert (done.returncode, done.stdout) == (1, "told of failing\nclosed\n")
    assert 'raise OSError("no disk")' in done.stderr
    assert done.stderr.endswith("aioclock: error: the run of 'failing' failed: OSError: no disk\n")


def test_a_run_keeps_to_its_timeout(folder: Path) -> None:
    done = aioclock("trigger", "shop:app", "slow", folder=folder)
    assert done.returncode == 1
    assert done.stderr.endswith("aioclock: error: task 'slow' was cancelled after 0.01 s\n")


def test_a_run_in_a_process_works(folder: Path) -> None:
    with serving("trigger", "shop:app", "process", folder=folder) as process:
        printed, _ = process.communicate(timeout=PATIENCE_S)
    assert (process.returncode, printed) == (0, f"closed\n{process.pid}\n")


def test_json_tells_all_of_the_run_and_its_result(folder: Path) -> None:
    done = aioclock("trigger", "shop:app", "report", "--json", folder=folder)
    told = json.loads(done.stdout)
    assert list(told) == [
        "key", "task_key", "kind", "scheduled_at", "started_at", "finished_at", "attempt", "outcome", "reason",
        "error", "output", "lateness_s", "missed", "fence", "owner", "previous_success", "result",
    ]  # fmt: skip
    assert (told["task_key"], told["kind"], told["outcome"]) == ("report", "manual", "succeeded")
    assert told["result"] == {"used": "connection"}


def test_json_tells_of_a_failure_and_of_results_that_json_can_not_hold(folder: Path) -> None:
    failed = aioclock("trigger", "shop:app", "failing", "--json", folder=folder)
    told = json.loads(failed.stdout)
    assert (failed.returncode, told["outcome"], told["error"]["type"], told["result"]) == (1, "failed", "OSError", None)
    odd = aioclock("trigger", "shop:app", "object", "--json", folder=folder)
    assert json.loads(odd.stdout)["result"] == "{1}"


def test_json_is_one_document_whatever_the_app_prints(folder: Path) -> None:
    assert (
        json.loads(aioclock("trigger", "shop:app", "report", "--json", folder=folder).stdout)["outcome"] == "succeeded"
    )


def test_a_result_that_can_not_be_shown_is_no_failure(folder: Path) -> None:
    shown = "<Odd, which can't be shown: ValueError>"
    done = aioclock("trigger", "shop:app", "odd", folder=folder)
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, shown)
    done = aioclock("trigger", "shop:app", "odd", "--json", folder=folder)
    assert (done.returncode, json.loads(done.stdout)["result"]) == (0, shown)


def test_a_task_that_ends_the_program_has_not_succeeded(folder: Path) -> None:
    done = aioclock("trigger", "shop:app", "leaving", "--json", folder=folder)
    told = json.loads(done.stdout)
    assert (done.returncode, told["outcome"], told["error"]["type"]) == (1, "failed", "SystemExit")
    assert done.stderr.endswith("aioclock: error: the run of 'leaving' failed: SystemExit: 0\n")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP], ids=["SIGTERM", "end of the terminal"])
def test_being_asked_to_stop_lets_the_run_finish(number: signal.Signals, folder: Path) -> None:
    with serving("trigger", "shop:app", "long", folder=folder) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "began\n"
        process.send_signal(number)
        printed, _ = process.communicate(timeout=PATIENCE_S)
    assert (process.returncode, printed) == (0, "ended\nclosed\n")


def test_ctrl_c_cancels_the_run(folder: Path) -> None:
    (folder / "shop.py").write_text(APP.replace("SECONDS", "3600"), encoding="utf-8")
    with serving("trigger", "shop:app", "long", folder=folder) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "began\n"
        process.send_signal(signal.SIGINT)
        printed, _ = process.communicate(timeout=PATIENCE_S)
    assert (process.returncode, printed) == (130, "ended\nclosed\n")


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["shop:app", "reprot"], 2, "no task of the app answers to 'reprot'; did you mean 'report'?"),
        (["shop:app", "typo"], 1, "task 'typo': parameter 'name' has neither a default nor Depends(...)"),
        ([], 2, "which task? name the app and the task's key, as in module:app KEY"),
        (
            ["report"],
            2,
            "'report' alone does not say both app and task: name module:app KEY, or set AIOCLOCK_APP",
        ),
    ],
)
def test_what_can_not_be_run_is_said_in_one_line(folder: Path, arguments: list[str], code: int, message: str) -> None:
    done = aioclock("trigger", *arguments, "--log-level", "critical", folder=folder)
    assert (done.returncode, done.stderr) == (code, f"aioclock: error: {message}\n")


def test_one_argument_is_the_key_where_the_app_is_a_setting(folder: Path) -> None:
    done = aioclock("trigger", "report", folder=folder, env={"AIOCLOCK_APP": "shop:app"})
    assert done.stdout.endswith("{'used': 'connection'}\n")
    (folder / "pyproject.toml").write_text('[tool.aioclock]\napp = "shop:app"\n', encoding="utf-8")
    assert aioclock("trigger", "report", folder=folder).stdout.endswith("{'used': 'connection'}\n")


STORED = """
import asyncio

from aioclock import AioClock, At

app = AioClock(store="sqlite:///clock.db")


@app.task(trigger=At(hour=9, tz="UTC"), name="report")
@app.task(trigger=At(hour=9, tz="UTC"), name="queued", overlap="queue")
async def report():
    print("began", flush=True)
    await asyncio.sleep(1.5)
    return "done"
"""


def on_record(folder: Path) -> list[tuple[str, str, str | None]]:
    with sqlite3.connect(folder / "clock.db") as connection:
        rows = connection.execute("SELECT kind, state, reason FROM aioclock_run ORDER BY tick").fetchall()
    connection.close()
    return rows


def test_a_run_is_on_record_in_the_store(tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text(STORED, encoding="utf-8")
    done = aioclock("trigger", "shop:app", "report", folder=tmp_path)
    assert (done.returncode, done.stdout) == (0, "began\ndone\n")
    assert on_record(tmp_path) == [("manual", "succeeded", None)]


@pytest.mark.parametrize("key", ["report", "queued"])
def test_overlap_is_kept_to_over_all_processes(tmp_path: Path, key: str) -> None:
    (tmp_path / "shop.py").write_text(STORED, encoding="utf-8")
    with serving("trigger", "shop:app", key, folder=tmp_path) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "began\n"
        done = aioclock("trigger", "shop:app", key, folder=tmp_path)
        process.communicate(timeout=PATIENCE_S)
    if key == "queued":
        assert (done.returncode, done.stdout) == (0, "began\ndone\n")
        assert on_record(tmp_path) == [("manual", "succeeded", None)] * 2
    else:
        assert done.returncode == 1
        assert "run of 'report' was skipped: overlap" in done.stderr
        assert on_record(tmp_path) == [("manual", "succeeded", None), ("manual", "skipped", "overlap")]
