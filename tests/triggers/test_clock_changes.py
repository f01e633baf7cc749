"""Marks: what is told of a tick is what really happens to it, checked against a walk along the clock."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aioclock import At, Cron, Every, Forever, OrTrigger
from aioclock.triggers import BaseTrigger
from aioclock.triggers._clock_changes import ClockMark, dropped_between, marks_of, wall_clock_leaves

MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)

CHANGES = [
    ("Europe/Berlin", "2026-03-29"),
    ("Europe/Berlin", "2026-10-25"),
    ("America/New_York", "2026-03-08"),
    ("America/New_York", "2026-11-01"),
    ("Australia/Lord_Howe", "2026-04-05"),  # half an hour
    ("Australia/Lord_Howe", "2026-10-04"),
    ("America/Nuuk", "2024-03-31"),  # across midnight
    ("America/Nuuk", "2024-10-27"),
    ("Africa/Casablanca", "2026-02-15"),  # back for Ramadan, and on again
    ("Africa/Casablanca", "2026-03-22"),
    ("Pacific/Apia", "2011-12-30"),  # a whole day
]
EVERY_N = {"*": range(60), "*/15": range(0, 60, 15), "*/7": range(0, 60, 7), "*/30": range(0, 60, 30)}


@dataclass(frozen=True)
class Expression:
    text: str
    hours: frozenset[int]
    minutes: frozenset[int]
    wildcard: bool

    def matches(self, wall: datetime) -> bool:
        return wall.hour in self.hours and wall.minute in self.minutes


@st.composite
def expressions(draw: st.DrawFn) -> Expression:
    # Near the hours at which clocks change, or hardly anything would be found.
    hours = draw(st.sets(st.sampled_from([0, 1, 2, 3, 4, 12, 22, 23]), min_size=1))
    hour = draw(st.sampled_from(["*", ",".join(map(str, sorted(hours)))]))
    minute = draw(st.sampled_from([*EVERY_N, None]))
    minutes = set(EVERY_N[minute]) if minute else draw(st.sets(st.integers(0, 59), min_size=1, max_size=5))
    text = f"{minute or ','.join(map(str, sorted(minutes)))} {hour} * * *"
    return Expression(
        text, frozenset(range(24) if hour == "*" else hours), frozenset(minutes), bool(minute) or hour == "*"
    )


@cache
def walk(zone: str, start: datetime, stop: datetime) -> tuple[list[tuple[datetime, datetime]], set[datetime]]:
    """What the clock shows at each minute of UTC, and what it shows twice."""
    instants = [start + place * MINUTE for place in range((stop - start) // MINUTE)]
    shown = [(at, at.astimezone(ZoneInfo(zone)).replace(tzinfo=None)) for at in instants]
    return shown, {wall for wall, times in Counter(wall for _, wall in shown).items() if times > 1}


def minutes_between(old: datetime, new: datetime) -> Iterator[datetime]:
    while old < new:
        yield old
        old += MINUTE


Happening = tuple[datetime, str, datetime | None, int, bool]
"""When, what, the first wall time concerned, how many, and whether joined with the end of the gap or second."""


def walked(expression: Expression, zone: str, start: datetime, stop: datetime) -> list[Happening]:
    """What happens, found by nothing but looking at the clock every minute."""
    shown, twice = walk(zone, start, stop)
    seen: set[datetime] = set()
    found: list[Happening] = []
    for (_, before), (at, wall) in pairwise(shown):
        swallowed = [missing for missing in minutes_between(before + MINUTE, wall) if expression.matches(missing)]
        matches = expression.matches(wall)
        if swallowed and expression.wildcard:
            found.append((at, "dropped", swallowed[0], len(swallowed), False))
        if swallowed and not expression.wildcard:
            found.append((at, "moved", swallowed[0], len(swallowed), matches))
        elif matches and wall in twice and expression.wildcard:
            found.append((at, "doubled", wall, 1, wall in seen))
        elif matches and wall in twice:
            if wall not in seen:
                found.append((at, "once", wall, 1, False))
        elif matches:
            found.append((at, "plain", None, 0, False))
        seen.add(wall)
    return found


def told(trigger: BaseTrigger, start: datetime, stop: datetime) -> list[Happening]:
    def happening(at: datetime, mark: ClockMark) -> Happening:
        return at, mark.effect, mark.first, mark.count, mark.joined or mark.second_time

    found = [happening(mark.change.at, mark) for mark in dropped_between(trigger, start, stop - MINUTE)]
    tick = trigger.next_after(start, start)
    while tick is not None and tick < stop:
        marks = marks_of(trigger, tick)
        assert len(marks) <= 1
        found.append(happening(tick, marks[0]) if marks else (tick, "plain", None, 0, False))
        tick = trigger.next_after(tick, start)
    return sorted(found, key=lambda one: (one[0], one[1] != "dropped"))


@pytest.mark.parametrize(("zone", "day"), CHANGES)
@settings(max_examples=20, deadline=None)
@given(expression=expressions())
def test_marks_are_what_a_walk_along_the_clock_finds(zone: str, day: str, expression: Expression) -> None:
    middle = datetime.fromisoformat(day).replace(tzinfo=UTC)
    start, stop = middle - DAY, middle + 2 * DAY
    trigger = Cron(cron=expression.text, tz=zone)
    assert told(trigger, start, stop) == walked(expression, zone, start, stop)


@pytest.mark.parametrize(("zone", "day"), CHANGES)
def test_each_of_these_days_has_a_change(zone: str, day: str) -> None:
    middle = datetime.fromisoformat(day).replace(tzinfo=UTC)
    every_minute = Expression("* * * * *", frozenset(range(24)), frozenset(range(60)), wildcard=True)
    effects = {effect for _, effect, *_ in walked(every_minute, zone, middle - DAY, middle + 2 * DAY)}
    assert effects & {"dropped", "doubled"}


def reasons(trigger: BaseTrigger, after: str, count: int = 1) -> list[str]:
    tick, found = datetime.fromisoformat(after), []
    for _ in range(count):
        following = trigger.next_after(tick, tick)
        assert following is not None
        tick = following
        found += [mark.reason for mark in marks_of(trigger, tick)] or [""]
    return found


BERLIN = "Europe/Berlin"


@pytest.mark.parametrize(
    ("trigger", "after", "reason"),
    [
        (
            Cron(cron="30 2 * * *", tz=BERLIN),
            "2026-03-28T12:00Z",
            "moved: 02:30 does not exist, the clock goes from 02:00 to 03:00",
        ),
        (
            At(hour=2, minute=30, second=15, tz=BERLIN),
            "2026-03-28T12:00Z",
            "moved: 02:30:15 does not exist, the clock goes from 02:00 to 03:00",
        ),
        (
            Cron(cron="0,15,30,45 2 * * *", tz=BERLIN),
            "2026-03-28T12:00Z",
            "moved: 4 times from 02:00 to 02:45 do not exist, the clock goes from 02:00 to 03:00; one tick",
        ),
        (
            Cron(cron="0 2,3 * * *", tz=BERLIN),
            "2026-03-28T12:00Z",
            "moved: 02:00 does not exist, the clock goes from 02:00 to 03:00; with 03:00 itself one tick",
        ),
        (
            Cron(cron="30 2 * * *", tz=BERLIN),
            "2026-10-24T12:00Z",
            "once: 02:30 is shown twice, this is the first time, the only tick",
        ),
        (
            Cron(cron="30 * * * *", tz=BERLIN),
            "2026-10-25T00:00Z",
            "doubled: 02:30 is shown twice, this is the first time",
        ),
        (
            Cron(cron="30 * * * *", tz=BERLIN),
            "2026-10-25T01:00Z",
            "doubled: 02:30 is shown twice, this is the second time",
        ),
        (
            At(hour=12, tz="Pacific/Apia"),
            "2011-12-29T23:00Z",
            "moved: 2011-12-30 12:00 does not exist, the clock goes from 2011-12-30 00:00 to 2011-12-31 00:00",
        ),
        (Cron(cron="30 2 * * *", tz=BERLIN), "2026-03-29T12:00Z", ""),
        (Cron(cron="0 * * * *", tz=BERLIN), "2026-03-29T00:30Z", ""),  # right after the gap, but its own time
        (Cron(cron="30 2 * * *", tz="UTC"), "2026-03-28T12:00Z", ""),
        (Every(hours=1), "2026-03-29T00:00Z", ""),
        (Forever(), "2026-03-29T00:00Z", ""),
    ],
)
def test_a_reason_says_what_and_why(trigger: BaseTrigger, after: str, reason: str) -> None:
    assert reasons(trigger, after) == [reason]


def dropped(trigger: BaseTrigger, after: str, until: str) -> list[str]:
    marks = dropped_between(trigger, datetime.fromisoformat(after), datetime.fromisoformat(until))
    return [mark.reason for mark in marks]


def test_a_wildcard_in_a_gap_is_dropped_and_a_fixed_time_is_not() -> None:
    assert dropped(Cron(cron="*/30 2 * * *", tz=BERLIN), "2026-03-28T12:00Z", "2026-03-30T12:00Z") == [
        "dropped: 02:00 and 02:30 do not exist, the clock goes from 02:00 to 03:00"
    ]
    assert dropped(Cron(cron="0,30 2 * * *", tz=BERLIN), "2026-03-28T12:00Z", "2026-03-30T12:00Z") == []
    assert dropped(Cron(cron="*/30 4 * * *", tz=BERLIN), "2026-03-28T12:00Z", "2026-03-30T12:00Z") == []


def test_the_span_begins_after_its_start_and_holds_its_end() -> None:
    wildcard = Cron(cron="*/30 2 * * *", tz=BERLIN)
    assert len(dropped(wildcard, "2026-03-29T00:59:59Z", "2026-03-29T01:00Z")) == 1
    assert dropped(wildcard, "2026-03-29T01:00Z", "2026-03-30T01:00Z") == []
    assert dropped(wildcard, "2026-03-28T01:00Z", "2026-03-29T00:59:59Z") == []
    assert len(dropped(wildcard, "2025-01-01T00:00Z", "2028-01-01T00:00Z")) == 3


def test_a_change_at_the_turn_of_a_year_is_found_once() -> None:
    # On Kiritimati 1 January 1995 did not exist (or 31 December 1994, which the database has).
    found = dropped(Cron(cron="0 * * * *", tz="Pacific/Kiritimati"), "1994-06-01T00:00Z", "1995-06-01T00:00Z")
    assert len(found) == 1
    assert found[0].startswith("dropped: 24 times from 1994-12-31 00:00 to 1994-12-31 23:00 do not exist")


def test_what_a_limited_trigger_no_longer_gives_is_not_dropped() -> None:
    start, until = "2026-03-27T12:00Z", "2026-03-30T12:00Z"
    assert len(dropped(Cron(cron="*/30 2 * * *", tz=BERLIN, max_loop_count=3), start, until)) == 1
    assert dropped(Cron(cron="*/30 2 * * *", tz=BERLIN, max_loop_count=2), start, until) == []


def test_of_several_triggers_only_those_that_are_due_are_marked() -> None:
    fixed, wildcard = Cron(cron="30 2 * * *", tz=BERLIN), Cron(cron="30 * * * *", tz=BERLIN)
    both = OrTrigger(triggers=[OrTrigger(triggers=[fixed]), wildcard, Every(hours=1)])
    assert list(wall_clock_leaves(both)) == [fixed, wildcard]
    assert reasons(both, "2026-10-25T00:00Z") == [
        "once: 02:30 is shown twice, this is the first time, the only tick",
        "doubled: 02:30 is shown twice, this is the first time",
    ]
    assert reasons(both, "2026-10-25T01:00Z") == ["doubled: 02:30 is shown twice, this is the second time"]


def test_a_subclass_with_rules_of_its_own_is_not_judged_by_ours() -> None:
    class Later(At):
        def next_after(self, moment: datetime, anchor: datetime) -> datetime | None:
            return moment + timedelta(hours=1)

    assert list(wall_clock_leaves(Later(hour=2, minute=30, tz=BERLIN))) == []
