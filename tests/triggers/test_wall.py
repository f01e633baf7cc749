"""The calendar rules, one by one: gaps, repeated times, strictly after, and counting without enumerating."""

from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest

from aioclock.triggers._expression import parse_cron
from aioclock.triggers._wall import DailyPattern, WallPattern, latest_instant, next_instant

BERLIN = ZoneInfo("Europe/Berlin")


def ticks(pattern: WallPattern | str, zone: str, after: str, until: str) -> list[str]:
    """Return the ticks in (after, until] as the zone's clock shows them, and hold `latest_instant` to them."""
    if isinstance(pattern, str):
        pattern = parse_cron(pattern)
    place, begin, end = ZoneInfo(zone), datetime.fromisoformat(after), datetime.fromisoformat(until)
    found: list[datetime] = []
    tick = next_instant(pattern, place, begin)
    while tick is not None and tick <= end:
        found.append(tick)
        tick = next_instant(pattern, place, tick)
    assert latest_instant(pattern, place, begin, end) == ((found[-1], len(found)) if found else None)
    return [tick.astimezone(place).strftime("%d %H:%M%z")[:-2] for tick in found]


# Europe/Berlin, as in the docs: 02:00 -> 03:00 on 2024-03-31, 03:00 -> 02:00 on 2024-10-27


def spring(pattern: WallPattern | str) -> list[str]:
    return ticks(pattern, "Europe/Berlin", "2024-03-30T23:59:59+01:00", "2024-03-31T23:59:59+02:00")


def autumn(pattern: WallPattern | str) -> list[str]:
    return ticks(pattern, "Europe/Berlin", "2024-10-26T23:59:59+02:00", "2024-10-27T23:59:59+01:00")


@pytest.mark.parametrize("pattern", ["30 2 * * *", DailyPattern(2, 30, 0), DailyPattern(2, 30, 0, 6)])
def test_a_fixed_time_happens_once_on_every_day(pattern: WallPattern | str) -> None:
    assert spring(pattern) == ["31 03:00+02"]
    assert autumn(pattern) == ["27 02:30+02"]


def test_many_fixed_times_in_a_gap_happen_once_together() -> None:
    assert spring("0,15,30,45 2 * * *") == ["31 03:00+02"]
    assert autumn("0,15,30,45 2 * * *") == ["27 02:00+02", "27 02:15+02", "27 02:30+02", "27 02:45+02"]


def test_a_match_right_after_the_gap_is_the_same_tick() -> None:
    assert spring("0 2-3 * * *") == ["31 03:00+02"]
    assert spring("30 2-3 * * *") == ["31 03:00+02", "31 03:30+02"]
    assert autumn("30 2-3 * * *") == ["27 02:30+02", "27 03:30+01"]


def test_a_wildcard_follows_what_the_clock_shows() -> None:
    assert len(spring("0 * * * *")) == 23
    assert len(autumn("0 * * * *")) == 25
    assert len(spring("*/15 * * * *")) == 92
    assert len(autumn("*/15 * * * *")) == 100
    assert spring("0 */2 * * *")[:2] == ["31 00:00+01", "31 04:00+02"]
    assert autumn("0 */2 * * *")[:4] == ["27 00:00+02", "27 02:00+02", "27 02:00+01", "27 04:00+01"]
    assert spring("*/15 2 * * *") == []
    assert len(autumn("*/15 2 * * *")) == 8


def test_noon_is_23_or_25_hours_after_noon() -> None:
    noon = parse_cron("0 12 * * *")
    for day in (datetime(2024, 3, 30, 11, tzinfo=UTC), datetime(2024, 10, 26, 10, tzinfo=UTC)):
        tick = next_instant(noon, BERLIN, day)
        assert tick is not None
        assert (tick - day) in (timedelta(hours=23), timedelta(hours=25))


# Odd zones


def test_negative_daylight_saving_time() -> None:
    # In Dublin winter is the exception to Irish standard time.
    spring_day = ("Europe/Dublin", "2024-03-31T00:00:00+00:00", "2024-03-31T12:00:00+00:00")
    autumn_day = ("Europe/Dublin", "2024-10-26T23:30:00+00:00", "2024-10-27T12:00:00+00:00")
    assert ticks("30 1 * * *", *spring_day) == ["31 02:00+01"]
    assert ticks("30 1 * * *", *autumn_day) == ["27 01:30+01"]
    assert ticks("30 */1 * * *", *autumn_day)[:3] == ["27 01:30+01", "27 01:30+00", "27 02:30+00"]


def test_a_shift_of_half_an_hour() -> None:
    overlap = ("Australia/Lord_Howe", "2024-04-07T01:00:00+11:00", "2024-04-07T03:00:00+10:30")
    assert ticks("45 1 * * *", *overlap) == ["07 01:45+11"]
    assert ticks("*/15 * * * *", *overlap)[1:6] == [
        "07 01:30+11", "07 01:45+11", "07 01:30+10", "07 01:45+10", "07 02:00+10",
    ]  # fmt: skip
    gap = ("Australia/Lord_Howe", "2024-10-06T01:00:00+10:30", "2024-10-06T03:00:00+11:00")
    assert ticks("15 2 * * *", *gap) == ["06 02:30+11"]


@pytest.mark.parametrize("pattern", ["0 12 30 12 *", "0 12 * * 5", DailyPattern(12, 0, 0, 4)])
def test_a_whole_day_that_a_zone_skips_is_one_gap(pattern: WallPattern | str) -> None:
    # Samoa went from Thursday to Saturday.
    assert ticks(pattern, "Pacific/Apia", "2011-12-29T12:00:00-10:00", "2012-01-02T00:00:00+14:00") == ["31 00:00+14"]


def test_a_day_that_happens_twice() -> None:
    # Kwajalein crossed the date line the other way in 1969.
    span = ("Pacific/Kwajalein", "1969-09-29T12:00:00+11:00", "1969-10-02T00:00:00-12:00")
    assert ticks(DailyPattern(18, 0, 0), *span) == ["29 18:00+11", "30 18:00+11", "01 18:00-12"]
    assert ticks("0 18,*/6 * * *", *span).count("30 18:00-12") == 0
    assert ticks("* 18 * * *", *span).count("30 18:00-12") == 1


def test_a_gap_that_ends_after_midnight_lands_on_the_next_date() -> None:
    saturday = DailyPattern(23, 30, 0, 5)
    span = ("America/Nuuk", "2024-03-29T00:00:00-02:00", "2024-04-01T00:00:00-01:00")
    assert ticks(saturday, *span) == ["31 00:00-01"]
    assert next_instant(saturday, ZoneInfo("America/Nuuk"), datetime(2024, 3, 31, 0, 59, 59, tzinfo=UTC)) == datetime(
        2024, 3, 31, 1, tzinfo=UTC
    )


def test_a_gap_at_midnight() -> None:
    span = ("Africa/Cairo", "2024-04-25T12:00:00+02:00", "2024-04-26T12:00:00+03:00")
    assert ticks("@daily", *span) == ["26 01:00+03"]
    assert ticks("0 * * * *", *span)[10:12] == ["25 23:00+02", "26 01:00+03"]


def test_offsets_of_less_than_a_minute() -> None:
    # Liberia was at -00:44:30 until the first minutes of 7 January 1972.
    span = ("Africa/Monrovia", "1972-01-06T12:00:00+00:00", "1972-01-07T12:00:00+00:00")
    assert ticks("30 0 * * *", *span) == ["07 00:44+00"]
    assert ticks("0 0 * * *", *span) == ["07 00:44+00"]
    tick = next_instant(parse_cron("0 18 * * *"), ZoneInfo("Africa/Monrovia"), datetime(1972, 1, 6, 12, tzinfo=UTC))
    assert tick == datetime(1972, 1, 6, 18, 44, 30, tzinfo=UTC)


def test_two_changes_near_one_another() -> None:
    # Morocco leaves summer time for Ramadan and comes back five weeks later.
    ramadan = ("Africa/Casablanca", "2024-03-09T00:00:00+00:00", "2024-04-15T00:00:00+00:00")
    found = ticks("30 2 * * *", *ramadan)
    assert len(found) == 37
    assert [tick for tick in found if "02:30" not in tick] == ["14 03:00+01"]


def test_a_swallowed_time_counts_only_in_its_years() -> None:
    assert spring("30 2 31 3 * 0 2024") == ["31 03:00+02"]
    assert spring("30 2 31 3 * 0 2023,2025") == []


# Strictly after


def test_the_second_pass_belongs_to_wildcards_only() -> None:
    second_pass = datetime(2024, 10, 27, 2, 10, tzinfo=BERLIN, fold=1)
    tomorrow = datetime(2024, 10, 28, 1, 30, tzinfo=UTC)
    assert next_instant(parse_cron("30 2 * * *"), BERLIN, second_pass) == tomorrow
    assert next_instant(DailyPattern(2, 30, 0), BERLIN, second_pass) == tomorrow
    assert next_instant(parse_cron("*/30 2 * * *"), BERLIN, second_pass) == datetime(2024, 10, 27, 1, 30, tzinfo=UTC)


@pytest.mark.parametrize("pattern", ["30 2 * * *", "*/30 * * * *", "0 3 * * *", "15 */2 * * *"])
def test_the_fraction_of_a_second_does_not_matter(pattern: str) -> None:
    parsed = parse_cron(pattern)
    for moment in (datetime(2024, 3, 31, 0, 59, 59, tzinfo=UTC), datetime(2024, 10, 27, 0, 59, 59, tzinfo=UTC)):
        late = moment.replace(microsecond=999_999)
        assert next_instant(parsed, BERLIN, late) == next_instant(parsed, BERLIN, moment)


def test_the_moment_may_be_given_in_any_zone() -> None:
    noon = DailyPattern(12, 0, 0)
    moment = datetime(2024, 3, 30, 23, 30, tzinfo=UTC)
    zones = [BERLIN, ZoneInfo("America/New_York"), timezone(timedelta(hours=5, minutes=45))]
    assert {next_instant(noon, BERLIN, moment.astimezone(zone)) for zone in zones} == {
        datetime(2024, 3, 31, 10, tzinfo=UTC)
    }


def test_a_moment_inside_a_gap_is_the_instant_that_python_says() -> None:
    # 02:45 does not exist that day; Python reads it with the offset from before, as 03:45 summer time.
    inside = datetime(2024, 3, 31, 2, 45, tzinfo=BERLIN)
    assert next_instant(parse_cron("50 3 * * *"), BERLIN, inside) == datetime(2024, 3, 31, 1, 50, tzinfo=UTC)
    assert next_instant(parse_cron("*/50 * * * *"), BERLIN, inside) == datetime(2024, 3, 31, 1, 50, tzinfo=UTC)
    assert next_instant(parse_cron("30 3 * * *"), BERLIN, inside) == datetime(2024, 4, 1, 1, 30, tzinfo=UTC)


def test_the_answer_is_in_utc() -> None:
    tick = next_instant(DailyPattern(12, 0, 0), BERLIN, datetime(2024, 7, 1, tzinfo=BERLIN))
    assert tick is not None
    assert tick.tzinfo is UTC


# The ends of time


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "America/New_York", "Pacific/Kiritimati"])
@pytest.mark.parametrize("pattern", ["* * * * * *", "0 12 * * *", "0 0 15W * *", DailyPattern(12, 0, 0, 2)])
@pytest.mark.parametrize("offset_h", [-12, 0, 14])
def test_nothing_overflows(zone: str, pattern: WallPattern | str, offset_h: int) -> None:
    parsed = parse_cron(pattern) if isinstance(pattern, str) else pattern
    place, edge = ZoneInfo(zone), timezone(timedelta(hours=offset_h))
    first, last = datetime.min.replace(tzinfo=edge), datetime.max.replace(tzinfo=edge)
    assert next_instant(parsed, place, last) is None
    assert latest_instant(parsed, place, last, last) is None
    assert next_instant(parsed, place, first) is not None
    found = latest_instant(parsed, place, last - timedelta(days=90), last)
    assert found is not None
    assert next_instant(parsed, place, found[0]) is None


def test_a_tick_that_datetime_cannot_hold_is_none() -> None:
    moment = datetime(9999, 6, 1, tzinfo=UTC)
    assert next_instant(parse_cron("59 23 31 12 *"), ZoneInfo("America/New_York"), moment) is None


@pytest.mark.parametrize("pattern", ["0 0 1 1 * 0 2020", "* * * * * * 2020"])
def test_years_that_are_over_have_no_tick(pattern: str) -> None:
    parsed, after = parse_cron(pattern), datetime(2024, 10, 27, 0, 30, tzinfo=UTC)
    assert next_instant(parsed, BERLIN, after) is None
    assert latest_instant(parsed, BERLIN, after, after + timedelta(days=1000)) is None


def test_a_daily_pattern_ends_with_the_calendar() -> None:
    last_second = datetime.fromisoformat("9999-12-31 23:59:59")  # a Friday
    assert DailyPattern(23, 59, 59).next_wall(last_second) == last_second
    assert DailyPattern(23, 59, 58).next_wall(last_second) is None
    assert DailyPattern(23, 59, 59, 5).next_wall(last_second) is None


# Counting


def test_a_year_of_seconds_is_counted_not_walked() -> None:
    after, until = datetime(2024, 1, 1, tzinfo=UTC), datetime(2025, 1, 1, tzinfo=UTC)
    assert latest_instant(parse_cron("* * * * * *"), BERLIN, after, until) == (until, 366 * 86_400)


def test_a_span_includes_its_end_and_not_its_start() -> None:
    noon, day = DailyPattern(12, 0, 0), datetime(2024, 6, 1, 10, tzinfo=UTC)
    assert latest_instant(noon, BERLIN, day - timedelta(seconds=1), day) == (day, 1)
    assert latest_instant(noon, BERLIN, day, day + timedelta(hours=23)) is None
    assert latest_instant(noon, BERLIN, day, day) is None
    assert latest_instant(noon, BERLIN, day, day - timedelta(days=3)) is None


def test_a_gap_at_the_edge_of_a_span_is_counted_once() -> None:
    change = datetime(2024, 3, 31, 1, tzinfo=UTC)
    second = timedelta(seconds=1)
    for pattern in (DailyPattern(2, 30, 0), DailyPattern(3, 0, 0), parse_cron("0,30 2 * * *")):
        assert latest_instant(pattern, BERLIN, change - second, change) == (change, 1)
        assert latest_instant(pattern, BERLIN, change, change + second) is None
