"""The built-in triggers: what they hold, when they fire, and the methods that older code calls on them."""

import asyncio
import warnings
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from aioclock import AioClock, At, Cron, Every, Forever, Once, OnShutDown, OnStartUp, OrTrigger
from aioclock.testing import simulate
from aioclock.triggers import BaseTrigger, LoopController, TriggerT

START = datetime(2026, 1, 1, tzinfo=UTC)
BERLIN = ZoneInfo("Europe/Berlin")
DAYS = [
    "every monday",
    "every tuesday",
    "every wednesday",
    "every thursday",
    "every friday",
    "every saturday",
    "every sunday",
]
COMMON = {"type_", "expected_trigger_time"}
LOOPED = {*COMMON, "max_loop_count"}


def fired(trigger: BaseTrigger[Any], *, seconds: float, work: Callable[[], Any] | None = None) -> list[float]:
    """Serve one task for *seconds* of virtual time and return when its runs were due, in seconds from the start."""
    app = AioClock()

    async def nothing() -> None: ...

    func = app.task(trigger=trigger, name="it")(work or nothing)
    with simulate(app, start=START.isoformat()) as sim:
        sim.advance(seconds=seconds)
        return [(run.scheduled_at - START).total_seconds() for run in sim.runs(func) if run.started_at is not None]


async def after(trigger: At | Cron, now: datetime) -> datetime:
    waiting = await trigger.get_waiting_time_till_next_trigger(now=now)
    assert waiting is not None
    return now.astimezone(UTC) + timedelta(seconds=waiting)


async def ticks(trigger: At | Cron, now: datetime, until: datetime) -> list[str]:
    """Return the wall times at which *trigger* fires, asked again from each answer."""
    found = []
    while (now := (await after(trigger, now)).astimezone(now.tzinfo)) < until:
        found.append(now.isoformat(timespec="minutes"))
    return found


# What they hold


@pytest.mark.parametrize(
    ("trigger", "fields"),
    [
        (Once(), COMMON),
        (Forever(), COMMON),
        (
            Every(seconds=1),
            {*LOOPED, "seconds", "minutes", "hours", "days", "weeks", "first_run_strategy", "mode"},
        ),
        (At(tz="UTC"), {*LOOPED, "tz", "hour", "minute", "second", "at"}),
        (Cron(cron="* * * * *", tz="UTC"), {*LOOPED, "cron", "tz"}),
        (OrTrigger(triggers=[Once()]), {*LOOPED, "triggers"}),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_serialised_trigger_has_exactly_its_fields(trigger: BaseTrigger[Any], fields: set[str]) -> None:
    assert set(trigger.model_dump(mode="json")) == fields


@pytest.mark.parametrize("name", ["OnStartUp", "OnShutDown"])
def test_a_lifecycle_trigger_is_deprecated_in_favour_of_lifespan(name: str) -> None:
    build = {"OnStartUp": OnStartUp, "OnShutDown": OnShutDown}[name]
    with pytest.warns(DeprecationWarning, match="lifespan"):
        trigger = build()
    assert set(trigger.model_dump(mode="json")) == COMMON


@pytest.mark.parametrize("build", [OnStartUp, OnShutDown])
def test_a_deprecation_points_at_the_line_that_has_to_change(build: Callable[[], object]) -> None:
    # Python shows a DeprecationWarning only where it points at the user's own code.
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        build()
    assert [warning.filename for warning in caught] == [__file__]


@pytest.mark.parametrize(
    "trigger",
    [
        Once(),
        Forever(),
        Every(hours=2, seconds=1.5, first_run_strategy="immediate", max_loop_count=3),
        At(tz="Europe/Berlin", hour=3, minute=4, second=5, at="every friday", max_loop_count=6),
        Cron(cron="0 9 * * 1-5", tz="America/New_York", max_loop_count=7),
        OrTrigger(triggers=[Every(seconds=3), OrTrigger(triggers=[At(tz="UTC"), Once()])], max_loop_count=8),
    ],
    ids=lambda trigger: type(trigger).__name__,
)
def test_a_serialised_trigger_reads_back_as_itself(trigger: BaseTrigger[Any]) -> None:
    adapter = TypeAdapter(TriggerT)
    assert adapter.validate_json(trigger.model_dump_json()) == trigger
    assert adapter.validate_python(trigger.model_dump()) == trigger


def test_defaults_are_midnight_every_day_and_no_limit() -> None:
    at = At(tz="UTC")
    assert (at.hour, at.minute, at.second, at.at, at.max_loop_count) == (0, 0, 0, "every day", None)
    every = Every(seconds=1)
    assert (every.minutes, every.hours, every.days, every.weeks) == (None, None, None, None)
    assert (every.first_run_strategy, every.max_loop_count) == ("wait", None)


def test_type_is_the_name_of_the_trigger() -> None:
    built = [
        Once(),
        Forever(),
        Every(seconds=1),
        At(tz="UTC"),
        Cron(cron="@daily", tz="UTC"),
        OrTrigger(triggers=[Once()]),
    ]
    assert [trigger.type_ for trigger in built] == ["ONCE", "FOREVER", "EVERY", "AT", "CRON", "OR"]


def test_every_trigger_is_a_base_trigger_and_the_limited_ones_are_loop_controllers() -> None:
    limited = [Every(seconds=1), At(tz="UTC"), Cron(cron="@daily", tz="UTC"), OrTrigger(triggers=[Once()])]
    assert all(isinstance(trigger, LoopController) for trigger in limited)
    assert all(isinstance(trigger, BaseTrigger) for trigger in [Once(), Forever(), *limited])


def test_serving_leaves_the_trigger_object_as_the_user_built_it() -> None:
    trigger = OrTrigger(triggers=[Every(seconds=1, max_loop_count=2), Once()], max_loop_count=5)
    before = trigger.model_dump()
    assert len(fired(trigger, seconds=10)) == 3
    assert trigger.model_dump() == before
    assert trigger.should_trigger()


# When they fire


def test_once_fires_once_and_at_once() -> None:
    assert fired(Once(), seconds=100) == [0]


def test_forever_fires_again_as_soon_as_the_run_before_has_ended() -> None:
    starts: list[float] = []

    async def work() -> None:
        starts.append(asyncio.get_running_loop().time())
        await asyncio.sleep(2)

    fired(Forever(), seconds=9, work=work)
    assert [round(start - starts[0], 3) for start in starts] == [0, 2, 4, 6, 8]


def test_every_waits_one_period_before_its_first_run() -> None:
    assert fired(Every(seconds=10), seconds=35) == [10, 20, 30]


def test_every_can_begin_immediately() -> None:
    assert fired(Every(seconds=10, first_run_strategy="immediate"), seconds=35) == [0, 10, 20, 30]


def test_fixed_delay_waits_the_period_after_the_end_of_a_run() -> None:
    starts: list[float] = []

    async def work() -> None:
        starts.append(asyncio.get_running_loop().time())
        await asyncio.sleep(3)

    fired(Every(seconds=10, mode="fixed_delay"), seconds=45, work=work)
    assert [round(start - starts[0], 3) for start in starts] == [0, 13, 26]


@settings(max_examples=30, deadline=None)
@given(
    seconds=st.integers(0, 59),
    minutes=st.integers(0, 59),
    hours=st.integers(0, 23),
    days=st.integers(0, 6),
    weeks=st.integers(0, 2),
    immediate=st.booleans(),
)
def test_every_fires_on_the_grid_of_the_sum_of_its_units(
    seconds: int, minutes: int, hours: int, days: int, weeks: int, immediate: bool
) -> None:
    period = timedelta(seconds=seconds, minutes=minutes, hours=hours, days=days, weeks=weeks).total_seconds()
    if not period:
        return
    trigger = Every(
        seconds=seconds,
        minutes=minutes,
        hours=hours,
        days=days,
        weeks=weeks,
        first_run_strategy="immediate" if immediate else "wait",
    )
    assert fired(trigger, seconds=period * 3.5) == [n * period for n in range(0 if immediate else 1, 4)]


def test_every_takes_fractions_of_a_unit() -> None:
    assert fired(Every(minutes=0.5, seconds=0.25), seconds=100) == [30.25, 60.5, 90.75]


def test_an_interval_of_zero_runs_as_often_as_its_limit_says() -> None:
    assert len(fired(Every(seconds=0, max_loop_count=4), seconds=60)) == 4


def test_at_fires_at_that_wall_time_in_its_zone() -> None:
    # Berlin is an hour ahead of UTC in January.
    assert fired(At(tz="Europe/Berlin", hour=3, minute=30), seconds=2 * 86_400) == [9_000, 95_400]


def test_cron_fires_as_the_expression_says_in_its_zone() -> None:
    # Nine in Tokyo is midnight in UTC, where this schedule begins: its first tick is the day after.
    assert fired(Cron(cron="0 9 * * *", tz="Asia/Tokyo"), seconds=3 * 86_400 - 1) == [86_400, 172_800]


@pytest.mark.parametrize(
    "trigger",
    [
        Every(seconds=1, max_loop_count=3),
        Every(seconds=1, max_loop_count=3, first_run_strategy="immediate"),
        At(tz="UTC", hour=12, max_loop_count=3),
        Cron(cron="*/5 * * * *", tz="UTC", max_loop_count=3),
        OrTrigger(triggers=[Every(seconds=2), Every(seconds=5)], max_loop_count=3),
    ],
    ids=lambda trigger: type(trigger).__name__,
)
def test_a_task_runs_at_most_max_loop_count_times(trigger: BaseTrigger[Any]) -> None:
    assert len(fired(trigger, seconds=10 * 86_400)) == 3


def test_failed_runs_count_towards_max_loop_count() -> None:
    async def fail() -> None:
        raise RuntimeError("no")

    assert fired(Every(seconds=1, max_loop_count=2), seconds=10, work=fail) == [1, 2]


# Several at once


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(1, 40), min_size=1, max_size=4), st.integers(1, 150))
@example([10, 13], 131)
def test_or_fires_at_the_union_of_the_ticks_of_its_triggers(periods: list[int], horizon: int) -> None:
    expected = {float(tick) for period in periods for tick in range(period, horizon + 1, period)}
    found = fired(OrTrigger(triggers=[Every(seconds=period) for period in periods]), seconds=horizon + 0.5)
    assert found == sorted(expected)


def test_or_mixes_intervals_and_wall_times() -> None:
    trigger = OrTrigger(triggers=[Every(hours=10), At(tz="UTC", hour=3), Cron(cron="0 5 * * *", tz="UTC")])
    assert [due / 3600 for due in fired(trigger, seconds=86_400 - 1)] == [3, 5, 10, 20]


def test_or_is_exhausted_when_all_of_its_triggers_are() -> None:
    trigger = OrTrigger(triggers=[Once(), Every(seconds=2, max_loop_count=2), Every(seconds=7, max_loop_count=1)])
    assert fired(trigger, seconds=1_000) == [0, 2, 4, 7]


def test_or_nests() -> None:
    trigger = OrTrigger(triggers=[Every(seconds=4), OrTrigger(triggers=[Every(seconds=5), Once()], max_loop_count=2)])
    assert fired(trigger, seconds=13) == [0, 4, 5, 8, 12]


# Calendar: Europe/Berlin goes from 02:00 to 03:00 on 31 March 2024, and from 03:00 back to 02:00 on 27 October


@pytest.mark.parametrize(
    ("cron", "expected"),
    [
        ("30 2 * * *", ["03:00+02:00"]),
        ("0,15,30,45 2 * * *", ["03:00+02:00"]),
        ("30 2-3 * * *", ["03:00+02:00", "03:30+02:00"]),
        ("*/15 2 * * *", []),
        ("0 12 * * *", ["12:00+02:00"]),
    ],
)
async def test_in_spring_a_skipped_time_fires_once_at_the_end_of_the_gap(cron: str, expected: list[str]) -> None:
    found = await ticks(
        Cron(cron=cron, tz="Europe/Berlin"),
        datetime(2024, 3, 31, tzinfo=BERLIN) - timedelta(microseconds=1),
        datetime(2024, 4, 1, tzinfo=BERLIN),
    )
    assert found == [f"2024-03-31T{wall}" for wall in expected]


@pytest.mark.parametrize(
    ("cron", "expected"),
    [
        ("30 2 * * *", ["02:30+02:00"]),
        ("0,15,30,45 2 * * *", ["02:00+02:00", "02:15+02:00", "02:30+02:00", "02:45+02:00"]),
        ("30 2-3 * * *", ["02:30+02:00", "03:30+01:00"]),
        ("30 2 27 10 *", ["02:30+02:00"]),
        ("0 12 * * *", ["12:00+01:00"]),
        (
            "*/15 2 * * *",
            [f"02:{minute}+0{offset}:00" for offset in (2, 1) for minute in ("00", "15", "30", "45")],
        ),
    ],
)
async def test_in_autumn_a_repeated_time_fires_once_unless_the_pattern_is_a_wildcard(
    cron: str, expected: list[str]
) -> None:
    found = await ticks(
        Cron(cron=cron, tz="Europe/Berlin"),
        datetime(2024, 10, 27, tzinfo=BERLIN) - timedelta(microseconds=1),
        datetime(2024, 10, 28, tzinfo=BERLIN),
    )
    assert found == [f"2024-10-27T{wall}" for wall in expected]


async def test_at_in_the_gap_and_in_the_repeated_hour() -> None:
    at = At(tz="Europe/Berlin", hour=2, minute=30)
    assert (await after(at, datetime(2024, 3, 31, 1, tzinfo=BERLIN))).astimezone(BERLIN).hour == 3
    first = await after(at, datetime(2024, 10, 27, 1, tzinfo=BERLIN))
    assert first == datetime(2024, 10, 27, 0, 30, tzinfo=UTC)
    assert await after(at, first) == datetime(2024, 10, 28, 1, 30, tzinfo=UTC)


async def test_a_day_across_a_clock_change_has_23_or_25_elapsed_hours() -> None:
    noon = At(tz="Europe/Berlin", hour=12)
    for day, hours in ((datetime(2024, 3, 30, 12, tzinfo=BERLIN), 23), (datetime(2024, 10, 26, 12, tzinfo=BERLIN), 25)):
        assert await noon.get_waiting_time_till_next_trigger(now=day) == hours * 3600
        cron = Cron(cron="0 12 * * *", tz="Europe/Berlin")
        assert await cron.get_waiting_time_till_next_trigger(now=day) == hours * 3600


async def test_a_gap_over_midnight_moves_a_saturday_evening_to_sunday() -> None:
    at = At(tz="America/Nuuk", hour=23, minute=30, at="every saturday")
    due = (await after(at, datetime(2024, 3, 30, 12, tzinfo=ZoneInfo("America/Nuuk")))).astimezone(
        ZoneInfo("America/Nuuk")
    )
    assert due.isoformat() == "2024-03-31T00:00:00-01:00"


ZONES = st.sampled_from(
    ["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "Africa/Cairo"]
)
MOMENTS = st.datetimes(
    datetime(2000, 1, 1),  # noqa: DTZ001 # hypothesis asks for naive bounds
    datetime(2035, 1, 1),  # noqa: DTZ001 # as above
    timezones=ZONES.map(ZoneInfo),
    allow_imaginary=False,
)


@settings(deadline=None)
@given(ZONES, st.integers(0, 23), st.integers(0, 59), st.integers(0, 59), st.sampled_from(DAYS), MOMENTS)
async def test_at_answers_the_right_weekday_and_wall_time_within_a_week(
    tz: str, hour: int, minute: int, second: int, at: Any, now: datetime
) -> None:
    trigger = At(tz=tz, hour=hour, minute=minute, second=second, at=at)
    answer = await after(trigger, now)
    assert now.astimezone(UTC) < answer <= now.astimezone(UTC) + timedelta(days=7, hours=2)
    # A float of seconds is exact to less than half a millisecond.
    due = (answer + timedelta(microseconds=500)).replace(microsecond=0).astimezone(ZoneInfo(tz))
    wall = due.replace(hour=hour, minute=minute, second=second, fold=0)
    if wall.astimezone(UTC).astimezone(ZoneInfo(tz)).replace(tzinfo=None) == wall.replace(tzinfo=None):
        assert due.replace(tzinfo=None) == wall.replace(tzinfo=None)
        assert due.fold == 0
        assert DAYS[due.weekday()] == at


@settings(deadline=None)
@given(
    st.sampled_from(
        ["* * * * *", "*/7 * * * *", "0 */5 * * *", "30 2 * * *", "0 0 * * 1-5", "0 0 L * *", "5 4 13 * 5"]
    ),
    ZONES,
    MOMENTS,
    st.integers(0, 999_999),
)
async def test_cron_is_strictly_later_and_not_moved_by_a_fraction_of_a_second(
    cron: str, tz: str, now: datetime, fraction: int
) -> None:
    trigger = Cron(cron=cron, tz=tz)
    now = now.replace(microsecond=0)
    answers = [await after(trigger, now), await after(trigger, now.replace(microsecond=fraction))]
    assert answers[0] > now
    assert abs(answers[1] - answers[0]) < timedelta(milliseconds=1)


@settings(deadline=None)
@given(MOMENTS, ZONES)
async def test_the_zone_of_now_does_not_change_the_answer(now: datetime, other: str) -> None:
    for trigger in (At(tz="Europe/Berlin", hour=2, minute=30), Cron(cron="30 2 * * *", tz="Europe/Berlin")):
        here = await trigger.get_waiting_time_till_next_trigger(now=now)
        there = await trigger.get_waiting_time_till_next_trigger(now=now.astimezone(ZoneInfo(other)))
        assert here == there


# The methods that older code calls


async def test_once_can_be_triggered_until_it_was() -> None:
    once = Once()
    assert once.should_trigger()
    await once.trigger_next()
    assert not once.should_trigger()


async def test_forever_can_always_be_triggered_without_waiting() -> None:
    forever = Forever()
    for _ in range(3):
        assert forever.should_trigger()
        assert await forever.get_waiting_time_till_next_trigger() == 0
        await forever.trigger_next()


async def test_an_interval_that_does_not_run_waits_its_period() -> None:
    every = Every(seconds=1)
    assert [await every.get_waiting_time_till_next_trigger() for _ in range(2)] == [1, 1]
    assert await Every(minutes=1, seconds=30).get_waiting_time_till_next_trigger() == 90


async def test_an_immediate_interval_waits_only_from_its_second_time_on() -> None:
    every = Every(seconds=1, first_run_strategy="immediate")
    assert await every.get_waiting_time_till_next_trigger() == 0
    every._increment_loop_counter()
    assert await every.get_waiting_time_till_next_trigger() == 1


async def test_a_limited_interval_stops_after_its_count() -> None:
    every = Every(seconds=0, max_loop_count=2)
    for _ in range(2):
        assert every.should_trigger()
        await every.trigger_next()
    assert not every.should_trigger()


async def test_or_over_two_pairs_can_be_triggered_four_times_without_waiting() -> None:
    trigger = OrTrigger(triggers=[Every(seconds=0, max_loop_count=2), Every(seconds=0, max_loop_count=2)])
    for _ in range(4):
        assert trigger.should_trigger()
        assert await trigger.get_waiting_time_till_next_trigger() == 0
        await trigger.trigger_next()
    assert not trigger.should_trigger()


async def test_or_stops_at_its_own_count() -> None:
    trigger = OrTrigger(triggers=[Every(seconds=0), Once()], max_loop_count=3)
    for _ in range(3):
        assert trigger.should_trigger()
        await trigger.trigger_next()
    assert not trigger.should_trigger()


async def test_or_waits_for_the_earliest_of_its_triggers() -> None:
    trigger = OrTrigger(triggers=[Every(seconds=30), Every(seconds=20), Every(minutes=1)])
    assert await trigger.get_waiting_time_till_next_trigger() == 20
