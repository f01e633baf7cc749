"""Moments and spans of time as the commands read and write them."""

import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from aioclock.cli._errors import CommandError

__all__ = ["moment_of", "shown_moment", "shown_offset", "shown_span", "shown_time", "since_of", "span_of"]

WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
# Every zone has all of them, and the years around them.
FIRST_YEAR, LAST_YEAR = 2, 9998
UNITS = (("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1))

_SECONDS = {"w": 604_800, **dict(UNITS)}
_PART = re.compile(r"(\d+)([wdhms])")
_SPAN = re.compile(rf"(?:{_PART.pattern})+")


def moment_of(text: str, option: str) -> datetime:
    """Return the instant that *text* names, in UTC.

    Args:
        text: ISO 8601, with an offset or `Z`.
        option: Where it stands, for the messages.

    Raises:
        CommandError: it is no such thing.
    """
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise CommandError(f"{option} {text!r} is no ISO 8601 time; write it like 2026-03-29T02:30+01:00") from error
    if moment.tzinfo is None:
        day, time = moment.date().isoformat(), moment.time().isoformat("auto").removesuffix(":00")
        raise CommandError(
            f"{option} {text!r} does not say where on earth; add an offset, as in {day}T{time}+01:00, or Z for UTC"
        )
    if not FIRST_YEAR <= moment.year <= LAST_YEAR:
        raise CommandError(f"{option} {text!r} is too far away; the years {FIRST_YEAR} to {LAST_YEAR} are known")
    return moment.astimezone(UTC)


def span_of(text: str, option: str) -> timedelta:
    """Return the span that *text* names, such as `90s`, `2h`, `1d12h` or `4w`.

    Args:
        option: Where it stands, for the messages.

    Raises:
        CommandError: it is no such thing.
    """
    if not _SPAN.fullmatch(text):
        raise CommandError(f"{option} {text!r} is no span of time; write it like 90s, 15m, 2h, 30d or 1d12h")
    try:
        return timedelta(seconds=sum(int(number) * _SECONDS[unit] for number, unit in _PART.findall(text)))
    except OverflowError as error:
        raise CommandError(f"{option} {text!r} is too long; no calendar goes back that far") from error


def since_of(text: str, option: str, now: datetime) -> datetime:
    """Return the instant that *text* names, in UTC: ISO 8601, or a span that ends at *now* (aware).

    Raises:
        CommandError: it is neither.
    """
    if not _SPAN.fullmatch(text):
        if not text[:1].isdigit():
            raise CommandError(f"{option} {text!r} is neither a span such as 2h or 3d nor an ISO 8601 time")
        return moment_of(text, option)
    try:
        return (now - span_of(text, option)).astimezone(UTC)
    except OverflowError as error:
        raise CommandError(f"{option} {text!r} is too long; no calendar goes back that far") from error


def shown_time(moment: datetime, *, seconds: bool) -> str:
    """Return the time of day; seconds are left out on request, fractions only if there are none."""
    if moment.microsecond:
        return moment.strftime("%H:%M:%S.%f").rstrip("0")
    return moment.strftime("%H:%M:%S" if seconds else "%H:%M")


def shown_moment(moment: datetime, zone: ZoneInfo | None, *, seconds: bool = True) -> str:
    """Return what the clock in *zone* (None: UTC) shows, such as `Sun 2026-03-29 03:00 +02:00`."""
    local = moment.astimezone(zone or UTC)
    return f"{WEEKDAYS[local.weekday()]} {local.date()} {shown_time(local, seconds=seconds)} {shown_offset(local)}"


def shown_offset(local: datetime) -> str:
    offset = local.isoformat()
    return offset[max(offset.rfind("+"), offset.rfind("-")) :]


def shown_span(seconds: float) -> str:
    """Return a span in its two largest units, such as `1d 13h`, cut and not rounded."""
    if seconds < 1:
        return f"{seconds:.3g}s" if seconds > 0 else "0s"
    rest = int(seconds)
    parts: list[tuple[int, str]] = []
    for unit, size in UNITS:
        number, rest = divmod(rest, size)
        if number or parts:
            parts.append((number, unit))
    return " ".join(f"{number}{unit}" for number, unit in parts[:2] if number)
