"""Several triggers of one task while it is served: grids, pauses after runs, waits and quotas together."""

import asyncio
from datetime import datetime, timedelta
from typing import Any, Literal

import pytest

from aioclock import AioClock, Cron, Every, Forever, Once, OrTrigger, Outcome
from aioclock.api import get_metadata_of_all_tasks
from aioclock.runs import Run
from aioclock.testing import Simulation
from aioclock.triggers import BaseTrigger
from timelines import START, block, due, on_a_clock_that_may_be_set, set_wall_clock, simulated, sleeping


class Waiting(BaseTrigger[Literal["WAITING"]]):
    """Waits *seconds* by itself, again and again."""

    type_: Literal["WAITING"] = "WAITING"
    seconds: float

    async def trigger_next(self) -> None:
        await asyncio.sleep(self.seconds)

    async def get_waiting_time_till_next_trigger(self, now: datetime | None = None) -> float | None:
        return self.seconds


class Defiant(Waiting):
    """Answers its cancellation with an event."""

    async def trigger_next(self) -> None:
        try:
            await super().trigger_next()
        except asyncio.CancelledError:
            return


class Sulking(Waiting):
    """Answers its cancellation with an error."""

    async def trigger_next(self) -> None:
        try:
            await super().trigger_next()
        except asyncio.CancelledError:
            raise RuntimeError("no") from None


class Fatal(BaseException):
    """No `Exception`, so nobody catches it by accident."""


class Fatally(Waiting):
    """Fails in a way that nobody recovers from."""

    async def trigger_next(self) -> None:
        await super().trigger_next()
        raise Fatal


def served(trigger: BaseTrigger[Any], *, takes_s: float = 0) -> AioClock:
    app = AioClock()
    app.task(trigger=trigger, name="work")(sleeping(takes_s))
    return app


def starts(runs: list[Run]) -> list[float]:
    return [round((run.started_at - START).total_seconds(), 3) for run in runs if run.started_at is not None]


def runs_of(trigger: BaseTrigger[Any], seconds: float, *, takes_s: float = 0) -> list[Run]:
    with simulated(served(trigger, takes_s=takes_s)) as sim:
        sim.advance(seconds=seconds)
        return sim.runs("work")


def is_over(sim: Simulation) -> bool:
    assert sim._serving is not None
    return sim._serving.done()


def delayed(seconds: float, **limits: int) -> Every:
    return Every(seconds=seconds, mode="fixed_delay", **limits)


# Pauses after runs


def test_a_pause_that_is_over_during_another_childs_run_begins_anew_at_its_end_without_a_skip() -> None:
    runs = runs_of(OrTrigger(triggers=[delayed(4), Every(seconds=10)]), 19.5, takes_s=2.5)
    # The first run ends at 6.5 and its pause at 10.5, within the run from 10 to 12.5.
    assert starts(runs) == [4, 10, 16.5]
    assert [run for run in runs if run.outcome == "skipped"] == []


def test_children_that_follow_runs_and_are_due_together_share_one_run() -> None:
    runs = runs_of(OrTrigger(triggers=[delayed(5), delayed(5), delayed(10)]), 26)
    assert starts(runs) == [5, 10, 15, 20, 25]
    assert {run.missed for run in runs} == {0}


def test_forever_beside_a_grid_runs_without_pause_and_skips_what_falls_into_a_run() -> None:
    runs = runs_of(OrTrigger(triggers=[Forever(), Every(seconds=5)]), 12.5, takes_s=3)
    assert starts(runs) == [0, 3, 6, 9]
    assert [(run.scheduled_at - START).total_seconds() for run in runs if run.outcome == "skipped"] == [5, 10]


# Quotas


def test_a_quota_that_is_used_up_while_a_child_waits_for_the_end_of_a_run_closes_that_child() -> None:
    trigger = OrTrigger(triggers=[Once(), Forever()], max_loop_count=1)
    with simulated(served(trigger, takes_s=2)) as sim:
        sim.advance(seconds=60)
        assert starts(sim.runs()) == [0]
        assert is_over(sim)


def test_a_limited_child_that_follows_runs_is_closed_for_good_when_its_count_is_reached() -> None:
    runs = runs_of(OrTrigger(triggers=[delayed(5, max_loop_count=2), Every(seconds=100)]), 250)
    assert starts(runs) == [5, 10, 100, 200]


def test_a_child_that_waits_by_itself_uses_up_the_quota_of_all() -> None:
    trigger = OrTrigger(triggers=[Waiting(seconds=4), Every(seconds=10)], max_loop_count=3)
    with simulated(served(trigger)) as sim:
        sim.advance(seconds=60)
        assert starts(sim.runs()) == [4, 8, 10]
        assert is_over(sim)


def test_a_grid_uses_up_the_quota_of_a_child_that_waits_by_itself() -> None:
    trigger = OrTrigger(triggers=[Waiting(seconds=1_000), Every(seconds=10)], max_loop_count=2)
    with simulated(served(trigger)) as sim:
        sim.advance(seconds=60)
        assert starts(sim.runs()) == [10, 20]
        assert is_over(sim)


def test_an_event_that_comes_during_another_childs_run_waits_for_its_end() -> None:
    runs = runs_of(OrTrigger(triggers=[Waiting(seconds=12), Every(seconds=10, max_loop_count=1)]), 20, takes_s=5)
    assert starts(runs) == [10, 15]


def test_an_event_that_waits_for_the_end_of_the_last_run_that_a_quota_allows_brings_none() -> None:
    trigger = OrTrigger(triggers=[Waiting(seconds=12), Every(seconds=10)], max_loop_count=1)
    with simulated(served(trigger, takes_s=5)) as sim:
        sim.advance(seconds=60)
        assert starts(sim.runs()) == [10]
        assert is_over(sim)


@pytest.mark.parametrize("kind", [Defiant, Sulking])
def test_a_trigger_that_defies_its_cancellation_gets_no_run_beyond_the_quota(kind: type[Waiting]) -> None:
    trigger = OrTrigger(triggers=[kind(seconds=1_000), Every(seconds=10)], max_loop_count=1)
    with simulated(served(trigger)) as sim:
        sim.advance(seconds=60)
        assert starts(sim.runs()) == [10]
        assert is_over(sim)


def test_a_trigger_that_defies_its_cancellation_gets_no_run_after_a_stop() -> None:
    with simulated(served(Defiant(seconds=1_000))) as sim:
        sim.advance(seconds=10)
    assert [(run.outcome, run.reason) for run in sim.runs()] == [(Outcome.SKIPPED, "stopping")]
    assert sim.now == START + timedelta(seconds=10)


def test_a_trigger_that_ends_by_no_exception_ends_itself_alone_and_is_told(caplog: pytest.LogCaptureFixture) -> None:
    app = served(Fatally(seconds=5))
    app.task(trigger=Every(seconds=10, max_loop_count=2), name="other")(sleeping(0))
    with simulated(app) as sim:
        sim.advance(seconds=60)
        assert starts(sim.runs()) == [10, 20]
        assert is_over(sim)
    [record] = [record for record in caplog.records if record.levelname == "CRITICAL"]
    assert record.getMessage() == "trigger of work ended by an error"


def test_a_run_that_fails_at_once_after_a_wait_that_takes_no_time_is_followed_by_ever_longer_pauses() -> None:
    app, times = AioClock(), []

    @app.task(trigger=Waiting(seconds=0))
    async def work() -> None:
        times.append(round(asyncio.get_running_loop().time(), 6))
        if len(times) != 4:
            raise OSError("on purpose")
        await asyncio.sleep(1)

    with simulated(app) as sim:
        sim.advance(seconds=2)
    assert times == [0, 0.1, 0.3, 0.7, 1.7, 1.8, 2]


# Ticks that come late


def test_a_tick_of_one_instant_that_another_child_has_answered_late_is_not_run_again() -> None:
    trigger = OrTrigger(triggers=[Every(seconds=10), Every(seconds=15), Cron(cron="* * * * * */30", tz="UTC")])
    with simulated(served(trigger)) as sim:
        sim.run(block(35))
        sim.advance(seconds=10)
        runs = sim.runs()
    assert due(runs) == [30, 40, 45]
    assert runs[0].missed == 3  # 10, 15 and 20


def test_a_step_of_the_wall_clock_changes_what_it_calls_the_ticks_of_an_interval_but_not_when_they_are() -> None:
    app = served(OrTrigger(triggers=[Every(minutes=30), Cron(cron="0 0 1 1 *", tz="UTC")]))
    app.task(trigger=Once(), name="once")(sleeping(0))
    with on_a_clock_that_may_be_set(app) as sim:
        sim.advance(minutes=45)
        sim.run(set_wall_clock(timedelta(hours=3)))
        sim.advance(minutes=20)
        runs = sim.runs("work")
    hours = [(run.scheduled_at - START) / timedelta(hours=1) for run in runs]
    assert hours == [0.5, 4]
    assert [run.lateness_s for run in runs] == [0, 0]


def test_an_instant_that_an_interval_answered_is_not_run_again_when_the_wall_clock_lags_a_little() -> None:
    app = served(OrTrigger(triggers=[Every(seconds=60), Cron(cron="* * * * *", tz="UTC")]))
    with on_a_clock_that_may_be_set(app) as sim:
        sim.advance(seconds=50)
        sim.run(set_wall_clock(timedelta(seconds=-0.5)))
        sim.advance(seconds=30)
        assert due(sim.runs()) == [60]


# Looking ahead


def test_the_next_tick_of_or_is_the_first_of_those_that_are_known() -> None:
    async def expected() -> list[Any]:
        return [metadata.trigger.expected_trigger_time for metadata in await get_metadata_of_all_tasks(app)]

    app = served(OrTrigger(triggers=[Waiting(seconds=7), Every(seconds=10), Cron(cron="* * * * *", tz="UTC")]))
    app.task(trigger=Forever(), name="busy")(sleeping(1_000))
    with simulated(app) as sim:
        assert sim.run(expected()) == [START + timedelta(seconds=7), None]
    assert asyncio.run(expected()) == [None, None]
