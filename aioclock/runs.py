"""The word that every layer shares: a run, what a tick became."""

from contextlib import AbstractAsyncContextManager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, NamedTuple, Protocol, TypeAlias

from aioclock.exceptions import ServingError
from aioclock.utils import StrEnum

__all__ = [
    "Outcome",
    "Run",
    "RunError",
    "RunFacts",
    "RunKind",
    "RunSource",
    "current_run",
    "facts_from",
    "run_of",
    "run_source",
]

RunKind: TypeAlias = Literal["schedule", "manual", "catch_up"]


class Outcome(StrEnum):
    """What came of a run."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    TIMED_OUT = "timed_out"
    CANCELLED = "cancelled"
    SKIPPED = "skipped"
    LOST = "lost"
    """The process in which it ran died."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunError:
    """An exception as text, so that it can be kept without keeping what it refers to."""

    type: str
    message: str
    traceback: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What came of one tick. Datetimes are aware and in UTC.

    A skipped run never started: its `started_at` is None and `reason` says why. While a run goes, as its own function
    sees it, `outcome` and `finished_at` are None.
    """

    key: str = field(init=False, default="")
    """Stable name of the run: `task_key@scheduled_at`; unique among the runs of its kind."""
    task_key: str
    kind: RunKind = "schedule"
    """`"schedule"`: a tick of the trigger; `"manual"`: asked for by `run_now`; `"catch_up"`: a tick that passed while
    nothing could run, and that is answered because a store remembers."""
    scheduled_at: datetime
    """The tick; of a manual run, when it was asked for."""
    started_at: datetime | None = None
    finished_at: datetime | None = None
    attempt: int = 1
    """Which attempt this is, or was the last: 1, or more after retries; 0 for a skipped run."""
    outcome: Outcome | None = None
    reason: str | None = None
    """Why the run was skipped: `overlap`, `paused`, `missed`, `stopping`, `removed`, `withdrawn` or `unreachable`."""
    error: RunError | None = field(default=None, repr=False)
    output: str | None = field(default=None, repr=False)
    """What a command of a configuration file printed: the end of its stdout, then of its stderr; None for functions."""
    lateness_s: float = 0.0
    """Seconds from `scheduled_at` to the start (or to the moment at which the run was skipped)."""
    missed: int = 0
    """How many earlier ticks passed unanswered (a blocked loop, a suspended machine) and are answered by this run."""
    fence: int | None = None
    """Of a run in a store: a number that is higher than that of every earlier run of the task, for whoever must refuse
    what a run does after another has taken its place; else None."""
    owner: str | None = None
    """Of a run in a store: the id of the process that has it; else None."""
    previous_success: datetime | None = None
    """`scheduled_at` of the task's latest run before this one that succeeded; None when this process knows of none."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "key", f"{self.task_key}@{self.scheduled_at.isoformat()}")

    def transaction(self) -> AbstractAsyncContextManager[Any]:
        """Return a block within one transaction of the app's SQL store: what is written in it happens exactly once.

        `async with run.transaction() as connection:` gives a connection to the database that the store is in. At the
        end of the block the user's writes and the success of the run are committed together. If the block raises, or
        if the run is this process's no longer, nothing of both is.

        It is for an async function of the app's own process, and it is the last thing that the function does: what
        comes after the block is not part of the run's record any more.

        Raises:
            ServingError: this is not the run that is going on here, or the app has no store that can do it.
            LeaseLostError: (at the end of the block) the run is this process's no longer.
        """
        source = run_source.get()
        if source is None or source.snapshot().key != self.key:
            raise ServingError(f"run {self.key!r} is not going on here; transaction() is for a run's own function")
        return source.transaction()


class RunFacts(NamedTuple):
    """What the engine notes of a run: plain values, which cost little to make and nothing to keep.

    The times are in seconds since the epoch.
    """

    task_key: str
    scheduled: float
    outcome: str | None
    noted: float
    """When the run finished or was skipped; for a run that is going, the present."""
    started: float | None = None
    reason: str | None = None
    error: RunError | None = None
    missed: int = 0
    kind: RunKind = "schedule"
    attempt: int = 1
    previous_success: float | None = None
    output: str | None = None
    fence: int | None = None
    owner: str | None = None


def run_of(facts: RunFacts) -> Run:
    """Return the run that *facts* are about."""
    late_s = (facts.noted if facts.started is None else facts.started) - facts.scheduled
    going = facts.started is None or facts.outcome is None
    return Run(
        task_key=facts.task_key,
        kind=facts.kind,
        scheduled_at=_aware(facts.scheduled),
        started_at=None if facts.started is None else _aware(facts.started),
        finished_at=None if going else _aware(facts.noted),
        attempt=facts.attempt,
        outcome=None if facts.outcome is None else Outcome(facts.outcome),
        reason=facts.reason,
        error=facts.error,
        output=facts.output,
        lateness_s=max(0.0, round(late_s, 6)),  # seconds since the epoch are exact to a quarter of a microsecond
        missed=facts.missed,
        fence=facts.fence,
        owner=facts.owner,
        previous_success=None if facts.previous_success is None else _aware(facts.previous_success),
    )


def facts_from(run: Run) -> RunFacts:
    """Return the facts that *run*, which has ended, was made of."""
    noted = run.finished_at or run.scheduled_at + timedelta(seconds=run.lateness_s)
    return RunFacts(
        run.task_key,
        run.scheduled_at.timestamp(),
        run.outcome,
        noted.timestamp(),
        None if run.started_at is None else run.started_at.timestamp(),
        run.reason,
        run.error,
        run.missed,
        run.kind,
        run.attempt,
        None if run.previous_success is None else run.previous_success.timestamp(),
        run.output,
        run.fence,
        run.owner,
    )


def _aware(epoch: float) -> datetime:
    return datetime.fromtimestamp(epoch, UTC)


class RunSource(Protocol):
    """What knows the run that is going on."""

    output: str | None
    """What the run has printed, as far as somebody has noted it."""

    def snapshot(self) -> Run:
        """Return the run as it is now."""
        ...

    def transaction(self) -> AbstractAsyncContextManager[Any]:
        """Return a block within a transaction that ends with the run.

        Raises:
            ServingError: there is no such thing here.
        """
        ...


run_source: ContextVar[RunSource | None] = ContextVar("aioclock_run_source", default=None)
"""Set within a run, in its threads and in its process; whoever sets it must know what a run is."""


def current_run() -> Run:
    """Return the run that this code is part of: in a task's function, and anywhere below it.

    ```python
    import asyncio

    from aioclock import AioClock, Every, current_run

    app = AioClock()


    @app.task(trigger=Every(seconds=0.01, max_loop_count=1), name="greet")
    async def greet() -> None:
        assert current_run().task_key == "greet"
        assert current_run().attempt == 1


    asyncio.run(app.serve())
    ```

    Raises:
        ServingError: no run is going on here.
    """
    source = run_source.get()
    if source is None:
        raise ServingError(
            "no run is going on here; current_run() is for a task's function and what it calls, "
            "and a listener has the run in event.run"
        )
    return source.snapshot()
