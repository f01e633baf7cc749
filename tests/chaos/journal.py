"""What processes write down while things go wrong around them: lines that are only ever appended."""

import json
import os
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from aioclock.runs import Run
from aioclock.stores._words import micros

__all__ = ["Journal", "Line", "Phase", "lines_in"]

Phase: TypeAlias = Literal["serving", "claimed", "taken", "started", "ended", "committed", "accepted"]
"""`claimed`, `taken` over, `accepted` (of the end of a run): so the store said. The others: the process did it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One thing that happened."""

    phase: Phase
    pid: int
    at_s: float
    """By the clock of the machine, however wrong the process's own is."""
    task: str = ""
    tick: int = 0
    fence: int = 0
    attempt: int = 0
    text: str = ""


class Journal:
    """Where this process writes."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        self._pid = os.getpid()  # of now: some processes lie about it later
        self._now = time.time

    def write(
        self, phase: Phase, task: str = "", *, tick: int = 0, fence: int = 0, attempt: int = 0, text: str = ""
    ) -> None:
        line = Line(
            phase=phase, task=task, tick=tick, fence=fence, attempt=attempt, text=text, pid=self._pid, at_s=self._now()
        )
        # One call appends all of it, so lines of several processes do not mix, and what is killed leaves whole ones.
        os.write(self._file, json.dumps(asdict(line)).encode() + b"\n")

    def write_of(self, phase: Phase, run: Run) -> None:
        """Write down what happens to *run*."""
        tick = micros(run.scheduled_at.timestamp())
        self.write(phase, run.task_key, tick=tick, fence=run.fence or 0, attempt=run.attempt)


def lines_in(path: Path) -> list[Line]:
    """Return what all processes wrote, in order."""
    return [Line(**json.loads(line)) for line in path.read_text().splitlines()] if path.exists() else []
