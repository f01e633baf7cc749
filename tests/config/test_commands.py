"""Tasks that are commands: real processes, most of them over in a few milliseconds."""

import asyncio
import gc
import os
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from aioclock import AioClock, Outcome
from aioclock.config._process import STOP_PATIENCE_S
from aioclock.config._process_output import MOST_BYTES, MOST_CHARACTERS, Tail, _ReadByThreads
from aioclock.exceptions import CommandFailedError, RunCancelledError, TaskTimeoutError
from aioclock.testing import simulate
from processes import runs, wait_until

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the commands are those of POSIX")

Load = Callable[..., AioClock]
Problems = Callable[..., tuple[str, ...]]

PYTHON = sys.executable


def command(load: Load, argv: str, *lines: str) -> AioClock:
    """Return an app with one task, `job`, that runs *argv* (YAML) when it is asked to."""
    rest = "".join(f"  {line}\n" for line in lines)
    return load(f"tasks:\n- name: job\n  command: {argv}\n  trigger: {{type_: EVERY, days: 1}}\n{rest}")


def run(app: AioClock) -> str:
    return str(asyncio.run(app.run_now("job")))


def failure(app: AioClock) -> CommandFailedError:
    with pytest.raises(CommandFailedError) as caught:
        run(app)
    return caught.value


# What it gets and what it gives


def test_the_result_is_what_the_command_printed(load: Load) -> None:
    assert run(command(load, "[echo, hello, $HOME, '*', a b]")) == "hello $HOME * a b\n"


def test_a_run_remembers_what_its_command_printed(load: Load) -> None:
    app = command(load, "[sh, -c, 'echo out; echo oh >&2; exit $CODE']", "env: {CODE: '0'}")
    with simulate(app, start="2026-03-01T00:00:00+00:00") as sim:
        sim.advance(days=1)
    assert [(seen.outcome, seen.output) for seen in app.runs("job")] == [(Outcome.SUCCEEDED, "out\noh\n")]
    app = command(load, "[sh, -c, 'echo out; echo oh >&2; exit 3']")
    failure(app)
    assert app.runs("job")[0].output == "out\noh\n"


def test_a_run_that_is_cut_off_remembers_what_was_printed_until_then(load: Load) -> None:
    app = command(load, "[sh, -c, 'echo began; sleep 60']", "timeout: 0.5")
    with pytest.raises(TaskTimeoutError):
        run(app)
    assert (app.runs("job")[0].outcome, app.runs("job")[0].output) == (Outcome.TIMED_OUT, "began\n")


def test_what_a_run_remembers_of_its_output_is_bounded(load: Load) -> None:
    app = command(load, "[sh, -c, 'seq 1 50000']")
    run(app)
    output = app.runs("job")[0].output
    assert output is not None
    assert len(output) == 10_000
    assert output.endswith("50000\n")


def test_it_reads_nothing_unless_something_is_given(load: Load) -> None:
    assert run(command(load, "[cat]")) == ""
    assert run(command(load, "[cat]", "stdin: null")) == ""
    assert run(command(load, "[cat]", 'stdin: "Grüße\\n"')) == "Grüße\n"
    assert run(command(load, "[cat]", 'stdin: ""')) == ""


def test_more_than_a_pipe_holds_may_be_given_to_one_who_does_not_read(load: Load) -> None:
    assert run(command(load, "['true']", f"stdin: {'x' * 200_000}")) == ""


def test_env_is_added_to_the_environment(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HERE", "before")
    monkeypatch.setenv("SECRET", "hunter2")
    app = command(load, "[sh, -c, 'echo $HERE $A $B']", 'env: {A: "1.10", B: "${SECRET}"}')
    monkeypatch.setenv("HERE", "now")
    assert run(app) == "now 1.10 hunter2\n"


def test_it_runs_in_the_files_folder_and_cwd_is_relative_to_that(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    conf, elsewhere = project / "conf", project / "elsewhere"
    (conf / "sub").mkdir(parents=True)
    elsewhere.mkdir()
    (conf / "tool").write_text("#!/bin/sh\npwd\n")
    (conf / "tool").chmod(0o755)
    tasks = ["name: a\n  command: [pwd]", "name: b\n  command: [pwd]\n  cwd: sub", "name: c\n  command: [./tool]"]
    tasks += [f"name: d\n  command: [pwd]\n  cwd: {elsewhere}", "name: e\n  command: [pwd]\n  cwd: null"]
    text = "".join(f"- {task}\n  trigger: {{type_: ONCE}}\n" for task in tasks)
    (conf / "a.yaml").write_text(f"tasks:\n{text}")
    monkeypatch.chdir(elsewhere)
    app = AioClock.from_config("../conf/a.yaml")
    folders = [Path(asyncio.run(app.run_now(name)).strip()).resolve() for name in "abcde"]
    assert folders == [path.resolve() for path in (conf, conf / "sub", conf, elsewhere, conf)]


@pytest.mark.parametrize("count", [0, 1, 5_000, 70_000, 1_000_000])
def test_of_what_it_writes_the_end_is_kept_and_nothing_blocks(count: int, load: Load) -> None:
    code = f"import sys; sys.stdout.write('ä' * {count} + 'z'); sys.stderr.write('ö' * {count} + 'y'); sys.exit(4)"
    error = failure(command(load, f'["{PYTHON}", -c, "{code}"]'))
    assert error.stdout == ("ä" * count + "z")[-MOST_CHARACTERS:]
    assert error.stderr == ("ö" * count + "y")[-MOST_CHARACTERS:]


def test_a_tail_is_bounded_however_much_comes() -> None:
    tail = Tail()
    for number in range(10_000):
        tail.feed(b"%06d " % number * 30)
        assert len(tail._content) <= 2 * MOST_BYTES + 300
    assert tail.text().endswith("009999 ")
    assert len(tail.text()) == MOST_CHARACTERS


def test_outputs_can_be_read_by_threads_as_well() -> None:
    """The way of Windows, which works everywhere but leaves threads behind."""
    code = (
        "import sys, time; sys.stdout.write('a' * 100_000); sys.stdout.flush(); time.sleep(0.2); sys.stderr.write('b')"
    )
    process = subprocess.Popen([PYTHON, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stderr is not None
    out, err = Tail(), Tail()
    outputs = _ReadByThreads([(process.stdout, out), (process.stderr, err)])
    assert outputs.read(0.01)
    while outputs.read(1):
        pass
    assert process.wait() == 0
    assert (out.text(), err.text()) == ("a" * MOST_CHARACTERS, "b")


def test_bytes_that_are_no_utf_8_do_not_matter(load: Load) -> None:
    assert run(command(load, "[printf, 'a\\377b']")) == "a\ufffdb"


def test_the_command_of_a_group_for_processes_is_a_process_by_itself(load: Load) -> None:
    text = "executor: process\ntasks: [{name: job, command: [echo, hi], trigger: {type_: ONCE}}]"
    for app in (load(text), load(f"groups:\n- {text.replace(chr(10), chr(10) + '  ')}")):
        assert app.tasks["job"].executor == "loop"
        assert run(app) == "hi\n"


# How it fails


def test_another_exit_code_than_0_fails_the_run_with_the_last_lines_of_stderr(load: Load) -> None:
    app = command(load, "[sh, -c, 'echo out; for n in 1 2 3 4 5 6 7; do echo line $n >&2; done; exit 3']")
    error = failure(app)
    assert str(error) == "'sh' ended with exit code 3: line 3\nline 4\nline 5\nline 6\nline 7"
    assert (error.returncode, error.stdout) == (3, "out\n")
    assert error.stderr.startswith("line 1\nline 2\n")
    [record] = app.runs()
    assert record.outcome == Outcome.FAILED
    assert record.error is not None
    assert "ended with exit code 3" in record.error.message


def test_the_error_can_travel(load: Load) -> None:
    error = failure(command(load, "[sh, -c, 'echo out; exit 3']"))
    copy = pickle.loads(pickle.dumps(error))
    assert (str(copy), copy.returncode, copy.stdout) == (str(error), 3, "out\n")


def test_long_last_lines_are_cut(load: Load) -> None:
    code = "import sys; sys.exit('x' * 50_000)"
    assert len(str(failure(command(load, f'["{PYTHON}", -c, "{code}"]')))) < 1_100


def test_a_signal_is_named(load: Load) -> None:
    error = failure(command(load, "[sh, -c, 'kill -9 $$']"))
    assert str(error) == "'sh' was killed by SIGKILL and wrote nothing to stderr"
    assert error.returncode == -signal.SIGKILL


def test_a_signal_without_a_name_is_numbered(load: Load) -> None:
    assert "was killed by signal 40" in str(failure(command(load, "[sh, -c, 'kill -40 $$']")))


@pytest.mark.parametrize(
    ("argv", "line", "expected"),
    [
        ("[nothing-like-it]", "", "'nothing-like-it' could not be started: No such file or directory"),
        ("[./shop.py]", "", "'./shop.py' could not be started: Permission denied"),
        ("[ls]", "cwd: none", "'ls' could not be started: No such file or directory; the folder it should run in does"),
    ],
)
def test_a_command_that_can_not_be_started(argv: str, line: str, expected: str, load: Load) -> None:
    error = failure(command(load, argv, line))
    assert str(error).startswith(expected)
    assert error.returncode is None


def test_an_error_at_the_start_leaves_nothing_for_the_garbage_collector(load: Load) -> None:
    app = command(load, "[nothing-like-it]")

    async def main() -> list[object]:
        with pytest.raises(CommandFailedError):
            await app.tasks["job"].func()
        return [found for found in gc.get_objects() if isinstance(found, FileNotFoundError | CommandFailedError)]

    gc.collect()
    gc.disable()
    try:
        assert asyncio.run(main()) == []
    finally:
        gc.enable()


def test_what_came_from_the_environment_is_in_no_error(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET", "hunter2")
    for argv in ('["${SECRET}"]', '[sh, -c, "exit 3", "${SECRET}"]'):
        app = command(load, argv, 'env: {A: "${SECRET}"}', 'stdin: "${SECRET}"')
        error = failure(app)
        texts = [str(error), repr(error), repr(app.tasks["job"].func), str(error.__cause__), str(error.__context__)]
        assert "hunter2" not in "".join(texts)


def test_policies_hold_for_commands_too(load: Load) -> None:
    argv = "[sh, -c, 'echo x >> tries; test $(wc -l < tries) -ge 3']"
    app = command(load, argv, "retry: {attempts: 3, delay: 0}")
    assert run(app) == ""
    assert Path("tries").read_text() == "x\n" * 3


# How it ends before its time

PARENT = (
    "trap 'echo term > parent; exit' TERM; sh -c 'echo $$ > child; trap \"\" TERM; sleep 60; sleep 60' & wait; wait"
)
GENTLE = "trap 'echo term > parent; exit' TERM; sleep 60 & echo $! > child; wait"


def child() -> int:
    """Wait for the pid of the command's child and return it."""
    wait_until(lambda: Path("child").exists() and Path("child").read_text().endswith("\n"))
    return int(Path("child").read_text())


async def cancelled_after_child(app: AioClock) -> float:
    running = asyncio.create_task(app.run_now("job"))
    await asyncio.to_thread(child)
    before = time.monotonic()
    app.cancel("job")
    with pytest.raises(RunCancelledError):
        await running
    return time.monotonic() - before


def test_a_timeout_ends_it_with_its_children(load: Load) -> None:
    app = command(load, "[sh, -c, 'sleep 60 & echo $! > child; sleep 60']", "timeout: 1")
    with pytest.raises(TaskTimeoutError):
        run(app)
    assert not runs(child())


def test_it_may_end_by_itself_first(load: Load) -> None:
    Path("job.sh").write_text(GENTLE)
    app = command(load, "[sh, job.sh]")
    assert asyncio.run(cancelled_after_child(app)) < STOP_PATIENCE_S
    assert Path("parent").read_text() == "term\n"
    assert not runs(child())


def test_its_children_may_end_by_themselves_as_well(load: Load) -> None:
    child_that_cleans = "trap 'sleep 0.3; touch cleaned; exit' TERM; echo $$ > child; sleep 60 & wait"
    Path("child.sh").write_text(child_that_cleans)
    app = command(load, "[sh, -c, 'sh child.sh & wait']")
    assert asyncio.run(cancelled_after_child(app)) < STOP_PATIENCE_S
    assert Path("cleaned").exists()


def test_what_does_not_end_by_itself_is_killed(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aioclock.config._process.Process.stop.__kwdefaults__", {"patience_s": 0.3})
    Path("job.sh").write_text(PARENT)
    app = command(load, "[sh, job.sh]")
    seconds = asyncio.run(cancelled_after_child(app))
    assert 0.3 <= seconds < STOP_PATIENCE_S
    assert Path("parent").read_text() == "term\n"
    assert not runs(child())


def test_who_is_in_a_hurry_kills_at_once(load: Load) -> None:
    Path("job.sh").write_text(PARENT)
    app = command(load, "[sh, job.sh]")

    async def main() -> float:
        task = asyncio.ensure_future(app.tasks["job"].func())
        await asyncio.to_thread(child)
        before = time.monotonic()
        task.cancel()
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return time.monotonic() - before

    assert asyncio.run(main()) < STOP_PATIENCE_S
    assert not runs(child())


def test_a_command_cancelled_before_it_began_never_begins(load: Load) -> None:
    app = command(load, "[touch, began]")

    async def main() -> None:
        task = asyncio.ensure_future(app.tasks["job"].func())
        await asyncio.sleep(0)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert not Path("began").exists()


def test_stopping_the_app_ends_it_with_its_children(load: Load) -> None:
    app = load(
        "shutdown_timeout: 0\n"
        "tasks: [{name: job, command: [sh, -c, 'sleep 60 & echo $! > child; wait'], trigger: {type_: ONCE}}]"
    )

    async def main() -> None:
        async with app.running():
            await asyncio.to_thread(child)

    asyncio.run(main())
    assert not runs(child())
    [record] = app.runs()
    assert record.outcome == Outcome.CANCELLED


def test_what_is_left_behind_neither_hangs_the_run_nor_is_killed(load: Load) -> None:
    app = command(load, "[sh, -c, 'sleep 60 & echo $! > child; echo done']")
    before = time.monotonic()
    assert run(app) == "done\n"
    assert time.monotonic() - before < 5
    pid = child()
    assert runs(pid)
    os.kill(pid, signal.SIGKILL)


def test_a_command_that_closes_its_outputs_is_waited_for(load: Load) -> None:
    assert run(command(load, "[sh, -c, 'exec >&- 2>&-; sleep 0.3; touch end']")) == ""
    assert Path("end").exists()


# On virtual time


def test_on_virtual_time_commands_run_and_take_none_of_it(load: Load) -> None:
    app = command(load, "[sh, -c, 'sleep 0.2; echo x >> ticks']", "timeout: 0.05")
    with simulate(app) as sim:
        sim.advance(days=3)
    assert [run.outcome for run in sim.runs()] == [Outcome.SUCCEEDED] * 3
    assert all(run.finished_at == run.started_at for run in sim.runs())
    assert Path("ticks").read_text() == "x\n" * 3


# What is refused

BAD = [
    ("command: []", "command: command must name a program"),
    ("command: ['']", "command: command must name a program"),
    ("command: ls -l", "command: command must be a list, got 'ls -l'"),
    ("command: [sleep, 5]", "command.1: each part of a command must be text, got 5; put it in quotes"),
    ("command: [sleep, null]", "command.1: each part of a command must be text, got None"),
    ('command: [echo, "a\\0b"]', "command.1: each part of a command must not contain the character NUL"),
    ("command: [ls]\n  env: [A]", "env: env must be a mapping, got ['A']"),
    (
        "command: [ls]\n  env: {PORT: 80}",
        "env.PORT: the environment variable PORT must be text, got 80; put it in quotes",
    ),
    ("command: [ls]\n  env: {A=B: x}", "env.A=B: 'A=B' can't be the name of an environment variable"),
    ("command: [ls]\n  env: {'': x}", "env.: '' can't be the name of an environment variable"),
    ("command: [ls]\n  cwd: 5", "cwd: cwd must be text, got 5; put it in quotes"),
    ("command: [ls]\n  stdin: [x]", "stdin: stdin must be text, got ['x']"),
    ("command: [ls]\n  executor: thread", "executor: a command is a process by itself; leave executor out"),
]


@pytest.mark.parametrize(("lines", "expected"), BAD)
def test_a_bad_command(lines: str, expected: str, problems: Problems) -> None:
    [problem] = problems(f"tasks:\n- name: a\n  trigger: {{type_: ONCE}}\n  {lines}\n")
    line = 4 + lines.count("\n")
    assert problem.startswith(f"{line}: tasks.0.{expected}")
