"""`aioclock simulate`, as an operator runs it."""

import json
from pathlib import Path

import pytest

from commands import aioclock, terminal

APP = """
import asyncio
from contextlib import asynccontextmanager

from aioclock import AioClock, At, Every, Forever, OnStartUp

print("imported")


@asynccontextmanager
async def lifespan(app):
    print("opened")
    yield
    print("closed")


app = AioClock(lifespan=lifespan)


@app.task(trigger=Every(minutes=30), name="poll")
def poll():
    print("polled")


@app.task(trigger=At(hour=2, minute=30, tz="Europe/Berlin"), name="report", timeout=10)
async def report():
    await asyncio.sleep(60)


@app.task(trigger=Every(hours=6), name="load")
async def load():
    raise OSError("no space left")


@app.task(trigger=Forever(), name="loop")
async def loop():
    await asyncio.sleep(3600)


app.pause("poll")
good = AioClock()
good.add_task(poll, trigger=Every(hours=1), name="poll")
fast = AioClock()
fast.add_task(poll, trigger=Every(seconds=0.01), name="poll")
spin = AioClock()


@spin.task(trigger=Forever(), name="spin")
async def spinning():
    pass


@asynccontextmanager
async def broken_lifespan(app):
    raise LookupError("no database")
    yield


broken = AioClock(lifespan=broken_lifespan)
broken.add_task(poll, trigger=Every(hours=1), name="poll")
empty = AioClock()


def make():
    return good


async def unfilled(database):
    pass


unresolved = AioClock()
unresolved.add_task(unfilled, trigger=Every(hours=1), name="unfilled")


async def leave():
    raise SystemExit(3)


async def interrupt():
    import signal

    signal.raise_signal(signal.SIGINT)


interrupted = AioClock()
interrupted.add_task(interrupt, trigger=Every(hours=1), name="interrupt")
leaving = AioClock()
leaving.add_task(leave, trigger=Every(hours=1), name="leave")
"""
FROM = ("--from", "2026-03-28T00:00+01:00")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "jobs.py").write_text(APP, encoding="utf-8")
    return tmp_path


def test_bodies_are_replaced_by_nothing(folder: Path) -> None:
    done = aioclock("simulate", "jobs:app", *FROM, "--days", "2", "--tz", "Europe/Berlin", folder=folder)
    assert (done.returncode, done.stderr) == (0, "imported\n")
    lines = [line.rstrip() for line in done.stdout.splitlines()]
    assert lines[:9] == [
        "Sat 2026-03-28 00:00 +01:00 to Mon 2026-03-30 01:00 +02:00: 106 ticks, 10 runs",
        "",
        "task    ticks  runs  skipped",
        "poll       96     0  96 paused",
        "report      2     2",
        "load        8     8",
        "loop        0     0",
        "not simulated: loop: it runs again as soon as a run has ended, and here runs take no time",
        "",
    ]
    assert lines[9] == "no two runs begin in the same minute"
    assert [line.split() for line in lines if line.startswith(("02  ", "03  "))] == [
        ["02", "██", "1"],
        ["03", "██", "1"],  # the night in which there is no 02:30
    ]
    assert lines[-1].endswith("runs in 5 minutes, all days together")


def test_executing_really_runs_everything(folder: Path) -> None:
    done = aioclock("simulate", "jobs:app", *FROM, "--days", "1", "--execute", folder=folder)
    assert done.returncode == 1
    assert done.stderr == "imported\nopened\nclosed\n"
    lines = [line.rstrip() for line in done.stdout.splitlines()]
    assert lines[8:10] == ["busiest (UTC)  runs  days  tasks", "05:00             2     1  load, loop"]
    assert lines[2:7] == [
        "task    ticks  runs  skipped    not succeeded",
        "poll       48     0  48 paused",
        "report      1     1             1 timed out",
        "load        4     4             4 failed",
        "loop       25    25             1 cancelled",
    ]
    assert lines[-6:] == [
        "the first runs that failed",
        "Sat 2026-03-28 01:30:00 +00:00  report: TaskTimeoutError: task 'report' was cancelled after 10 s",
        "Sat 2026-03-28 05:00:00 +00:00  load: OSError: no space left",
        "Sat 2026-03-28 11:00:00 +00:00  load: OSError: no space left",
        "Sat 2026-03-28 17:00:00 +00:00  load: OSError: no space left",
        "Sat 2026-03-28 23:00:00 +00:00  load: OSError: no space left",
    ]


def test_what_bodies_print_does_not_get_into_the_answer(folder: Path) -> None:
    done = aioclock("simulate", "jobs:good", *FROM, "--days", "0.5", "--execute", "--json", folder=folder)
    assert done.returncode == 0
    assert done.stderr == "imported\n" + "polled\n" * 12
    assert json.loads(done.stdout)["tasks"][0]["outcomes"] == {"succeeded": 12}


def test_json(folder: Path) -> None:
    done = aioclock(
        "simulate", "jobs:app", *FROM, "--days", "1", "--json", "--execute", "--tz", "Europe/Berlin", folder=folder
    )
    assert done.returncode == 1
    found = json.loads(done.stdout)
    tasks, busiest, heat_map, failures = (
        found.pop(name) for name in ("tasks", "busiest_minutes", "heat_map", "failures")
    )
    assert found == {
        "from": "2026-03-28T00:00:00+01:00",
        "to": "2026-03-29T00:00:00+01:00",
        "reached": "2026-03-29T00:00:00+01:00",
        "complete": True,
        "executed": True,
        "seed": 0,
        "ticks": 78,
        "runs": 30,
    }
    assert tasks[0] == {
        "key": "poll", "ticks": 48, "runs": 0, "outcomes": {}, "skipped": {"paused": 48}, "simulated": "yes",
        "reason": None,
    }  # fmt: skip
    assert busiest[0] == {"minute": "2026-03-29T00:00:00+01:00", "runs": 2, "days": 1, "tasks": {"load": 1, "loop": 1}}
    assert (heat_map["tz"], heat_map["minutes_per_cell"]) == ("Europe/Berlin", 5)
    assert [len(hour) for hour in heat_map["runs"]] == [12] * 24
    assert sum(map(sum, heat_map["runs"])) == 30
    assert failures[1]["traceback"].startswith("Traceback")
    assert {**failures[1], "traceback": ...} == {
        "task": "load", "scheduled_at": "2026-03-28T06:00:00+01:00", "outcome": "failed", "error": "OSError",
        "message": "no space left", "traceback": ...,
    }  # fmt: skip


def test_json_without_executing(folder: Path) -> None:
    done = aioclock("simulate", "jobs:app", *FROM, "--days", "1", "--json", folder=folder)
    assert done.returncode == 0
    found = json.loads(done.stdout)
    assert (found["executed"], found["failures"]) == (False, [])
    by_key = {task["key"]: task for task in found["tasks"]}
    assert by_key["report"]["outcomes"] is None
    assert by_key["loop"]["simulated"] == "no"
    assert by_key["loop"]["reason"].startswith("it runs again")


def test_too_many_ticks_are_refused_before_the_first(folder: Path) -> None:
    done = aioclock("simulate", "jobs:fast", folder=folder)
    assert (done.returncode, done.stdout) == (2, "")
    assert (
        "that would take 259,200,000 ticks, 259,200,000 of them of 'poll', and --max-runs is 1,000,000; "
        "simulate fewer days, or raise it" in done.stderr
    )


def test_more_ticks_than_expected_end_it(folder: Path) -> None:
    done = aioclock("simulate", "jobs:spin", *FROM, "--execute", "--max-runs", "500", folder=folder)
    assert done.returncode == 1
    assert done.stdout.startswith("Fri 2026-03-27 23:00")
    assert "stopped at 2026-03-27T23:00:00+00:00 after more than 500 ticks" in done.stderr


@pytest.mark.parametrize(
    ("app", "complaint", "traceback"),
    [
        ("broken", "the simulation failed: LookupError: no database", True),
        ("unresolved", "the simulation failed: DependencyError: task 'unfilled': parameter 'database'", False),
        ("leaving", "the simulation failed: SystemExit: 3", True),
    ],
)
def test_a_serving_that_ends_by_an_error(folder: Path, app: str, complaint: str, *, traceback: bool) -> None:
    done = aioclock("simulate", f"jobs:{app}", *FROM, "--execute", "--days", "1", folder=folder)
    assert (done.returncode, done.stdout) == (1, "")
    assert f"aioclock: error: {complaint}" in done.stderr
    assert ("Traceback" in done.stderr) is traceback
    assert aioclock("simulate", f"jobs:{app}", *FROM, "--days", "1", folder=folder).returncode == 0


def test_ctrl_c_shows_what_there_is(folder: Path) -> None:
    done = aioclock("simulate", "jobs:interrupted", *FROM, "--execute", folder=folder)
    assert (done.returncode, done.stderr) == (
        130,
        "imported\naioclock: error: interrupted at 2026-03-28T00:00:00+00:00\n",
    )
    assert "interrupt      1     1" in done.stdout


def test_an_app_without_tasks(folder: Path) -> None:
    done = aioclock("simulate", "jobs:empty", folder=folder)
    assert (done.returncode, done.stdout) == (0, "the app has no tasks\n")


def test_a_factory(folder: Path) -> None:
    done = aioclock("simulate", "jobs:make", "--factory", "--days", "1", "--json", folder=folder)
    assert json.loads(done.stdout)["runs"] == 24


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["--days", "0"], "--days must be a number above 0, got 0"),
        (["--days", "-1"], "--days must be a number above 0, got -1"),
        (["--days", "nan"], "--days must be a number above 0, got nan"),
        (["--days", "4e6"], "--days 4e+06 ends after the year 9999; simulate fewer"),
        (["--days", "1e300"], "ends after the year 9999"),
        (["--days", "week"], "Invalid value for '--days'"),
        (["--from", "2026-01-01"], "--from '2026-01-01'"),
        (["--tz", "Europe/Berln"], "--tz: unknown time zone 'Europe/Berln'; did you mean 'Europe/Berlin'"),
        (["--max-runs", "0"], "--max-runs"),
    ],
)
def test_misuse(folder: Path, options: list[str], complaint: str) -> None:
    done = aioclock("simulate", "jobs:good", *options, folder=folder, env={"COLUMNS": "200"})
    assert (done.returncode, done.stdout) == (2, "")
    assert complaint in done.stderr


def test_colours_and_a_passing_progress_on_a_terminal(folder: Path) -> None:
    code, screen = terminal("simulate", "jobs:good", "--days", "2", "--execute", "--tz", "UTC", folder=folder, lines=90)
    assert code == 0
    rows = [number for number, line in enumerate(screen.display) if line.startswith(("00  ", "01  "))]
    colours = {cell.fg for row in rows for cell in screen.buffer[row].values() if cell.data == "█"}
    assert colours == {"red"}
    assert not any("simulating" in line for line in screen.display)


STORED = """
from aioclock import AioClock, Every, OrTrigger

app = AioClock(store="sqlite:///clock.db", catch_up="all", on_lost="rerun")


@app.task(trigger=Every(hours=1), name="sync")
@app.task(trigger=OrTrigger(triggers=[Every(hours=1, max_loop_count=2)]), name="warm", scope="node")
async def sync():
    pass
"""


@pytest.mark.parametrize("options", [[], ["--execute"]], ids=["hollow", "executed"])
def test_the_store_of_the_app_is_never_touched(tmp_path: Path, options: list[str]) -> None:
    (tmp_path / "shop.py").write_text(STORED, encoding="utf-8")
    done = aioclock("simulate", "shop:app", "--days", "1", "--json", *options, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert {task["key"]: task["runs"] for task in json.loads(done.stdout)["tasks"]} == {"sync": 24, "warm": 2}
    assert [file.name for file in tmp_path.iterdir() if file.is_file()] == ["shop.py"]
