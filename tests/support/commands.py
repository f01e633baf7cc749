"""Running the `aioclock` command as a user does."""

import os
import pty
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from select import select

import pyte

__all__ = ["COMMAND", "PATIENCE_S", "aioclock", "environment", "serving", "terminal"]

COMMAND = Path(sys.executable).with_name("aioclock")
"""The console script of the environment that runs the tests."""

PATIENCE_S = 60.0


def environment(**variables: str) -> dict[str, str]:
    """Return the environment of a user who has set nothing of ours but *variables*."""
    ours = {"COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR", "TERM"}
    kept = {name: value for name, value in os.environ.items() if name not in ours and not name.startswith("AIOCLOCK_")}
    return kept | {"PYTHONIOENCODING": "utf-8"} | variables


def aioclock(
    *arguments: str, folder: Path, env: Mapping[str, str] | None = None, patience_s: float = PATIENCE_S
) -> "subprocess.CompletedProcess[str]":
    """Run `aioclock *arguments` in *folder*, away from any terminal, and return what came of it."""
    return subprocess.run(
        [COMMAND, *arguments],
        cwd=folder,
        env=environment(**(env or {})),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=patience_s,
        check=False,
    )


@contextmanager
def serving(*arguments: str, folder: Path, env: Mapping[str, str] | None = None) -> "Iterator[subprocess.Popen[str]]":
    """Start `aioclock *arguments` in *folder*; what is left of it at the end of the block is killed."""
    process = subprocess.Popen(
        [COMMAND, *arguments],
        cwd=folder,
        env=environment(PYTHONUNBUFFERED="1", **(env or {})),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        start_new_session=True,
    )
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def terminal(
    *arguments: str, folder: Path, columns: int = 120, lines: int = 60, env: Mapping[str, str] | None = None
) -> tuple[int, pyte.Screen]:
    """Run `aioclock *arguments` on a terminal; return the exit code and the screen as the user sees it at the end."""
    screen = pyte.Screen(columns, lines)
    stream = pyte.ByteStream(screen)
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [COMMAND, *arguments],
        cwd=folder,
        env=environment(TERM="xterm-256color", COLUMNS=str(columns), LINES=str(lines), **(env or {})),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    try:
        while select([ours], [], [], PATIENCE_S)[0]:
            try:
                written = os.read(ours, 65536)
            except OSError:  # what Linux says when the other side has been closed
                break
            if not written:
                break
            stream.feed(written)
        return process.wait(PATIENCE_S), screen
    finally:
        process.kill()
        process.wait()
        os.close(ours)
