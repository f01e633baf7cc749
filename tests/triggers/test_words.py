"""Triggers in words: a table of what is said, and readers who understand it as it is meant."""

import re
import subprocess
import sys
import warnings
from collections.abc import Iterable
from datetime import datetime
from itertools import product
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from aioclock import At, Cron, Every, Forever, Once, OnShutDown, OnStartUp, OrTrigger
from aioclock.triggers import BaseTrigger, LoopController
from aioclock.triggers._expression import parse_cron
from aioclock.triggers._words import in_words

BERLIN = "Europe/Berlin"


def cron(expression: str) -> str:
    return in_words(Cron(cron=expression, tz="UTC")).removesuffix(", UTC")


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        # everyday ones
        ("0 9 * * 1-5", "every weekday at 09:00"),
        ("0 9 * * mon-fri", "every weekday at 09:00"),
        ("30 2 * * *", "every day at 02:30"),
        ("@daily", "every day at 00:00"),
        ("@hourly", "every hour"),
        ("@weekly", "every Sunday at 00:00"),
        ("0 9,17 * * *", "every day at 09:00 and 17:00"),
        ("* * * * *", "every minute"),
        ("*/15 * * * *", "every 15 minutes"),
        ("0 */2 * * *", "every 2 hours"),
        ("5 * * * *", "at 5 minutes past the hour"),
        ("0,30 9-17 * * 1-5", "every 30 minutes, between 09:00 and 17:59, Monday through Friday"),
        ("*/15 2 * * *", "every 15 minutes, between 02:00 and 02:59"),
        # both day fields restricted mean either
        ("0 0 1 * 1", "at 00:00, on day 1 of the month, or on any Monday"),
        ("0 0 L * 1,5", "at 00:00, on the last day of the month, or on any Monday and Friday"),
        ("0 0 */2 * 1-5", None),
        # 0 and 7 are Sunday; ranges go round
        ("0 0 * * 0", "every Sunday at 00:00"),
        ("0 0 * * 7", "every Sunday at 00:00"),
        ("0 0 * * 6-7", "every Saturday and Sunday at 00:00"),
        ("0 0 * * fri-mon", "every Monday, Friday, Saturday and Sunday at 00:00"),
        ("*/15 * * * 0,6", "every 15 minutes, only on Saturday and Sunday"),
        ("0 0 * nov-jan *", "every day at 00:00, only in January, November, and December"),
        # the sixth field is seconds, the seventh the year
        ("0 9 * * 1 30", "every Monday at 09:00:30"),
        ("* * * * * */10", "every 10 seconds"),
        ("* * * * * *", "every second"),
        ("* * * * * 15", "at 15 seconds past the minute"),
        ("0 9 * * * 0 2030", "every day at 09:00, only in 2030"),
        ("0 9 * * * 0 2030-2032", "every day at 09:00, 2030 through 2032"),
        ("0 9 * * * 0 2020-2098/2", "every day at 09:00, in 40 of the years 2020 to 2098"),
        # L, W and #
        ("0 0 L * *", "at 00:00, on the last day of the month"),
        ("0 0 1,L * *", "at 00:00, on day 1 of the month or on the last day of the month"),
        ("0 0 15W * *", "at 00:00, on the weekday nearest day 15 of the month"),
        ("0 0 * * 5#3", "at 00:00, on the third Friday of the month"),
        ("0 0 * * L5", "at 00:00, on the last Friday of the month"),
        ("0 0 * 6,8 5#3", "at 00:00, on the third Friday of the month, only in June and August"),
        ("0 0 * * L5,1#1", "at 00:00, on the first Monday of the month or on the last Friday of the month"),
        ("0 0 31 * 5#5", "when cron '0 0 31 * 5#5' matches"),
        ("0 0 15W * 1", "when cron '0 0 15W * 1' matches"),
        # what the library would get wrong, or what could be misread
        ("*/7 * * * *", "at 0, 7, 14, 21, 28, 35, 42, 49, and 56 minutes past the hour"),
        ("0 */5 * * *", "every day at 00:00, 05:00, 10:00, 15:00 and 20:00"),
        ("0 0 */10 * *", "at 00:00, on day 1, 11, 21, and 31 of the month"),
        ("0 0 * * */2", "every Tuesday, Thursday, Saturday and Sunday at 00:00"),
        ("0 0-5,20 * * *", "at minute 0 of hours 0 to 5 and 20"),
        ("*/15 2,4 * * *", "at minutes 0, 15, 30 and 45 of hours 2 and 4"),
        ("*/30 */6 * * *", "at minutes 0 and 30 of hours 0, 6, 12 and 18"),
        ("30 * * * * 15", "at second 15 of minute 30 of every hour"),
        ("*/30 * * * * *", "every second of minutes 0 and 30 of every hour"),
    ],
)
def test_cron_expressions(expression: str, words: str | None) -> None:
    if words is None:
        days = ", ".join(map(str, range(1, 31, 2)))
        words = f"at 00:00, on day {days}, and 31 of the month, or on any weekday"
    assert cron(expression) == words


class Bell(BaseTrigger[Literal["BELL"]]):
    type_: Literal["BELL"] = "BELL"

    def next_after(self, moment: datetime, anchor: datetime) -> datetime | None:
        return None


class Spoken(Bell):
    def __str__(self) -> str:
        return "when the bell rings"


class Limited(LoopController[Literal["LIMITED"]]):
    type_: Literal["LIMITED"] = "LIMITED"

    async def trigger_next(self) -> None: ...


class OfficeHours(Every):
    """Every, but not as it was."""

    def next_after(self, moment: datetime, anchor: datetime) -> datetime | None:
        return None


class JustNamed(Every):
    """Every with nothing changed."""


@pytest.mark.parametrize(
    ("trigger", "words"),
    [
        (At(hour=9, tz=BERLIN), "every day at 09:00, Europe/Berlin"),
        (At(hour=9, minute=5, second=7, at="every monday", tz="UTC"), "every Monday at 09:05:07, UTC"),
        (At(tz="UTC", max_loop_count=1), "every day at 00:00, UTC, at most once"),
        (Cron(cron="0 9 * * 1-5", tz=BERLIN), "every weekday at 09:00, Europe/Berlin"),
        (Cron(cron="* * * * *", tz="UTC", max_loop_count=3), "every minute, UTC, at most 3 times"),
        (Every(minutes=45), "every 45 minutes"),
        (Every(seconds=1), "every second"),
        (Every(hours=1), "every hour"),
        (Every(days=1), "every 24 hours"),
        (Every(weeks=1), "every 7 days"),
        (Every(seconds=0.5), "every 0.5 seconds"),
        (Every(hours=1, minutes=30), "every 1 hour and 30 minutes"),
        (Every(days=2, hours=1, seconds=5), "every 2 days, 1 hour and 5 seconds"),
        (Every(hours=2, minutes=0), "every 2 hours"),
        (Every(minutes=1, first_run_strategy="immediate"), "every minute, the first time at once"),
        (Every(minutes=1, mode="fixed_delay"), "1 minute after the end of each run"),
        (Every(seconds=0), "again as soon as the last run has ended"),
        (Every(seconds=0, max_loop_count=2), "again as soon as the last run has ended, at most 2 times"),
        (Once(), "once, when serving starts"),
        (Forever(), "again as soon as the last run has ended"),
        (OrTrigger(triggers=[Every(hours=6), Once()]), "every 6 hours, or once, when serving starts"),
        (OrTrigger(triggers=[Every(hours=6), Every(days=1)]), "every 6 hours or every 24 hours"),
        (
            OrTrigger(triggers=[Every(hours=6), At(hour=9, tz=BERLIN)], max_loop_count=2),
            "(every 6 hours, or every day at 09:00, Europe/Berlin), at most 2 times",
        ),
        (
            OrTrigger(triggers=[OrTrigger(triggers=[Every(hours=6)], max_loop_count=2), Every(days=1)]),
            "(every 6 hours, at most 2 times), or every 24 hours",
        ),
        (Bell(), "Bell"),
        (Spoken(), "when the bell rings"),
        (Limited(max_loop_count=4), "Limited, at most 4 times"),
        (OfficeHours(hours=1), "OfficeHours"),
        (JustNamed(hours=1), "every hour"),
    ],
)
def test_triggers(trigger: BaseTrigger, words: str) -> None:
    assert in_words(trigger) == words


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_start_up_and_shut_down() -> None:
    assert in_words(OnStartUp()) == "when the app starts"
    assert in_words(OnShutDown()) == "when the app stops"


# A reader who knows English, and nothing of cron


def numbers(text: str) -> list[int]:
    found: list[int] = []
    for part in re.split(r", and | and |, ", text):
        ends = [int(end) for end in re.split(r" through | to ", part)]
        found += range(ends[0], ends[-1] + 1)
    return found


def read(words: str) -> set[tuple[int, int, int]]:
    """The times of day that *words* promise for every day."""
    words = words.removeprefix("every day ")
    if re.match(r"at \d\d:\d\d", words):
        times = re.split(r", | and ", words.removeprefix("at "))
        return {(*map(int, f"{time}:00".split(":")[:3]),) for time in times}  # type: ignore[misc]  # three of them
    if of := re.fullmatch(
        r"(?:at )?(?:(every second|seconds? .+) of )?(every minute|minutes? .+) of (every hour|hours? .+)", words
    ):
        parts = [(of[3], 24), (of[2], 60), (of[1] or "second 0", 60)]
        return set(
            product(
                *(range(size) if part.startswith("every") else numbers(part.split(" ", 1)[1]) for part, size in parts)
            )
        )
    rhythm, _, between = words.partition(", between ")
    hours: Iterable[int] = range(24)
    if between:
        first, last = between.split(" and ")
        assert last.endswith(":59")
        assert first.endswith(":00")
        hours = range(int(first[:2]), int(last[:2]) + 1)
    if sparse := re.fullmatch(r"(.+ past the hour), every (\d+) hours", rhythm):
        rhythm = sparse[1]
        hours = [hour for hour in hours if hour % int(sparse[2]) == 0]
    seconds: Iterable[int] = [0]
    minutes: Iterable[int] = range(60)
    if past := re.fullmatch(
        r"(?:at )?(?:minutes |seconds )?(.+?)(?: minutes| seconds)? past the (hour|minute)", rhythm
    ):
        values = numbers(past[1])
        minutes, seconds = (values, [0]) if past[2] == "hour" else (minutes, values)
    else:
        every = re.fullmatch(r"every (?:(\d+) )?(second|minute|hour)s?", rhythm)
        assert every, words
        step = int(every[1] or 1)
        if every[2] == "second":
            seconds = range(0, 60, step)
        elif every[2] == "minute":
            minutes = range(0, 60, step)
        else:
            minutes = [0]
            hours = [hour for hour in hours if hour % step == 0]
    return set(product(hours, minutes, seconds))


def fields(size: int) -> st.SearchStrategy[tuple[str, list[int]]]:
    """The text of a field, and what it means."""
    number = st.integers(0, size - 1)
    every = st.just(("*", list(range(size))))
    step = st.integers(1, size - 1).map(lambda n: (f"*/{n}", list(range(0, size, n))))
    one = number.map(lambda n: (str(n), [n]))
    several = st.sets(number, min_size=2, max_size=12).map(lambda ns: (",".join(map(str, sorted(ns))), sorted(ns)))
    spans = st.tuples(number, number).filter(lambda ends: ends[0] < ends[1])
    span = spans.map(lambda ends: (f"{ends[0]}-{ends[1]}", list(range(ends[0], ends[1] + 1))))
    mixed = st.tuples(span, several).map(lambda two: (f"{two[0][0]},{two[1][0]}", sorted({*two[0][1], *two[1][1]})))
    return st.one_of(every, step, one, several, span, mixed)


@given(fields(60), fields(24), st.one_of(st.none(), fields(60)))
def test_a_reader_understands_the_time_of_day(
    minute: tuple[str, list[int]], hour: tuple[str, list[int]], second: tuple[str, list[int]] | None
) -> None:
    expression = f"{minute[0]} {hour[0]} * * *" + (f" {second[0]}" if second else "")
    assert read(cron(expression)) == set(product(hour[1], minute[1], second[1] if second else [0]))


def days(low: int, high: int) -> st.SearchStrategy[str]:
    return st.one_of(
        st.just("*"),
        st.integers(2, 6).map(lambda n: f"*/{n}"),
        st.sets(st.integers(low, high), min_size=1, max_size=4).map(lambda ns: ",".join(map(str, sorted(ns)))),
    )


nths = st.tuples(st.integers(0, 6), st.sampled_from(["#1", "#2", "#5", "L"])).map(
    lambda two: f"L{two[0]}" if two[1] == "L" else f"{two[0]}{two[1]}"
)
dates = st.tuples(
    st.one_of(days(1, 28), st.just("L"), st.just("3,L"), st.integers(1, 28).map(lambda day: f"{day}W")),
    days(1, 12),
    st.one_of(days(0, 7), nths),
)


def matching_days(expression: str) -> list[Any]:
    pattern, day, found = parse_cron(expression), datetime(2027, 1, 1).date(), []  # noqa: DTZ001 - a date
    while len(found) < 120 and (following := pattern.next_day(day)) is not None:
        found.append(following)
        day = following.fromordinal(following.toordinal() + 1)
    return found


@given(dates, dates)
def test_what_has_the_same_words_has_the_same_days(one: tuple[str, ...], other: tuple[str, ...]) -> None:
    first, second = (f"0 9 {' '.join(fields)}" for fields in (one, other))
    try:
        words = cron(first), cron(second)
    except ValueError:  # it never fires
        assume(False)
    if matching_days(first) != matching_days(second):
        assert words[0] != words[1]


def test_the_language_is_not_the_machines(monkeypatch: pytest.MonkeyPatch) -> None:
    import locale

    monkeypatch.setattr(locale, "getlocale", lambda: ("de_DE", "UTF-8"))
    from aioclock.triggers import _cron_words

    _cron_words._options.cache_clear()
    _cron_words._said.cache_clear()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert cron("*/15 9-17 * * 1-5") == "every 15 minutes, between 09:00 and 17:59, Monday through Friday"


def test_without_the_package_the_expression_stands_for_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "aioclock.triggers._cron_words", raising=False)
    monkeypatch.setitem(sys.modules, "cron_descriptor", None)
    assert in_words(Cron(cron="0 9 * * 1-5", tz=BERLIN)) == "0 9 * * 1-5, Europe/Berlin"


def test_the_package_is_imported_for_cron_only() -> None:
    code = (
        "import sys; from aioclock import At, Cron, Every; from aioclock.triggers._words import in_words; "
        "in_words(Every(hours=1)); in_words(At(hour=1, tz='UTC')); assert 'cron_descriptor' not in sys.modules; "
        "in_words(Cron(cron='1 * * * *', tz='UTC')); assert 'cron_descriptor' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=30)


def test_the_table_of_the_docs_is_right() -> None:
    page = (Path(__file__).parent.parent.parent / "docs" / "cli" / "list.md").read_text(encoding="utf-8")
    table = re.findall(r"^\| `([^`]+)` \| (.+) \|$", page, re.MULTILINE)
    assert len(table) > 5
    assert {expression: cron(expression) for expression, _ in table} == dict(table)
