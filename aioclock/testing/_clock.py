"""A wall clock that shows where it began plus the event loop's time."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from dateutil.parser import isoparse

__all__ = ["DEFAULT_START", "VirtualClock", "as_moment"]

DEFAULT_START = datetime(2025, 1, 1, tzinfo=UTC)
"""Fixed, so that a test that names no start is the same tomorrow."""


class VirtualClock:
    """The clock of a virtual event loop.

    Args:
        start: What the clock shows when *elapsed_s* is 0; aware.
        elapsed_s: Tells how many virtual seconds have passed.
    """

    def __init__(self, start: datetime, elapsed_s: Callable[[], float]) -> None:
        self.start = start.astimezone(UTC)
        self._elapsed_s = elapsed_s

    def now(self) -> datetime:
        """Return the virtual present: aware, UTC, rounded to the microsecond."""
        return self.start + timedelta(seconds=self._elapsed_s())

    def seconds_at(self, moment: datetime) -> float:
        """Return the event loop's time at *moment* (aware)."""
        return (moment - self.start).total_seconds()

    async def sleep_until(self, deadline: datetime) -> None:
        """Return once `now()` has reached *deadline* (aware), never before."""
        await asyncio.sleep(0)
        while self.now() < deadline:  # noqa: ASYNC110 - time is what it waits for
            await asyncio.sleep(self.seconds_at(deadline) - self._elapsed_s())


def as_moment(value: datetime | str, *, name: str) -> datetime:
    """Return *value* as an aware datetime in UTC.

    Args:
        value: An aware datetime or ISO 8601 text with an offset.
        name: What the value is, for the error message.

    Raises:
        ValueError: *value* has no time zone, or is no ISO 8601 text.
        TypeError: *value* is neither.
    """
    moment = value
    if isinstance(moment, str):
        try:
            moment = isoparse(moment)
        except ValueError as error:
            raise ValueError(f"{name} must be ISO 8601 such as '2026-03-28T22:00:00+01:00', got {value!r}") from error
    if not isinstance(moment, datetime):
        raise TypeError(f"{name} must be an aware datetime or ISO 8601 text, got {value!r}")
    if moment.utcoffset() is None:
        raise ValueError(f"{name} needs a time zone, for it must be one instant; got {value!r}")
    return moment.astimezone(UTC)
