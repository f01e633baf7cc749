"""`aioclock run`, in real processes: it is about signals, logs and exit codes."""

import json
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from commands import PATIENCE_S, aioclock, environment, serving, terminal

APP = """
import asyncio
from contextlib import asynccontextmanager

from aioclock import AioClock, Every


@asynccontextmanager
async def lifespan(app):
    print("in", flush=True)
    yield
    print("out", flush=True)


app = AioClock(lifespan=lifespan)


@app.task(trigger=Every(hours=1, first_run_strategy="immediate"), name="slow")
async def slow():
    print("began", flush=True)
    try:
        await asyncio.sleep(SECONDS)
    finally:
        print("ended", flush=True)
"""

SHORT = """
from aioclock import AioClock, Every

app = AioClock()


@app.task(trigger=Every(seconds=0, max_loop_count=2), name="greet")
async def greet():
    print("hello")
"""


def write(folder: Path, text: str, name: str = "shop.py") -> None:
    (folder / name).write_text(text, encoding="utf-8")


@contextmanager
def touching(folder: Path, text: str) -> Iterator[None]:
    """Write *text* again and again: whoever watches the file may begin late, and does not say when."""
    over = threading.Event()

    def touch() -> None:
        while not over.wait(0.3):
            write(folder, text)

    thread = threading.Thread(target=touch)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def until_it_says(process: "subprocess.Popen[str]", line: str) -> None:
    assert process.stdout is not None
    assert any(said.strip() == line for said in iter(process.stdout.readline, ""))


@pytest.mark.parametrize("app", ["shop:app", "shop", "shop.py:app", "./shop.py"])
def test_it_serves_until_the_schedules_end(tmp_path: Path, app: str) -> None:
    write(tmp_path, SHORT)
    done = aioclock("run", app, folder=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "hello\nhello\n", "")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP], ids=["SIGTERM", "end of the terminal"])
def test_sigterm_lets_runs_finish(tmp_path: Path, number: int) -> None:
    write(tmp_path, APP.replace("SECONDS", "0.3"))
    with serving("run", "shop:app", folder=tmp_path) as process:
        until_it_says(process, "began")
        process.send_signal(number)
        printed, _ = process.communicate(timeout=PATIENCE_S)
    assert (process.returncode, printed) == (0, "ended\nout\n")


def test_ctrl_c_cancels_runs_and_shuts_down_in_order(tmp_path: Path) -> None:
    write(tmp_path, APP.replace("SECONDS", "3600"))
    with serving("run", "shop:app", folder=tmp_path) as process:
        until_it_says(process, "began")
        process.send_signal(signal.SIGINT)
        printed, _ = process.communicate(timeout=PATIENCE_S)
    assert (process.returncode, printed) == (130, "ended\nout\n")


def test_logs_are_json_lines_away_from_a_terminal(tmp_path: Path) -> None:
    write(tmp_path, SHORT.replace('print("hello")', 'raise ValueError("no disk")'))
    done = aioclock("run", "shop:app", folder=tmp_path)
    first = json.loads(done.stderr.splitlines()[0])
    assert (done.returncode, done.stdout) == (0, "")
    assert {key: first[key] for key in ("level", "logger", "task", "outcome")} == {
        "level": "ERROR", "logger": "aioclock", "task": "greet", "outcome": "failed",
    }  # fmt: skip
    assert first["time"].endswith("+00:00")
    assert "ValueError: no disk" in first["exception"]


def test_logs_are_text_where_that_is_asked_for(tmp_path: Path) -> None:
    write(tmp_path, SHORT.replace('print("hello")', 'raise ValueError("no disk")'))
    done = aioclock("run", "shop:app", "--log-format", "text", folder=tmp_path)
    assert " ERROR    aioclock: run of greet failed\n" in done.stderr
    again = aioclock("run", "shop:app", folder=tmp_path, env={"AIOCLOCK_LOG_FORMAT": "text"})
    assert " ERROR    aioclock: run of greet failed\n" in again.stderr


def test_logs_are_readable_on_a_terminal(tmp_path: Path) -> None:
    write(tmp_path, SHORT.replace('print("hello")', 'raise ValueError("no disk")'))
    code, screen = terminal("run", "shop:app", folder=tmp_path)
    [line, *_] = [line for line in screen.display if "run of greet failed" in line]
    assert code == 0
    assert line.rstrip().endswith(" ERROR    aioclock: run of greet failed")
    row = screen.buffer[screen.display.index(line)]
    assert {row[column].fg for column in range(len(line))} > {"default"}


def test_the_level_of_logs_can_be_set(tmp_path: Path) -> None:
    write(tmp_path, SHORT.replace('print("hello")', "import logging; logging.getLogger('shop').debug('hello')"))
    assert '"hello"' not in aioclock("run", "shop:app", folder=tmp_path).stderr
    assert '"hello"' in aioclock("run", "shop:app", "--log-level", "debug", folder=tmp_path).stderr


def test_an_app_that_configures_logging_has_the_last_word(tmp_path: Path) -> None:
    set_up = "import logging\nlogging.basicConfig(level='INFO', format='MINE %(message)s', filename='shop.log')\n"
    write(tmp_path, set_up + SHORT.replace('print("hello")', "logging.info('hello')"))
    done = aioclock("run", "shop:app", folder=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "shop.log").read_text(encoding="utf-8") == "MINE hello\nMINE hello\n"


def test_a_failing_lifespan_is_an_exit_code_and_the_users_traceback(tmp_path: Path) -> None:
    write(tmp_path, APP.replace('print("in", flush=True)', 'raise OSError("no database")'))
    done = aioclock("run", "shop:app", folder=tmp_path)
    assert done.returncode == 1
    assert "shop.py" in done.stderr
    assert done.stderr.endswith("aioclock: error: serving ended by an error: OSError: no database\n")


def test_what_can_not_be_served_is_said_in_one_line(tmp_path: Path) -> None:
    write(tmp_path, SHORT.replace("def greet()", "def greet(name: str)"))
    done = aioclock("run", "shop:app", "--log-format", "text", "--log-level", "critical", folder=tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith("aioclock: error: task 'greet': parameter 'name' has neither a default nor Depends")
    assert done.stderr.count("\n") == 1


def test_it_serves_on_uvloop(tmp_path: Path) -> None:
    pytest.importorskip("uvloop", reason="uvloop is optional: pip install uvloop")
    write(
        tmp_path, SHORT.replace('print("hello")', "import asyncio; print(type(asyncio.get_running_loop()).__module__)")
    )
    done = aioclock("run", "shop:app", "--uvloop", folder=tmp_path)
    assert (done.returncode, done.stdout) == (0, "uvloop\nuvloop\n")


def test_uvloop_is_named_where_it_is_not_installed(tmp_path: Path) -> None:
    write(tmp_path, SHORT)
    write(tmp_path, "raise ModuleNotFoundError(name='uvloop')", "uvloop.py")
    done = aioclock("run", "shop:app", "--uvloop", folder=tmp_path, env={"PYTHONPATH": str(tmp_path)})
    assert done.returncode == 2
    assert done.stderr == "aioclock: error: --uvloop needs the package uvloop; install it: pip install uvloop\n"


def test_reload_serves_anew_when_a_file_changes(tmp_path: Path) -> None:
    write(tmp_path, APP.replace("SECONDS", "3600"))
    with serving("run", "shop:app", "--reload", folder=tmp_path) as process:
        until_it_says(process, "began")
        with touching(tmp_path, APP.replace("SECONDS", "3600").replace("began", "began anew")):
            until_it_says(process, "out")
        until_it_says(process, "began anew")
        process.send_signal(signal.SIGINT)
        printed, complaints = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0
    assert "ended\nout\n" in printed
    assert "aioclock: shop.py changed, serving anew\n" in complaints


def test_reload_is_as_quick_where_sigint_is_ignored_as_in_the_background_of_a_script(tmp_path: Path) -> None:
    write(tmp_path, APP.replace("SECONDS", "3600"))
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with serving("run", "shop:app", "--reload", folder=tmp_path) as process:
            until_it_says(process, "began")
            with touching(tmp_path, APP.replace("SECONDS", "3600").replace("began", "began anew")):
                until_it_says(process, "out")  # which one that is killed does not say
    finally:
        signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--reload", "--reload-dir", "nowhere"), "there is no folder 'nowhere' to watch"),
        (("--reload-dir", "."), "--reload-dir is for --reload, which is not given"),
    ],
)
def test_folders_to_watch_must_make_sense(tmp_path: Path, arguments: tuple[str, ...], message: str) -> None:
    write(tmp_path, SHORT)
    done = aioclock("run", "shop:app", *arguments, folder=tmp_path)
    assert (done.returncode, done.stderr) == (2, f"aioclock: error: {message}\n")


@pytest.mark.parametrize("hidden", ["typer", "pydantic_settings"])
def test_without_its_packages_the_command_says_what_to_install(tmp_path: Path, hidden: str) -> None:
    write(tmp_path, SHORT)
    program = f"import sys; sys.modules[{hidden!r}] = None; sys.argv = ['aioclock', 'run', 'shop:app']\n"
    program += "from aioclock.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, env=environment(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr == f"aioclock: error: the command needs {hidden!r}; install it: pip install 'aioclock[cli]'\n"
