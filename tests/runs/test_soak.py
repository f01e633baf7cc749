"""A week of a thousand tasks: nothing is lost, nothing dies, nothing grows."""

import asyncio
import gc
import logging
import tracemalloc
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from zlib import crc32

import pytest

from aioclock import AioClock, Cron, Every, OrTrigger, Outcome, Overlap, Retry, current_run
from aioclock.events import RunCancelled, RunEvent, RunFailed, RunSkipped, RunSucceeded, RunTimedOut
from aioclock.testing import VirtualEventLoop
from aioclock.triggers import BaseTrigger

START = datetime(2026, 1, 5, tzinfo=UTC)
DAY_S = 86_400
TASKS = 1_000
HISTORY = 2
"""Full before the first day is over, or what fills up later would count as growth."""


@pytest.fixture
def silence() -> Iterator[None]:
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


OVERLAPS = (Overlap("queue", limit=2), Overlap("cancel"))


def fails(key: str) -> bool:
    """Return True for 5 % of all attempts, always the same ones."""
    return crc32(key.encode()) % 20 == 0


class Fleet:
    """A thousand tasks, each with its own grid, in ten kinds; what their functions do is counted and not kept."""

    def __init__(self) -> None:
        self.app = AioClock(history=HISTORY)
        self.calls = [0] * TASKS
        self.told: Counter[str] = Counter()
        self.triggers: list[BaseTrigger[Any]] = []
        for number in range(TASKS):
            self._add(number, number % 10)
        outcomes = (RunSucceeded, RunFailed, RunTimedOut, RunCancelled, RunSkipped)
        self.app.on(*outcomes, task="watched *")(self._count)

    async def _count(self, event: RunEvent) -> None:
        self.told[event.run.task_key] += 1

    def _add(self, number: int, kind: int) -> None:
        hours = 6 + number % 3
        trigger: BaseTrigger[Any] = Every(hours=hours, seconds=number)
        policies: dict[str, Any] = {}
        takes_s = 1.0
        if kind == 1:
            policies["retry"] = Retry(attempts=3, delay=30, jitter=0.5)
        elif kind == 2:
            takes_s, policies["overlap"] = 1.5 * 3600 * hours, OVERLAPS[number // 10 % 2]
        elif kind == 3:
            takes_s, policies["overlap"] = 2.5 * 3600 * hours, Overlap("allow", limit=2)
        elif kind == 4:
            trigger = Cron(cron=f"{number % 60} */{hours} * * *", tz="Europe/Berlin")
        elif kind == 5:
            trigger = OrTrigger(triggers=[trigger, Cron(cron=f"{number % 60} {number % 24} * * *", tz="UTC")])
        elif kind == 6:
            policies["jitter"] = 600.0
        elif kind == 7:
            takes_s, policies["timeout"] = (900.0 if number % 3 else 1.0), 600.0
        elif kind == 8:
            takes_s = 1.3 * 3600 * hours
        self.triggers.append(trigger)
        name = f"{'watched ' if number < 30 else ''}{number}"
        self.app.task(trigger=trigger, name=name, **policies)(self._function(number, takes_s))

    def _function(self, number: int, takes_s: float) -> Any:
        async def work() -> None:
            self.calls[number] += 1
            await asyncio.sleep(takes_s)
            if fails(f"{number} {self.calls[number]}"):
                raise LookupError(f"{current_run().key} fails")

        return work

    def ticks(self, number: int, until: datetime) -> int:
        found = self.triggers[number].latest_between(START, until, START)
        return 0 if found is None else found[1]


class Account:
    """Counts records as they are written, and keeps none."""

    def __init__(self) -> None:
        self.ticks: Counter[str] = Counter()
        self.outcomes: Counter[str] = Counter()

    def __call__(self, facts: Any) -> None:
        self.ticks[facts.task_key] += 1 + facts.missed
        self.outcomes[facts.outcome] += 1


def memory() -> int:
    gc.collect()
    return tracemalloc.get_traced_memory()[0]


@pytest.mark.timeout(120)
@pytest.mark.usefixtures("silence")
def test_a_week_of_a_thousand_tasks_loses_nothing_and_grows_by_nothing() -> None:
    tracemalloc.start()
    fleet, account, sizes = Fleet(), Account(), []
    app = fleet.app
    # All records of all tasks, which no public way gives: a listener may lose events, and history is bounded.
    app._roster.runner.ledger.observers.append(account)

    async def a_week() -> datetime:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualEventLoop)
        async with app.running() as handle:
            for _ in range(7):
                await asyncio.sleep(DAY_S)
                sizes.append(memory())
            assert handle.serving
            end = loop.clock.now()
            assert all(ticks and ticks[0] > end for ticks in app.next_ticks(count=1).values())
            await handle.stop(timeout=None)
        return end

    try:
        with asyncio.Runner(loop_factory=lambda: VirtualEventLoop(START)) as runner:
            end = runner.run(a_week())
    finally:
        tracemalloc.stop()

    assert end == START + timedelta(days=7)
    assert sizes[-1] <= 1.1 * sizes[0], sizes
    expected = {task.key: fleet.ticks(number, end) for number, task in enumerate(app.tasks.values())}
    assert account.ticks == expected
    _every_task_went_to_the_end(fleet, end)
    assert fleet.told == {key: ticks for key, ticks in expected.items() if key.startswith("watched")}
    failed = account.outcomes["failed"] / sum(account.outcomes.values())
    assert 0.02 < failed < 0.06
    assert account.outcomes.keys() == {"succeeded", "failed", "timed_out", "cancelled", "skipped"}


def _every_task_went_to_the_end(fleet: Fleet, end: datetime) -> None:
    for number, task in enumerate(fleet.app.tasks.values()):
        runs = fleet.app.runs(task.key)
        assert len(runs) == HISTORY
        assert max(run.scheduled_at for run in runs) > end - timedelta(days=2), task.key
        assert fleet.calls[number] >= sum(run.outcome != Outcome.SKIPPED for run in runs)
