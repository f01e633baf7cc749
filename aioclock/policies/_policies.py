"""All policies of one task, group or app."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, TypedDict, TypeVar, cast, get_args

from aioclock.exceptions import TaskDeclarationError
from aioclock.policies._catch_up import CatchUp, CatchUpPolicy
from aioclock.policies._checks import require_choice, require_count, require_positive_seconds
from aioclock.policies._jitter import Jitter
from aioclock.policies._overlap import Overlap, OverlapPolicy
from aioclock.policies._retry import Retry
from aioclock.utils import did_you_mean

__all__ = ["NO_POLICIES", "STORE_POLICIES", "Executor", "OnLost", "Policies", "PolicyArgs", "Scope"]

T = TypeVar("T")

Executor: TypeAlias = Literal["loop", "thread", "process"]

Scope: TypeAlias = Literal["cluster", "node"]

OnLost: TypeAlias = Literal["rerun", "fail"]

STORE_POLICIES = ("scope", "on_lost", "catch_up")
"""Those that mean something only for an app with a store."""

_EXECUTORS: tuple[str, ...] = get_args(Executor)
_SCOPES: tuple[str, ...] = get_args(Scope)
_ON_LOST: tuple[str, ...] = get_args(OnLost)


class PolicyArgs(TypedDict, total=False):
    """The policies as `task`, `Group` and `AioClock` take them; None is as good as leaving one out."""

    timeout: float | None
    """Seconds after which a run is cancelled."""
    overlap: OverlapPolicy | Overlap | None
    """What happens to a tick that comes while a run of the same task is going."""
    retry: Retry | None
    """How often a failed run is attempted again, and after which waits."""
    grace: float | None
    """Seconds by which a run may start too late; a tick that is later than that is skipped."""
    jitter: float | Jitter | None
    """Seconds by which a run starts later than its tick at most, drawn anew for each."""
    pause_after_failures: int | None
    """Number of failed runs in a row after which the task is paused."""
    executor: Executor | None
    """Where the function runs: on the event loop, in a thread or in a process of its own."""
    scope: Scope | None
    """Of an app with a store: one run for each tick over all processes, or one in each process."""
    on_lost: OnLost | None
    """Of an app with a store: whether a run whose process died is run again, or ends as lost."""
    catch_up: CatchUpPolicy | CatchUp | None
    """Of an app with a store: what happens to ticks that passed while nothing could run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policies:
    """The policies of one task, group or app; None leaves one to whoever includes it.

    Made by `Policies.of`, which checks them.
    """

    timeout: float | None = None
    overlap: Overlap | None = None
    retry: Retry | None = None
    grace: float | None = None
    jitter: Jitter | None = None
    pause_after_failures: int | None = None
    executor: Executor | None = None
    scope: Scope | None = None
    on_lost: OnLost | None = None
    catch_up: CatchUp | None = None

    @classmethod
    def of(cls, owner: str, args: PolicyArgs) -> "Policies":
        """Return the policies that *args* ask for, each in its full form: 5 becomes `Jitter(5)`.

        Args:
            owner: Whom the messages of errors name first, such as `task 'x'`.

        Raises:
            TaskDeclarationError: a value can't work.
            TypeError: *args* has a name that is no policy.
        """
        if not args:
            return NO_POLICIES
        if args.keys() - _READERS.keys():
            raise _unexpected(owner, args)
        try:
            given = {name: _READERS[name](value) for name, value in args.items() if value is not None}
        except TaskDeclarationError as error:
            raise TaskDeclarationError(f"{owner}: {error}") from None
        return cls(**given) if given else NO_POLICIES

    def over(self, outer: "Policies") -> "Policies":
        """Return these policies with the gaps filled from *outer*.

        ```python
        from aioclock.policies import Policies

        task, group = Policies(timeout=5), Policies(timeout=60, grace=30)
        assert task.over(group) == Policies(timeout=5, grace=30)
        ```
        """
        if self is NO_POLICIES:
            return outer
        if outer is NO_POLICIES:
            return self
        return Policies(
            timeout=_first(self.timeout, outer.timeout),
            overlap=_first(self.overlap, outer.overlap),
            retry=_first(self.retry, outer.retry),
            grace=_first(self.grace, outer.grace),
            jitter=_first(self.jitter, outer.jitter),
            pause_after_failures=_first(self.pause_after_failures, outer.pause_after_failures),
            executor=_first(self.executor, outer.executor),
            scope=_first(self.scope, outer.scope),
            on_lost=_first(self.on_lost, outer.on_lost),
            catch_up=_first(self.catch_up, outer.catch_up),
        )


NO_POLICIES = Policies()
"""Everything is left to whoever includes the task; shared, for most tasks have no policies."""


def _first(mine: T | None, theirs: T | None) -> T | None:
    return theirs if mine is None else mine


def _unexpected(owner: str, args: PolicyArgs) -> TypeError:
    wrong = next(name for name in args if name not in _READERS)
    return TypeError(f"{owner}: unexpected argument {wrong!r}{did_you_mean(wrong, _READERS)}")


def _timeout(value: Any) -> float:
    return require_positive_seconds("timeout", value, hint="None means no timeout")


def _overlap(value: Any) -> Overlap:
    return value if isinstance(value, Overlap) else Overlap(value)


def _retry(value: Any) -> Retry:
    if isinstance(value, Retry):
        return value
    raise TaskDeclarationError(f"retry must be a Retry such as Retry(attempts=3), got {value!r}")


def _grace(value: Any) -> float:
    return require_positive_seconds("grace", value, hint="with 0 every tick would be skipped")


def _jitter(value: Any) -> Jitter:
    return value if isinstance(value, Jitter) else Jitter(value)


def _pause_after_failures(value: Any) -> int:
    return require_count("pause_after_failures", value)


def _executor(value: Any) -> Executor:
    return cast(Executor, require_choice("executor", value, _EXECUTORS))


def _scope(value: Any) -> Scope:
    return cast(Scope, require_choice("scope", value, _SCOPES))


def _on_lost(value: Any) -> OnLost:
    return cast(OnLost, require_choice("on_lost", value, _ON_LOST))


def _catch_up(value: Any) -> CatchUp:
    return value if isinstance(value, CatchUp) else CatchUp(value)


_READERS: dict[str, Callable[[Any], Any]] = {
    "timeout": _timeout,
    "overlap": _overlap,
    "retry": _retry,
    "grace": _grace,
    "jitter": _jitter,
    "pause_after_failures": _pause_after_failures,
    "executor": _executor,
    "scope": _scope,
    "on_lost": _on_lost,
    "catch_up": _catch_up,
}
