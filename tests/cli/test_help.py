"""What the command says of itself."""

import re
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import typer.main

import aioclock as package
from aioclock.cli._commands import commands
from commands import COMMAND, aioclock, environment, terminal

NAMES = sorted(typer.main.get_command(commands).commands)  # type: ignore[attr-defined]


def test_all_commands_are_listed_with_what_they_do(tmp_path: Path) -> None:
    done = aioclock("--help", folder=tmp_path)
    assert done.returncode == 0
    for name in NAMES:
        assert re.search(rf"^  {name} +\w.*\.$", done.stdout, re.MULTILINE), name
    assert not re.search(r"\w\.\.\.$", done.stdout, re.MULTILINE), "a summary is too long for its line"


@pytest.mark.parametrize("name", NAMES)
def test_every_command_explains_itself_with_an_example(tmp_path: Path, name: str) -> None:
    done = aioclock(name, "--help", folder=tmp_path, env={"COLUMNS": "120"})
    assert done.returncode == 0
    assert re.search(rf"Example: aioclock {name}\b", done.stdout)
    assert "--help" in done.stdout
    assert "list[" not in done.stdout, "a type of Python's instead of a word"


@pytest.mark.parametrize("option", ["-h", "--help"])
def test_help_in_colours_on_a_terminal_only(tmp_path: Path, option: str) -> None:
    code, screen = terminal(option, folder=tmp_path)
    assert code == 0
    colours = {cell.fg for row in screen.buffer.values() for cell in row.values()}
    assert colours > {"default"}
    assert "\x1b" not in aioclock(option, folder=tmp_path).stdout


@pytest.mark.parametrize("show", [terminal, aioclock], ids=["on a terminal", "elsewhere"])
def test_a_help_text_is_quick(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, show: Callable[..., object]) -> None:
    """Real time, for this is about the machine: 0.3 s of CPU is what a person takes for "at once"."""
    for name in ("COVERAGE_PROCESS_CONFIG", "COVERAGE_PROCESS_START"):  # by which coverage measures child processes
        monkeypatch.delenv(name, raising=False)
    times = []
    for _ in range(8):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        show("--help", folder=tmp_path)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        times.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    assert min(times) < 0.3


def test_a_help_text_elsewhere_than_on_a_terminal_loads_no_rich(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", COMMAND, "--help"],
        cwd=tmp_path, env=environment(), capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert re.search(r"\btyper\.core$", done.stderr, re.MULTILINE)
    assert not re.search(r"\brich\b", done.stderr)


def test_a_help_text_loads_nothing_that_schedules() -> None:
    program = (
        "import sys; from aioclock.cli._commands import commands; import typer.main; typer.main.get_command(commands);"
        "print([name for name in ('pydantic', 'anyio', 'rich', 'watchfiles', 'aioclock.app') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_the_version(tmp_path: Path) -> None:
    done = aioclock("--version", folder=tmp_path)
    assert (done.returncode, done.stdout) == (0, f"aioclock {package.__version__}\n")


def test_no_command_at_all_shows_the_help(tmp_path: Path) -> None:
    done = aioclock(folder=tmp_path)
    assert done.returncode == 2
    assert "Usage: aioclock" in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["rum"], "No such command 'rum'. Did you mean 'run'"),
        (["run", "--relaod"], "No such option: --relaod"),
        (["run", "--log-format", "xml"], "'xml' is not one of 'auto', 'text', 'json'"),
    ],
)
def test_misuse_is_exit_code_2(tmp_path: Path, arguments: list[str], complaint: str) -> None:
    done = aioclock(*arguments, folder=tmp_path, env={"COLUMNS": "120"})
    assert (done.returncode, done.stdout) == (2, "")
    assert complaint in done.stderr


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_for_shells(tmp_path: Path, shell: str) -> None:
    done = aioclock(
        folder=tmp_path, env={"_AIOCLOCK_COMPLETE": f"complete_{shell}", "COMP_WORDS": "aioclock tr", "COMP_CWORD": "1",
                              "_TYPER_COMPLETE_ARGS": "aioclock tr", "_TYPER_COMPLETE_FISH_ACTION": "get-args"}
    )  # fmt: skip
    assert "trigger" in done.stdout
