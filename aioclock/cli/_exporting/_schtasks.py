"""Windows Task Scheduler: a task in XML for each task, for `schtasks /Create /XML`.

The order of elements is that of its schema (Task Scheduler Schema, triggerBaseType and what extends it).
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise, product
from subprocess import list2cmdline
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from aioclock.cli._exporting._calendar import Calendar, Days
from aioclock.cli._exporting._clock_changes import Touch, require_agreement
from aioclock.cli._exporting._cron_lines import require_no_meeting
from aioclock.cli._exporting._plan import Interval, Plan
from aioclock.cli._exporting._policies import jitter_of, overlap_of, require_no_grace, require_no_pause
from aioclock.cli._exporting._refusal import Refusal
from aioclock.cli._exporting._units import File, Invocation, Unit, one_line
from aioclock.cli._exporting._zones import moved

__all__ = ["Schtasks"]

_TARGET = "the Task Scheduler"
_NAMESPACE = "http://schemas.microsoft.com/windows/2004/02/mit/task"
_OVERLAP = {"skip": "IgnoreNew", "allow": "Parallel", "queue": "Queue", "cancel": "StopExisting"}
_WEEKDAYS = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")
_MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)  # fmt: skip
MOST_TRIGGERS = 48
SHORTEST, LONGEST = timedelta(minutes=1), timedelta(days=31)


@dataclass(frozen=True, slots=True, kw_only=True)
class Schtasks:
    """Tasks of the Task Scheduler, whose calendar is read in the zone of the machine."""

    invocation: Invocation
    now: datetime
    local_zone: str
    ignore_clock_changes: bool

    def unit(self, plan: Plan, name: str) -> Unit:
        require_no_pause(plan)
        require_no_grace(plan, _TARGET)
        overlap = overlap_of(plan, _OVERLAP, _TARGET)
        task = Element("Task", {"version": "1.2", "xmlns": _NAMESPACE})
        _add(SubElement(task, "RegistrationInfo"), "Description", one_line(f"aioclock task {plan.key}: {plan.said}"))
        triggers, notes = self._triggers(plan)
        SubElement(task, "Triggers").extend(triggers)
        self._finish(task, plan.key, overlap)
        indent(task)
        # Nothing but ASCII: Windows reads it in the same way whatever it takes the encoding for.
        text = tostring(task, encoding="unicode").encode("ascii", "xmlcharrefreplace").decode()
        content = f'<?xml version="1.0" encoding="UTF-8"?>\n{text}\n'
        return Unit(task=plan.key, files=(File(f"{name}.xml", content),), notes=notes)

    def _triggers(self, plan: Plan) -> tuple[list[Element], tuple[str, ...]]:
        if len(plan.parts) > 1 and any(isinstance(part, Interval) for part in plan.parts):
            raise Refusal(f"{plan.said}: the Task Scheduler would run it twice where an interval meets another trigger")
        calendars = [self._calendar(part) for part in plan.parts if isinstance(part, Calendar)]
        require_no_meeting(calendars, _TARGET)
        delay = self._random_delay(plan)
        triggers = [_interval(part) for part in plan.parts if isinstance(part, Interval)]
        notes: tuple[str, ...] = ()
        for calendar in calendars:
            repetition = repetition_of(calendar, self.now)
            if repetition is not None and delay is None:
                triggers.append(_repeated(*repetition))
                continue
            notes += require_agreement(calendar, self.now, _disagreement, ignored=self.ignore_clock_changes)
            triggers += _calendar_triggers(calendar, delay)
        if len(triggers) > MOST_TRIGGERS:
            raise Refusal(
                f"{plan.said}: the Task Scheduler needs a trigger for each time of day, {MOST_TRIGGERS} at most, and "
                f"these are {len(triggers):,}"
            )
        return triggers, notes

    def _random_delay(self, plan: Plan) -> str | None:
        jitter = jitter_of(plan, self.now)
        if jitter is None:
            return None
        said = f"jitter={jitter.seconds:g}"
        if jitter.stable or jitter.seconds % 1:
            raise Refusal(f"{said}: a RandomDelay of {_TARGET} is whole seconds, drawn anew for each run")
        if any(isinstance(part, Interval) or moved(part, self.local_zone, self.now) is None for part in plan.parts):
            raise Refusal(f"{said}: {_TARGET} delays times of day in its machine's zone only, not what it repeats")
        return f"PT{jitter.seconds:.0f}S"

    def _calendar(self, calendar: Calendar) -> Calendar:
        here = moved(calendar, self.local_zone, self.now)
        if here is None and repetition_of(calendar, self.now) is not None:
            return calendar
        if here is None:
            raise Refusal(
                f"{calendar.said}: the Task Scheduler reads times in the zone of its machine, {self.local_zone}; if "
                "that is wrong: --local-zone"
            )
        return here

    def _finish(self, task: Element, key: str, overlap: str) -> None:
        principal = SubElement(SubElement(task, "Principals"), "Principal", {"id": "Author"})
        _add(principal, "LogonType", "InteractiveToken")
        settings = SubElement(task, "Settings")
        _add(settings, "MultipleInstancesPolicy", overlap)
        # Otherwise laptops skip or end runs, and any run is ended after three days.
        _add(settings, "DisallowStartIfOnBatteries", "false")
        _add(settings, "StopIfGoingOnBatteries", "false")
        _add(settings, "ExecutionTimeLimit", "PT0S")
        program, *arguments = self.invocation.argv(key)
        action = SubElement(SubElement(task, "Actions", {"Context": "Author"}), "Exec")
        _add(action, "Command", _literal(program))
        _add(action, "Arguments", _literal(list2cmdline(arguments)))
        if self.invocation.folder is not None:
            _add(action, "WorkingDirectory", _literal(self.invocation.folder))


def repetition_of(calendar: Calendar, now: datetime) -> tuple[datetime, timedelta] | None:
    """Return a start in UTC and a period if that is all that *calendar* is: then no clock change matters."""
    in_utc = moved(calendar, "UTC", now)
    if in_utc is None or in_utc.years is not None or not in_utc.days.all_months or in_utc.days.special:
        return None
    times = [
        timedelta(hours=hour, minutes=minute, seconds=second)
        for hour, minute, second in product(in_utc.hours, in_utc.minutes, in_utc.seconds)
    ]
    sunday = datetime(2000, 1, 2)  # noqa: DTZ001 - in UTC, as the letter says that is written behind it
    if in_utc.days.every_day:
        pauses = {later - time for time, later in pairwise([*times, times[0] + timedelta(days=1)])}
        return (sunday + times[0], pauses.pop()) if len(pauses) == 1 and min(pauses) >= SHORTEST else None
    if len(times) == len(in_utc.days.weekdays) == 1 and not in_utc.days.monthdays:
        return sunday + timedelta(days=in_utc.days.weekdays[0]) + times[0], timedelta(weeks=1)
    return None


def _interval(interval: Interval) -> Element:
    if interval.after_each_run:
        raise Refusal(f"{interval.said}: the Task Scheduler can't count from the end of a run; export it to systemd")
    if interval.immediate:
        raise Refusal(
            f"{interval.said}: first_run_strategy='immediate' asks for a run at the start, and the Task Scheduler's "
            "grid has no start; use 'wait'"
        )
    if not SHORTEST <= timedelta(seconds=interval.whole_seconds) <= LONGEST:
        raise Refusal(f"{interval.said}: the Task Scheduler repeats tasks after one minute to 31 days")
    return _repeated(datetime(2000, 1, 2), interval.period)  # noqa: DTZ001 - in UTC, see above


def _repeated(start: datetime, period: timedelta) -> Element:
    trigger = Element("TimeTrigger")
    _add(trigger, "StartBoundary", f"{start.isoformat()}Z")
    _add(SubElement(trigger, "Repetition"), "Interval", f"PT{period // timedelta(seconds=1)}S")
    return trigger


def _calendar_triggers(calendar: Calendar, delay: str | None) -> list[Element]:
    if calendar.years is not None:
        raise Refusal(f"{calendar.said}: the Task Scheduler has no field for years")
    if calendar.times_a_day > MOST_TRIGGERS:
        raise Refusal(
            f"{calendar.said}: the Task Scheduler needs a trigger for each time of day, {MOST_TRIGGERS} at most, and "
            f"these are {calendar.times_a_day:,}"
        )
    triggers = []
    for time in product(calendar.hours, calendar.minutes, calendar.seconds):
        for schedule in _schedules(calendar):
            trigger = Element("CalendarTrigger")
            _add(trigger, "StartBoundary", "2000-01-01T{:02}:{:02}:{:02}".format(*time))
            if delay is not None:
                _add(trigger, "RandomDelay", delay)
            trigger.append(schedule)
            triggers.append(trigger)
    return triggers


def _schedules(calendar: Calendar) -> Iterator[Element]:
    days = calendar.days
    if days.either or days.mixed:
        raise Refusal(
            f"{calendar.said}: the Task Scheduler needs a trigger for the days of the month and one for the weekdays, "
            "and would run it twice where they meet"
        )
    if days.nearest is not None or any(which > 4 for _, which in days.nth):
        raise Refusal(f"{calendar.said}: the Task Scheduler has no word for W or #5")
    if days.nth:
        for weekday in sorted({weekday for weekday, _ in days.nth}):
            weeks = [which for other, which in days.nth if other == weekday]
            yield _by_weekday_of_month(days, (weekday,), weeks)
    elif days.weekdays and days.all_months:
        week = Element("ScheduleByWeek")
        _add(week, "WeeksInterval", "1")
        _names(week, "DaysOfWeek", [_WEEKDAYS[day] for day in days.weekdays])
        yield week
    elif days.weekdays:
        yield _by_weekday_of_month(days, days.weekdays, [1, 2, 3, 4, -1])
    elif days.every_day:
        daily = Element("ScheduleByDay")
        _add(daily, "DaysInterval", "1")
        yield daily
    else:
        yield _by_month(days)


def _by_month(days: Days) -> Element:
    schedule = Element("ScheduleByMonth")
    numbers = [str(day) for day in days.monthdays] or ([] if days.last else [str(day) for day in range(1, 32)])
    monthdays = SubElement(schedule, "DaysOfMonth")
    for day in [*numbers, *(["Last"] if days.last else [])]:
        _add(monthdays, "Day", day)
    _names(schedule, "Months", [_MONTHS[month - 1] for month in days.months])
    return schedule


def _by_weekday_of_month(days: Days, weekdays: tuple[int, ...], weeks: list[int]) -> Element:
    schedule = Element("ScheduleByMonthDayOfWeek")
    listed = SubElement(schedule, "Weeks")
    for week in sorted(weeks, key=lambda week: week % 6):  # the last one is -1
        _add(listed, "Week", "Last" if week == -1 else str(week))
    _names(schedule, "DaysOfWeek", [_WEEKDAYS[day] for day in weekdays])
    _names(schedule, "Months", [_MONTHS[month - 1] for month in days.months])
    return schedule


def _names(parent: Element, tag: str, names: list[str]) -> None:
    group = SubElement(parent, tag)
    for name in names:
        SubElement(group, name)


def _add(parent: Element, tag: str, text: str) -> None:
    SubElement(parent, tag).text = text


def _literal(text: str) -> str:
    """Return *text*, in which the Task Scheduler must find nothing to replace."""
    if re.search(r"%[^%]+%|\$\(", text) or not text.isprintable():
        raise Refusal(f"the Task Scheduler would replace a part of {text!r}, or can't hold it; rename what has that")
    return text


def _disagreement(touch: Touch) -> str:
    return "the Task Scheduler documents no rule for that"
