"""`aioclock pause` and `aioclock resume`: heard by all processes."""

import json
import time
from pathlib import Path

import pytest

from commands import aioclock, serving
from stored import SHOP, STORE, fill

TICKING = """
from aioclock import AioClock, Every
from aioclock.events import TaskPaused, TaskResumed

app = AioClock(store="sqlite:///clock.db")


@app.task(trigger=Every(seconds=1, first_run_strategy="immediate"), name="poll")
async def poll():
    print("polled", flush=True)


@app.on(TaskPaused)
async def paused(event: TaskPaused):
    print("paused:", event.note, flush=True)


@app.on(TaskResumed)
async def resumed(event: TaskResumed):
    print("resumed", flush=True)
"""


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    (tmp_path / "shop.py").write_text(SHOP, encoding="utf-8")
    fill(tmp_path)
    return tmp_path


def test_a_pause_is_on_record_until_the_task_is_resumed(shop: Path) -> None:
    done = aioclock("pause", "shop:app", "send_report", "--note", "bank holiday", folder=shop)
    assert (done.returncode, done.stdout, done.stderr) == (0, "report is paused: bank holiday\n", "")
    done = aioclock("resume", "--store", STORE, "report", folder=shop)
    assert (done.returncode, done.stdout, done.stderr) == (0, "report runs again\n", "")
    done = aioclock("resume", "shop:app", "report", folder=shop)
    assert (done.returncode, done.stdout) == (0, "report was not paused\n")
    audit = json.loads(aioclock("history", "shop:app", "--audit", "--json", folder=shop).stdout)["events"]
    assert [event["event"] for event in audit] == ["resumed", "paused", "registered", "registered"]


def test_json(shop: Path) -> None:
    done = aioclock("pause", "shop:app", "report", "--json", folder=shop)
    assert json.loads(done.stdout) == {"key": "report", "paused": True, "note": None}
    done = aioclock("resume", "shop:app", "report", "--json", folder=shop)
    assert json.loads(done.stdout) == {"key": "report", "paused": False, "note": None}


@pytest.mark.parametrize("command", ["pause", "resume"])
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["shop:app", "reprot"], "no task of the app answers to 'reprot'; did you mean 'report'?"),
        (["--store", STORE, "reprot"], f"the store {STORE} knows no task 'reprot'; did you mean 'report'?"),
        (["shop:app"], "'shop:app' alone does not say both app and task: name module:app KEY, or set AIOCLOCK_APP"),
        (["--store", STORE], "which task? name the app and the task's key, as in module:app KEY"),
    ],
)
def test_an_unknown_task_is_no_success(shop: Path, command: str, arguments: list[str], message: str) -> None:
    done = aioclock(command, *arguments, folder=shop)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"aioclock: error: {message}\n")


def test_a_task_that_has_never_been_served(tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text(SHOP, encoding="utf-8")
    fill(tmp_path, keys=["backup"])
    done = aioclock("pause", "shop:app", "send_report", folder=tmp_path)
    assert (done.returncode, done.stderr) == (
        2, f"aioclock: error: the store {STORE} does not know 'report' yet; it will once the app serves\n"
    )  # fmt: skip


def test_processes_that_serve_hear_of_it_soon(tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text(TICKING, encoding="utf-8")
    with serving("run", "shop:app", "--log-level", "critical", folder=tmp_path) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "polled\n"
        assert aioclock("pause", "shop:app", "poll", "--note", "quiet", folder=tmp_path).returncode == 0
        begun = time.monotonic()
        while (line := process.stdout.readline()) == "polled\n":
            pass
        assert line == "paused: quiet\n"
        assert time.monotonic() - begun < 10  # about one second, on a machine that has nothing else to do
        assert aioclock("resume", "shop:app", "poll", folder=tmp_path).returncode == 0
        # The store lets the next tick run even before the process has heard why.
        assert {process.stdout.readline(), process.stdout.readline()} == {"resumed\n", "polled\n"}
