"""systemd: a service that runs the task once, and a timer that starts it."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from aioclock.cli._exporting._calendar import Calendar
from aioclock.cli._exporting._clock_changes import Touch, require_agreement, touches
from aioclock.cli._exporting._plan import Interval, Plan
from aioclock.cli._exporting._policies import jitter_of, overlap_of, require_no_grace, require_no_pause
from aioclock.cli._exporting._refusal import Refusal
from aioclock.cli._exporting._systemd_calendar import calendar_events, interval_events
from aioclock.cli._exporting._units import File, Invocation, Unit, one_line
from aioclock.cli._exporting._zones import moved

__all__ = ["Systemd", "quoted"]

_TARGET = "systemd"
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Systemd:
    """Units of systemd, for the system or for a user.

    Args:
        user: Whom the service runs as; None for who runs systemd.
        drift: Whether an interval that no calendar has may be counted from the start of the last run.
    """

    invocation: Invocation
    now: datetime
    user: str | None
    drift: bool
    ignore_clock_changes: bool

    def unit(self, plan: Plan, name: str) -> Unit:
        require_no_pause(plan)
        require_no_grace(plan, _TARGET)
        overlap_of(plan, {"skip": "skip"}, "a service of systemd, which never runs twice at once,")
        lines, notes = self._schedule(plan)
        lines += self._delay(plan, lines)
        return Unit(
            task=plan.key,
            files=(
                File(f"{name}.service", self._service(plan)),
                File(f"{name}.timer", _timer(plan, lines, notes)),
            ),
            notes=notes,
        )

    def _schedule(self, plan: Plan) -> tuple[list[str], tuple[str, ...]]:
        lines: list[str] = []
        notes: tuple[str, ...] = ()
        for part in plan.parts:
            if isinstance(part, Interval):
                lines += self._interval(part, alone=len(plan.parts) == 1)
            else:
                calendar, more = self._agreeing(part)
                lines += [f"OnCalendar={event}" for event in calendar_events(calendar)]
                notes += more
        # A tick during a run is skipped here too; see the page of the command for what an older systemd does.
        lines += ["DeferReactivation=yes"] if any(line.startswith("OnCalendar=") for line in lines) else []
        return list(dict.fromkeys(lines)), notes

    def _agreeing(self, calendar: Calendar) -> tuple[Calendar, tuple[str, ...]]:
        if any(map(_disagreement, touches(calendar, self.now))):
            calendar = moved(calendar, "UTC", self.now) or calendar
        return calendar, require_agreement(calendar, self.now, _disagreement, ignored=self.ignore_clock_changes)

    def _interval(self, interval: Interval, *, alone: bool) -> list[str]:
        if interval.after_each_run:
            return _monotonic(interval, "OnUnitInactiveSec")
        events = [] if interval.immediate else interval_events(interval)
        if events:
            return [f"OnCalendar={event}" for event in events]
        if self.drift and alone:
            return _monotonic(interval, "OnUnitActiveSec")
        reason = "a calendar has no start" if interval.immediate else "no calendar (of a readable size) has this period"
        way_out = (
            "; --allow-drift counts it from the start of the last run (a late or long run moves the later ones), "
            "mode='fixed_delay' from its end"
            if alone
            else ""
        )
        raise Refusal(f"{interval.said}: {reason}{way_out}")

    def _delay(self, plan: Plan, lines: list[str]) -> list[str]:
        jitter = jitter_of(plan, self.now)
        if jitter is None:
            return []
        if any(line.startswith("OnUnitActiveSec=") for line in lines):
            raise Refusal(f"jitter={jitter.seconds:g}: counted from the start of the last run, delays would add up")
        fixed = ["FixedRandomDelay=yes"] if jitter.stable else []
        return [f"RandomizedDelaySec={_span(timedelta(seconds=jitter.seconds))}", *fixed]

    def _service(self, plan: Plan) -> str:
        folder, user = self.invocation.folder, self.user
        lines = [
            "[Unit]",
            f"Description={_described(f'aioclock task {plan.key}')}",
            # Otherwise systemd gives up on a service that is started five times within ten seconds.
            "StartLimitIntervalSec=0",
            "",
            "[Service]",
            "Type=oneshot",
            *([f"WorkingDirectory={_escaped(_plain_path(folder))}"] if folder is not None else []),
            *([f"User={user}"] if user is not None else []),
            f"ExecStart={_command_line(self.invocation.argv(plan.key))}",
        ]
        return "\n".join(lines) + "\n"


def _timer(plan: Plan, schedule: list[str], notes: tuple[str, ...]) -> str:
    lines = [
        f"# {one_line(plan.said)}",
        *(f"# not exact: {one_line(note)}" for note in notes),
        "[Unit]",
        f"Description={_described(f'schedule of aioclock task {plan.key}')}",
        "",
        "[Timer]",
        *schedule,
        "AccuracySec=1us",
        "",
        "[Install]",
        "WantedBy=timers.target",
    ]
    return "\n".join(lines) + "\n"


def _disagreement(touch: Touch) -> str | None:
    if touch.is_gap:
        return "systemd leaves it out" if touch.fixed and not touch.at_end else None
    return None if touch.fixed else "systemd is due the first time only"


def _monotonic(interval: Interval, setting: str) -> list[str]:
    first = timedelta(0) if interval.immediate else interval.period
    return [f"OnActiveSec={_span(first)}", f"{setting}={_span(interval.period)}"]


def _span(span: timedelta) -> str:
    seconds, rest = divmod(span, timedelta(seconds=1))
    return f"{span // timedelta.resolution}us" if rest else f"{seconds}s"


def _plain_path(path: str) -> str:
    if path != path.strip() or path.endswith("\\") or not path.isprintable():
        raise Refusal(f"systemd can't be told the working directory {path!r}; choose another: --working-directory")
    return path


def _described(text: str) -> str:
    # A backslash at the end of a line would join the next line to it.
    return _escaped(one_line(text)) + (" " if text.endswith("\\") else "")


def _escaped(text: str) -> str:
    return text.replace("%", "%%")


def _command_line(argv: list[str]) -> str:
    program = argv[0]
    if re.search(r"[\"'\\$]", program) or not program.isprintable():
        if "=" in program:  # env would take it for a variable
            raise Refusal(f"systemd can't run {program!r}; choose another place for it: --command")
        # systemd is choosy about the name of a program, but not about arguments.
        argv = ["/usr/bin/env", *argv]
    return " ".join(quoted(word) for word in argv)


def quoted(word: str) -> str:
    """Return *word* as one word of a command line in a unit file.

    ```python
    from aioclock.cli._exporting._systemd import quoted

    assert quoted("100% of $5") == '"100%% of $$5"'
    ```
    """
    if re.fullmatch(r"[\w./:@=+,-]+", word, re.ASCII):
        return word
    return '"' + "".join(_quoted_characters(_escaped(word).replace("$", "$$"))) + '"'


def _quoted_characters(word: str) -> Iterator[str]:
    for character in word:
        if character in '"\\':
            yield f"\\{character}"
        elif character.isprintable():
            yield character
        else:
            yield "".join(f"\\x{byte:02x}" for byte in character.encode())
