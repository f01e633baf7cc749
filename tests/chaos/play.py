"""One scenario from beginning to end, and what came of it."""

import time
from dataclasses import dataclass
from pathlib import Path

from aioclock.exceptions import StoreUnavailableError
from fleet import PATIENCE_S, Fleet
from oracle import Evidence, Findings, judge
from places import Place
from processes import wait_until
from scenarios import Scenario, Stage
from worker import Orders, period_s

__all__ = ["Played", "play"]

SIZE = 3


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
        fleet.recover(SIZE)
        until = round(time.time() * 1_000_000)
        wait_until(lambda: _is_settled(place, until, orders), seconds=PATIENCE_S)
        fleet.end()
        look = place.look()
        evidence = Evidence(
            lines=fleet.lines(),
            tasks=look.tasks,
            runs={**stage.seen, **{run.id: run for run in look.runs}}.values(),
            effects=place.effects(),
            until=until,
            periods={key: _period(key, orders) for key in look.tasks},
            wrong_clock=scenario.wrong_clock,
        )
        findings = judge(evidence)
        findings.faults += [f"a worker ended with {code}" for code in fleet.fallen()]
        return Played(
            scenario=scenario.name,
            place=place.kind,
            findings=findings,
            seconds=time.monotonic() - began,
            log=fleet.log(),
        )


def _period(task: str, orders: Orders) -> int:
    return round(period_s(task, orders) * 1_000_000)


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
