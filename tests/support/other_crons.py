"""What the daemons of other schedulers do, minute by minute: written from their manuals, to compare ours with."""

from collections import Counter
from collections.abc import Iterable
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

__all__ = ["CronLine", "literal_runs", "vixie_runs"]

_MINUTE = timedelta(minutes=1)


class CronLine:
    """Five fields as crontab(5) describes them: no names, `*`, `*/n`, `a-b`, `a-b/n`, lists."""

    def __init__(self, text: str) -> None:
        minute, hour, day, month, weekday = text.split(" ")
        self.minutes = _values(minute, 0, 59)
        self.hours = _values(hour, 0, 23)
        self.days = _values(day, 1, 31)
        self.months = _values(month, 1, 12)
        self.weekdays = {number % 7 for number in _values(weekday, 0, 7)}
        self.wildcard = minute.startswith("*") or hour.startswith("*")
        self.either = not day.startswith("*") and not weekday.startswith("*")

    def matches(self, wall: datetime) -> bool:
        day, weekday = wall.day in self.days, wall.isoweekday() % 7 in self.weekdays
        return (
            wall.minute in self.minutes
            and wall.hour in self.hours
            and wall.month in self.months
            and (day or weekday if self.either else day and weekday)
        )


def _values(field: str, low: int, high: int) -> set[int]:
    values: set[int] = set()
    for part in field.split(","):
        span, _, step = part.partition("/")
        begin, dash, end = span.partition("-")
        if span == "*":
            first, last = low, high
        else:
            first = int(begin)
            last = int(end) if dash else first
        assert low <= first <= last <= high, field
        values.update(range(first, last + 1, int(step or 1)))
    return values


def literal_runs(line: CronLine, zone: ZoneInfo, after: datetime, until: datetime) -> Counter[datetime]:
    """Return when a scheduler that looks at its clock once a minute, and knows no clock changes, starts a job."""
    return Counter(moment for moment in _minutes(after, until) if line.matches(_wall(moment, zone)))


def vixie_runs(line: CronLine, zone: ZoneInfo, after: datetime, until: datetime) -> Counter[datetime]:
    """Return when and how often Debian's cron starts a job, as cron(8) says and as it does."""
    if line.wildcard:
        return literal_runs(line, zone, after, until)
    runs: Counter[datetime] = Counter()
    before = _wall(after - 2 * timedelta(days=1), zone)
    highest = before  # the latest time that the clock has shown
    for moment in _minutes(after - 2 * timedelta(days=1), until):
        wall = _wall(moment, zone)
        if wall > highest:
            shown = highest + _MINUTE
            while shown <= wall:  # more than one at a gap
                if line.matches(shown) and moment > after:
                    runs[moment] += 1
                shown += _MINUTE
            highest = wall
    return runs


def _minutes(after: datetime, until: datetime) -> Iterable[datetime]:
    moment = after.replace(second=0, microsecond=0)
    while (moment := moment + _MINUTE) <= until:
        yield moment


def _wall(moment: datetime, zone: ZoneInfo) -> datetime:
    return moment.astimezone(zone).replace(tzinfo=None)
