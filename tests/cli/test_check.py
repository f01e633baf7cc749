"""`aioclock check`, as CI runs it."""

import json
from pathlib import Path

import pytest

from commands import aioclock, terminal

FINE = """
from aioclock import AioClock, Every

app = AioClock()


@app.task(trigger=Every(minutes=1), name="poll")
async def poll():
    raise AssertionError("nothing runs")
"""

WARNING = """
from contextlib import asynccontextmanager

from aioclock import AioClock, At, Every

print("imported")


@asynccontextmanager
async def lifespan(app):
    raise AssertionError("nothing runs")
    yield


app = AioClock(lifespan=lifespan)


@app.task(trigger=At(hour=2, minute=30, tz="Europe/Berlin"), name="report")
async def report():
    pass


@app.task(trigger=Every(minutes=1), timeout=90, name="poll")
async def poll():
    pass
"""

ERROR = """
from aioclock import AioClock, Every

app = AioClock()


@app.task(trigger=Every(minutes=1))
async def poll(database):
    pass


app.add_task(lambda: None, trigger=Every(days=1), executor="process", name="pack")
"""

GAP = (
    "warning AC214 report: on 2026-03-29 in Europe/Berlin 02:30 does not exist, the clock goes from 02:00 to 03:00; "
    "it is due at 03:00; choose another time, or another zone such as UTC (jobs.py:18)\n"
)
TIMEOUT = (
    "warning AC231 poll: a timeout of 90 s is longer than the 60 s between two ticks: "
    "runs that take long make it skip ticks; shorten it, or choose overlap='allow' (jobs.py:23)\n"
)
FROM = ("--from", "2026-01-01T00:00Z")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(tmp_path, WARNING)
    return tmp_path


def write(folder: Path, source: str) -> None:
    (folder / "jobs.py").write_text(source, encoding="utf-8")


def test_an_app_without_problems(tmp_path: Path) -> None:
    write(tmp_path, FINE)
    done = aioclock("check", "jobs:app", "--strict", folder=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "no problems in 1 task\n", "")


def test_warnings_are_told_and_pass(folder: Path) -> None:
    done = aioclock("check", "jobs:app", *FROM, folder=folder)
    assert (done.returncode, done.stdout) == (0, f"{GAP}{TIMEOUT}2 warnings in 2 tasks\n")
    assert done.stderr == "imported\n"


@pytest.mark.parametrize("how", ["option", "environment", "pyproject"])
def test_strict_fails_on_warnings(folder: Path, how: str) -> None:
    if how == "pyproject":
        (folder / "pyproject.toml").write_text("[tool.aioclock]\nstrict = true\n", encoding="utf-8")
    options = ["--strict"] if how == "option" else []
    env = {"AIOCLOCK_STRICT": "true"} if how == "environment" else {}
    assert aioclock("check", "jobs:app", *options, folder=folder, env=env).returncode == 1


def test_what_is_ignored_is_neither_told_nor_counted(folder: Path) -> None:
    options = ["--ignore", "ac214", "--strict"]
    done = aioclock("check", "jobs:app", *options, folder=folder)
    assert (done.returncode, done.stdout) == (1, f"{TIMEOUT}1 warning in 2 tasks\n")
    done = aioclock("check", "jobs:app", *options, "--ignore", "AC231", folder=folder)
    assert (done.returncode, done.stdout) == (0, "no problems in 2 tasks\n")
    done = aioclock("check", "jobs:app", "--strict", "--ignore", "AC231, AC214", folder=folder)
    assert (done.returncode, done.stdout) == (0, "no problems in 2 tasks\n")


def test_an_unknown_code_can_not_be_ignored(folder: Path) -> None:
    done = aioclock("check", "jobs:app", "--ignore", "AC214,ac999", folder=folder)
    assert (done.returncode, done.stdout) == (2, "")
    assert "there is no code 'AC999' to ignore; the codes are AC101, AC102" in done.stderr


def test_errors_fail(tmp_path: Path) -> None:
    write(tmp_path, ERROR)
    done = aioclock("check", "jobs:app", folder=tmp_path)
    assert done.returncode == 1
    dependency, process, interval, summary = done.stdout.splitlines()
    assert dependency == (
        "error AC102 jobs:poll: parameter 'database' has neither a default nor Depends(...) (jobs.py:7)"
    )
    assert process.startswith("error AC103 pack: '<lambda>' can't be sent to a worker process: it is a lambda;")
    assert interval.startswith("warning AC213 pack: the first tick comes 1d after each start")
    assert summary == "2 errors and 1 warning in 2 tasks"


def test_json(folder: Path) -> None:
    done = aioclock("check", "jobs:app", "--json", *FROM, folder=folder)
    found = json.loads(done.stdout)
    assert {**found, "problems": found["problems"][:1]} == {
        "problems": [
            {
                "severity": "warning",
                "code": "AC214",
                "task": "report",
                "message": GAP.partition(": ")[2].removesuffix(" (jobs.py:18)\n"),
                "file": "jobs.py",
                "line": 18,
            }
        ],
        "errors": 0,
        "warnings": 2,
        "tasks": 2,
    }
    assert done.stderr == "imported\n"


def test_json_of_what_belongs_to_no_task(tmp_path: Path) -> None:
    write(tmp_path, "from aioclock import AioClock\napp = AioClock()\n")
    done = aioclock("check", "jobs:app", "--json", folder=tmp_path)
    [problem] = json.loads(done.stdout)["problems"]
    assert (problem["code"], problem["task"], problem["file"], problem["line"]) == ("AC201", None, None, None)


REFUSED = {
    '@app.task(trigger=Every(minutes=1), name="a")\n@app.task(trigger=Every(minutes=2), name="a")\ndef f(): ...': (
        "the name 'a' is given to two tasks; names are unique (jobs.py:3)"
    ),
    'app.task(trigger=Cron(cron="0 0 30 2 *", tz="UTC"))': (
        "Cron: cron: invalid cron expression '0 0 30 2 *': it never fires; name a day that exists, "
        "such as '0 0 28 2 *' or '0 0 L 2 *', got '0 0 30 2 *' (jobs.py:3)"
    ),
    "app.task(trigger=Every(second=1))": "Every: second: Extra inputs are not permitted, got 1",
    "@app.task(trigger=Every(seconds=1), timeout=0)\nasync def f(): ...": (
        "task 'jobs:f': timeout must be a positive number of seconds, got 0; None means no timeout (jobs.py:3)"
    ),
    "@app.task(trigger=Every(seconds=1))\nasync def f():\n    yield": (
        "task 'jobs:f': a generator function can't be scheduled; nothing would iterate it (jobs.py:3)"
    ),
}


@pytest.mark.parametrize("factory", [False, True])
@pytest.mark.parametrize("declaration", REFUSED)
def test_a_refused_declaration_is_a_problem_with_a_place(tmp_path: Path, declaration: str, *, factory: bool) -> None:
    head, options = "from aioclock import AioClock, Cron, Every\napp = AioClock()\n", []
    source = head + declaration
    if factory:
        lines = declaration.replace("\n", "\n    ")
        source = f"from aioclock import AioClock, Cron, Every\ndef app(app=AioClock()):\n    {lines}\n    return app\n"
        options = ["--factory"]
    write(tmp_path, source)
    done = aioclock("check", "jobs:app", *options, folder=tmp_path)
    assert (done.returncode, done.stderr) == (1, "")
    expected = REFUSED[declaration].replace("'jobs:f'", "'jobs:app.<locals>.f'" if factory else "'jobs:f'")
    assert done.stdout.startswith(f"error AC101: {expected}")
    assert done.stdout.endswith("(jobs.py:3)\n1 error in 0 tasks\n")


def test_a_configuration_file_with_all_that_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "jobs.yaml").write_text(
        "tasks:\n"
        "  - name: a\n"
        "    command: [echo]\n"
        "    trigger: {type_: EVERY, second: 5}\n"
        "  - name: b\n"
        "    comand: [echo]\n"
        "    trigger: {type_: EVERY, seconds: 5}\n",
        encoding="utf-8",
    )
    done = aioclock("check", "jobs.yaml", "--json", folder=tmp_path)
    assert done.returncode == 1
    found = json.loads(done.stdout)["problems"]
    assert {(problem["code"], problem["file"]) for problem in found} == {("AC101", "jobs.yaml")}
    assert {problem["line"] for problem in found} >= {4, 6}


def test_a_configuration_file_without_mistakes(tmp_path: Path) -> None:
    trigger = "{type_: AT, hour: 2, tz: America/Chicago}"
    (tmp_path / "jobs.yaml").write_text(
        f"tasks:\n  - name: a\n    command: [echo]\n    trigger: {trigger}\n", encoding="utf-8"
    )
    done = aioclock("check", "jobs.yaml", folder=tmp_path)
    assert done.returncode == 0
    assert done.stdout.startswith("warning AC214 a: ")
    assert done.stdout.endswith("(jobs.yaml:3)\n1 warning in 1 task\n")


@pytest.mark.parametrize("file", ["nowhere.yaml", "folder.yaml"])
def test_a_configuration_file_that_can_not_be_read(tmp_path: Path, file: str) -> None:
    (tmp_path / "folder.yaml").mkdir()
    done = aioclock("check", file, folder=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert file in done.stderr


OTHERS = {
    "raise LookupError('mine')": "LookupError: mine",
    "import nowhere": "No module named 'nowhere'",
    "class Every(__import__('pydantic').BaseModel):\n    n: int\nclass Mine(Every): ...\nMine(n='x')": "Mine",
    "app = 1": "is no AioClock app but builtins.int",
}


@pytest.mark.parametrize("source", OTHERS)
def test_what_is_no_declaration_is_no_problem_but_the_end(tmp_path: Path, source: str) -> None:
    write(tmp_path, source)
    done = aioclock("check", "jobs:app", folder=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert OTHERS[source] in done.stderr


def test_too_many_at_one_instant(tmp_path: Path) -> None:
    write(tmp_path, FINE + "\nfor n in range(4):\n    app.add_task(poll, trigger=Every(minutes=1), name=f'{n}')\n")
    done = aioclock("check", "jobs:app", "--many", "5", folder=tmp_path)
    assert done.stdout == (
        "warning AC217: 5 tasks are due at one instant, 60 s after the start: poll, 0, 1, 2, 3; "
        "set jitter=, or spread them\n1 warning in 5 tasks\n"
    )
    assert aioclock("check", "jobs:app", folder=tmp_path).stdout == "no problems in 5 tasks\n"
    assert aioclock("check", "jobs:app", "--many", "1", folder=tmp_path).returncode == 2


@pytest.mark.parametrize("moment", ["tomorrow", "2026-01-01T00:00"])
def test_from_is_one_instant(folder: Path, moment: str) -> None:
    done = aioclock("check", "jobs:app", "--from", moment, folder=folder)
    assert done.returncode == 2
    assert f"--from {moment!r}" in done.stderr


def test_colours_on_a_terminal(folder: Path) -> None:
    code, screen = terminal("check", "jobs:app", *FROM, folder=folder)
    assert code == 0
    row = next(number for number, line in enumerate(screen.display) if line.startswith("warning AC214 report"))
    assert screen.buffer[row][0].fg == "brown"  # what pyte calls yellow
    assert screen.buffer[row][len("warning AC214 ")].fg == "cyan"
    assert any(line.startswith("2 warnings in 2 tasks") for line in screen.display)


@pytest.mark.parametrize(
    ("app", "policies", "message"),
    [
        (
            "store='memory://'",
            "",
            "task 'poll': max_loop_count of a trigger within an OrTrigger can't be counted over all processes; "
            "set it on the OrTrigger, or use scope='node'",
        ),
        ("", ", scope='node'", "task 'poll': scope means nothing without a store; use AioClock(store=...)"),
    ],
)
def test_what_processes_can_not_share_is_a_declaration_that_is_refused(
    tmp_path: Path, app: str, policies: str, message: str
) -> None:
    (tmp_path / "shop.py").write_text(
        "from aioclock import AioClock, Every, OrTrigger\n\n"
        f"app = AioClock({app})\n"
        "either = OrTrigger(triggers=[Every(hours=1, max_loop_count=3)])\n\n\n"
        f"@app.task(trigger=either, name='poll'{policies})\n"
        "async def poll(): ...\n",
        encoding="utf-8",
    )
    done = aioclock("check", "shop:app", folder=tmp_path)
    assert (done.returncode, done.stdout.splitlines()[0]) == (1, f"error AC101: {message} (shop.py:7)")
