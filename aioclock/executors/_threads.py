"""Sync functions in worker threads, so that they never block the event loop."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import wraps
from inspect import iscoroutine
from typing import Any
from weakref import ref

from anyio import CapacityLimiter
from anyio.to_thread import current_default_thread_limiter, run_sync
from asyncer import asyncify

from aioclock.utils import is_async_callable

__all__ = ["as_async", "cancel"]


def as_async(func: Callable[..., Any], limiter: CapacityLimiter | None) -> Callable[..., Awaitable[Any]]:
    """Return *func* itself if it is async, else a coroutine function of the same signature that runs it in a thread.

    Args:
        limiter: Bounds how many threads run at once; None is anyio's default of the event loop.
    """
    if is_async_callable(func):
        return func

    @wraps(func)
    async def in_thread(*args: Any, **kwargs: Any) -> Any:
        task = asyncio.current_task()
        assert task is not None
        _calls[task] = call = _ThreadCall(func)
        threads = limiter or _default_limiter()
        try:
            if args or kwargs:
                result = await asyncify(_begin, limiter=threads)(call, *args, **kwargs)
            else:  # what asyncify comes to, without the price of passing arguments
                result = await run_sync(_begin, call, limiter=threads)
        finally:
            del _calls[task]
            if call.cancelled:
                raise asyncio.CancelledError
        # `lambda: job()` is sync, but what it gives back is the job.
        return await result if iscoroutine(result) else result

    return in_thread


class _ThreadCall:
    """One call in a thread: either the thread takes it or its cancellation does, never both."""

    __slots__ = ("_claim", "cancelled", "func")

    def __init__(self, func: Callable[..., Any]) -> None:
        self.func = func
        self._claim: dict[str, str] = {}
        self.cancelled = False

    def claimed_by(self, claimant: str) -> bool:
        # dict.setdefault is atomic, so this is a lock without a lock.
        return self._claim.setdefault("by", claimant) == claimant


def _begin(call: _ThreadCall, *args: Any, **kwargs: Any) -> Any:
    return call.func(*args, **kwargs) if call.claimed_by("thread") else None


_latest: tuple[ref[asyncio.AbstractEventLoop], CapacityLimiter] | None = None
"""The event loop that asked last, and its default limiter."""


def _default_limiter() -> CapacityLimiter:
    # anyio would look it up at every call, which takes as long as all the rest that we add.
    global _latest
    loop, latest = asyncio.get_running_loop(), _latest
    if latest is None or latest[0]() is not loop:
        _latest = latest = ref(loop), current_default_thread_limiter()
    return latest[1]


_calls: "dict[asyncio.Task[Any], _ThreadCall]" = {}
"""What each asyncio task waits for in a thread. An asyncio task waits for one thing at a time."""


def cancel(task: "asyncio.Task[Any]") -> bool:
    """Cancel *task*; if it waits for a thread that has begun, as soon as that ends, and return False.

    A thread can't be stopped, and what it uses (its dependencies, its limiter, its task's slot) stays its own until
    it ends.
    """
    call = _calls.get(task)
    if call is None or call.claimed_by("cancellation"):
        task.cancel()
        return True
    call.cancelled = True
    return False
