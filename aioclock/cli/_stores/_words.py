"""Times of a store, and who gives commands."""

import getpass
import socket
from datetime import UTC, datetime, timedelta

from aioclock.cli._moments import shown_moment, shown_span

__all__ = ["MICROSECOND", "micros_of", "moment_at", "operator", "shown_at", "shown_seconds"]

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)


def moment_at(micros: int) -> datetime:
    """Return *micros* since the epoch as an aware datetime in UTC, exactly."""
    return EPOCH + micros * MICROSECOND


def micros_of(moment: datetime) -> int:
    """Return the whole microseconds from the epoch to *moment* (aware), exactly."""
    return (moment - EPOCH) // MICROSECOND


def shown_at(micros: int | None) -> str:
    """Return what a clock in UTC showed then, to the second; nothing for None."""
    return "" if micros is None else shown_moment(moment_at(micros).replace(microsecond=0), None)


def shown_seconds(seconds: float) -> str:
    """Return a span of time, to the millisecond; clocks that do not go alike may make it negative, and then it is 0."""
    return shown_span(max(round(seconds, 3), 0.0))


def operator() -> str:
    """Return who gives this command, for the store's record."""
    try:
        name = getpass.getuser()
    except (ImportError, KeyError, OSError):  # a user without a name, as in some containers
        name = "somebody"
    return f"{name}@{socket.gethostname()}"
