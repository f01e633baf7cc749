"""Cron expressions in words: where cron-descriptor is sure to be right its words, else ones that can't be misread.

What is described are the values that an expression means here, never its text: cron-descriptor reads another dialect
(seconds first, `5L`), and calls `*/7` "every 7 minutes", which it is not at the end of the hour.
"""

from collections.abc import Iterable, Sequence
from functools import cache, lru_cache
from itertools import product

from cron_descriptor import DescriptionTypeEnum as Part  # type: ignore[import-untyped]  # it has no py.typed
from cron_descriptor import ExpressionDescriptor, Options

from aioclock.triggers._expression import CronPattern, _PlainDays, _SpecialDays

__all__ = ["cron_in_words"]

MOST_TIMES = 6
"""How many times of day are listed one by one."""
MOST_YEARS = 6
"""How many years or spans of years are listed one by one."""
MONDAY_FIRST = (1, 2, 3, 4, 5, 6, 0)
WEEKDAYS = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")
MONTH, WEEKDAY = 3, 4


def cron_in_words(expression: str, pattern: CronPattern) -> str:
    """Return *expression*, which *pattern* was parsed from, in words without its zone.

    ```python
    from aioclock.triggers._cron_words import cron_in_words
    from aioclock.triggers._expression import parse_cron

    assert cron_in_words("0 9 * * 1-5", parse_cron("0 9 * * 1-5")) == "every weekday at 09:00"
    ```
    """
    days, times = pattern.days, pattern.times
    listed = _times_of_day(times.hours, times.minutes, times.seconds)
    at = (
        listed or _regular(times.hours, times.minutes, times.seconds) or _any(times.hours, times.minutes, times.seconds)
    )
    if isinstance(days, _PlainDays):
        months = days.months
        weekdays = tuple(day for day in MONDAY_FIRST if days.waits and days.waits[day - 1] == 0)
        if listed and not days.monthdays and not days.last:
            at, on = f"every {_weekdays(weekdays)} {listed}", ""
        else:
            on = _plain_days(days, weekdays)
    else:
        assert isinstance(days, _SpecialDays)
        named = days.matcher.expanded[MONTH]
        months = tuple(month for month in range(1, 13) if month in named or "*" in named)
        on = _special_days(days)
        if not on:
            return f"when cron {expression!r} matches"
    return at + on + _months(months) + _years(pattern.years)


# The time of day


def _times_of_day(hours: Sequence[int], minutes: Sequence[int], seconds: Sequence[int]) -> str:
    """Return `at 09:00 and 17:00`, or nothing where there are too many of them."""
    count = len(hours) * len(minutes) * len(seconds)
    if count > MOST_TIMES or (count > 3 and _shape(hours, 24).startswith("*/")):
        return ""
    if count > 3 and _shape(minutes, 60).startswith("*/"):
        return ""
    shown = [
        f"{hour:02}:{minute:02}" + (f":{second:02}" if seconds != (0,) else "")
        for hour, minute, second in product(hours, minutes, seconds)
    ]
    return f"at {_joined(shown)}"


def _regular(hours: Sequence[int], minutes: Sequence[int], seconds: Sequence[int]) -> str:
    """Return cron-descriptor's words for a rhythm; nothing where they are none or could be misread."""
    second, minute, hour = _shape(seconds, 60), _shape(minutes, 60), _shape(hours, 24)
    if second != "0" and minute != "*":
        return ""  # "every second, every 15 minutes"
    if hour.startswith("*/") and (len(minutes) > 1 or second != "0"):
        return ""  # "every 15 minutes, every 2 hours"
    if "," in hour:
        return ""  # "at 01:00 through 03:59 and 07:00"
    if len(hours) == 1:
        hour = f"{hour}-{hour}"  # "at 5 and 10 minutes past the hour, at 09:00"
    words = _said(Part.TIMEOFDAY, second=second, minute=minute, hour=hour)
    words = words.removesuffix(", every hour")
    if second != "0":
        words = words.replace(", every minute", "")
    return words[:1].lower() + words[1:]


def _any(hours: Sequence[int], minutes: Sequence[int], seconds: Sequence[int]) -> str:
    second = "" if seconds == (0,) else f"{_units('second', seconds, 60)} of "
    minute = f"{_units('minute', minutes, 60)} of "
    words = second + minute + _units("hour", hours, 24)
    return words if words.startswith("every") else f"at {words}"


def _units(unit: str, values: Sequence[int], size: int) -> str:
    if len(values) == size:
        return f"every {unit}"
    return f"{unit}{'s' if len(values) > 1 else ''} {_joined(_runs(values, ' to '))}"


def _shape(values: Sequence[int], size: int) -> str:
    """Return the shortest text of a field that means *values*: `*`, `*/n` for what goes on evenly, or a list."""
    step = values[1] - values[0] if len(values) > 1 else size
    if size % step == 0 and tuple(values) == tuple(range(0, size, step)) and len(values) > 1:
        return "*" if step == 1 else f"*/{step}"
    return ",".join(_runs(values))


def _runs(values: Iterable[int], to: str = "-") -> list[str]:
    """Return the numbers, three or more in a row as a range."""
    runs: list[list[int]] = []
    for value in values:
        if runs and value == runs[-1][-1] + 1:
            runs[-1].append(value)
        else:
            runs.append([value])
    return [text for run in runs for text in ([f"{run[0]}{to}{run[-1]}"] if len(run) > 2 else map(str, run))]


# Days, months, years


def _weekdays(weekdays: tuple[int, ...]) -> str:
    if weekdays == (1, 2, 3, 4, 5):
        return "weekday"
    return _joined([WEEKDAYS[day] for day in weekdays]) or "day"


def _plain_days(days: _PlainDays, weekdays: tuple[int, ...]) -> str:
    numbers = ",".join(_runs(days.monthdays))
    monthdays = _said(Part.DAYOFMONTH, monthday=numbers) if numbers else ""
    if days.last:
        last = _said(Part.DAYOFMONTH, monthday="L")
        monthdays = f"{monthdays} or{last.removeprefix(',')}" if monthdays else last
    if not weekdays:
        return monthdays
    if monthdays:
        return f"{monthdays}, or on any {_weekdays(weekdays)}"  # cron: both restricted mean either
    return _said(Part.DAYOFWEEK, weekday=",".join(_runs(weekdays)))


def _special_days(days: _SpecialDays) -> str:
    """Return cron-descriptor's words; nothing where day of month and day of week are both restricted."""
    matcher = days.matcher
    nths, nearest = matcher.nth_weekday_of_month, matcher.nearest_weekday
    if nths and matcher.expanded[MONTH - 1] == ["*"]:
        texts = [
            f"{day}L" if nth == "l" else f"{day}#{nth}" for day in sorted(nths) for nth in sorted(nths[day], key=str)
        ]
        words = [_said(Part.DAYOFWEEK, weekday=text).removeprefix(", ") for text in texts]
        return f", {_joined(words, 'or')}"
    if nearest and not nths and matcher.expanded[WEEKDAY] == ["*"]:
        words = [_said(Part.DAYOFMONTH, monthday=f"{day}W").removeprefix(", ") for day in sorted(nearest)]
        return f", {_joined(words, 'or')}"
    return ""


def _months(months: Sequence[int]) -> str:
    return "" if len(months) == 12 else _said(Part.MONTH, month=",".join(_runs(months)))


def _years(years: tuple[int, ...] | None) -> str:
    if years is None:
        return ""
    runs = _runs(years)
    if len(runs) > MOST_YEARS:
        return f", in {len(years)} of the years {years[0]} to {years[-1]}"
    return _said(Part.YEAR, year=",".join(runs))


def _joined(texts: Sequence[str], word: str = "and") -> str:
    return f" {word} ".join(filter(None, (", ".join(texts[:-1]), *texts[-1:])))


@cache
def _options() -> Options:
    # The language is given, or it would be the machine's.
    return Options(use_24hour_time_format=True, day_of_week_start_index_zero=True, locale_code="en_US")


@lru_cache(maxsize=1024)  # each looks into the file of the language anew
def _said(
    part: Part,
    *,
    second: str = "0",
    minute: str = "0",
    hour: str = "0",
    monthday: str = "*",
    month: str = "*",
    weekday: str = "*",
    year: str = "",
) -> str:
    expression = f"{second} {minute} {hour} {monthday} {month} {weekday} {year}".rstrip()
    return str(ExpressionDescriptor(expression, _options()).get_description(part))
