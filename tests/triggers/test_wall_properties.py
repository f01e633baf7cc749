"""No tick lost, none doubled: every zone, held to a walk that looks at the clock step by step."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aioclock.triggers._expression import parse_cron
from aioclock.triggers._wall import DailyPattern, WallPattern, latest_instant, next_instant

SECOND, MINUTE, HOUR, DAY = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
# "posixrules" and its like are names of the same zones; all of them are walked.
ZONES = sorted(available_timezones())
PROFILE = settings(deadline=None, derandomize=True, max_examples=250)


@dataclass(frozen=True)
class Plan:
    """A pattern written twice: as what the library reads, and as sets that a walk can look into."""

    text: str
    hours: frozenset[int]
    minutes: frozenset[int]
    seconds: frozenset[int] = frozenset({0})
    weekdays: frozenset[int] = frozenset(range(7))  # 0 is Monday
    daily: bool = False

    @property
    def wildcard(self) -> bool:
        minute, hour = self.text.split()[:2]
        return not self.daily and "*" in (minute[0], hour[0])

    def pattern(self) -> WallPattern:
        if not self.daily:
            return parse_cron(self.text)
        weekday = min(self.weekdays) if len(self.weekdays) == 1 else None
        return DailyPattern(min(self.hours), min(self.minutes), min(self.seconds), weekday)

    def matches(self, wall: datetime) -> bool:
        return (
            wall.second in self.seconds
            and wall.minute in self.minutes
            and wall.hour in self.hours
            and wall.weekday() in self.weekdays
        )


def walk(plan: Plan, zone: ZoneInfo, after: datetime, until: datetime, step: timedelta = MINUTE) -> list[datetime]:
    """Return the ticks in (after, until] by the rules, looking at the clock once per step."""
    # The walk starts earlier by as much as the clock is shifted, to have seen the first pass of what is shown twice.
    offsets = [moment.astimezone(zone).utcoffset() or timedelta(0) for moment in (after - 25 * HOUR, after, until)]
    utc = after - (max(offsets) - min(offsets))
    previous = utc.astimezone(zone).replace(tzinfo=None)
    found, shown = [], {previous}
    while utc < until:
        utc += step
        wall = utc.astimezone(zone).replace(tzinfo=None)
        if plan.wildcard:
            due = plan.matches(wall)
        else:
            skipped = (previous + step * number for number in range(1, (wall - previous) // step))
            due = any(map(plan.matches, skipped)) or (wall not in shown and plan.matches(wall))
            shown.add(wall)
        previous = wall
        if due and utc > after:
            found.append(utc)
    return found


def step_through(pattern: WallPattern, zone: ZoneInfo, after: datetime, until: datetime) -> Iterator[datetime]:
    tick = next_instant(pattern, zone, after)
    while tick is not None and tick <= until:
        assert tick > after
        yield tick
        after, tick = tick, next_instant(pattern, zone, tick)


def hold_to_the_walk(plan: Plan, zone: ZoneInfo, after: datetime, until: datetime, step: timedelta = MINUTE) -> None:
    expected, pattern = walk(plan, zone, after, until, step), plan.pattern()
    assert list(step_through(pattern, zone, after, until)) == expected
    assert latest_instant(pattern, zone, after, until) == ((expected[-1], len(expected)) if expected else None)


@cache
def changes(key: str, first: int = 1990, last: int = 2037) -> list[datetime]:
    """Return the instants at which the zone's offset changes in these years."""
    zone, found = ZoneInfo(key), []
    low, end = datetime(first, 1, 1, tzinfo=UTC), datetime(last + 1, 1, 1, tzinfo=UTC)
    before = low.astimezone(zone).utcoffset()
    while low < end:
        low += 2 * DAY
        offset = low.astimezone(zone).utcoffset()
        if offset != before:
            found.append(change_between(zone, low - 2 * DAY, low))
            before = offset
    return found


def change_between(zone: ZoneInfo, low: datetime, high: datetime) -> datetime:
    before = low.astimezone(zone).utcoffset()
    while high - low > SECOND:
        middle = low + timedelta(seconds=(high - low) // SECOND // 2)
        low, high = (middle, high) if middle.astimezone(zone).utcoffset() == before else (low, middle)
    return high


# What to draw


def _choice(text: str, values: frozenset[int]) -> st.SearchStrategy[tuple[str, frozenset[int]]]:
    return st.just((text, values))


def _field(size: int, most: int) -> st.SearchStrategy[tuple[str, frozenset[int]]]:
    everything = frozenset(range(size))
    steps = st.integers(2, size).map(lambda step: (f"*/{step}", frozenset(range(0, size, step))))
    listed = st.frozensets(st.integers(0, size - 1), min_size=1, max_size=most).map(
        lambda values: (",".join(map(str, sorted(values))), values)
    )
    return listed | steps | _choice("*", everything) | _choice(f"0-{size - 1}", everything)


WEEKDAYS = st.just(frozenset(range(7))) | st.frozensets(st.integers(0, 6), min_size=1, max_size=3)


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    minute_text, minutes = draw(_field(60, 3))
    hour_text, hours = draw(_field(24, 4))
    weekdays = draw(WEEKDAYS)
    weekday_text = ",".join(str((day + 1) % 7) for day in sorted(weekdays)) if len(weekdays) < 7 else "*"
    return Plan(f"{minute_text} {hour_text} * * {weekday_text}", hours, minutes, weekdays=weekdays)


@st.composite
def daily_plans(draw: st.DrawFn) -> Plan:
    hour, minute = draw(st.integers(0, 23)), draw(st.integers(0, 59))
    weekdays = draw(st.just(frozenset(range(7))) | st.integers(0, 6).map(lambda day: frozenset({day})))
    return Plan(f"{minute} {hour}", frozenset({hour}), frozenset({minute}), weekdays=weekdays, daily=True)


@st.composite
def spans(draw: st.DrawFn, before: timedelta, length: timedelta) -> tuple[ZoneInfo, datetime, datetime]:
    """A zone and a span of whole minutes, near a change of its clock if it ever had one."""
    key = draw(st.sampled_from(ZONES))
    near = changes(key) or [datetime(2024, 3, 1, tzinfo=UTC)]
    start = draw(st.sampled_from(near)) - before * draw(st.floats(0, 1))
    start = start.replace(second=0, microsecond=0)
    return ZoneInfo(key), start, start + length


@PROFILE
@given(plans() | daily_plans(), spans(30 * HOUR, 60 * HOUR))
def test_ticks_around_a_change_are_those_of_the_rules(plan: Plan, span: tuple[ZoneInfo, datetime, datetime]) -> None:
    hold_to_the_walk(plan, *span)


# Twins of the everyday patterns: a fixed one that gaps swallow, a wildcard, one whose ticks meet the changes.
TWINS = [
    Plan("30 0-3,23 * * *", frozenset({0, 1, 2, 3, 23}), frozenset({30})),
    Plan("*/30 * * * *", frozenset(range(24)), frozenset({0, 30})),
    Plan("0 0-23 * * *", frozenset(range(24)), frozenset({0})),
]


@pytest.mark.parametrize("initial", sorted({key[0] for key in ZONES}))
def test_the_latest_changes_of_every_zone(initial: str) -> None:
    for key in (key for key in ZONES if key[0] == initial):
        for change in changes(key)[-2:]:
            start = (change - 2 * HOUR).replace(second=0)
            for plan in TWINS:
                hold_to_the_walk(plan, ZoneInfo(key), start, start + 5 * HOUR)


@settings(PROFILE, max_examples=30)
@given(plans() | daily_plans(), st.frozensets(st.integers(0, 59), min_size=1, max_size=3), spans(3 * HOUR, 4 * HOUR))
def test_seconds_around_a_change(
    plan: Plan, seconds: frozenset[int], span: tuple[ZoneInfo, datetime, datetime]
) -> None:
    if plan.daily:
        seconds = frozenset({min(seconds)})
    text = f"{plan.text} {','.join(map(str, sorted(seconds)))}"
    zone, after, _ = span
    twin = Plan(text, plan.hours, plan.minutes, seconds, plan.weekdays, plan.daily)
    hold_to_the_walk(twin, zone, after + 17 * SECOND, after + HOUR, SECOND)


@pytest.mark.parametrize(
    ("key", "year"),
    [("Africa/Monrovia", 1972), ("America/New_York", 1883), ("Asia/Kolkata", 1941), ("Asia/Manila", 1844)],
)
def test_changes_of_odd_seconds(key: str, year: int) -> None:
    for change in changes(key, year, year):
        for plan in TWINS:
            hold_to_the_walk(plan, ZoneInfo(key), change - HOUR, change + 2 * HOUR, SECOND)


@PROFILE
@given(plans() | daily_plans(), spans(30 * HOUR, 60 * HOUR), st.integers(0, 999_999))
def test_the_answer_depends_on_the_moment_only(
    plan: Plan, span: tuple[ZoneInfo, datetime, datetime], microsecond: int
) -> None:
    zone, after, _ = span
    pattern, tick = plan.pattern(), next_instant(plan.pattern(), zone, after)
    assert next_instant(pattern, zone, after.replace(microsecond=microsecond)) == tick
    assert next_instant(pattern, zone, after.astimezone(zone)) == tick
    assert next_instant(pattern, zone, after.astimezone(ZoneInfo("Asia/Kathmandu"))) == tick
    if tick is not None:
        assert next_instant(pattern, zone, tick - SECOND) == tick


@settings(PROFILE, max_examples=60)
@given(
    plans().filter(lambda plan: len(plan.hours) * len(plan.minutes) < 40) | daily_plans(),
    spans(90 * DAY, 200 * DAY),
)
def test_counting_months_equals_stepping(plan: Plan, span: tuple[ZoneInfo, datetime, datetime]) -> None:
    stepped = list(step_through(plan.pattern(), *span))
    assert latest_instant(plan.pattern(), *span) == ((stepped[-1], len(stepped)) if stepped else None)
