"""The errors of aioclock, each also the built-in kind that callers would catch anyway.

```text
BaseAioClockException
├── TaskDeclarationError (ValueError)   a task, group or app is declared in a way that can't work
├── DependencyError (TypeError)         a function's parameters can't be filled
├── ConfigurationError (ValueError)     a configuration file describes no app
├── CommandFailedError (RuntimeError)   the command of a task failed or could not be started
├── TaskIdNotFound (LookupError)        no task answers to an id or a name
├── TaskTimeoutError (TimeoutError)     a run was cancelled because it outlived its timeout
├── RunCancelledError (RuntimeError)    a run that was asked for was cancelled
├── RunSkippedError (RuntimeError)      a run that was asked for never started
├── WorkerDiedError (RuntimeError)      the process that a function ran in died
├── StoreError (RuntimeError)           a store can't do what it is asked for
│   └── StoreUnavailableError (ConnectionError)  it can't be reached now; later it may
├── LeaseLostError (RuntimeError)       a run in a store is its process's no longer
├── ServingError (RuntimeError)         the app is in no state for what was asked of it
└── VirtualTimeError (RuntimeError)     in aioclock.testing: virtual time can't go on
```
"""

from uuid import UUID

__all__ = [
    "BaseAioClockException",
    "CommandFailedError",
    "ConfigurationError",
    "DependencyError",
    "LeaseLostError",
    "RunCancelledError",
    "RunSkippedError",
    "ServingError",
    "StoreError",
    "StoreUnavailableError",
    "TaskDeclarationError",
    "TaskIdNotFound",
    "TaskTimeoutError",
    "WorkerDiedError",
]


class BaseAioClockException(Exception):
    """Root of every error that aioclock raises by itself."""


class TaskDeclarationError(BaseAioClockException, ValueError):
    """A task, a group or an app is declared in a way that can't work."""


class DependencyError(BaseAioClockException, TypeError):
    """A parameter of a task's function, or of one of its dependencies, can't be filled."""


class ConfigurationError(BaseAioClockException, ValueError):
    """A configuration file can't be read, or describes no app.

    Attributes:
        problems: All that is wrong, as texts like `"aioclock.yaml:12: tasks.0.trigger.seconds: ..."`.
    """

    def __init__(self, *problems: str) -> None:
        super().__init__(*problems)
        self.problems = problems

    def __str__(self) -> str:
        return "\n".join(self.problems)


class CommandFailedError(BaseAioClockException, RuntimeError):
    """The command of a task ended with another exit code than 0, or could not be started.

    Attributes:
        returncode: The exit code; negative: the number of the signal that killed it; None: it never started.
        stdout: The end of what it printed, at most 20,000 characters.
        stderr: The same of its standard error.
    """

    def __init__(self, message: str, *, returncode: int | None = None, stdout: str = "", stderr: str = "") -> None:
        super().__init__(message)
        self.returncode = returncode
        self.stdout = stdout
        self.stderr = stderr


class TaskIdNotFound(BaseAioClockException, LookupError):
    """No task of the app answers to an id, a key or a name."""

    def __init__(self, task_id: UUID | str | None = None, *, message: str | None = None) -> None:
        super().__init__(message or f"no task has the id {task_id}")
        self.task_id = task_id


class TaskTimeoutError(BaseAioClockException, TimeoutError):
    """A run was cancelled because it outlived its timeout."""

    def __init__(self, *, task_name: str, timeout_s: float) -> None:
        super().__init__(f"task {task_name!r} was cancelled after {timeout_s:g} s")
        self.task_name = task_name
        self.timeout_s = timeout_s


_WHY_SKIPPED = {
    "overlap": "a run is going on, and the task's overlap policy lets no further one start or wait",
    "stopping": "the app is stopping and starts nothing new",
    "unreachable": "the app's store can't be reached, and without it nothing new starts",
}


class RunSkippedError(BaseAioClockException, RuntimeError):
    """A run that was asked for never started, for the *reason* that its record shows too."""

    def __init__(self, *, task_name: str, reason: str) -> None:
        hint = _WHY_SKIPPED.get(reason)
        super().__init__(f"run of {task_name!r} was skipped: {reason}{f' ({hint})' if hint else ''}")
        self.task_name = task_name
        self.reason = reason


class RunCancelledError(BaseAioClockException, RuntimeError):
    """A run that was asked for was cancelled: by a command, by a newer run, by itself, or while the app stopped.

    Not asyncio's `CancelledError`: that would say that whoever asked for the run is cancelled.
    """

    def __init__(self, *, task_name: str) -> None:
        super().__init__(f"run of {task_name!r} was cancelled")
        self.task_name = task_name


class WorkerDiedError(BaseAioClockException, RuntimeError):
    """The process that a task's function ran in died before the function returned."""


class ServingError(BaseAioClockException, RuntimeError):
    """The app is in no state for what was asked of it: it serves already, or does not serve."""


class StoreError(BaseAioClockException, RuntimeError):
    """A store can't do what it is asked for, and asking again will not help."""


class StoreUnavailableError(StoreError, ConnectionError):
    """A store can't be reached now or did not answer; asking again may help."""


class LeaseLostError(BaseAioClockException, RuntimeError):
    """A run in a store is its process's no longer: its lease was not renewed in time, and its end is not recorded."""

    def __init__(self, *, task_name: str, reason: str = "its lease ended before it could be renewed") -> None:
        super().__init__(
            f"run of {task_name!r} is this process's no longer: {reason}, and another process may have taken it over"
        )
        self.task_name = task_name
