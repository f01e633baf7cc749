"""One process with all that it starts: run, read, stopped."""

import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

from aioclock.config._process_group import OF_ITS_OWN, group_lives, kill, terminate
from aioclock.config._process_output import Outputs, Tail, outputs_of

__all__ = ["Ended", "Process"]

STOP_PATIENCE_S = 3.0
"""How long a process may take to end after SIGTERM. Less than what the engine gives a cancelled run."""

LOOK_S = 0.1
"""How often to look whether the process was told to stop, or has ended although something else holds its outputs."""

LAST_WORDS_S = 0.2
"""How long to go on reading when the process has ended and something that it left behind holds its outputs."""


@dataclass(frozen=True, slots=True)
class Ended:
    """What came of a process.

    Attributes:
        returncode: Its exit code, below 0 for a signal; None: it could not be started.
        stdout: The end of what it wrote.
        stderr: The same of its standard error.
        reason: Why it could not be started; without any value that may be secret.
    """

    returncode: int | None
    stdout: str = ""
    stderr: str = ""
    reason: str = ""


class Process:
    """A process that leads a group of its own, so that it can be ended with all that it started."""

    def __init__(self, argv: Sequence[str], *, env: Mapping[str, str], cwd: Path, stdin: str | None) -> None:
        self._argv, self._env, self._cwd = argv, env, cwd
        self._stdin = stdin
        self._tails = Tail(), Tail()
        self._kill_at: float | None = None
        """When to kill it; set when it was told to stop."""
        self._terminated = self._killed = False

    def stop(self, *, patience_s: float = STOP_PATIENCE_S) -> None:
        """Tell the process to end, and kill it after *patience_s*; returns at once. Any thread may call it."""
        self._kill_at = time.monotonic() + patience_s

    def run(self) -> Ended:
        """Return when the process has ended; blocks."""
        if self._kill_at is not None:  # stopped before it began
            return Ended(-signal.SIGTERM)
        with ExitStack() as stack:
            try:
                process = self._started(stack)
            except OSError as error:
                return Ended(None, reason=error.strerror or type(error).__name__)
            try:
                self._follow(process, outputs_of(process, self._tails, stack))
            finally:
                if process.poll() is None or self._kill_at is not None:
                    kill(process)
                process.wait()
        stdout, stderr = (tail.text() for tail in self._tails)
        return Ended(process.returncode, stdout, stderr)

    def _started(self, stack: ExitStack) -> "subprocess.Popen[bytes]":
        stdin: Any = subprocess.DEVNULL
        if self._stdin is not None:
            # A file and no pipe: nobody has to wait for a process that does not read.
            stdin = stack.enter_context(TemporaryFile())  # noqa: SIM115 - the stack is its context
            stdin.write(self._stdin.encode("utf-8", "surrogateescape"))
            stdin.seek(0)
        return subprocess.Popen[bytes](
            self._argv,
            cwd=self._cwd,
            env=self._env,
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            **OF_ITS_OWN,
        )

    def _follow(self, process: "subprocess.Popen[bytes]", outputs: Outputs) -> None:
        """Read until the process has ended, and its outputs with it unless something else holds them."""
        last_words_until: float | None = None
        while last_words_until is None or time.monotonic() < last_words_until:
            is_open = outputs.read(LOOK_S)
            self._end_if_told(process)
            if process.poll() is None or (self._terminated and not self._killed and group_lives(process)):
                if not is_open:
                    _wait(process, LOOK_S)
            elif not is_open:
                return
            elif last_words_until is None:
                last_words_until = time.monotonic() + LAST_WORDS_S

    def _end_if_told(self, process: "subprocess.Popen[bytes]") -> None:
        if self._kill_at is None:
            return
        if time.monotonic() >= self._kill_at:
            self._killed = True
            kill(process)
        elif not self._terminated:
            self._terminated = True
            terminate(process)


def _wait(process: "subprocess.Popen[bytes]", seconds: float) -> None:
    if process.returncode is not None:
        time.sleep(seconds)  # it is the rest of its group that goes on
        return
    with suppress(subprocess.TimeoutExpired):
        process.wait(seconds)
