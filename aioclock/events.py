"""Facts that the engine announces: frozen, told to whoever `AioClock.on` has registered.

```text
Event
├── RunEvent                what became of a tick; each carries the run
│   ├── RunStarted          the first attempt begins
│   ├── RunRetrying         an attempt failed and another will follow
│   ├── RunSucceeded
│   ├── RunFailed
│   ├── RunTimedOut
│   ├── RunCancelled
│   ├── RunSkipped          it never started; `run.reason` says why
│   ├── RunLost             its process died
│   └── RunStuck            it ignores its cancellation and still occupies its task
├── TaskEvent               each carries the key of a task
│   ├── TaskAdded
│   ├── TaskRemoved
│   ├── TaskPaused
│   ├── TaskResumed
│   ├── TaskRescheduled
│   └── TaskRecovered       the first success after failures
├── ServingStarted          the schedules have begun
├── ServingStopping         nothing new starts
├── ServingStopped          all is over, the lifespan included
├── StoreUnreachable        nothing new fires until the store answers again
├── StoreRecovered          it does
└── ClockStepped            the wall clock was set, or the machine slept
```
"""

from dataclasses import dataclass
from datetime import datetime

from aioclock.runs import Outcome, Run

__all__ = [
    "OUTCOME_EVENTS",
    "ClockStepped",
    "Event",
    "RunCancelled",
    "RunEvent",
    "RunFailed",
    "RunLost",
    "RunRetrying",
    "RunSkipped",
    "RunStarted",
    "RunStuck",
    "RunSucceeded",
    "RunTimedOut",
    "ServingStarted",
    "ServingStopped",
    "ServingStopping",
    "StoreRecovered",
    "StoreUnreachable",
    "TaskAdded",
    "TaskEvent",
    "TaskPaused",
    "TaskRecovered",
    "TaskRemoved",
    "TaskRescheduled",
    "TaskResumed",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened to an app."""

    at: datetime
    """Aware, UTC."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunEvent(Event):
    """Something that happened to a run."""

    run: Run

    @property
    def task_key(self) -> str:
        """Key of the task that the run is of."""
        return self.run.task_key


class RunStarted(RunEvent):
    """The first attempt of a run begins."""

    __slots__ = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRetrying(RunEvent):
    """An attempt did not succeed and another will follow; `run.attempt` and `run.error` are those of the past one."""

    delay_s: float
    """Seconds until the next attempt."""


class RunSucceeded(RunEvent):
    """A run returned."""

    __slots__ = ()


class RunFailed(RunEvent):
    """A run raised an error, which `run.error` holds as text."""

    __slots__ = ()


class RunTimedOut(RunEvent):
    """A run outlived its task's timeout."""

    __slots__ = ()


class RunCancelled(RunEvent):
    """A run was cancelled: by a command, by a newer tick, or while the app stopped."""

    __slots__ = ()


class RunSkipped(RunEvent):
    """A tick got no run; `run.reason` says why."""

    __slots__ = ()


class RunLost(RunEvent):
    """The process in which a run went died."""

    __slots__ = ()


class RunStuck(RunEvent):
    """A run has ignored its cancellation for some seconds. Until it ends it occupies its task."""

    __slots__ = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskEvent(Event):
    """Something that happened to a task."""

    task_key: str


class TaskAdded(TaskEvent):
    """A task joined an app that is being served."""

    __slots__ = ()


class TaskRemoved(TaskEvent):
    """A task was removed; what was going on of it may finish."""

    __slots__ = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskPaused(TaskEvent):
    """The ticks of a task are skipped from now on."""

    note: str | None
    """Why, in the words of who paused it."""


class TaskResumed(TaskEvent):
    """A paused task runs again."""

    __slots__ = ()


class TaskRescheduled(TaskEvent):
    """A task got another trigger."""

    __slots__ = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskRecovered(TaskEvent):
    """A task succeeded after it had failed."""

    failures: int
    """How many runs had failed in a row."""


class ServingStarted(Event):
    """The schedules have begun; start-up tasks are through."""

    __slots__ = ()


class ServingStopping(Event):
    """Nothing new starts any more; runs may finish."""

    __slots__ = ()


class ServingStopped(Event):
    """All is over: runs, shut-down tasks and the lifespan."""

    __slots__ = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockStepped(Event):
    """The wall clock moved against elapsed time: it was set, or the machine slept."""

    step_s: float
    """Seconds; positive when the wall clock jumped ahead."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreUnreachable(Event):
    """The store does not answer. What the app shares with other processes does not fire until it does."""

    error: str
    """What went wrong, for people."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreRecovered(Event):
    """The store answers again. Ticks that passed meanwhile are caught up with, as each task's policy says."""

    outage_s: float
    """For how many seconds it could not be reached."""


OUTCOME_EVENTS: dict[Outcome, type[RunEvent]] = {
    Outcome.SUCCEEDED: RunSucceeded,
    Outcome.FAILED: RunFailed,
    Outcome.TIMED_OUT: RunTimedOut,
    Outcome.CANCELLED: RunCancelled,
    Outcome.SKIPPED: RunSkipped,
    Outcome.LOST: RunLost,
}
"""Which event announces which outcome."""
