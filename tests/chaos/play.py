"""One scenario from beginning to end, and what came of it."""

import re
import time
from dataclasses import dataclass
from pathlib import Path

from aioclock.exceptions import StoreUnavailableError
from aioclock.stores import RunRecord
from fleet import PATIENCE_S, Fleet
from oracle import Evidence, Findings, judge
from places import Place
from scenarios import Scenario, Stage
from worker import Orders, period_s

__all__ = ["Played", "play"]

SIZE = 3

WRONG = re.compile("could not be claimed|ended by an error|never retrieved|ignores its cancellation|was destroyed")
"""What no process may say, whatever happens to it: it has met something that it did not expect."""


@dataclass(frozen=True, kw_only=True)
class Played:
    """What came of a scenario."""

    scenario: str
    place: str
    findings: Findings
    seconds: float
    log: str
    """What the workers had to say."""

    @property
    def kept(self) -> bool:
        """Whether the promise was."""
        return not self.findings.faults


def play(scenario: Scenario, place: Place, folder: Path, *, seconds: float, seed: int) -> Played:
    """Let *scenario* go on for *seconds* and judge what it did; *folder* is empty, and so is *place*."""
    began = time.monotonic()
    place.look()  # which makes its tables, so that those of ours may be beside them
    place.prepare()
    orders = Orders(
        store=place.url, journal=str(folder / "journal"), **scenario.orders_for(effects=place.has_transactions)
    )
    with Fleet(orders, folder, seed=seed) as fleet:
        fleet.start(SIZE)
        stage = Stage(fleet=fleet, place=place, size=SIZE, until_s=time.monotonic() + seconds)
        scenario.trouble(stage)
        findings = _judged(stage, orders, wrong_clock=scenario.wrong_clock)
        took_s = time.monotonic() - began
        return Played(scenario=scenario.name, place=place.kind, findings=findings, seconds=took_s, log=fleet.log())


def _judged(stage: Stage, orders: Orders, *, wrong_clock: bool) -> Findings:
    """Let all go well again until everything has come to its end, and return what was found then."""
    fleet, place = stage.fleet, stage.place
    fleet.recover(SIZE)
    until = round(time.time() * 1_000_000)
    settled = _settles(place, until, orders)
    fleet.end()
    look = place.look()
    findings = judge(
        Evidence(
            lines=fleet.lines(),
            tasks=look.tasks,
            runs={**stage.seen, **{run.id: run for run in look.runs}}.values(),
            effects=place.effects(),
            until=until,
            periods={key: _period(key, orders) for key in look.tasks},
            wrong_clock=wrong_clock,
        )
    )
    findings.faults += [] if settled else ["what was due did not come to its end in time"]
    findings.faults += [f"a worker ended with {code}" for code in fleet.fallen()]
    findings.faults += [f"left behind: {run}" for run in look.runs if _is_left_behind(run, fleet.log())]
    findings.faults += [
        f"a worker says: {line}" for line in sorted(set(fleet.log().splitlines())) if WRONG.search(line)
    ]
    return findings


def _period(task: str, orders: Orders) -> int:
    return round(period_s(task, orders) * 1_000_000)


def _is_left_behind(run: RunRecord, log: str) -> bool:
    """Tell whether a process that ended in order did not see to *run*, though it had not lost it."""
    return run.state == "running" and f"run of {run.task_key!r} is this process's no longer" not in log


def _settles(place: Place, until: int, orders: Orders) -> bool:
    deadline = time.monotonic() + PATIENCE_S
    while not _is_settled(place, until, orders):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


def _is_settled(place: Place, until: int, orders: Orders) -> bool:
    """Tell whether everything that was due by *until* has come to its end."""
    try:
        look = place.look()
    except StoreUnavailableError:
        return False
    for task in look.tasks.values():
        period = _period(task.key, orders)
        if task.cursor < task.anchor + (until - task.anchor) // period * period and until >= task.anchor + period:
            return False
    return not any(run.tick <= until and run.state in ("running", "waiting") for run in look.runs)
