"""Zones that stand for one another, and calendars that can move between them."""

import zoneinfo
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from importlib import resources
from pathlib import Path

from aioclock.cli._exporting._calendar import Calendar, calendar_of, ranges
from aioclock.cli._exporting._clock_changes import clock_changes

__all__ = ["local_zone", "moved", "same_zone"]

_HOUR = timedelta(hours=1)


def local_zone() -> str:
    """Return the name of the zone that this machine's clock shows; "UTC" if it is set to none."""
    import tzlocal

    return tzlocal.get_localzone_name() or "UTC"


def same_zone(one: str, other: str) -> bool:
    """Tell whether two names are of one zone, as Etc/UTC and UTC are."""
    return one == other or _data(one) == _data(other)


def _data(zone: str) -> bytes:
    for folder in zoneinfo.TZPATH:
        path = Path(folder, zone)
        if path.is_file():
            return path.read_bytes()
    return resources.files("tzdata").joinpath("zoneinfo", *zone.split("/")).read_bytes()


def moved(calendar: Calendar, zone: str, now: datetime) -> Calendar | None:
    """Return *calendar* as one that is read in *zone*, due at the same instants from *now* on; None if there is none.

    Other zones will do for what is due in every hour: most clocks differ by whole hours.
    """
    if same_zone(calendar.zone, zone) or _same_fixed_offset(calendar.zone, zone, now):
        return replace(calendar, zone=zone)
    if not (calendar.wildcard and len(calendar.hours) == 24 and calendar.days.every_day and calendar.years is None):
        return None
    shown = {
        tuple(sorted((minute - source + target) % 60 for minute in calendar.minutes))
        for source in _minutes_past(calendar.zone, now)
        for target in _minutes_past(zone, now)
    }
    if len(shown) > 1:
        return None
    [minutes] = shown
    field = calendar.minute_field if minutes == calendar.minutes else ranges(minutes)
    return calendar_of(f"{field} * * * * {ranges(calendar.seconds)}", zone, calendar.said)


def _same_fixed_offset(one: str, other: str, now: datetime) -> bool:
    fixed = not clock_changes(one, now) and not clock_changes(other, now)
    return fixed and _offsets(one, now) == _offsets(other, now)


def _offsets(zone: str, now: datetime) -> set[timedelta]:
    current = now.astimezone(UTC).astimezone(zoneinfo.ZoneInfo(zone)).utcoffset()
    assert current is not None
    return {current} | {change.after for change in clock_changes(zone, now)}


def _minutes_past(zone: str, now: datetime) -> set[int]:
    return {offset % _HOUR // timedelta(minutes=1) for offset in _offsets(zone, now)}
