"""More than one attempt at a run."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from aioclock.exceptions import TaskDeclarationError
from aioclock.policies._checks import require_count, require_flag, require_number

if TYPE_CHECKING:
    from tenacity import RetryCallState

__all__ = ["Retry"]

T = TypeVar("T")


class _Failure:
    __slots__ = ("error",)

    def __init__(self, error: Exception) -> None:
        self.error = error

    def take(self) -> Exception:
        # The error's traceback leads to the frames that hold this object: both would live until a garbage collection.
        error = self.error
        del self.error
        return error


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """A failed run is attempted again, after waits that grow.

    ```python
    from aioclock.policies import Retry

    retry = Retry(attempts=4, delay=0.5, on=(ConnectionError, TimeoutError))

    assert [retry.wait_after(attempt) for attempt in (1, 2, 3)] == [0.5, 1.0, 2.0]
    ```

    Args:
        attempts: How many there are at most, the first one included.
        delay: Seconds to wait after the first failed attempt.
        factor: What each further wait is multiplied by; 1 keeps it the same.
        max_delay: The longest wait in seconds, the first one included.
        jitter: The random part, a fraction: 0.1 makes each wait up to 10 % longer, even beyond *max_delay*.
        on: The errors after which there is another attempt; any other ends the run at once.
        outlive_tick: False gives up when the next attempt would begin after the task's next tick.

    Raises:
        TaskDeclarationError: a number is out of range, or *on* is anything but subclasses of Exception.
    """

    attempts: int = 3
    delay: float = 1.0
    factor: float = 2.0
    max_delay: float = 60.0
    jitter: float = 0.1
    on: type[Exception] | tuple[type[Exception], ...] = (Exception,)
    outlive_tick: bool = False

    def __post_init__(self) -> None:
        require_count("attempts", self.attempts)
        object.__setattr__(self, "delay", require_number("delay", self.delay, least=0, unit="seconds"))
        object.__setattr__(self, "factor", require_number("factor", self.factor, least=1))
        object.__setattr__(self, "max_delay", require_number("max_delay", self.max_delay, least=0, unit="seconds"))
        object.__setattr__(self, "jitter", require_number("jitter", self.jitter, least=0))
        object.__setattr__(self, "on", _error_classes(self.on))
        require_flag("outlive_tick", self.outlive_tick)

    def wait_after(self, attempt: int) -> float:
        """Return the seconds to wait after that failed attempt, counted from 1, without the random part."""
        try:
            return min(self.delay * self.factor ** (attempt - 1), self.max_delay)
        except OverflowError:
            return self.max_delay if self.delay else 0.0

    async def call(
        self,
        attempt: Callable[[], Awaitable[T]],
        *,
        fits: Callable[[float], bool],
        before_wait: Callable[[Exception, float], None],
    ) -> T:
        """Return what the first attempt that succeeds returns; raise the last one's own error if none does.

        Args:
            fits: Tells whether there may be another attempt after so many seconds of waiting; if not, the last error is
                raised at once. It is for the caller to know of ticks, and so of *outlive_tick*.
            before_wait: Called before each wait with the error and the seconds to come.
        """
        outcome = await _outcome_of(attempt)
        if isinstance(outcome, _Failure) and self.attempts > 1 and isinstance(outcome.error, self.on):
            outcome = await self._go_on(outcome, attempt, fits, before_wait)
        if isinstance(outcome, _Failure):
            raise outcome.take()
        return outcome

    async def _go_on(
        self,
        first: _Failure,
        attempt: Callable[[], Awaitable[T]],
        fits: Callable[[float], bool],
        before_wait: Callable[[Exception, float], None],
    ) -> T | _Failure:
        """Return the outcome of the last attempt, given that the first one failed."""
        # Only here: the import takes 8 ms and a retrying object 40 µs, and most runs succeed at once.
        from tenacity import AsyncRetrying, retry_if_result

        known = [first]

        async def next_outcome() -> T | _Failure:
            return known.pop() if known else await _outcome_of(attempt)

        def give_up(state: "RetryCallState") -> bool:
            enough = state.attempt_number >= self.attempts
            return enough or not fits(state.upcoming_sleep)

        # Errors travel as values, for tenacity would add its frames to those it raises and retry its own TryAgain
        # whatever `on` says. One object per call, since it keeps the state of the attempt it is at.
        retrying = AsyncRetrying(
            sleep=asyncio.sleep,
            wait=lambda state: self.wait_after(state.attempt_number) * (1 + random.uniform(0, self.jitter)),
            stop=give_up,
            retry=retry_if_result(lambda outcome: isinstance(outcome, _Failure) and isinstance(outcome.error, self.on)),
            before_sleep=lambda state: before_wait(_result_of(state).error, state.upcoming_sleep),
            retry_error_callback=_result_of,
        )
        last: T | _Failure = await retrying(next_outcome)
        return last


async def _outcome_of(attempt: Callable[[], Awaitable[T]]) -> T | _Failure:
    # Never BaseException: a cancellation has to get through as it is.
    try:
        return await attempt()
    except Exception as error:
        return _Failure(error)


def _result_of(state: "RetryCallState") -> Any:
    return state.outcome.result() if state.outcome else None


def _error_classes(on: Any) -> tuple[type[Exception], ...]:
    classes = tuple(on) if isinstance(on, list | tuple) else (on,)
    for cls in classes:
        if not (isinstance(cls, type) and issubclass(cls, BaseException)):
            raise TaskDeclarationError(f"on must be exception classes such as (OSError, TimeoutError), got {on!r}")
        if not issubclass(cls, Exception):
            raise TaskDeclarationError(
                f"on must be subclasses of Exception, got {cls.__name__}; what ends a run from outside is never retried"
            )
    if not classes:
        raise TaskDeclarationError(f"on must name at least one exception class, got {on!r}; attempts=1 retries nothing")
    return classes
