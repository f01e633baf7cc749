"""Calendar events of systemd (man systemd.time): weekday and date must *both* match, so "either" takes two of them."""

import re
from collections.abc import Iterator
from datetime import timedelta

from aioclock.cli._exporting._calendar import Calendar, Days, ranges
from aioclock.cli._exporting._plan import Interval
from aioclock.cli._exporting._refusal import Refusal

__all__ = ["calendar_events", "interval_events"]

MOST_EVENTS = 60
"""Beyond that nobody could read the timer."""

_WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_DAY_S = 86_400
_WEEK = timedelta(weeks=1)
_SAFE_DAYS = range(1, 28)
"""Days whose neighbours are in the same month, always."""


def calendar_events(calendar: Calendar) -> list[str]:
    """Return the events of *calendar*; together they are due when it is.

    Raises:
        Refusal: no event can say it.
    """
    years = "*" if calendar.years is None else ranges(calendar.years, sign="..")
    months = "*" if calendar.days.all_months else ranges(calendar.days.months, sign="..", width=2)
    time = _time(calendar.hours, calendar.minutes, calendar.seconds)
    return [
        f"{weekdays}{years}-{months}{days} {time} {calendar.zone}" for weekdays, days in _days(calendar.days, calendar)
    ]


def interval_events(interval: Interval) -> list[str]:
    """Return the events of *interval*, on a grid that begins on Monday at midnight, UTC; none if no grid has it."""
    if interval.period == _WEEK:
        return ["Mon *-*-* 00:00:00 UTC"]
    if interval.period % timedelta(seconds=1) or _DAY_S % interval.whole_seconds:
        return []
    events = [f"*-*-* {_time(*times)} UTC" for times in _factored(range(0, _DAY_S, interval.whole_seconds))]
    return events if len(events) <= MOST_EVENTS else []


def _factored(
    times: range,
) -> Iterator[tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]]:
    """Yield hours, minutes and seconds whose combinations are all of *times*, in seconds from midnight."""
    hours: dict[tuple[int, int], list[int]] = {}
    for time in times:
        hours.setdefault((time // 60 % 60, time % 60), []).append(time // 3600)
    minutes: dict[tuple[int, tuple[int, ...]], list[int]] = {}
    for (minute, second), group in hours.items():
        minutes.setdefault((second, tuple(group)), []).append(minute)
    seconds: dict[tuple[tuple[int, ...], tuple[int, ...]], list[int]] = {}
    for (second, group_of_hours), group in minutes.items():
        seconds.setdefault((group_of_hours, tuple(sorted(group))), []).append(second)
    for (group_of_hours, group_of_minutes), group in seconds.items():
        yield group_of_hours, group_of_minutes, tuple(sorted(group))


def _time(hours: tuple[int, ...], minutes: tuple[int, ...], seconds: tuple[int, ...]) -> str:
    return f"{_values(hours, 24)}:{_values(minutes, 60)}:{_values(seconds, 60)}"


def _values(values: tuple[int, ...], size: int) -> str:
    return "*" if len(values) == size else ranges(values, sign="..", width=2)


def _days(days: Days, calendar: Calendar) -> Iterator[tuple[str, str]]:
    """Yield weekdays and what follows the month, for each kind of days."""
    if days.mixed:
        raise Refusal(f"{calendar.said}: systemd has no word for W or # beside other days")
    if days.monthdays:
        yield "", f"-{ranges(days.monthdays, sign='..', width=2)}"
    if days.last:
        yield "", "~01"
    if days.weekdays:
        yield f"{_weekday_names(days.weekdays)} ", "-*"
    for weekday, which in days.nth:
        name = _WEEKDAYS[weekday - 1]
        yield f"{name} ", "~07/1" if which == -1 else f"-{7 * which - 6:02}..{min(7 * which, 31):02}"
    if days.nearest is not None:
        yield from _nearest(days.nearest, calendar)
    if not (days.monthdays or days.weekdays or days.special):
        yield "", "-*"


def _nearest(day: int, calendar: Calendar) -> Iterator[tuple[str, str]]:
    if day not in _SAFE_DAYS:
        raise Refusal(f"{calendar.said}: for systemd the W must belong to a day from 1 to {_SAFE_DAYS[-1]}")
    yield "Mon..Fri ", f"-{day:02}"
    if day > 1:
        yield "Fri ", f"-{day - 1:02}"  # the day is a Saturday
        yield "Mon ", f"-{day + 1:02}"  # or a Sunday
    else:
        yield "Mon ", "-02,03"  # the nearest workday never lies in another month


def _weekday_names(weekdays: tuple[int, ...]) -> str:
    places = sorted((weekday - 1) % 7 for weekday in weekdays)
    return re.sub(r"\d", lambda place: _WEEKDAYS[int(place[0])], ranges(places, sign=".."))
