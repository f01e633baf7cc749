"""Tasks that are commands of the operating system."""

import asyncio
import os
import signal
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from anyio import CapacityLimiter
from anyio.to_thread import run_sync

from aioclock.config._process import Ended, Process
from aioclock.exceptions import CommandFailedError
from aioclock.runs import run_source

__all__ = ["Command"]

LAST_LINES = 5
LAST_CHARACTERS = 1_000
MOST_NOTED = 10_000
"""Characters of the outputs that a run remembers; a task has a hundred runs to look back on."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Command:
    """Runs a program and returns what it printed; the function of a task that says `command`.

    Attributes:
        name: The task's.
        argv: The program and its arguments; no shell reads them.
        env: Added to the environment.
        stdin: What the program reads; None for nothing.
        shown: The program as it stands in the file, for messages: what came from the environment is never shown.
        declared_at: Where in which file, `aioclock.yaml:12`.
    """

    name: str
    argv: tuple[str, ...]
    env: Mapping[str, str]
    cwd: Path
    stdin: str | None
    shown: str
    declared_at: str

    def __repr__(self) -> str:
        return f"Command({self.shown!r}, declared_at={self.declared_at!r})"

    async def __call__(self) -> str:
        """Return what the program printed, the last 20,000 characters of it.

        A cancellation ends the program and all that it started, and goes on when they are gone.

        Raises:
            CommandFailedError: its exit code is not 0, or it could not be started.
        """
        process = Process(self.argv, env={**os.environ, **self.env}, cwd=self.cwd, stdin=self.stdin)
        # In a thread, which is what virtual time waits for. Its limiter is its own, for it may last for hours.
        work = asyncio.ensure_future(run_sync(process.run, limiter=CapacityLimiter(1)))
        try:
            ended = await asyncio.shield(work)
        except asyncio.CancelledError:
            process.stop()
            await _end_of(work, process)
            raise
        except GeneratorExit:  # the event loop is gone, and nobody can wait
            process.stop()
            raise
        _note(ended)
        return self._result(ended)

    def _result(self, ended: Ended) -> str:
        if ended.returncode == 0:
            return ended.stdout
        raise CommandFailedError(
            f"{self.shown!r} {self._what_went_wrong(ended)}",
            returncode=ended.returncode,
            stdout=ended.stdout,
            stderr=ended.stderr,
        )

    def _what_went_wrong(self, ended: Ended) -> str:
        if ended.returncode is None:
            where = "" if self.cwd.is_dir() else "; the folder it should run in does not exist"
            return f"could not be started: {ended.reason}{where}"
        last = ended.stderr.strip()[-LAST_CHARACTERS:].splitlines()[-LAST_LINES:]
        return _how(ended.returncode) + (": " + "\n".join(last) if last else " and wrote nothing to stderr")


async def _end_of(work: "asyncio.Future[Ended]", process: Process) -> None:
    """Wait for the end of *work*, which was told to stop; each further cancellation kills at once."""
    while not work.done():
        try:
            await asyncio.wait({work})
        except asyncio.CancelledError:
            process.stop(patience_s=0)
    if not work.cancelled() and work.exception() is None:
        _note(work.result())


def _note(ended: Ended) -> None:
    """Let the run that this is part of remember what was printed."""
    if (run := run_source.get()) is not None:
        run.output = (ended.stdout + ended.stderr)[-MOST_NOTED:]


def _how(returncode: int) -> str:
    if returncode > 0:
        return f"ended with exit code {returncode}"
    with suppress(ValueError):
        return f"was killed by {signal.Signals(-returncode).name}"
    return f"was killed by signal {-returncode}"
