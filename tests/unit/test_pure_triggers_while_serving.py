"""Users' pure triggers on the agenda: right, wrong, and broken for a while."""

import logging
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aioclock import AioClock, Every, OrTrigger
from aioclock.runs import Run
from aioclock.triggers import BaseTrigger
from timelines import block, due, offset, simulated


class Clockwork(BaseTrigger[Literal["CLOCKWORK"]]):
    """Due every *period_s* seconds of the wall clock."""

    type_: Literal["CLOCKWORK"] = "CLOCKWORK"
    period_s: int = 10

    def next_after(self, moment: datetime, anchor: datetime) -> datetime | None:
        period = timedelta(seconds=self.period_s)
        return anchor + ((moment - anchor) // period + 1) * period


class Broken(Clockwork):
    """Raises at the calls that *broken* numbers, from 0."""

    broken: range
    calls: int = 0

    def next_after(self, moment: datetime, anchor: datetime) -> datetime | None:
        self.calls += 1
        if self.calls - 1 in self.broken:
            raise OSError("the calendar can't be read")
        return super().next_after(moment, anchor)


class Earlier(Clockwork):
    """Answers a moment that is no later than the one it was asked about."""

    back_s: float

    def next_after(self, moment: datetime, anchor: datetime) -> datetime | None:
        if moment > anchor:
            return moment - timedelta(seconds=self.back_s)
        return super().next_after(moment, anchor)


class Naive(Clockwork):
    """Answers without a zone, at first and then on."""

    def next_after(self, moment: datetime, anchor: datetime) -> datetime | None:
        tick = super().next_after(moment, anchor)
        return None if tick is None else tick.replace(tzinfo=None)


class Modest(Clockwork):
    """Never knows what has passed."""

    def latest_between(self, after: datetime, until: datetime, anchor: datetime) -> tuple[datetime, int] | None:
        return None


class Exhausted(Clockwork):
    """Fails when it is asked first, and then has nothing to say."""

    asked: int = 0

    def next_after(self, moment: datetime, anchor: datetime) -> datetime | None:
        self.asked += 1
        if self.asked == 1:
            raise OSError("not yet")
        return None


def served(trigger: BaseTrigger[Any]) -> tuple[AioClock, list[int]]:
    app, ran = AioClock(), list[int]()
    app.task(trigger=trigger, name="work")(_noting(ran))
    return app, ran


def _noting(ran: list[int]) -> Any:
    async def work() -> None:
        ran.append(1)

    return work


def runs_of(trigger: BaseTrigger[Any], seconds: float, *, blocked_s: float = 0) -> list[Run]:
    app, _ = served(trigger)
    with simulated(app) as sim:
        if blocked_s:
            sim.run(block(blocked_s))
        sim.advance(seconds=seconds)
        return sim.runs("work")


def failures(caplog: pytest.LogCaptureFixture) -> list[float]:
    return [record.delay_s for record in caplog.records if "trigger of work failed" in record.getMessage()]  # type: ignore[attr-defined]


def test_a_trigger_that_fails_when_serving_begins_is_asked_again_and_keeps_its_grid(
    caplog: pytest.LogCaptureFixture,
) -> None:
    runs = runs_of(Broken(broken=range(3)), 35)
    assert due(runs) == [10, 20, 30]
    assert failures(caplog) == pytest.approx([0.1, 0.2, 0.4])
    assert caplog.records[0].exc_info is not None


def test_a_trigger_that_recovers_begins_its_back_off_anew(caplog: pytest.LogCaptureFixture) -> None:
    runs = runs_of(Broken(broken=range(2, 4)), 25)
    assert due(runs) == [10, 20]
    assert [run.lateness_s for run in runs] == pytest.approx([0, 0.3])
    runs_of(Broken(broken=range(5, 6)), 65)
    assert failures(caplog) == pytest.approx([0.1, 0.2, 0.1])


def test_a_trigger_that_fails_for_good_is_asked_ever_less_often(caplog: pytest.LogCaptureFixture) -> None:
    assert runs_of(Broken(broken=range(10**6)), 3_600) == []
    delays = failures(caplog)
    assert delays == sorted(delays)
    assert delays[-1] == 30
    assert len(delays) < 140


def test_a_failing_trigger_keeps_no_other_task_from_running() -> None:
    app, _ = served(Broken(broken=range(10**6)))
    app.task(trigger=Every(seconds=10), name="other")(_noting([]))
    with simulated(app) as sim:
        sim.advance(seconds=35)
        assert due(sim.runs("other")) == [10, 20, 30]


def test_serving_ends_when_a_trigger_that_failed_at_first_turns_out_to_have_no_tick() -> None:
    app, ran = served(Exhausted())
    with simulated(app) as sim:
        sim.advance(seconds=1)
        assert sim._serving is not None
        assert sim._serving.done()
    assert ran == []


def test_a_failing_child_of_or_does_not_silence_the_others() -> None:
    runs = runs_of(OrTrigger(triggers=[Broken(broken=range(10**6)), Every(seconds=10)]), 35)
    assert due(runs) == [10, 20, 30]


def test_a_child_of_or_that_recovers_gets_its_ticks_back() -> None:
    runs = runs_of(OrTrigger(triggers=[Broken(period_s=15, broken=range(2)), Every(seconds=10)]), 35)
    assert due(runs) == [10, 15, 20, 30]


@pytest.mark.parametrize("back_s", [0, 5])
def test_an_answer_that_is_not_strictly_later_is_an_error_of_the_trigger_and_never_spins(
    back_s: float, caplog: pytest.LogCaptureFixture
) -> None:
    assert runs_of(Earlier(back_s=back_s), 100) == []
    assert 3 < len(failures(caplog)) < 20
    assert "must be strictly later" in caplog.text


def test_an_answer_without_a_zone_is_an_error_of_the_trigger(caplog: pytest.LogCaptureFixture) -> None:
    assert runs_of(Naive(), 100) == []
    assert 3 < len(failures(caplog)) < 20
    assert "an aware datetime is needed" in caplog.text


def test_ticks_that_passed_are_one_run_of_the_latest_for_a_users_trigger_too() -> None:
    runs = runs_of(Clockwork(), 10, blocked_s=45)
    assert due(runs) == [40, 50]
    assert [(run.missed, run.lateness_s) for run in runs] == [(3, 5), (0, 0)]


def test_a_gap_of_more_ticks_than_are_counted_still_ends_with_the_latest() -> None:
    runs = runs_of(Clockwork(period_s=1), 2, blocked_s=90_000)
    assert due(runs) == [90_000, 90_001, 90_002]
    assert 1_000 <= runs[0].missed < 90_000


def test_a_trigger_that_knows_of_no_passed_ticks_has_them_one_by_one() -> None:
    app, ran = served(Modest())
    with simulated(app) as sim:
        sim.run(block(45))
        sim.advance(seconds=10)
        runs = sim.runs("work")
    assert due(runs) == [10, 20, 30, 40, 50]
    assert sum(run.missed for run in runs) == 0
    assert len(ran) == len([run for run in runs if run.started_at is not None])


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 20), st.lists(st.tuples(st.integers(0, 50), st.integers(0, 200)), max_size=4))
def test_no_tick_of_a_users_trigger_is_lost_or_doubled_however_the_loop_is_blocked(
    period_s: int, pauses: list[tuple[int, int]]
) -> None:
    app, _ = served(Clockwork(period_s=period_s))
    with simulated(app) as sim:
        for quiet, blocked in pauses:
            sim.advance(seconds=quiet)
            sim.run(block(blocked))
        sim.advance(seconds=0.5)
        runs, passed = sim.runs("work"), offset(sim.now)
    assert sum(1 + run.missed for run in runs) == passed // period_s
    assert all(sooner.scheduled_at < later.scheduled_at for sooner, later in pairwise(runs))


def test_a_failing_trigger_is_told_with_its_task_and_its_delay(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR, logger="aioclock"):
        runs_of(Broken(broken=range(1)), 1)
    [record] = caplog.records
    assert (record.task, record.delay_s) == ("work", 0.1)  # type: ignore[attr-defined]
    assert record.getMessage() == "the trigger of work failed; it is asked again in 0.1 s"
