"""Print what aioclock costs beside hand-written asyncio, APScheduler 3 and AioClock 0.3, and what stores can take.

usage: python table.py [--quick] [WORD ...]     with words: only the rows whose title contains one of them

Every number is the median of several runs, each in a process of its own. The runs take turns (bare, ours, theirs, bare,
ours, ...) and a ratio is the median of the ratios within a turn, so that a noisy machine disturbs both sides alike.
"""

import json
import math
import os
import statistics
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import environments
import store_table

HERE = Path(__file__).parent
COLUMNS = {
    "bare": "bare asyncio",
    "apscheduler": "APScheduler 3",
    "aioclock03": "AioClock 0.3",
    "aioclock": "aioclock",
}
ENVIRONMENTS = {"bare": "aioclock"} | {name: name for name in COLUMNS if name != "bare"}
TIMEOUT_S = 300
# The checkout's modules are compiled once, as an installed package's are, and not at every import.
ENVIRON = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
Numbers = dict[str, list[float]]  # column -> one number per turn


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of the table: a number from a script's report, and the most it may be."""

    title: str
    key: str
    unit: str
    budget: float
    times_bare: bool = False
    """The budget is a multiple of the first column, not an amount."""

    def ratio(self, numbers: Numbers, column: str) -> float | None:
        """Return how many times the bare column *column* costs, or None where there is nothing to compare."""
        pairs = zip(numbers.get(column, []), numbers.get("bare", []), strict=False)
        ratios = [ours / bare for ours, bare in pairs if bare]
        return statistics.median(ratios) if ratios else None

    def verdict(self, numbers: Numbers) -> str:
        """Return PASS or the factor by which the budget is exceeded."""
        ours = numbers.get("aioclock")
        spent = self.ratio(numbers, "aioclock") if self.times_bare else statistics.median(ours) if ours else None
        if spent is None:
            return "not measured"
        if spent <= self.budget:
            return "PASS"
        return f"over, {spent / self.budget:.2f} ×" if self.budget else "over"

    def cells(self, numbers: Numbers) -> list[str]:
        """Return the line as text: title, one cell per column, budget, verdict."""
        limit = f"≤ {self.budget:g} × bare" if self.times_bare else f"≤ {self.budget:g} {self.unit}"
        return [self.title, *(self.cell(numbers, column) for column in COLUMNS), limit, self.verdict(numbers)]

    def cell(self, numbers: Numbers, column: str) -> str:
        if not numbers.get(column):
            return "–"
        amount = statistics.median(numbers[column])
        ratio = self.ratio(numbers, column) if self.times_bare and column != "bare" else None
        return f"{amount:.3g} {self.unit}" + (f" ({ratio:.2f} ×)" if ratio is not None else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """A script, the arguments it gets for each column, and the rows its report fills."""

    script: str
    arguments: dict[str, list[object]]
    rows: list[Row]
    turns: int

    def run(self) -> dict[str, Numbers]:
        """Return, for each key of the report, the numbers of every column."""
        found: dict[str, Numbers] = {}
        for _ in range(self.turns):
            for column in self.arguments:
                for key, number in self.report(column).items():
                    found.setdefault(key, {}).setdefault(column, []).append(number)
        return found

    def report(self, column: str) -> dict[str, float]:
        interpreter = environments.python(ENVIRONMENTS[column])
        command = [str(interpreter), str(HERE / self.script), *map(str, self.arguments[column])]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=True, env=ENVIRON)
        except subprocess.SubprocessError as error:
            print(f"{column}: {error}\n{getattr(error, 'stderr', '')}", file=sys.stderr)
            return {}
        return {key: number for key, number in json.loads(done.stdout).items() if not math.isnan(number)}


@dataclass(frozen=True, slots=True)
class Scale:
    """How much is done of everything."""

    turns: int = 5
    long_turns: int = 3
    fires: int = 200
    periods: int = 15
    fleet: int = 20_000
    small_fleet: int = 5_000
    steps: int = 2_000
    days: int = 365
    seconds: int = 8
    store_seconds: float = 2.0


QUICK = Scale(turns=2, long_turns=1, periods=4, steps=300, days=30, seconds=3, store_seconds=0.5)
IMPORTS: dict[str, list[object]] = {
    "bare": ["dependencies"],
    "aioclock": ["aioclock"],
    "apscheduler": ["apscheduler"],
    "aioclock03": ["aioclock"],
}
EVERYONE = {"bare": "bare", "aioclock": "aioclock", "apscheduler": "apscheduler", "aioclock03": "aioclock"}


def fires(kind: str, rows: list[Row], scale: Scale) -> Measurement:
    columns = {column: who for column, who in EVERYONE.items() if (column, kind) != ("apscheduler", "dependency")}
    arguments = {column: [who, kind, 100, scale.fires] for column, who in columns.items()}
    return Measurement(script="fires.py", arguments=arguments, rows=rows, turns=scale.turns)


def sized(scale: Scale, *more: object) -> dict[str, list[object]]:
    """Return arguments for the whole fleet, and for a smaller one where the whole would not keep up."""
    small = {"apscheduler", "aioclock03"}
    return {c: [who, scale.small_fleet if c in small else scale.fleet, *more] for c, who in EVERYONE.items()}


def measurements(scale: Scale) -> list[Measurement]:
    fleet = f"{scale.fleet:,} tasks every second"
    return [
        fires(
            "plain",
            [
                Row(title="CPU per fire, async no-op", key="fire_us", unit="µs", budget=6, times_bare=True),
                Row(title="registering a task without dependencies", key="register_us", unit="µs", budget=60),
            ],
            scale,
        ),
        fires(
            "dependency",
            [Row(title="CPU per fire, one async dependency", key="fire_us", unit="µs", budget=1.4, times_bare=True)],
            scale,
        ),
        fires(
            "thread",
            [Row(title="CPU per fire, sync in a thread", key="fire_us", unit="µs", budget=1.2, times_bare=True)],
            scale,
        ),
        Measurement(
            script="fleet.py",
            arguments=sized(scale, scale.periods),
            rows=[
                Row(title=f"{fleet}: CPU per fire", key="fire_us", unit="µs", budget=1.3, times_bare=True),
                # A grid that is kept reads as up to 0.2 here: the first burst and the last differ by some ms.
                Row(title=f"{fleet}: firings lost to drift", key="lost_percent", unit="%", budget=0.2),
                Row(title=f"{fleet}: ticks skipped", key="skipped", unit="ticks", budget=0),
                Row(title=f"{fleet}: period error, p99", key="p99_ms", unit="ms", budget=1, times_bare=True),
            ],
            turns=scale.long_turns,
        ),
        Measurement(
            script="memory.py",
            arguments=sized(scale),
            rows=[Row(title="memory of an idle task", key="memory_kib", unit="KiB", budget=4)],
            turns=scale.long_turns,
        ),
        Measurement(
            script="lateness.py",
            arguments={column: [column, scale.seconds] for column in ("bare", "aioclock")},
            rows=[
                Row(
                    title="lateness of a task every 10 ms beside a busy process, p99",
                    key="p99_ms",
                    unit="ms",
                    budget=2,
                    times_bare=True,
                )
            ],
            turns=scale.long_turns,
        ),
        Measurement(
            script="imports.py",
            arguments=IMPORTS,
            rows=[Row(title="CPU of the import", key="import_ms", unit="ms", budget=1.15, times_bare=True)],
            turns=2 * scale.turns,
        ),
        Measurement(
            script="year.py",
            arguments={"aioclock": [scale.days]},
            rows=[Row(title='a virtual year of Cron("* * * * *")', key="year_s", unit="s", budget=15)],
            turns=scale.long_turns,
        ),
        Measurement(
            script="next_tick.py",
            arguments={column: [column, scale.steps] for column in COLUMNS},
            rows=[
                Row(title=f"next tick of {trigger}", key=trigger, unit="µs", budget=10)
                for trigger in ("*/5 * * * *", "0 12 * * 1-5", "30 2 * * *", "At")
            ],
            turns=scale.long_turns,
        ),
    ]


NOTES = """\
bare asyncio: what one would write by hand; for the import, the hard dependencies; for the next tick, croniter.
APScheduler 3 and AioClock 0.3: their fleets have 5,000 tasks, for 20,000 are more than they can fire in a second.
Their errors of the period are those of the smaller fleet. APScheduler knows no dependencies, hence the dash.
"""


def render(lines: list[list[str]]) -> str:
    """Return *lines* as a Markdown table whose columns are aligned."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    text = ["| " + " | ".join(map(str.ljust, line, widths)) + " |" for line in lines]
    rule = "|" + "|".join("-" * (width + 2) for width in widths) + "|"
    return "\n".join([text[0], rule, *text[1:]])


def main(arguments: list[str]) -> int:
    words = [word for word in arguments if not word.startswith("--")]
    lines = [["", *COLUMNS.values(), "budget", "verdict"]]
    scale = QUICK if "--quick" in arguments else Scale()
    for measurement in measurements(scale):
        wanted = [row for row in measurement.rows if not words or any(word in row.title for word in words)]
        if not wanted:
            continue
        print(f"measuring: {wanted[0].title} ...", file=sys.stderr)
        found = measurement.run()
        lines += [row.cells(found.get(row.key, {})) for row in wanted]
    if len(lines) > 1:
        print(render(lines), NOTES, sep="\n\n")
    titles = [title for title in store_table.titles() if not words or any(word in title for word in words)]
    stores = store_table.lines(titles, turns=scale.long_turns, seconds=scale.store_seconds)
    if titles:
        print(render(stores), store_table.NOTES, sep="\n\n", end="")
    return any("not measured" in line for line in (*lines, *stores))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
