"""Triggers as pure functions of time, against counting one by one."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise, takewhile
from typing import Any, Literal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from aioclock import At, Cron, Every, Forever, Once, OnShutDown, OnStartUp, OrTrigger
from aioclock.triggers import BaseTrigger
from aioclock.triggers._base import MOST_STEPS, require_aware
from aioclock.triggers._calendar import WallClockTrigger

ANCHOR = datetime(2026, 1, 1, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return ANCHOR + timedelta(seconds=seconds)


class Squares(BaseTrigger[Literal["SQUARES"]]):
    """A user's trigger: due 1, 4, 9, 16 … seconds after the anchor, *most* times."""

    type_: Literal["SQUARES"] = "SQUARES"
    most: int = 20

    def next_after(self, moment: datetime, anchor: datetime) -> datetime | None:
        number = max(1, int(max(0.0, (moment - anchor).total_seconds()) ** 0.5))
        while anchor + timedelta(seconds=number**2) <= moment:
            number += 1
        return None if number > self.most else anchor + timedelta(seconds=number**2)


class Steps(BaseTrigger[Literal["STEPS"]]):
    """A user's trigger with a grid of *step*, *most* ticks long, that counts how often it is asked."""

    type_: Literal["STEPS"] = "STEPS"
    step: timedelta
    most: int = 10**12
    asked: list[datetime]

    def next_after(self, moment: datetime, anchor: datetime) -> datetime | None:
        self.asked.append(moment)
        number = max(1, (moment - anchor) // self.step + 1)
        return None if number > self.most else anchor + number * self.step


PERIODS = st.integers(1, 30)
EVERY = st.builds(
    Every,
    seconds=PERIODS,
    first_run_strategy=st.sampled_from(["wait", "immediate"]),
    mode=st.sampled_from(["fixed_rate", "fixed_delay"]),
)
PURE: st.SearchStrategy[BaseTrigger[Any]] = st.one_of(
    EVERY,
    st.builds(Once),
    st.builds(Squares, most=st.integers(0, 8)),
    st.builds(
        OrTrigger, triggers=st.lists(st.one_of(EVERY, st.builds(Once), st.builds(Squares)), min_size=1, max_size=4)
    ),
)


def ticks_from(trigger: BaseTrigger[Any]) -> Iterator[datetime]:
    tick = trigger.first_tick(ANCHOR)
    while tick is not None:
        yield tick
        tick = trigger.next_after(tick, ANCHOR)


def ticks_until(trigger: BaseTrigger[Any], until: datetime) -> list[datetime]:
    return list(takewhile(lambda tick: tick <= until, ticks_from(trigger)))


def grid_of(trigger: BaseTrigger[Any], until: float) -> set[datetime]:
    """Return the ticks until *until* by the definition of each trigger alone."""
    if isinstance(trigger, OrTrigger):
        return set().union(*(grid_of(child, until) for child in trigger.triggers))
    if isinstance(trigger, Every):
        first = 0 if trigger.first_run_strategy == "immediate" else 1
        numbers = range(first, int(until // trigger.total_seconds) + 1)
        return {ANCHOR + number * trigger.period for number in numbers}
    if isinstance(trigger, Squares):
        return {at(number**2) for number in range(1, min(trigger.most, 20) + 1) if number**2 <= until}
    return {ANCHOR} if until >= 0 else set()


# One tick after the other


@settings(deadline=None)
@given(PURE, st.integers(0, 200))
def test_ticks_are_those_of_the_definition_in_order(trigger: BaseTrigger[Any], until: int) -> None:
    assert ticks_until(trigger, at(until)) == sorted(grid_of(trigger, until))


@settings(deadline=None)
@given(PURE, st.floats(0, 200))
def test_the_next_tick_is_strictly_later_and_none_is_passed_over(trigger: BaseTrigger[Any], moment_s: float) -> None:
    moment = at(moment_s)
    expected = min((tick for tick in grid_of(trigger, 300) if tick > moment), default=None)
    assert trigger.next_after(moment, ANCHOR) == expected


@settings(deadline=None)
@given(PURE, st.floats(0.001, 100))
def test_before_the_schedule_began_the_next_tick_is_the_first(trigger: BaseTrigger[Any], before_s: float) -> None:
    assert trigger.next_after(at(-before_s), ANCHOR) == trigger.first_tick(ANCHOR)


def test_the_ticks_of_forever_never_come_before_the_schedule_and_are_strictly_later() -> None:
    forever = Forever()
    assert forever.first_tick(ANCHOR) == ANCHOR
    assert forever.next_after(at(-5), ANCHOR) == ANCHOR
    assert all(sooner < later for sooner, later in pairwise(islice(ticks_from(forever), 9)))


@pytest.mark.filterwarnings("ignore:On(StartUp|ShutDown):DeprecationWarning")
@pytest.mark.parametrize("kind", [Once, OnStartUp, OnShutDown])
def test_a_trigger_of_one_tick_has_it_at_the_anchor_and_none_after(kind: type[BaseTrigger[Any]]) -> None:
    trigger = kind()
    assert ticks_until(trigger, at(10**6)) == [ANCHOR]
    assert trigger.next_after(at(-1), ANCHOR) == ANCHOR
    assert trigger.latest_between(at(-1), at(5), ANCHOR) == (ANCHOR, 1)
    assert trigger.latest_between(ANCHOR, at(5), ANCHOR) is None


def test_an_interval_of_zero_is_due_again_at_the_next_instant() -> None:
    trigger = Every(seconds=0)
    assert trigger.first_tick(ANCHOR) == ANCHOR
    assert trigger.next_after(at(7), ANCHOR) == at(7.000001)


# Many ticks at once


@settings(deadline=None)
@given(PURE, st.integers(-5, 200), st.integers(0, 100))
def test_the_latest_tick_of_a_stretch_and_their_number_are_as_counted(
    trigger: BaseTrigger[Any], after: int, length: int
) -> None:
    passed = sorted(tick for tick in grid_of(trigger, after + length) if tick > at(after))
    expected = (passed[-1], len(passed)) if passed else None
    assert trigger.latest_between(at(after), at(after + length), ANCHOR) == expected


@pytest.mark.parametrize("trigger", [At(hour=9, tz="Europe/Berlin"), Cron(cron="*/10 8-17 * * *", tz="Europe/Berlin")])
def test_the_latest_wall_time_of_a_stretch_is_the_last_of_those_counted(trigger: BaseTrigger[Any]) -> None:
    passed = ticks_until(trigger, at(5 * 86_400))
    assert trigger.latest_between(ANCHOR, at(5 * 86_400), ANCHOR) == (passed[-1], len(passed))


def test_ticks_that_never_end_at_an_interval_of_zero_count_as_one() -> None:
    assert Every(seconds=0).latest_between(at(1), at(9), ANCHOR) == (at(9), 1)
    assert Every(seconds=0).latest_between(at(9), at(9), ANCHOR) is None


@settings(max_examples=40, deadline=None)
@given(
    step_s=st.floats(0.001, 0.05),
    most=st.integers(MOST_STEPS + 1, 10**7),
    length=st.floats(100, 100_000),
)
def test_the_latest_of_more_ticks_than_are_counted_is_found_by_bisection(
    step_s: float, most: int, length: float
) -> None:
    step = timedelta(seconds=step_s)
    trigger = Steps(step=step, most=most, asked=[])
    number = min(most, timedelta(seconds=length) // step)
    assert trigger.latest_between(ANCHOR, at(length), ANCHOR) == (ANCHOR + number * step, min(number, MOST_STEPS))
    assert len(trigger.asked) < MOST_STEPS + 100


def test_exactly_as_many_ticks_as_are_counted_need_no_bisection() -> None:
    trigger = Steps(step=timedelta(seconds=1), asked=[])
    assert trigger.latest_between(ANCHOR, at(MOST_STEPS), ANCHOR) == (at(MOST_STEPS), MOST_STEPS)
    assert len(trigger.asked) == MOST_STEPS + 1


def test_bisection_finds_a_lone_last_tick_after_a_long_silence() -> None:
    class Lone(Steps):
        def next_after(self, moment: datetime, anchor: datetime) -> datetime | None:
            regular = super().next_after(moment, anchor)
            return at(90_000) if regular is None and moment < at(90_000) else regular

    trigger = Lone(step=timedelta(milliseconds=1), most=5_000, asked=[])
    assert trigger.latest_between(ANCHOR, at(90_000), ANCHOR) == (at(90_000), MOST_STEPS)
    assert trigger.latest_between(ANCHOR, at(80_000), ANCHOR) == (at(5), MOST_STEPS)


# What periods are


@pytest.mark.parametrize(
    ("units", "message"),
    [
        ({}, "no unit is given"),
        ({"days": 36_526}, "'days': 36526.* is too long; the longest is 36525 days"),
        ({"weeks": 1e300}, r"'weeks': 1e\+300.* is too long"),
        ({"seconds": 1e-9}, "'seconds': 1e-09.* is too short; use 0"),
    ],
)
def test_a_period_that_can_not_be_kept_is_refused_with_its_units(units: dict[str, float], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Every.model_validate(units)


# What moments are


def test_a_naive_moment_is_refused_and_told_what_it_lacks() -> None:
    with pytest.raises(ValueError, match=r"aware datetime.*2026, 1, 1.*add a zone"):
        require_aware(datetime(2026, 1, 1))  # noqa: DTZ001 - it is naive on purpose


def test_an_aware_moment_of_any_zone_is_given_back_in_utc() -> None:
    moment = require_aware(datetime(2026, 7, 1, 12, tzinfo=ZoneInfo("Europe/Berlin")))
    assert (moment, moment.tzinfo) == (datetime(2026, 7, 1, 10, tzinfo=UTC), UTC)


@pytest.mark.parametrize("trigger", [Every(seconds=5), Cron(cron="* * * * *", tz="UTC"), At(tz="UTC")])
async def test_a_naive_present_is_refused(trigger: BaseTrigger[Any]) -> None:
    with pytest.raises(ValueError, match="aware"):
        await trigger.get_waiting_time_till_next_trigger(datetime(2026, 1, 1))  # type: ignore[call-arg]  # noqa: DTZ001


def test_a_trigger_without_a_pure_method_says_so_when_asked_for_a_tick() -> None:
    class Nothing(BaseTrigger[Literal["NOTHING"]]):
        type_: Literal["NOTHING"] = "NOTHING"

    with pytest.raises(TypeError, match="Nothing implements neither next_after nor trigger_next"):
        Nothing().next_after(ANCHOR, ANCHOR)


def test_a_wall_clock_trigger_without_a_pattern_says_so() -> None:
    class Patternless(WallClockTrigger):
        type_: Literal["PATTERNLESS"] = "PATTERNLESS"

    with pytest.raises(TypeError, match="Patternless has no pattern"):
        Patternless(tz="UTC").next_after(ANCHOR, ANCHOR)
