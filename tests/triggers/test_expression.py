"""Cron text: what is understood, what is refused, and that the answers are croniter's."""

import contextlib
import pickle
import re
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

import pytest
from croniter import CroniterBadDateError, croniter
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from aioclock.triggers._expression import CronPattern, parse_cron

SECOND = timedelta(seconds=1)
PROFILE = settings(deadline=None, derandomize=True, max_examples=400)


def wall(text: str) -> datetime:
    return datetime.fromisoformat(text)


def matches(expression: str, start: str, count: int = 3) -> list[str]:
    pattern, at, found = parse_cron(expression), wall(start), []
    for _ in range(count):
        match = pattern.next_wall(at)
        if match is None:
            break
        found.append(match.isoformat(" "))
        at = match + SECOND
    return found


# What is understood


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("*/20 * * * *", ["2024-02-01 00:00:00", "2024-02-01 00:20:00", "2024-02-01 00:40:00"]),
        ("0 0 * * * */30", ["2024-02-01 00:00:00", "2024-02-01 00:00:30", "2024-02-02 00:00:00"]),
        ("0 0 1 1 * 0 2030-2031", ["2030-01-01 00:00:00", "2031-01-01 00:00:00"]),
        ("@monthly", ["2024-02-01 00:00:00", "2024-03-01 00:00:00", "2024-04-01 00:00:00"]),
        ("0 9 * * MON-tue", ["2024-02-05 09:00:00", "2024-02-06 09:00:00", "2024-02-12 09:00:00"]),
        ("0 0 * * sat-mon", ["2024-02-03 00:00:00", "2024-02-04 00:00:00", "2024-02-05 00:00:00"]),
        ("0 0 1 nov-jan *", ["2024-11-01 00:00:00", "2024-12-01 00:00:00", "2025-01-01 00:00:00"]),
        ("0 0 ? * 7", ["2024-02-04 00:00:00", "2024-02-11 00:00:00", "2024-02-18 00:00:00"]),
        ("0 0 L * *", ["2024-02-29 00:00:00", "2024-03-31 00:00:00", "2024-04-30 00:00:00"]),
        ("0 0 30,L * *", ["2024-02-29 00:00:00", "2024-03-30 00:00:00", "2024-03-31 00:00:00"]),
        ("0 0 15W * *", ["2024-02-15 00:00:00", "2024-03-15 00:00:00", "2024-04-15 00:00:00"]),
        ("0 0 15W 6 *", ["2024-06-14 00:00:00", "2025-06-16 00:00:00", "2026-06-15 00:00:00"]),
        ("0 0 * * 5#3", ["2024-02-16 00:00:00", "2024-03-15 00:00:00", "2024-04-19 00:00:00"]),
        ("0 0 * * L5", ["2024-02-23 00:00:00", "2024-03-29 00:00:00", "2024-04-26 00:00:00"]),
        ("0 0 13 * 5", ["2024-02-02 00:00:00", "2024-02-09 00:00:00", "2024-02-13 00:00:00"]),
        ("0 0 */2 * 1-5", ["2024-02-01 00:00:00", "2024-02-02 00:00:00", "2024-02-03 00:00:00"]),
        ("0 0 29 2 *", ["2024-02-29 00:00:00", "2028-02-29 00:00:00", "2032-02-29 00:00:00"]),
    ],
)
def test_dialect(expression: str, expected: list[str]) -> None:
    assert matches(expression, "2024-02-01") == expected


@pytest.mark.parametrize(
    ("expression", "wildcard"),
    [
        ("* * * * *", True),
        ("*/5 3 * * *", True),
        ("0 */2 * * *", True),
        ("@hourly", True),
        ("@daily", False),
        ("0 0-23 * * *", False),
        ("0-59 2 * * *", False),
        ("0 1,* * * *", False),
        ("5 4 * * * *", False),
    ],
)
def test_the_text_of_the_minute_or_hour_field_makes_a_wildcard(expression: str, wildcard: bool) -> None:
    assert parse_cron(expression).wildcard is wildcard


def test_a_match_at_the_very_moment_counts() -> None:
    assert parse_cron("30 2 * * *").next_wall(wall("2024-05-01 02:30")) == wall("2024-05-01 02:30")
    assert parse_cron("30 2 * * *").next_wall(wall("2024-05-01 02:30:01")) == wall("2024-05-02 02:30")


def test_leap_days_are_found_across_a_century_without_one() -> None:
    assert parse_cron("0 0 29 2 *").next_wall(wall("2096-03-01")) == wall("2104-02-29")


def test_fifty_years_ahead_is_not_too_far() -> None:
    assert matches("0 0 1 1 * 0 2099", "2000-01-01") == ["2099-01-01 00:00:00"]
    assert matches("0 0 * 1 5#1 0 2098", "2000-01-01") == ["2098-01-03 00:00:00"]


def test_years_outside_the_range_of_the_year_field_match_when_there_is_none() -> None:
    assert matches("0 0 1 1 *", "1801-05-05", 1) == ["1802-01-01 00:00:00"]
    assert matches("0 0 * * 1#1", "2799-12-25", 1) == ["2800-01-03 00:00:00"]


@pytest.mark.parametrize("expression", ["0 0 1 1 * 0 2005", "* * * * * * 1999", "0 0 * * 5#2 0 1980"])
def test_an_expression_whose_years_are_over_is_exhausted(expression: str) -> None:
    assert parse_cron(expression).next_wall(wall("2024-01-01")) is None


@pytest.mark.parametrize("expression", ["0 12 * * *", "0 0 29 2 *", "0 0 L * *", "0 0 15W * *", "0 0 * * 1#1"])
def test_the_end_of_the_calendar_is_exhaustion(expression: str) -> None:
    assert parse_cron(expression).next_wall(wall("9999-12-31 23:59:59")) is None


def test_threads_share_a_pattern() -> None:
    pattern = parse_cron("0 0 * * 5#3")
    moments = [wall("2024-01-01") + timedelta(days=9 * number) for number in range(200)]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(pattern.next_wall, moments)) == [pattern.next_wall(moment) for moment in moments]


@pytest.mark.parametrize("expression", ["*/5 * * * *", "0 0 15W * *", "0 0 * * L5"])
def test_a_pattern_survives_pickling(expression: str) -> None:
    pattern = parse_cron(expression)
    assert pickle.loads(pickle.dumps(pattern)).next_wall(wall("2024-01-01")) == pattern.next_wall(wall("2024-01-01"))


# What is refused


@pytest.mark.parametrize(
    ("expression", "advice"),
    [
        ("", "write 'minute"),
        ("* * * *", "write 'minute"),
        ("60 * * * *", "minute(0-59)"),
        ("0 0 0 * *", "day-of-month(1-31)"),
        ("0 0 * * 8", "day-of-week(0-7)"),
        ("@reboot", "use the trigger Once()"),
        ("0 0 * * 1#6", "write 'minute"),
        ("0 0 1,15W * *", "write 'minute"),
        ("0 0 * * 5L", "write 'L5'"),
        ("0 0 * * 1,5l", "write 'L5'"),
        ("0 0 30 2 *", "never fires"),
        ("0 0 31 4,6,9,11 *", "never fires"),
        ("0 0 29 2 * 0 2023", "never fires"),
        ("0 0 15W * 6", "never fires"),
        ("R * * * *", "write the number itself"),
        ("H H * * *", "write the number itself"),
        ("0 0 * * H(1-5)", "write the number itself"),
        ("r/15 * * * *", "write the number itself"),
    ],
)
def test_a_refusal_shows_the_expression_and_what_would_work(expression: str, advice: str) -> None:
    with pytest.raises(ValueError, match=re.escape(f"invalid cron expression {expression!r}: ")) as caught:
        parse_cron(expression)
    assert advice in str(caught.value)


TOKENS = st.text(st.sampled_from("0123456789*/,-#?LlWwHhRr()@. monfrijandec"), max_size=12)
FIELDS = st.lists(TOKENS, min_size=4, max_size=8).map(" ".join)


@PROFILE
@given(st.text(max_size=60) | TOKENS | FIELDS)
@example("* * * * */")
@example("0 0 * * #")
@example("\x00 * * * *")
@example("٣ * * * *")
@example("* * * *  *")
@example("1-" + "9" * 5000 + " * * * *")
@example(",".join(["*"] * 5000) + " * * * *")
def test_any_text_is_parsed_or_refused_at_once(text: str) -> None:
    began = time.perf_counter()
    with contextlib.suppress(ValueError):
        parse_cron(text)
    assert time.perf_counter() - began < 2


# The same answers as croniter on naive times


def _field(low: int, high: int, names: tuple[str, ...] = ()) -> st.SearchStrategy[str]:
    number = st.integers(low, high).map(str) | (st.sampled_from(names) if names else st.nothing())
    span = st.builds("{}-{}".format, number, number)
    item = number | span | st.builds("{}/{}".format, span | number | st.just("*"), st.integers(1, high + 3))
    return st.just("*") | item | st.lists(item, min_size=2, max_size=3).map(",".join)


MINUTES, HOURS, YEARS = _field(0, 59), _field(0, 23), _field(2000, 2060)
MONTHDAYS = _field(1, 31) | st.sampled_from(["L", "15,L", "?", "1-31", "*/1", "29-31"])
MONTHS = st.just("*") | _field(1, 12, ("jan", "feb", "JUN", "dec"))
WEEKDAYS = _field(0, 7, ("sun", "MON", "fri", "sat")) | st.sampled_from(["?", "0-6", "*/2", "1-7"])
SPECIAL_MONTHDAYS = st.sampled_from(["*", "1W", "15W", "31W", "W30", "13"])
SPECIAL_WEEKDAYS = st.sampled_from(["*", "5#3", "0#5", "mon#1,fri#2", "L5", "L0,L3", "1#1,L1", "4"])
DAYS = st.tuples(MONTHDAYS, MONTHS, WEEKDAYS) | st.tuples(SPECIAL_MONTHDAYS, MONTHS, SPECIAL_WEEKDAYS)
MOMENTS = st.datetimes(wall("1999-01-01"), wall("2101-01-01")).map(lambda moment: moment.replace(microsecond=0))


@st.composite
def expressions(draw: st.DrawFn) -> str:
    fields = [draw(MINUTES), draw(HOURS), *draw(DAYS)]
    extra = draw(st.sampled_from(["", "seconds", "years"]))
    if extra:
        fields.append(draw(MINUTES))
    # With years, croniter gives up on two special days together as soon as one of them has no match left.
    if extra == "years" and ("*" in fields[2:5:2] or not set("W#L") & set("".join(fields[2:5:2]))):
        fields.append(draw(YEARS))
    return " ".join(fields)


def parsed(expression: str) -> CronPattern | None:
    try:
        return parse_cron(expression)
    except ValueError as error:
        if "never fires" not in str(error):
            raise
        return None


def croniter_says(expression: str, at: datetime) -> datetime | None:
    # croniter looks strictly later; its default window of 50 years would hide the years that are far away.
    reference = croniter(expression, at - SECOND, ret_type=datetime, max_years_between_matches=110)
    try:
        found: datetime = reference.get_next()
    except CroniterBadDateError:
        return None
    return found


@PROFILE
@given(expressions(), MOMENTS)
@example("0 0 31 2 1", wall("2024-01-01"))
@example("0 0 1-31 * 1", wall("2024-01-02"))
@example("0 0 1-31 * */1", wall("2024-01-02"))
@example("*,5 3,* *,5 * 1", wall("2024-01-02"))
@example("59/15 * * * *", wall("2024-01-02"))
@example("0 0 * * fri-fri", wall("2024-01-02"))
def test_matches_are_those_of_croniter(expression: str, at: datetime) -> None:
    pattern = parsed(expression)
    if pattern is None:
        assert croniter_says(expression, wall("1970-01-01")) is None
    else:
        assert pattern.next_wall(at) == croniter_says(expression, at)


@PROFILE
@given(expressions(), MOMENTS, st.timedeltas(timedelta(0), timedelta(hours=30)))
def test_counting_equals_stepping(expression: str, low: datetime, span: timedelta) -> None:
    pattern = parsed(expression)
    assume(pattern is not None)
    high = (low + span).replace(microsecond=0)
    stepped, at = [], low
    while len(stepped) < 3000 and (match := pattern.next_wall(at)) is not None and match < high:
        stepped.append(match)
        at = match + SECOND
    if len(stepped) < 3000:
        assert pattern.latest_wall(low, high) == ((stepped[-1], len(stepped)) if stepped else None)
