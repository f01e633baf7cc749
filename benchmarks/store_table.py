"""The second table: how many runs stores take per second."""

import json
import statistics
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import environments

HERE = Path(__file__).parent
STORES = {
    "memory": "memory",
    "sqlite": "SQLite",
    "postgresql": "PostgreSQL",
    "mariadb": "MariaDB",
    "redis": "Redis",
}
WAYS = {"one_per_s": "one after the other", "many_per_s": "50 at once"}
PROCESSES = (1, 4)
TIMEOUT_S = 120

NOTES = """\
Runs of tasks that each process has to itself; with 4 processes it is the sum. The servers are those that the tests
start; neither they nor SQLite wait until the disk has what was written.
"""


def titles() -> list[str]:
    """Return what the lines are called."""
    return [f"{name}, {way}" for name in STORES.values() for way in WAYS.values()]


def lines(wanted: Iterable[str], *, turns: int, seconds: float) -> list[list[str]]:
    """Return the table of the lines that are called *wanted*, as rows of text."""
    table = [["claimed and finished per second", *(f"{n} process{'es' if n > 1 else ''}" for n in PROCESSES)]]
    for kind, name in STORES.items():
        own = [f"{name}, {way}" for way in WAYS.values()]
        if set(own).isdisjoint(wanted):
            continue
        print(f"measuring: runs per second in {name} ...", file=sys.stderr)
        columns = [_rates(kind, processes, turns=turns, seconds=seconds) for processes in PROCESSES]
        table += [
            [title, *(column[key] for column in columns)]
            for key, title in zip(WAYS, own, strict=True)
            if title in wanted
        ]
    return table


def _rates(kind: str, processes: int, *, turns: int, seconds: float) -> dict[str, str]:
    if kind == "memory" and processes > 1:
        return dict.fromkeys(WAYS, "–")  # nothing is shared
    reports = [_report(kind, processes, seconds) for _ in range(turns)]
    for report in reports:
        if isinstance(report, str):
            return dict.fromkeys(WAYS, report)
    numbers = [report for report in reports if not isinstance(report, str)]
    return {key: f"{statistics.median(report[key] for report in numbers):,.0f}" for key in WAYS}


def _report(kind: str, processes: int, seconds: float) -> Any:
    """Return the numbers, or why there are none."""
    command = [environments.python("stores"), HERE / "stores.py", kind, processes, seconds]
    try:
        done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=TIMEOUT_S, check=True)
    except subprocess.SubprocessError as error:
        print(f"{kind}: {error}\n{getattr(error, 'stderr', '')}", file=sys.stderr)
        return "not measured"
    report = json.loads(done.stdout)
    return report.get("reason", report)
