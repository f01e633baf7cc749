"""The word that every layer shares: a run, what a tick became."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import NamedTuple

from aioclock.utils import StrEnum

__all__ = ["Outcome", "Run", "RunError", "RunFacts", "run_of"]


class Outcome(StrEnum):
    """What came of a run."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    TIMED_OUT = "timed_out"
    CANCELLED = "cancelled"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunError:
    """An exception as text, so that it can be kept without keeping what it refers to."""

    type: str
    message: str
    traceback: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What came of one tick. Datetimes are aware and in UTC.

    A skipped run never started: its `started_at` is None and `reason` says why.
    """

    task_key: str
    scheduled_at: datetime
    outcome: Outcome
    started_at: datetime | None = None
    finished_at: datetime | None = None
    reason: str | None = None
    error: RunError | None = field(default=None, repr=False)
    lateness_s: float = 0.0
    """Seconds from `scheduled_at` to the start (or to the moment at which the run was skipped)."""
    missed: int = 0
    """How many earlier ticks passed unanswered (a blocked loop, a suspended machine) and are answered by this run."""

    @property
    def key(self) -> str:
        """Stable name of the run: `task_key@scheduled_at`."""
        return f"{self.task_key}@{self.scheduled_at.isoformat()}"


class RunFacts(NamedTuple):
    """What the engine notes of a run: plain values, which cost little to make and nothing to keep.

    The times are in seconds since the epoch.
    """

    task_key: str
    scheduled: float
    outcome: str
    noted: float
    """When the run finished or was skipped."""
    started: float | None = None
    reason: str | None = None
    error: RunError | None = None
    missed: int = 0


def run_of(facts: RunFacts) -> Run:
    """Return the run that *facts* are about."""
    late_s = (facts.noted if facts.started is None else facts.started) - facts.scheduled
    return Run(
        task_key=facts.task_key,
        scheduled_at=_aware(facts.scheduled),
        outcome=Outcome(facts.outcome),
        started_at=None if facts.started is None else _aware(facts.started),
        finished_at=None if facts.started is None else _aware(facts.noted),
        reason=facts.reason,
        error=facts.error,
        lateness_s=max(0.0, round(late_s, 6)),  # seconds since the epoch are exact to a quarter of a microsecond
        missed=facts.missed,
    )


def _aware(epoch: float) -> datetime:
    return datetime.fromtimestamp(epoch, UTC)
