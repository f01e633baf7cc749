"""launchd: a property list for each task, for ~/Library/LaunchAgents or /Library/LaunchDaemons."""

import plistlib
from dataclasses import dataclass
from datetime import datetime
from itertools import product
from typing import Any

from aioclock.cli._exporting._calendar import Calendar
from aioclock.cli._exporting._clock_changes import Touch, require_agreement
from aioclock.cli._exporting._cron_lines import cron_line, require_no_meeting
from aioclock.cli._exporting._plan import Interval, Plan
from aioclock.cli._exporting._policies import overlap_of, require_no_grace, require_no_jitter, require_no_pause
from aioclock.cli._exporting._refusal import Refusal
from aioclock.cli._exporting._units import File, Invocation, Unit
from aioclock.cli._exporting._zones import moved

__all__ = ["Launchd"]

_TARGET = "launchd"
MOST_ENTRIES = 1_000
"""launchd has no steps or lists, so each combination is an entry of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Launchd:
    """Jobs of launchd, whose calendar is read in the zone of the machine."""

    invocation: Invocation
    now: datetime
    local_zone: str
    ignore_clock_changes: bool

    def unit(self, plan: Plan, name: str) -> Unit:
        require_no_pause(plan)
        require_no_grace(plan, _TARGET)
        require_no_jitter(plan, _TARGET)
        overlap_of(plan, {"skip": "skip"}, "launchd, which never runs a job twice at once,")
        schedule, notes = self._schedule(plan)
        document: dict[str, Any] = {"Label": name, "ProgramArguments": self.invocation.argv(plan.key)}
        if self.invocation.folder is not None:
            document["WorkingDirectory"] = self.invocation.folder
        try:
            content = plistlib.dumps({**document, **schedule}, sort_keys=False).decode()
        except ValueError as error:  # control characters, which XML has no way to write
            raise Refusal(f"a property list can't hold the key {plan.key!r} or the command: {error}") from error
        return Unit(task=plan.key, files=(File(f"{name}.plist", content),), notes=notes)

    def _schedule(self, plan: Plan) -> tuple[dict[str, Any], tuple[str, ...]]:
        intervals = [part for part in plan.parts if isinstance(part, Interval)]
        if intervals and len(plan.parts) > 1:
            raise Refusal(f"{plan.said}: launchd's intervals and calendars don't know of each other")
        if intervals:
            return _interval(intervals[0]), ()
        calendars = [self._calendar(part) for part in plan.parts if isinstance(part, Calendar)]
        require_no_meeting(calendars, _TARGET)
        entries: list[dict[str, int]] = []
        notes: tuple[str, ...] = ()
        for calendar in calendars:
            notes += require_agreement(calendar, self.now, _disagreement, ignored=self.ignore_clock_changes)
            entries += _entries(calendar)
        if len(entries) > MOST_ENTRIES:
            raise Refusal(f"{plan.said}: launchd needs an entry for each time, and these are {len(entries):,}")
        return {"StartCalendarInterval": entries[0] if len(entries) == 1 else entries}, notes

    def _calendar(self, calendar: Calendar) -> Calendar:
        here = moved(calendar, self.local_zone, self.now)
        if here is None:
            raise Refusal(
                f"{calendar.said}: launchd reads times in the zone of its machine, {self.local_zone}; if that is "
                "wrong: --local-zone"
            )
        return here


def _interval(interval: Interval) -> dict[str, Any]:
    if interval.after_each_run:
        raise Refusal(f"{interval.said}: launchd can't count from the end of a run; export it to systemd")
    return {"StartInterval": interval.whole_seconds, **({"RunAtLoad": True} if interval.immediate else {})}


def _entries(calendar: Calendar) -> list[dict[str, int]]:
    cron_line(calendar, _TARGET)  # what five fields can't say, an entry can't either
    days = calendar.days
    if days.either and (len(days.monthdays), len(days.weekdays)) != (1, 1):
        raise Refusal(f"{calendar.said}: launchd knows one day of the month or one weekday, not lists of both")
    values = {
        "Month": () if days.all_months else days.months,
        "Day": days.monthdays,
        "Weekday": days.weekdays,
        "Hour": () if len(calendar.hours) == 24 else calendar.hours,
        "Minute": () if len(calendar.minutes) == 60 else calendar.minutes,
    }
    given = {name: some for name, some in values.items() if some}
    return [dict(zip(given, combination, strict=True)) for combination in product(*given.values())]


def _disagreement(touch: Touch) -> str:
    return "launchd documents no rule for that"
