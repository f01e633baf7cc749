"""Whether the promise was kept, by the journal of all processes and by what the store has on record."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from aioclock.stores import RunRecord, TaskState
from aioclock.stores._words import OPEN_STATES
from journal import Line
from worker import TASKS

__all__ = ["Evidence", "Findings", "judge"]

HAIR_S = 0.05
"""By how much a run may seem early, for the clocks of a machine and of a server on it are read one after the other."""

REASONS = (None, "overlap", "missed", "lease")
"""Why a run may have been skipped or lost."""


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """All there is to judge by.

    Args:
        runs: Of every run what was seen of it last, those included that were pruned later.
        effects: Tick and fence of each row that runs wrote in transactions.
        until: Every tick up to this moment has to be covered, in microseconds since the epoch.
        wrong_clock: Whether the store's own clock was wrong, so that nobody can tell what was early.
    """

    lines: Sequence[Line]
    tasks: dict[str, TaskState]
    runs: Iterable[RunRecord]
    effects: Sequence[tuple[int, int]]
    until: int
    periods: dict[str, int]
    wrong_clock: bool = False


@dataclass(kw_only=True)
class Findings:
    """What came out."""

    expected: int = 0
    covered: int = 0
    """Ticks that exactly one run answers."""
    lost: int = 0
    claimed_twice: int = 0
    started_twice: int = 0
    """More often than the store handed the run out, which is once for `on_lost="fail"`."""
    accepted_twice: int = 0
    reruns: int = 0
    ended_as_lost: int = 0
    effects: int = 0
    wrong_effects: int = 0
    """Missing, doubled, or of a run that did not succeed."""
    early: int = 0
    faults: list[str] = field(default_factory=list)
    """In words, for whoever looks for the cause."""

    def fault(self, text: str) -> None:
        self.faults.append(text)


def judge(evidence: Evidence) -> Findings:
    """Return what *evidence* tells."""
    found = Findings()
    runs: dict[str, list[RunRecord]] = defaultdict(list)
    for run in evidence.runs:
        runs[run.task_key].append(run)
    for key, task in evidence.tasks.items():
        _judge_ticks(found, task, runs[key], evidence)
    _judge_lines(found, evidence.lines, [run for of_task in runs.values() for run in of_task])
    _judge_effects(found, runs["effect"], evidence.effects)
    if not evidence.wrong_clock:
        early = [line for line in evidence.lines if line.phase == "started" and line.at_s < line.tick / 1e6 - HAIR_S]
        found.early = len(early)
        for line in early:
            found.fault(f"{line.at_s - line.tick / 1e6:.3f} s too early: {line}")
    return found


def _judge_ticks(found: Findings, task: TaskState, runs: list[RunRecord], evidence: Evidence) -> None:
    """Every tick of the grid is in the span of exactly one run."""
    period = evidence.periods[task.key]
    grid = range(task.anchor + period, max(evidence.until, task.cursor) + 1, period)
    found.expected += len(grid)
    spans = sorted((run.covers_from, run.tick, run.state, run.id) for run in runs if run.kind != "manual")
    answered: Counter[int] = Counter()
    for covers_from, tick, _, _ in spans:
        first = max(0, (covers_from - task.anchor) // period)  # ticks after covers_from begin with this index
        answered.update(grid[first : (tick - task.anchor) // period])
    for tick in grid:
        if answered[tick] == 0:
            found.lost += 1
            found.fault(f"{task.key}: nobody answered {tick}; cursor {task.cursor}, until {evidence.until}")
        elif answered[tick] > 1:
            found.claimed_twice += 1
            found.fault(f"{task.key}: {tick} is answered by {[span for span in spans if span[0] < tick <= span[1]]}")
        else:
            found.covered += 1
    found.ended_as_lost += sum(run.state == "lost" for run in runs)
    for run in runs:
        # What is struck within a transaction fails, as any error of the function makes it.
        bad = ("cancelled", "timed_out") if task.key == "effect" else ("cancelled", "timed_out", "failed")
        if run.state in bad or run.reason not in REASONS:
            found.fault(f"{task.key}: nobody wanted it to end like that: {run}")
        if run.tick not in grid:
            found.fault(f"{task.key}: nothing is due at {run.tick}: {run}")
        if run.state in OPEN_STATES and run.tick <= evidence.until:
            found.fault(f"{task.key}: never ended: {run}")
        between = (run.tick - max(run.covers_from, task.anchor) - 1) // period
        if run.state == "succeeded" and run.missed != between:
            found.fault(f"{task.key}: stands for {run.missed} missed ticks and not for {between}: {run}")


def _judge_lines(found: Findings, lines: Sequence[Line], runs: list[RunRecord]) -> None:
    """What processes were told and did fits to what is on record."""
    record = {(run.task_key, run.tick): run for run in runs}
    claimed: dict[tuple[str, int], set[int]] = defaultdict(set)
    started: Counter[tuple[str, int]] = Counter()
    ticks: dict[tuple[str, int], int] = {}
    for line in lines:
        if line.tick:
            ticks[line.task, line.fence] = line.tick
        if line.phase == "claimed" and line.attempt == 1:
            claimed[line.task, line.tick].add(line.fence)
        if line.phase == "started":
            started[line.task, line.tick] += 1
    for place, count in started.items():
        run = record.get(place)
        handed_out = 1 if run is None or TASKS[place[0]]["on_lost"] == "fail" else run.attempt
        found.reruns += count > 1
        if run is None:
            found.fault(f"{place} was started but is not on record")
        if count > handed_out:
            found.started_twice += 1
            found.fault(f"{place} was started {count} times: {run}")
    _judge_ends(found, lines, ticks, record)
    _judge_claims(found, lines, claimed)


def _judge_claims(found: Findings, lines: Sequence[Line], claimed: dict[tuple[str, int], set[int]]) -> None:
    # One that waited and was taken over then starts by a later claim, yet for the first time.
    taken_over = {(line.task, line.fence) for line in lines if line.phase == "taken"}
    for (task, tick), fences in claimed.items():
        if len(fences - {fence for key, fence in taken_over if key == task}) > 1:
            found.claimed_twice += 1
            found.fault(f"{task}: {tick} was handed out with fences {sorted(fences)}")


def _judge_ends(
    found: Findings,
    lines: Sequence[Line],
    ticks: dict[tuple[str, int], int],
    record: dict[tuple[str, int], RunRecord],
) -> None:
    accepted: dict[tuple[str, int], set[tuple[int, str]]] = defaultdict(set)
    for line in lines:
        if line.phase == "accepted" and (line.task, line.fence) in ticks:
            accepted[line.task, ticks[line.task, line.fence]].add((line.fence, line.text))
        elif line.phase == "committed":
            accepted[line.task, line.tick].add((line.fence, "succeeded"))
    for place, ends in accepted.items():
        run = record.get(place)
        if len(ends) > 1:
            found.accepted_twice += 1
        if len(ends) > 1 or (run is not None and (run.fence, run.state) not in ends and run.state not in OPEN_STATES):
            found.fault(f"{place}: accepted were {sorted(ends)}, on record is {run}")


def _judge_effects(found: Findings, runs: list[RunRecord], effects: Sequence[tuple[int, int]]) -> None:
    """Each run that succeeded has one row, all others have none."""
    rows: dict[int, list[int]] = defaultdict(list)
    for tick, fence in effects:
        rows[tick].append(fence)
    found.effects = len(effects)
    for run in runs:
        fences = rows.pop(run.tick, [])
        if fences != ([run.fence] if run.state == "succeeded" else []):
            found.wrong_effects += 1
            found.fault(f"effects with the fences {fences} of {run}")
    for tick, fences in rows.items():
        found.wrong_effects += 1
        found.fault(f"effects with the fences {fences} of a run at {tick} that is not on record")
