"""Worker processes, and what can be done to them."""

import json
import os
import resource
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from random import Random

from journal import Line, lines_in
from processes import wait_until
from worker import Orders

__all__ = ["PATIENCE_S", "Fleet", "Worker", "set_clock"]

PATIENCE_S = 40.0
"""How long anything may take that has to come in the end, on a machine that has much else to do."""

HERE = Path(__file__).parent


@dataclass(eq=False)
class Worker:
    """One process; its clock may be wrong."""

    process: "subprocess.Popen[bytes]"
    clock: Path
    frozen: bool = False
    asked: set[int] = field(default_factory=set)
    """Exit codes that it may end with: it was asked to, or killed."""

    @property
    def pid(self) -> int:
        return self.process.pid

    def alive(self) -> bool:
        return self.process.poll() is None

    def signal(self, what: signal.Signals) -> None:
        self.process.send_signal(what)

    def freeze(self) -> None:
        self.frozen = True
        self.signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self.frozen = False
        self.signal(signal.SIGCONT)

    def kill(self) -> None:
        self.asked.add(-signal.SIGKILL)
        self.signal(signal.SIGKILL)
        self.process.wait()

    def end(self) -> None:
        """Ask it to end in order."""
        self.asked.add(0)
        self.thaw()
        self.signal(signal.SIGTERM)

    def limit_files(self, size: int | None) -> None:
        """Let no file that it writes grow beyond *size* bytes; None: lift that."""
        most = resource.RLIM_INFINITY if size is None else size
        resource.prlimit(self.pid, resource.RLIMIT_FSIZE, (most, resource.RLIM_INFINITY))


class Fleet:
    """Use it as a block, at whose end no process is left.

    Args:
        folder: For journal, logs and clocks.
    """

    def __init__(self, orders: Orders, folder: Path, *, seed: int) -> None:
        self.folder = folder
        self.journal = Path(orders.journal)
        self.random = Random(seed)
        self.workers: list[Worker] = []
        """All that ever were."""
        self._orders = orders

    def __enter__(self) -> "Fleet":
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self.alive():
            worker.kill()

    def alive(self) -> list[Worker]:
        return [worker for worker in self.workers if worker.alive()]

    def victim(self) -> Worker:
        """Return one that something will happen to: one that has runs, if there is any."""
        going: Counter[int] = Counter()
        for line in self.lines():
            going[line.pid] += (line.phase == "started") - (line.phase in ("ended", "committed"))
        able = [worker for worker in self.alive() if not worker.frozen]
        return self.random.choice([worker for worker in able if going[worker.pid]] or able)

    def start(self, count: int = 1) -> list[Worker]:
        """Start some more, and return when they serve."""
        started = [self._start() for _ in range(count)]
        self.workers += started
        wait_until(lambda: self._serve(started), seconds=PATIENCE_S)
        return started

    def _start(self) -> Worker:
        clock = self.folder / f"clock-{len(list(self.folder.glob('clock-*')))}"
        set_clock(clock, 0.0)
        orders = self._orders if self._orders.clock is None else replace(self._orders, clock=str(clock))
        # Coverage of what is killed can't be measured, and measuring it would slow down the rest.
        environ = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")}
        environ["PYTHONPATH"] = os.pathsep.join([str(HERE), *filter(None, [environ.get("PYTHONPATH")])])
        with (self.folder / "workers.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, str(HERE / "worker.py"), json.dumps(asdict(orders))], stderr=log, env=environ
            )
        return Worker(process, clock)

    def _serve(self, started: Iterable[Worker]) -> bool:
        serving = {line.pid for line in self.lines() if line.phase == "serving"}
        return all(worker.pid in serving or not worker.alive() for worker in started)

    def lines(self) -> list[Line]:
        return lines_in(self.journal)

    def end(self, workers: Iterable[Worker] | None = None) -> None:
        """Have all or some of them end in order."""
        ending = self.alive() if workers is None else list(workers)
        for worker in ending:
            worker.end()
        wait_until(lambda: not any(worker.alive() for worker in ending), seconds=PATIENCE_S)

    def recover(self, size: int) -> None:
        """Undo what was done to those that live, and let there be *size* of them."""
        for worker in self.alive():
            worker.thaw()
            worker.limit_files(None)
            set_clock(worker.clock, 0.0)
        self.start(max(0, size - len(self.alive())))

    def fallen(self) -> list[int]:
        """Return the exit codes of those that ended though nobody had asked them to, or not as they were asked to."""
        codes = [(worker.process.poll(), worker.asked) for worker in self.workers]
        return [code for code, asked in codes if code is not None and code not in asked]

    def log(self) -> str:
        """Return what the workers had to say."""
        with suppress(FileNotFoundError):
            return (self.folder / "workers.log").read_text()
        return ""


def set_clock(file: Path, seconds: float) -> None:
    """Let the processes that go by *file* be wrong by *seconds*."""
    new = file.with_suffix(".new")
    new.write_text(f"{seconds}")
    new.replace(file)  # nobody reads half of it
