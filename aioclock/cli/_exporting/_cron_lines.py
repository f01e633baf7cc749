"""Cron lines of five fields, as crontab and Kubernetes read them."""

from collections.abc import Sequence
from datetime import date, timedelta
from itertools import combinations

from aioclock.cli._exporting._calendar import Calendar, calendar_of, ranges
from aioclock.cli._exporting._plan import Interval
from aioclock.cli._exporting._refusal import Refusal

__all__ = ["cron_line", "interval_line", "require_no_meeting"]

_MINUTE = timedelta(minutes=1)
_HOUR = timedelta(hours=1)
_DAY = timedelta(days=1)
_WEEK = timedelta(weeks=1)

_CYCLE = (date(2000, 1, 1), date(2028, 1, 1))
"""All ways in which weekdays and dates can meet."""


def cron_line(calendar: Calendar, target: str) -> str:
    """Return the five fields of *calendar*, which every cron reads alike.

    Lists of values rather than the user's own text: what `*/2` means as a day of the month beside a weekday is not the
    same everywhere.

    Raises:
        Refusal: five fields can't say it.
    """
    if calendar.seconds != (0,):
        raise Refusal(f"{calendar.said}: {target} counts in minutes and has no seconds")
    if calendar.years is not None:
        raise Refusal(f"{calendar.said}: {target} has no field for years")
    days = calendar.days
    if days.special:
        raise Refusal(f"{calendar.said}: {target} has no word for L, W or #")
    months = "*" if days.all_months else ranges(days.months)
    fields = (calendar.minute_field, calendar.hour_field, ranges(days.monthdays) or "*", months)
    return " ".join((*fields, ranges(days.weekdays) or "*"))


def interval_line(interval: Interval, zone: str, target: str) -> Calendar:
    """Return *interval* as one cron line in *zone*, whose clock must not break it.

    Raises:
        Refusal: one line can't say it.
    """
    if interval.after_each_run:
        raise Refusal(f"{interval.said}: {target} can't count from the end of a run; export it to systemd")
    if interval.immediate:
        raise Refusal(
            f"{interval.said}: first_run_strategy='immediate' asks for a run at the start, and {target} has no start; "
            "use 'wait'"
        )
    return calendar_of(_expression(interval, target), zone, interval.said)


def _expression(interval: Interval, target: str) -> str:
    period = interval.period
    if period % _MINUTE:
        raise Refusal(f"{interval.said}: {target} counts in whole minutes, and the period is none")
    if period == _MINUTE:
        return "* * * * *"
    if period < _HOUR and not _HOUR % period:
        return f"*/{period // _MINUTE} * * * *"
    if period < _DAY and not period % _HOUR and not _DAY % period:
        return "0 * * * *" if period == _HOUR else f"0 */{period // _HOUR} * * *"
    if period == _DAY:
        return "0 0 * * *"
    if period == _WEEK:
        return "0 0 * * 0"
    raise Refusal(f"{interval.said}: {target} begins anew {_beginnings(period)}")


def _beginnings(period: timedelta) -> str:
    minutes = period // _MINUTE
    if period < _HOUR:
        return f"with every hour, and {minutes} minutes don't divide 60"
    if period < _DAY and period % _HOUR:
        return f"with every hour, and {minutes} minutes are no number of whole hours"
    if period < _DAY:
        return f"with every day, and {minutes // 60} hours don't divide 24"
    return f"with every day, month or week; of the longer periods only 1 day and 1 week are steady, not {period}"


def require_no_meeting(calendars: Sequence[Calendar], target: str) -> None:
    """Check that no two of *calendars*, all of one zone, are ever due at the same instant, which is one tick here.

    Raises:
        Refusal: two are.
    """
    for one, other in combinations(calendars, 2):
        if _meet(one, other):
            raise Refusal(f"{one.said} and {other.said} meet at some instant, and {target} would run the task twice")


def _meet(one: Calendar, other: Calendar) -> bool:
    fields = ("hours", "minutes", "seconds")
    if not all(set(getattr(one, field)) & set(getattr(other, field)) for field in fields):
        return False
    day, end = one.pattern.next_day(_CYCLE[0]), _CYCLE[1]
    while day is not None and day < end:
        if other.pattern.next_day(day) == day:
            return True
        day = one.pattern.next_day(day + _DAY)
    return False
