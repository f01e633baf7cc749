"""Facts that the engine announces."""

from dataclasses import dataclass
from datetime import datetime

__all__ = ["ClockStepped", "Event"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened while an app served."""

    at: datetime
    """Aware, UTC."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockStepped(Event):
    """The wall clock moved against elapsed time: it was set, or the machine slept."""

    step_s: float
    """Seconds; positive when the wall clock jumped ahead."""
