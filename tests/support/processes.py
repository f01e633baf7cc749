"""What becomes of other processes, and waiting for it."""

import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

PATIENCE_S = 15.0


def exists(pid: int) -> bool:
    """Tell whether a process of that *pid* is there, dead or alive."""
    with suppress(ProcessLookupError):
        os.kill(pid, 0)
        return True
    return False


def runs(pid: int) -> bool:
    """Like `exists`, but a dead process that its adoptive parent never looked after does not count."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return exists(pid)


def wait_until(true: Callable[[], bool], *, seconds: float = PATIENCE_S) -> None:
    """Wait until *true* says so, and fail when it does not in time."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it did not come true"
        time.sleep(0.005)
