"""Several uvicorn workers that share a store run each tick once.

This needs real processes and the real clock: uvicorn starts its workers, and ends them, by signals, and what they share
is a file.
"""

import asyncio
import re
import signal
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from aioclock.stores import RunQuery, RunRecord, store_at
from processes import wait_until

pytestmark = [
    pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGTERM to send"),
    pytest.mark.timeout(120),  # four processes import everything, perhaps beside other work
]

EXAMPLE = Path(__file__).parents[2] / "examples" / "with_fast_api.py"
WORKERS = 4
TICKS = 3
PERIOD = 2_000_000


@contextmanager
def uvicorn(folder: Path) -> Iterator[tuple["subprocess.Popen[bytes]", str]]:
    """Serve the example by several workers, with a store and no other change."""
    text, changes = re.subn(r"AioClock\(", 'AioClock(store="sqlite:///clock.db", ', EXAMPLE.read_text())
    assert changes == 1
    (folder / "with_fast_api.py").write_text(text)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    command = [sys.executable, "-m", "uvicorn", "with_fast_api:app", "--workers", f"{WORKERS}", "--port", f"{port}"]
    with (folder / "out").open("wb") as out, (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, cwd=folder, stdout=out, stderr=log)
    try:
        yield process, f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()


def runs_in(folder: Path) -> list[RunRecord]:
    """Return the runs on record, in order of their ticks."""
    return sorted(asyncio.run(_runs_in(folder)), key=lambda run: run.tick)


async def _runs_in(folder: Path) -> list[RunRecord]:
    store = store_at(f"sqlite:///{folder / 'clock.db'}")
    await store.open()
    try:
        return await store.runs(RunQuery(limit=1000))
    finally:
        await store.close()


def test_each_tick_of_the_example_runs_once_over_all_workers(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with uvicorn(tmp_path) as (process, url):
        wait_until(lambda: log.read_text().count("startup complete") == WORKERS, seconds=60)
        began = len(runs_in(tmp_path))
        wait_until(lambda: len(runs_in(tmp_path)) >= began + TICKS, seconds=60)
        assert httpx.get(f"{url}/clock/tasks").status_code == 200
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=60) in (0, -signal.SIGTERM)
    runs = runs_in(tmp_path)
    assert {run.state for run in runs} == {"succeeded"}
    assert {run.tick % PERIOD for run in runs} == {runs[0].tick % PERIOD}
    # Each run answers what comes after the one before; on a machine that stood still, that is more than one tick.
    assert [run.covers_from for run in runs[1:]] == [run.tick for run in runs[:-1]]
    # Each worker counts its own runs, beginning with 1, and prints the number.
    printed = Counter(re.findall(r"^run (\d+)$", (tmp_path / "out").read_text(), re.MULTILINE))
    own = Counter(run.owner for run in runs)
    assert printed == Counter(f"{number}" for count in own.values() for number in range(1, count + 1))
    assert log.read_text().count("shutdown complete") == WORKERS
    assert "Traceback" not in log.read_text()
