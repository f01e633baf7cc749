"""Cron expressions: from text to a pattern of wall-clock times."""

import copy
import re
from bisect import bisect_left
from calendar import monthrange
from dataclasses import dataclass
from datetime import MAXYEAR, date, datetime, time, timedelta
from typing import Any, Protocol

from croniter import croniter

__all__ = ["CronPattern", "parse_cron"]

_MINUTE, _HOUR, _MONTHDAY, _MONTH, _WEEKDAY, _SECOND, _YEAR = range(7)
# Shared by all patterns, so that an everyday one costs little memory.
_ALL = {_MINUTE: tuple(range(60)), _HOUR: tuple(range(24)), _MONTH: tuple(range(1, 13)), _SECOND: tuple(range(60))}
_DAY = timedelta(days=1)
_SHAPE = (
    "write 'minute(0-59) hour(0-23) day-of-month(1-31) month(1-12) day-of-week(0-7)', such as '30 9 * * 1-5', "
    "then, if need be, 'second(0-59)' and 'year(1970-2099)'"
)


class _Days(Protocol):
    def next(self, day: date) -> date | None:
        """Return the first matching day at or after *day*, or None if there is none any more."""


@dataclass(frozen=True, slots=True, eq=False)
class _Times:
    """Every combination of some hours, minutes and seconds; each tuple ascends and is not empty."""

    hours: tuple[int, ...]
    minutes: tuple[int, ...]
    seconds: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.hours) * len(self.minutes) * len(self.seconds)

    def rank(self, at: datetime) -> int:
        """Return how many of these times are earlier than the time of day of *at*."""
        hours, minutes, seconds = self.hours, self.minutes, self.seconds
        hour = bisect_left(hours, at.hour)
        if hour == len(hours) or hours[hour] != at.hour:
            return hour * len(minutes) * len(seconds)
        minute = bisect_left(minutes, at.minute)
        if minute == len(minutes) or minutes[minute] != at.minute:
            return (hour * len(minutes) + minute) * len(seconds)
        return (hour * len(minutes) + minute) * len(seconds) + bisect_left(seconds, at.second)

    def on(self, day: date, rank: int) -> datetime:
        """Return the time that has *rank* earlier ones, on *day*."""
        rest, second = divmod(rank, len(self.seconds))
        hour, minute = divmod(rest, len(self.minutes))
        return datetime.combine(day, time(self.hours[hour], self.minutes[minute], self.seconds[second]))


@dataclass(frozen=True, slots=True, eq=False)
class CronPattern:
    """A parsed cron expression: the same times on every matching day. Immutable, so threads may share it."""

    wildcard: bool
    times: _Times
    days: _Days
    years: tuple[int, ...] | None

    def next_wall(self, at: datetime) -> datetime | None:
        today = at.date()
        day = self.next_day(today)
        if day == today:
            rank = self.times.rank(at)
            if rank < len(self.times):
                return self.times.on(today, rank)
            day = self.next_day(today + _DAY) if today < date.max else None
        return None if day is None else self.times.on(day, 0)

    def latest_wall(self, low: datetime, high: datetime) -> tuple[datetime, int] | None:
        # Days are walked, ticks are counted by their rank within the day.
        latest, count = None, 0
        day = self.next_day(low.date())
        while day is not None and day <= high.date():
            start = self.times.rank(low) if day == low.date() else 0
            stop = self.times.rank(high) if day == high.date() else len(self.times)
            if start < stop:
                latest, count = (day, stop - 1), count + stop - start
            day = self.next_day(day + _DAY) if day < high.date() else None
        return None if latest is None else (self.times.on(*latest), count)

    def next_day(self, day: date) -> date | None:
        """Return the first matching day at or after *day*, or None if there is none any more."""
        if self.years is None:
            return self.days.next(day)
        while (index := bisect_left(self.years, day.year)) < len(self.years):
            day = max(day, date(self.years[index], 1, 1))
            found = self.days.next(day)
            if found is None or found.year == day.year:
                return found
            day = found
        return None


@dataclass(frozen=True, slots=True, eq=False)
class _PlainDays:
    """Days by their number in the month or by their weekday: both restricted means either."""

    months: tuple[int, ...]
    monthdays: tuple[int, ...]
    last: bool
    waits: tuple[int, ...]  # days from Monday, Tuesday, ... to the nearest weekday wanted; empty: any weekday

    def next(self, day: date) -> date | None:
        year, month, start = day.year, day.month, day.day
        # Nothing but 29 February is rare, and its longest wait, over a year such as 2100, is eight years.
        final = min(year + 9, MAXYEAR)
        while year <= final:
            found = self._in_month(year, month, start) if month in self.months else None
            if found is not None:
                return date(year, month, found)
            year, month, start = (year, month + 1, 1) if month < 12 else (year + 1, 1, 1)
        return None

    def _in_month(self, year: int, month: int, start: int) -> int | None:
        found = []
        if self.monthdays and start <= self.monthdays[-1]:
            found.append(self.monthdays[bisect_left(self.monthdays, start)])
        if self.last:
            found.append(monthrange(year, month)[1])
        if self.waits:
            found.append(start + self.waits[date(year, month, start).weekday()])
        if not found:
            return None if self.monthdays else start
        day = min(found)
        return day if day <= 28 or day <= monthrange(year, month)[1] else None


@dataclass(frozen=True, slots=True, eq=False)
class _SpecialDays:
    """Days that depend on the shape of their month (`15W`, `5#3`, `L5`): left to croniter."""

    matcher: croniter

    def next(self, day: date) -> date | None:
        # croniter moves as it answers, so each question gets its own copy; it looks strictly after its start.
        matcher = copy.copy(self.matcher)
        try:
            eve = datetime.combine(day, time()) - timedelta(seconds=1)
            found: datetime = matcher.get_next(datetime, start_time=eve)
        except (ValueError, OverflowError):  # nothing within 50 years, or past the year 9999
            return None
        return found.date()


def parse_cron(expression: str) -> CronPattern:
    """Return the pattern that *expression* describes.

    The dialect is croniter's: `minute hour day-of-month month day-of-week`, then optionally seconds, then years;
    `@hourly` to `@annually`; names, ranges, steps and lists; 0 and 7 are Sunday; `L`, `15W`, `5#3`, `L5`. As in Vixie
    cron, day of month and day of week restricted together mean either, and a minute or hour field that starts with `*`
    makes the pattern a wildcard. A pattern whose years are over is valid and has no next time.

    Raises:
        ValueError: *expression* can't be parsed, never matches, or is random or hashed (`R`, `H`).

    ```python
    from datetime import datetime

    from aioclock.triggers._expression import parse_cron

    weekdays_at_noon = parse_cron("0 12 * * 1-5")
    assert weekdays_at_noon.next_wall(datetime(2024, 6, 1)) == datetime(2024, 6, 3, 12)
    ```
    """
    if re.search(r"(?<!\S)[hr](?![^\s(/])", expression, re.IGNORECASE):
        raise _refusal(expression, "'H' and 'R' have no fixed value; write the number itself, such as '17 3 * * *'")
    try:
        parsed = croniter(expression, 0.0)
    except (ArithmeticError, AssertionError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise _refusal(expression, _hint(expression)) from error
    pattern = _pattern(parsed)
    # Earlier than any year that croniter knows, so that years which are over are not mistaken for days that never come.
    if pattern.next_day(date(1970, 1, 1)) is None:
        raise _refusal(expression, "it never fires; name a day that exists, such as '0 0 28 2 *' or '0 0 L 2 *'")
    return pattern


def _refusal(expression: str, advice: str) -> ValueError:
    return ValueError(f"invalid cron expression {expression!r}: {advice}")


_INSTEAD = {
    "@reboot": "use the trigger Once()",
    "@every": "use the trigger Every(minutes=5)",
    "tz=": "give the zone as tz=",
    "cron_tz=": "give the zone as tz=",
}


def _hint(expression: str) -> str:
    fields = expression.lower().split()
    for start, advice in _INSTEAD.items():
        if expression.lower().lstrip().startswith(start):
            return advice
    wrong = [_NAMES[place] for place, field in enumerate(fields[: len(_NAMES)]) if not _parses_alone(field, place)]
    if len(fields) in (6, 7) and wrong and _parses(" ".join((*fields[1:6], fields[0], *fields[6:]))):
        return f"the seconds come last here: {' '.join((*fields[1:6], fields[0], *fields[6:]))!r}"
    backwards = re.search(r"(?<![^,])([0-7])l(?![^,])", fields[_WEEKDAY]) if len(fields) > _WEEKDAY else None
    if backwards is None:
        return f"the {' and the '.join(wrong)} field can't be understood; {_SHAPE}" if wrong else _SHAPE
    return f"for the last such weekday of the month write 'L{backwards[1]}', not '{backwards[0].upper()}'"


_NAMES = ("minute", "hour", "day-of-month", "month", "day-of-week", "second", "year")


def _parses(expression: str) -> bool:
    try:
        croniter(expression, 0.0)
    except (ArithmeticError, AssertionError, AttributeError, LookupError, TypeError, ValueError):
        return False
    return True


def _parses_alone(field: str, place: int) -> bool:
    return _parses(" ".join(field if other == place else "*" for other in range(max(5, place + 1))))


def _pattern(parsed: Any) -> CronPattern:
    text, values = parsed.expressions, parsed.expanded
    seconds = _values(values, _SECOND) if len(values) > _SECOND else (0,)
    return CronPattern(
        wildcard=text[_MINUTE].startswith("*") or text[_HOUR].startswith("*"),
        times=_Times(_values(values, _HOUR), _values(values, _MINUTE), seconds),
        days=_days(parsed),
        years=None if len(values) <= _YEAR or "*" in values[_YEAR] else tuple(values[_YEAR]),
    )


def _values(values: list[list[Any]], field: int) -> tuple[int, ...]:
    # croniter leaves a "*" beside other values, as in "*,5"; it still means all of them.
    return _ALL[field] if "*" in values[field] else tuple(value for value in values[field] if isinstance(value, int))


def _days(parsed: Any) -> _Days:
    text, values = parsed.expressions, parsed.expanded
    if parsed.nth_weekday_of_month or parsed.nearest_weekday:
        return _SpecialDays(croniter(f"0 0 {text[_MONTHDAY]} {text[_MONTH]} {text[_WEEKDAY]}", 0.0))
    monthdays = [] if "*" in values[_MONTHDAY] else values[_MONTHDAY]
    weekdays = [] if "*" in values[_WEEKDAY] else values[_WEEKDAY]
    return _PlainDays(
        months=_values(values, _MONTH),
        monthdays=tuple(day for day in monthdays if isinstance(day, int)),
        last="l" in monthdays,
        # datetime counts weekdays from Monday, cron from Sunday.
        waits=tuple(min((day - 1 - today) % 7 for day in weekdays) for today in range(7)) if weekdays else (),
    )
