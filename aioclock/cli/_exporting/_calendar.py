"""Calendars: a cron expression taken apart, so that each target can write it in its own way."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from typing import Any
from zoneinfo import ZoneInfo

from croniter import croniter

from aioclock.triggers._expression import CronPattern, parse_cron

__all__ = ["Calendar", "Days", "calendar_of", "ranges"]

_MONTHS = tuple(range(1, 13))
_FULL = {"minute": tuple(range(60)), "hour": tuple(range(24))}
_DAY, _MONTH, _WEEKDAY = 2, 3, 4


@dataclass(frozen=True, kw_only=True)
class Days:
    """Some days of a year. Several kinds together mean either of them; none at all, every day of the months."""

    months: tuple[int, ...] = _MONTHS
    monthdays: tuple[int, ...] = ()
    last: bool = False
    weekdays: tuple[int, ...] = ()
    """0 is Sunday."""
    nth: tuple[tuple[int, int], ...] = ()
    """Weekday and which one of the month; -1 for the last one."""
    nearest: int | None = None
    """Day of the month whose nearest workday is meant."""

    @property
    def all_months(self) -> bool:
        return self.months == _MONTHS

    @property
    def special(self) -> bool:
        """Whether a plain cron line has no word for them."""
        return self.last or bool(self.nth) or self.nearest is not None

    @property
    def either(self) -> bool:
        """Whether the day of the month or the weekday will do."""
        return bool(self.weekdays) and (bool(self.monthdays) or self.last)

    @property
    def mixed(self) -> bool:
        """Whether `W` or `#` stands beside other days, which it then means to narrow down."""
        others = (bool(self.monthdays) or self.last, bool(self.weekdays), bool(self.nth), self.nearest is not None)
        return sum(others) > 1 and any(others[2:])

    @property
    def every_day(self) -> bool:
        return self.all_months and not (self.monthdays or self.weekdays or self.special)


@dataclass(frozen=True, kw_only=True)
class Calendar:
    """Wall-clock times in a zone: every combination of its hours, minutes and seconds on each of its days."""

    zone: str
    expression: str
    hours: tuple[int, ...]
    minutes: tuple[int, ...]
    seconds: tuple[int, ...]
    days: Days
    years: tuple[int, ...] | None
    hour_star: str
    """What the text of the hour field begins with, if that is a star: `*` or `*/2`; else nothing."""
    minute_star: str
    said: str

    @cached_property
    def pattern(self) -> CronPattern:
        """The same as a pattern that can be asked for its next match."""
        return parse_cron(self.expression)

    @property
    def tzinfo(self) -> ZoneInfo:
        return ZoneInfo(self.zone)

    @property
    def wildcard(self) -> bool:
        """Whether it follows real time across a clock change."""
        return bool(self.hour_star or self.minute_star)

    @property
    def times_a_day(self) -> int:
        return len(self.hours) * len(self.minutes) * len(self.seconds)

    @property
    def minute_field(self) -> str:
        """The minutes in a way that every cron understands, with a star where there was one."""
        return _field(self.minutes, self.minute_star, _FULL["minute"])

    @property
    def hour_field(self) -> str:
        return _field(self.hours, self.hour_star, _FULL["hour"])


def calendar_of(expression: str, zone: str, said: str) -> Calendar:
    """Return what the valid cron *expression* means, in its parts.

    Args:
        said: How the user wrote it, for messages.
    """
    parsed: Any = croniter(expression, 0.0)
    pattern = parse_cron(expression)
    minute, hour = parsed.expressions[:2]
    return Calendar(
        zone=zone,
        expression=expression,
        hours=pattern.times.hours,
        minutes=pattern.times.minutes,
        seconds=pattern.times.seconds,
        days=_days(parsed.expanded, parsed.nth_weekday_of_month, parsed.nearest_weekday),
        years=pattern.years,
        hour_star=_star(hour),
        minute_star=_star(minute),
        said=said,
    )


def ranges(values: Iterable[int], *, sign: str = "-", width: int = 1) -> str:
    """Return *values*, which ascend, as a list with ranges.

    ```python
    from aioclock.cli._exporting._calendar import ranges

    assert ranges([1, 2, 3, 5]) == "1-3,5"
    ```
    """
    texts = []
    for _, run in groupby(enumerate(values), lambda pair: pair[1] - pair[0]):
        numbers = [value for _, value in run]
        shown = [f"{value:0{width}d}" for value in numbers]
        texts += [f"{shown[0]}{sign}{shown[-1]}"] if len(shown) > 2 else shown
    return ",".join(texts)


def _star(text: str) -> str:
    return text.split(",")[0] if text.startswith("*") else ""


def _field(values: tuple[int, ...], star: str, full: tuple[int, ...]) -> str:
    if not star:
        return ranges(values)
    step = int(star.partition("/")[2] or 1)
    beside = sorted(set(values) - set(full[::step]))
    return f"{star},{ranges(beside)}" if beside else star


def _days(values: list[list[object]], nth: dict[int, set[object]], nearest: set[int]) -> Days:
    def numbers(field: int) -> tuple[int, ...]:
        everything = "*" in values[field]
        return () if everything else tuple(sorted({value for value in values[field] if isinstance(value, int)}))

    which = sorted((weekday, -1 if n == "l" else int(str(n))) for weekday, ns in nth.items() for n in ns)
    return Days(
        months=numbers(_MONTH) or _MONTHS,
        monthdays=() if nearest else numbers(_DAY),
        last="l" in values[_DAY],
        weekdays=() if nth else numbers(_WEEKDAY),
        nth=tuple(which),
        nearest=min(nearest) if nearest else None,
    )
