"""`next_ticks` agrees with what then comes, and moves nothing."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, Literal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aioclock import AioClock, At, Cron, Every, Forever, Once, OnShutDown, OnStartUp, OrTrigger
from aioclock.testing import Simulation, simulate
from aioclock.triggers import BaseTrigger
from timelines import on_a_clock_that_may_be_set, set_wall_clock

pytestmark = pytest.mark.filterwarnings("ignore:On(StartUp|ShutDown):DeprecationWarning")

START = datetime(2026, 3, 28, 12, tzinfo=UTC)  # half a day before the clocks change in Europe

quietly = settings(max_examples=100, deadline=None)


async def nothing() -> None: ...


def simulated(app: AioClock) -> Simulation:
    return simulate(app, start=START)


def app_with(trigger: BaseTrigger) -> AioClock:
    app = AioClock()
    app.task(trigger=trigger, name="work")(nothing)
    app.task(trigger=Every(days=300), name="other")(nothing)  # so that serving goes on when the other is over
    return app


def fired(sim: Simulation) -> list[datetime]:
    return [run.scheduled_at for run in sim.runs("work")]


def offset(moment: datetime) -> float:
    return (moment - START).total_seconds()


loops = st.none() | st.integers(1, 6)
zones = st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Asia/Kathmandu", "Australia/Lord_Howe"])
everies = st.builds(
    Every,
    seconds=st.integers(60, 5000),
    first_run_strategy=st.sampled_from(["immediate", "wait"]),
    max_loop_count=loops,
)
ats = st.builds(At, hour=st.integers(0, 23), minute=st.integers(0, 59), tz=zones, max_loop_count=loops)
crons = st.builds(
    Cron,
    cron=st.sampled_from(["*/7 * * * *", "0 * * * *", "30 2 * * *", "0 */5 * * *", "15,45 1-3 * * *"]),
    tz=zones,
    max_loop_count=loops,
)
single = everies | ats | crons | st.just(Once())
ors = st.builds(
    lambda triggers, limit: OrTrigger(triggers=triggers, max_loop_count=limit),  # builds() would ask for its type_ too
    st.lists(single, min_size=1, max_size=3),
    loops,
)
triggers = single | ors


# It agrees with what comes


@quietly
@given(triggers, st.integers(1, 12))
def test_what_is_foretold_before_serving_is_what_comes(trigger: BaseTrigger, count: int) -> None:
    app = app_with(trigger)
    foretold = app.next_ticks("work", count=count, after=START)
    until = foretold[-1] if len(foretold) == count else START + timedelta(days=2)
    with simulated(app) as sim:
        sim.run_until(min(until, START + timedelta(days=2)))
        came = fired(sim)
    assert came == [tick for tick in foretold if tick <= START + timedelta(days=2)]


@quietly
@given(triggers, st.integers(0, 50_000), st.integers(1, 12))
def test_what_is_foretold_while_serving_is_what_comes(trigger: BaseTrigger, moment_s: int, count: int) -> None:
    app = app_with(trigger)
    with simulated(app) as sim:
        sim.advance(seconds=moment_s)
        before = len(fired(sim))
        foretold = app.next_ticks("work", count=count)
        assert app.next_ticks("work", count=count) == foretold  # asking moved nothing
        until = foretold[-1] if len(foretold) == count else sim.now + timedelta(days=2)
        limit = min(until, sim.now + timedelta(days=2))
        sim.run_until(limit)
        assert fired(sim)[before:] == [tick for tick in foretold if tick <= limit]


@quietly
@given(triggers, st.integers(0, 20_000), st.integers(0, 20_000))
def test_what_is_foretold_for_later_is_what_comes_then(trigger: BaseTrigger, moment_s: int, later_s: int) -> None:
    app = app_with(trigger)
    with simulated(app) as sim:
        sim.advance(seconds=moment_s)
        after = sim.now + timedelta(seconds=later_s)
        limit = after + timedelta(hours=9)
        foretold = app.next_ticks("work", count=500, after=after)
        sim.run_until(limit)
        came = [tick for tick in fired(sim) if tick > after]
        assert came[:500] == [tick for tick in foretold if tick <= limit]


def test_ticks_that_are_gone_count_against_the_loop_count_of_what_is_foretold_for_later() -> None:
    app = app_with(Every(seconds=1, max_loop_count=3))
    with simulated(app) as sim:
        after = sim.now + timedelta(seconds=2)
        assert [offset(tick) for tick in app.next_ticks("work", after=after)] == [3]
        sim.advance(seconds=1)
        assert [offset(tick) for tick in app.next_ticks("work", after=after)] == [3]


def test_fractions_of_a_second_are_foretold_to_the_microsecond() -> None:
    app = app_with(Every(seconds=0.1))
    foretold = app.next_ticks("work", count=1000, after=START)
    with simulated(app) as sim:
        sim.run_until(foretold[-1] + timedelta(microseconds=1))
        came = fired(sim)
    worst = max(abs((a - b).total_seconds()) for a, b in zip(foretold, came, strict=True))
    assert worst <= 2e-6


# What is asked


def test_without_a_ref_all_tasks_answer() -> None:
    app = app_with(Every(hours=1))
    answers = app.next_ticks(count=2, after=START)
    assert list(answers) == ["work", "other"]
    assert answers["work"] == app.next_ticks("work", count=2, after=START)


def test_the_count_is_a_limit_and_may_be_nothing() -> None:
    app = app_with(Every(hours=1))
    assert app.next_ticks("work", count=0) == []
    assert len(app.next_ticks("work")) == 5
    assert len(app.next_ticks("work", count=10_000)) == 10_000


def test_answers_are_in_utc_whatever_the_zone_of_the_question() -> None:
    app = app_with(At(hour=9, tz="Europe/Berlin"))
    berlin = START.astimezone(ZoneInfo("Europe/Berlin"))
    for after in (berlin, START, START.astimezone(timezone(timedelta(hours=-11)))):
        answer = app.next_ticks("work", count=2, after=after)
        assert [tick.isoformat() for tick in answer] == ["2026-03-29T07:00:00+00:00", "2026-03-30T07:00:00+00:00"]
        assert all(tick.tzinfo is UTC for tick in answer)


def test_a_naive_moment_is_refused() -> None:
    app = app_with(Every(hours=1))
    with pytest.raises(ValueError, match="aware"):
        app.next_ticks("work", after=datetime(2026, 1, 1))  # noqa: DTZ001 - naive on purpose
    with pytest.raises(ValueError, match="aware"):
        app.next_ticks(after=datetime(2026, 1, 1))  # noqa: DTZ001 - naive on purpose


def test_ticks_are_strictly_after_the_moment_and_never_before_the_present_while_serving() -> None:
    app = app_with(Every(seconds=10))
    with simulated(app) as sim:
        sim.advance(seconds=25)
        for after in (START - timedelta(days=365), START, sim.now):
            assert [offset(tick) for tick in app.next_ticks("work", count=2, after=after)] == [30, 40]
        on_a_tick = START + timedelta(seconds=40)
        assert [offset(tick) for tick in app.next_ticks("work", count=2, after=on_a_tick)] == [50, 60]


def test_before_serving_a_moment_in_the_past_is_where_the_schedule_begins() -> None:
    app = app_with(Every(seconds=10, max_loop_count=3))
    past = datetime(1999, 12, 31, tzinfo=UTC)
    seconds = [(tick - past).total_seconds() for tick in app.next_ticks("work", after=past)]
    assert seconds == [10, 20, 30]


@pytest.mark.parametrize("serving", [True, False])
@pytest.mark.parametrize(
    "trigger", [Every(days=36_525), Every(seconds=1), At(hour=9, tz="UTC"), Cron(cron="0 0 1 1 *", tz="UTC")]
)
def test_at_the_end_of_the_calendar_there_are_no_more_ticks(trigger: BaseTrigger, serving: bool) -> None:
    app = app_with(trigger)
    end = datetime.max.replace(tzinfo=UTC)
    with simulated(app) as sim:
        if not serving:
            sim.run(app.stop())
        for after in (end, end - timedelta(seconds=1), end.replace(microsecond=0, second=0)):
            assert all(tick > after for tick in app.next_ticks("work", count=200, after=after))
        assert len(app.next_ticks("work", count=100, after=START)) <= 100


# What nobody can know


class Waiting(BaseTrigger[Literal["WAITING"]]):
    type_: Literal["WAITING"] = "WAITING"

    async def trigger_next(self) -> None:
        await asyncio.sleep(7)


@pytest.mark.parametrize("serving", [True, False])
@pytest.mark.parametrize("trigger", [OnStartUp, OnShutDown, Waiting])
def test_lifecycle_tasks_and_triggers_that_wait_by_themselves_foretell_nothing(
    trigger: Callable[[], BaseTrigger], serving: bool
) -> None:
    app = app_with(trigger())
    assert app.next_ticks("work") == []
    assert app.next_ticks()["work"] == []
    if serving:
        with simulated(app) as sim:
            sim.advance(seconds=10)
            assert app.next_ticks("work") == []


def test_of_a_combination_what_can_be_known_is_foretold() -> None:
    app = app_with(OrTrigger(triggers=[Waiting(), Every(hours=1)]))
    assert [offset(tick) for tick in app.next_ticks("work", count=2, after=START)] == [3600, 7200]
    with simulated(app) as sim:
        sim.advance(seconds=10)
        assert [offset(tick) for tick in app.next_ticks("work", count=2)] == [3600, 7200]


@pytest.mark.parametrize("trigger", [Forever(), Every(seconds=0), Every(seconds=30, mode="fixed_delay")])
def test_of_ticks_that_follow_runs_at_most_the_next_is_foretold(trigger: BaseTrigger) -> None:
    app = AioClock()

    async def nap() -> None:
        await asyncio.sleep(5)

    app.task(trigger=trigger, name="work")(nap)
    assert len(app.next_ticks("work", after=START)) <= 1
    with simulated(app) as sim:
        sim.advance(seconds=2)
        foretold = app.next_ticks("work")
        sim.advance(seconds=40)
        assert foretold in ([], fired(sim)[:1], fired(sim)[1:2])


@pytest.mark.parametrize("trigger", [Every(minutes=30, mode="fixed_delay"), Every(minutes=30)])
@pytest.mark.parametrize("step", [timedelta(hours=3), timedelta(hours=-3)])
def test_after_a_step_of_the_clock_ticks_are_foretold_by_the_new_time(trigger: BaseTrigger, step: timedelta) -> None:
    app = app_with(trigger)
    app.task(trigger=Cron(cron="* * * * *", tz="UTC"), name="minutely")(nothing)  # looks at the clock
    with on_a_clock_that_may_be_set(app, start=START) as sim:
        sim.advance(minutes=5)
        sim.run(set_wall_clock(step))
        sim.advance(minutes=2)
        foretold = app.next_ticks("work", count=1)
        assert [round(offset(tick) - step.total_seconds()) for tick in foretold] == [1800]
        sim.advance(minutes=30)
        assert fired(sim) == foretold


# Asking moves nothing


@quietly
@given(triggers)
def test_a_serving_that_is_asked_all_the_time_goes_as_one_that_is_not(trigger: BaseTrigger) -> None:
    def serve(*, asked: bool) -> list[Any]:
        app = app_with(trigger)
        with simulated(app) as sim:
            for _ in range(20):
                sim.advance(minutes=47)
                if asked:
                    app.next_ticks()
                    app.next_ticks("work", count=50, after=START)
                    app.next_ticks("work", count=50, after=START + timedelta(days=30))
            return fired(sim)

    assert serve(asked=True) == serve(asked=False)


def test_a_paused_task_still_foretells_its_ticks_and_a_rescheduled_one_its_new_ones() -> None:
    app = app_with(Every(seconds=10))
    with simulated(app) as sim:
        sim.advance(seconds=5)
        app.pause("work")
        assert [offset(tick) for tick in app.next_ticks("work", count=2)] == [10, 20]
        app.reschedule("work", Every(seconds=7))
        assert [offset(tick) for tick in app.next_ticks("work", count=2)] == [12, 19]
    assert [offset(tick) for tick in app.next_ticks("work", count=2, after=START)] == [7, 14]


def test_skipped_ticks_do_not_count_against_what_is_foretold() -> None:
    app = app_with(Every(seconds=10, max_loop_count=2))
    with simulated(app) as sim:
        app.pause("work")
        sim.advance(seconds=25)
        app.resume("work")
        assert [offset(tick) for tick in app.next_ticks("work")] == [30, 40]
        sim.advance(seconds=5)
        assert [offset(tick) for tick in app.next_ticks("work")] == [40]
        sim.advance(seconds=60)
        assert app.next_ticks("work") == []


def test_a_task_of_another_app_is_unknown() -> None:
    app, other = app_with(Once()), app_with(Once())
    with pytest.raises(LookupError):
        app.next_ticks(other.tasks["work"].id.hex[:-1] + "x")
