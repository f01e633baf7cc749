"""crontab: a line for each part of a schedule.

Vixie cron, which Debian has, reads all lines in the machine's zone. cronie knows CRON_TZ. What they do at clock changes
is in cron(8); that Vixie cron starts a job once for *each* time that a gap swallows, was seen by running it.
"""

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import permutations
from pathlib import PurePosixPath

from aioclock.cli._exporting._calendar import Calendar
from aioclock.cli._exporting._clock_changes import (
    ClockChange,
    Touch,
    clock_changes,
    is_steady,
    require_agreement,
    touches,
)
from aioclock.cli._exporting._cron_lines import cron_line, interval_line, require_no_meeting
from aioclock.cli._exporting._plan import Interval, Plan
from aioclock.cli._exporting._policies import overlap_of, require_no_grace, require_no_jitter, require_no_pause
from aioclock.cli._exporting._refusal import Refusal
from aioclock.cli._exporting._units import File, Invocation, Unit, one_line
from aioclock.cli._exporting._zones import moved, same_zone

__all__ = ["Crontab"]

_TARGET = "a crontab"
LONGEST_COMMAND = 990
"""Vixie cron cuts a command off after 1,000 characters."""

LARGEST_CHANGE = timedelta(hours=3)
"""From there on cron takes a change for a correction of the clock."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Crontab:
    """Lines for the crontab of a user, or with *user* for a file in /etc/cron.d.

    Args:
        local_zone: What the machine's clock shows.
        cronie: Whether the cron there knows CRON_TZ.
        lock_folder: Where locks lie that keep runs of a task apart; None for none.
    """

    invocation: Invocation
    now: datetime
    local_zone: str
    cronie: bool
    user: str | None
    lock_folder: str | None
    ignore_clock_changes: bool

    def unit(self, plan: Plan, name: str) -> Unit:
        require_no_pause(plan)
        require_no_grace(plan, _TARGET)
        require_no_jitter(plan, _TARGET)
        lock, overlap_notes = self._overlap(plan, name)
        calendars = [self._in_zone(part) for part in plan.parts]
        zones = {calendar.zone for calendar in calendars}
        if len(zones) > 1:
            raise Refusal(f"one task in several zones ({', '.join(sorted(zones))}): a crontab has no line for that")
        require_no_meeting(calendars, _TARGET)
        [zone] = zones
        notes = self._agree(calendars) + overlap_notes
        command = self._command(plan.key, lock)
        lines = [
            f"# aioclock task {one_line(plan.key)}: {one_line(plan.said)}",
            *(f"# note: {one_line(note)}" for note in notes),
            *([] if same_zone(zone, self.local_zone) else [f"CRON_TZ={zone}"]),
            *(" ".join((cron_line(calendar, _TARGET), *self._user(), command)) for calendar in calendars),
        ]
        return Unit(task=plan.key, files=(File(name, "\n".join(lines) + "\n"),), notes=notes)

    def _user(self) -> list[str]:
        return [] if self.user is None else [self.user]

    def _overlap(self, plan: Plan, name: str) -> tuple[list[str], tuple[str, ...]]:
        policy = overlap_of(plan, {"skip": "skip", "allow": "allow"}, _TARGET)
        if policy == "allow":
            return [], ()
        if self.lock_folder is None:
            return [], ("cron starts a run even if the last one is still going; --lock-directory skips it",)
        return ["flock", "--nonblock", str(PurePosixPath(self.lock_folder, f"{name}.lock"))], ()

    def _in_zone(self, part: Interval | Calendar) -> Calendar:
        if isinstance(part, Interval):
            calendar = interval_line(part, self.local_zone, _TARGET)
            if not is_steady(self.local_zone, part.period, self.now):
                raise Refusal(
                    f"{part.said}: clock changes in {self.local_zone}, where the crontab is read, would break the "
                    "period; use At or Cron in that zone if the time of day matters"
                )
            return calendar
        here = moved(part, self.local_zone, self.now)
        if here is not None:
            return here
        if not self.cronie:
            raise Refusal(
                f"{part.said}: a crontab is read in the zone of its machine, {self.local_zone}; if that is wrong: "
                "--local-zone; if its cron is cronie (Fedora, RHEL, Arch): --dialect cronie"
            )
        return part

    def _agree(self, calendars: Sequence[Calendar]) -> tuple[str, ...]:
        notes: tuple[str, ...] = ()
        local = same_zone(calendars[0].zone, self.local_zone)
        if not local and clock_changes(self.local_zone, self.now):
            message = (
                f"what cronie does with CRON_TZ when the clock of the machine itself ({self.local_zone}) changes "
                "is not documented"
            )
            notes += self._ignored(message)
        for calendar in calendars:
            rule = _vixie if local else _elsewhere
            notes += require_agreement(calendar, self.now, rule, ignored=self.ignore_clock_changes)
        crowded = next(self._crowded(calendars), None)
        if crowded is not None and not notes:
            notes += self._ignored(f"{crowded}, where two triggers are one tick, and cron runs once for each")
        return notes

    def _ignored(self, message: str) -> tuple[str]:
        if not self.ignore_clock_changes:
            raise Refusal(f"{message}; --ignore-clock-changes exports it all the same")
        return (message,)

    def _crowded(self, calendars: Sequence[Calendar]) -> Iterator[ClockChange]:
        """Yield the gaps after which cron runs for more than one of *calendars*."""
        for one, other in permutations(calendars, 2):
            for touch in touches(one, self.now):
                low, high = touch.change.old_wall, touch.change.new_wall
                due = other.pattern.next_wall(high if other.wildcard else low)
                if touch.is_gap and touch.fixed and due is not None and due <= high:
                    yield touch.change

    def _command(self, key: str, lock: list[str]) -> str:
        command = shlex.join([*lock, *self.invocation.argv(key)])
        if self.invocation.folder is not None:
            command = f"cd {shlex.quote(self.invocation.folder)} && {command}"
        if not command.isprintable() or "\\" in command:
            raise Refusal("a crontab can't hold line ends, control characters or backslashes; rename what has them")
        command = command.replace("%", "\\%")
        if len(command.encode()) > LONGEST_COMMAND:
            raise Refusal(f"cron cuts commands off after {LONGEST_COMMAND} bytes; shorten --command or the folder")
        return command


def _vixie(touch: Touch) -> str | None:
    change = touch.change
    if abs(change.after - change.before) >= LARGEST_CHANGE:
        return "cron takes so large a change for a correction"
    if touch.is_gap and touch.fixed and touch.matches + touch.at_end > 1:
        return "cron runs once for each of several such times"
    return None


def _elsewhere(touch: Touch) -> str | None:
    # With CRON_TZ the clock of the machine itself does not change, and that is what cron's rules are about.
    if touch.is_gap and not (touch.fixed and not touch.at_end):
        return None
    return "cronie documents no rule for CRON_TZ"
