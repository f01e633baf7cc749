"""Ticks at a wall-clock time of day, in a zone of its own."""

import re
from datetime import UTC, datetime
from functools import lru_cache
from typing import Annotated, Any, Literal, get_args
from zoneinfo import ZoneInfo, available_timezones

from pydantic import AfterValidator, BeforeValidator

from aioclock.clock import current_clock
from aioclock.custom_types import EveryT, HourT, MinuteT, SecondT, Triggers
from aioclock.triggers._base import LoopController, require_aware
from aioclock.triggers._wall import DailyPattern, WallPattern, latest_instant, next_instant
from aioclock.utils import did_you_mean

__all__ = ["At", "WallClockTrigger", "ZoneName"]

MACHINE_FILES = frozenset({"Factory", "localtime", "posixrules"})
"""Stand beside the zones in a system's database and change with the machine."""
DAYS: tuple[EveryT, ...] = get_args(EveryT)


def _zone_key(value: Any) -> Any:
    if value is UTC:
        return "UTC"
    return value.key if isinstance(value, ZoneInfo) and value.key else value


def _known_zone(name: str) -> str:
    if name in MACHINE_FILES:
        raise ValueError(
            f"{name!r} is what the machine is set to and no zone; use a name like 'Europe/Berlin' or 'UTC'"
        )
    try:
        ZoneInfo(name)
    except (OSError, ValueError, LookupError) as error:  # missing, malformed ("../x"), or a directory ("Europe")
        raise ValueError(f"unknown time zone {name[:80]!r}{_zone_hint(name[:80])}") from error
    return name


def _zone_hint(name: str) -> str:
    if re.fullmatch(r"(?i)(UTC|GMT)?[+-]\d.*", name):
        return "; for a fixed offset of one hour east of Greenwich write 'Etc/GMT-1': the sign is the other way round"
    return did_you_mean(name, available_timezones() - MACHINE_FILES) or "; use a name like 'Europe/Berlin' or 'UTC'"


ZoneName = Annotated[str, BeforeValidator(_zone_key), AfterValidator(_known_zone)]
"""Name of an IANA time zone; a `ZoneInfo` is accepted and its key is kept."""


class WallClockTrigger(LoopController):
    """Shared by the triggers that are read in a zone: a pattern of wall times, answered as instants in UTC."""

    tz: ZoneName

    @property
    def pattern(self) -> WallPattern:
        """What the clock in *tz* shows when a tick is due."""
        raise TypeError(f"{type(self).__name__} has no pattern")

    def next_after(self, moment: datetime, anchor: datetime) -> datetime | None:
        return next_instant(self.pattern, ZoneInfo(self.tz), moment)

    def latest_between(self, after: datetime, until: datetime, anchor: datetime) -> tuple[datetime, int] | None:
        return latest_instant(self.pattern, ZoneInfo(self.tz), after, until)

    async def get_waiting_time_till_next_trigger(self, now: datetime | None = None) -> float | None:
        """Return the real (elapsed) seconds until the next tick after *now*, or None when there will be none.

        Args:
            now: Aware, in any zone; the present when left out.
        """
        moment = current_clock().now() if now is None else require_aware(now)
        due = self.next_after(moment, moment)
        return None if due is None else (due - moment).total_seconds()


class At(WallClockTrigger):
    """A tick at a time of day, every day or on one day of the week, in the zone *tz*.

    A time that a clock change skips is due at the first instant after the gap; one that it repeats is due the first
    time only (the rules of Vixie and Debian cron).

    ```python
    from aioclock import At

    At(hour=9, minute=30, at="every monday", tz="Europe/Berlin")
    ```
    """

    type_: Literal[Triggers.AT] = Triggers.AT
    second: SecondT = 0
    minute: MinuteT = 0
    hour: HourT = 0
    at: EveryT = "every day"

    @property
    def pattern(self) -> WallPattern:
        return _daily(self.hour, self.minute, self.second, self.at)

    def _get_next_ts(self, now: datetime) -> float:
        """Return the real seconds from *now* (aware) until the next tick."""
        moment = require_aware(now)
        due = self.next_after(moment, moment)
        return float("inf") if due is None else (due - moment).total_seconds()


@lru_cache(maxsize=4096)
def _daily(hour: int, minute: int, second: int, at: EveryT) -> DailyPattern:
    weekday = None if at == "every day" else DAYS.index(at) - 1
    return DailyPattern(hour=hour, minute=minute, second=second, weekday=weekday)
