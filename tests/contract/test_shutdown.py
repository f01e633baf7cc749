"""SIGTERM, Ctrl+C and cancellation, in real processes.

Signals belong to a process and its main thread: sent to the process that runs the tests they would end the tests, and
simulated they would prove nothing about what a container or a terminal does. So each test starts a small program,
waits until it says that it runs, sends it a real signal and looks at what it said on its way out.
"""

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGTERM that a process could handle")

PROGRAM = """
import asyncio, os, signal, sys, threading, time
from contextlib import asynccontextmanager, contextmanager
from aioclock import AioClock, Depends, Every, Forever, Once, OnShutDown

def say(word):
    os.write(1, f"{word}\\n".encode())  # print() from two threads would mix their lines

@asynccontextmanager
async def lifespan(app):
    say("lifespan in")
    yield
    say("lifespan out")

@contextmanager
def sync_lifespan(app):
    say("lifespan in")
    yield
    say("lifespan out")

async def resource():
    try:
        yield 1
    finally:
        say("resource closed")

def work(app, seconds):
    @app.task(trigger=Once())
    async def work(value=Depends(resource)):
        say("running")
        try:
            await asyncio.sleep(seconds)
            say("finished")
        except asyncio.CancelledError:
            say("cancelled")
            raise

def hear(app):
    # Says when the signal arrives, and lets the handler that was there before do its work.
    @app.task(trigger=Once())
    async def hear():
        before = signal.getsignal(signal.SIGTERM)
        def handler(*args):
            say("heard")
            before(*args)
        signal.signal(signal.SIGTERM, handler)
        say("listening")

def down(app):
    app.task(trigger=OnShutDown(), name="down")(lambda: say("shut down"))

"""

GRACEFUL = ["finished", "resource closed", "shut down", "lifespan out"]
CANCELLED = ["cancelled", "resource closed", "shut down", "lifespan out"]


class Program:
    """A process that says one word per line."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def wait_for(self, word: str) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.strip() == word:
                return
        raise AssertionError(f"the program ended without saying {word!r}: {self._process.communicate()[1]}")

    def send(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def end(self) -> tuple[list[str], int, str]:
        """Return what else it says, its exit code and its standard error."""
        # Not communicate(): it knows nothing of what was read ahead while `wait_for` looked for its line.
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        out, err = self._process.stdout.read(), self._process.stderr.read()
        return out.splitlines(), self._process.wait(5), err


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[[str], Program]]:
    processes: list[subprocess.Popen[str]] = []

    def started(body: str) -> Program:
        script = tmp_path / "program.py"
        script.write_text(PROGRAM + body)
        process = subprocess.Popen(
            [sys.executable, "-W", "ignore::DeprecationWarning", str(script)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={"PYTHONPATH": ":".join(sys.path), "PYTHONUNBUFFERED": "1"},
        )
        processes.append(process)
        return Program(process)

    yield started
    for process in processes:
        if process.poll() is None:
            process.kill()
        process.communicate()


@contextmanager
def within(seconds: float) -> Iterator[None]:
    begin = time.monotonic()
    yield
    assert time.monotonic() - begin < seconds


@pytest.mark.parametrize("lifespan", ["lifespan", "sync_lifespan"])
def test_sigterm_lets_the_runs_finish_and_exits_with_success(start: Callable[[str], Program], lifespan: str) -> None:
    program = start(f"app = AioClock(lifespan={lifespan}); work(app, 0.2); down(app); asyncio.run(app.serve())")
    program.wait_for("running")
    program.send(signal.SIGTERM)
    said, code, err = program.end()
    assert said == GRACEFUL, err
    assert code == 0
    assert "Traceback" not in err


def test_sigterm_while_nothing_runs_shuts_down_at_once(start: Callable[[str], Program]) -> None:
    program = start(
        "app = AioClock(lifespan=lifespan); down(app)\n"
        "app.task(trigger=Every(hours=1), name='hourly')(lambda: say('never'))\n"
        "app.task(trigger=Once(), name='once')(lambda: say('running'))\n"
        "asyncio.run(app.serve()); say('after serve')"
    )
    program.wait_for("running")
    program.send(signal.SIGTERM)
    with within(5):
        said, code, err = program.end()
    assert said == ["shut down", "lifespan out", "after serve"], err
    assert code == 0


def test_nothing_fires_after_sigterm(start: Callable[[str], Program]) -> None:
    program = start(
        "app = AioClock(lifespan=lifespan); work(app, 1); hear(app); down(app)\n"
        "app.task(trigger=Every(seconds=0.02), name='often')(lambda: say('fired'))\n"
        "asyncio.run(app.serve())"
    )
    program.wait_for("listening")
    program.wait_for("fired")
    program.send(signal.SIGTERM)
    said, _, err = program.end()
    # One run may have been in its thread already.
    assert [word for word in said[said.index("heard") + 2 :] if word == "fired"] == [], err
    assert [word for word in said if word not in {"fired", "heard"}] == GRACEFUL, err


def test_runs_that_do_not_finish_are_cancelled_after_the_shut_down_timeout(start: Callable[[str], Program]) -> None:
    program = start(
        "app = AioClock(lifespan=lifespan, shutdown_timeout=0.1); work(app, 60); down(app); asyncio.run(app.serve())"
    )
    program.wait_for("running")
    program.send(signal.SIGTERM)
    with within(5):
        said, code, err = program.end()
    assert said == CANCELLED, err
    assert code == 0


def test_a_second_sigterm_skips_the_waiting(start: Callable[[str], Program]) -> None:
    program = start("app = AioClock(lifespan=lifespan); work(app, 60); hear(app); down(app); asyncio.run(app.serve())")
    program.wait_for("listening")
    for _ in range(2):
        program.send(signal.SIGTERM)
        program.wait_for("heard")
    with within(5):
        said, code, err = program.end()
    assert said == CANCELLED, err
    assert code == 0


def test_ctrl_c_cancels_the_runs_and_leaves_cleanly(start: Callable[[str], Program]) -> None:
    program = start(
        "app = AioClock(lifespan=lifespan); work(app, 60); down(app)\n"
        "try: asyncio.run(app.serve())\n"
        "except KeyboardInterrupt: say('interrupted')"
    )
    program.wait_for("running")
    program.send(signal.SIGINT)
    with within(5):
        said, code, err = program.end()
    assert said == [*CANCELLED, "interrupted"], err
    assert code == 0
    assert "Traceback" not in err


def test_a_sync_task_in_a_thread_may_finish_on_sigterm(start: Callable[[str], Program]) -> None:
    program = start(
        "app = AioClock(lifespan=lifespan); down(app)\n"
        "@app.task(trigger=Once())\n"
        "def work():\n"
        "    say('running'); time.sleep(0.2); say('finished')\n"
        "asyncio.run(app.serve())"
    )
    program.wait_for("running")
    program.send(signal.SIGTERM)
    said, code, err = program.end()
    assert said == ["finished", "shut down", "lifespan out"], err
    assert code == 0


def test_a_handler_that_somebody_else_set_is_left_alone(start: Callable[[str], Program]) -> None:
    program = start(
        "app = AioClock(lifespan=lifespan); work(app, 1); down(app)\n"
        "signal.signal(signal.SIGTERM, lambda *_: say('somebody else'))\n"
        "asyncio.run(app.serve())"
    )
    program.wait_for("running")
    program.send(signal.SIGTERM)
    said, code, err = program.end()
    assert said == ["somebody else", *GRACEFUL], err
    assert code == 0


def test_after_serving_sigterm_kills_the_process_as_before(start: Callable[[str], Program]) -> None:
    program = start(
        "app = AioClock(lifespan=lifespan); work(app, 0); asyncio.run(app.serve()); say('served'); time.sleep(30)"
    )
    program.wait_for("served")
    program.send(signal.SIGTERM)
    with within(5):
        _, code, _ = program.end()
    assert code == -signal.SIGTERM


@pytest.mark.parametrize("handled", [True, False])
def test_handle_signals_says_whether_sigterm_is_taken(start: Callable[[str], Program], handled: bool) -> None:
    seconds = 0.3 if handled else 60  # an app that does not take the signal is killed by it
    program = start(
        f"app = AioClock(lifespan=lifespan, handle_signals={handled}); work(app, {seconds}); down(app)\n"
        "asyncio.run(app.serve())"
    )
    program.wait_for("running")
    program.send(signal.SIGTERM)
    said, code, _ = program.end()
    assert (said, code) == ((GRACEFUL, 0) if handled else ([], -signal.SIGTERM))


def test_serving_in_another_thread_leaves_signals_alone(start: Callable[[str], Program]) -> None:
    program = start(
        "app = AioClock(lifespan=lifespan); work(app, 0.2); down(app)\n"
        "thread = threading.Thread(target=lambda: asyncio.run(app.serve())); thread.start()\n"
        "say(signal.getsignal(signal.SIGTERM) is signal.SIG_DFL); thread.join()"
    )
    said, code, err = program.end()
    assert "True" in said, err
    assert [word for word in said if word in GRACEFUL] == GRACEFUL
    assert code == 0


def test_two_apps_in_one_process_both_stop_on_sigterm(start: Callable[[str], Program]) -> None:
    program = start(
        "async def main():\n"
        "    apps = [AioClock(lifespan=lifespan) for _ in range(2)]\n"
        "    for app in apps: work(app, 0.3); app.task(trigger=Every(hours=1), name='hourly')(lambda: None)\n"
        "    await asyncio.gather(*(app.serve() for app in apps))\n"
        "asyncio.run(main())"
    )
    program.wait_for("running")
    program.wait_for("running")
    program.send(signal.SIGTERM)
    with within(5):
        said, code, err = program.end()
    assert said.count("finished") == 2, err
    assert said.count("lifespan out") == 2
    assert code == 0


def test_cancelling_from_a_timeout_around_serve_leaves_cleanly(start: Callable[[str], Program]) -> None:
    program = start(
        "app = AioClock(lifespan=lifespan); work(app, 60); down(app)\n"
        "async def main():\n"
        "    try: await asyncio.wait_for(app.serve(), 1)\n"
        "    except TimeoutError: say('timed out')\n"
        "asyncio.run(main())"
    )
    with within(10):
        said, code, err = program.end()
    assert said == ["lifespan in", "running", *CANCELLED, "timed out"], err
    assert code == 0


def test_a_task_that_exits_ends_the_process_with_its_code_and_leaves_the_lifespan(
    start: Callable[[str], Program],
) -> None:
    program = start(
        "app = AioClock(lifespan=lifespan); down(app)\n"
        "@app.task(trigger=Once())\n"
        "async def work(): sys.exit(3)\n"
        "@app.task(trigger=Every(hours=1))\n"
        "async def hourly(): pass\n"
        "asyncio.run(app.serve())"
    )
    with within(10):
        said, code, err = program.end()
    assert code == 3, err
    assert said == ["lifespan in", "shut down", "lifespan out"]
