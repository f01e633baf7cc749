"""Sync functions in worker threads, so that they never block the event loop."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial, wraps
from typing import Any

from anyio import CapacityLimiter
from asyncer import asyncify

from aioclock.utils import is_async_callable

__all__ = ["as_async"]


def as_async(func: Callable[..., Any], limiter: CapacityLimiter | None) -> Callable[..., Awaitable[Any]]:
    """Return *func* itself if it is async, else a coroutine function of the same signature that runs it in a thread.

    Args:
        limiter: Bounds how many threads run at once; None is anyio's default of the event loop.
    """
    if is_async_callable(func):
        return func

    async def in_thread(*args: Any, **kwargs: Any) -> Any:
        call = _ThreadCall(partial(func, *args, **kwargs) if args or kwargs else func)
        return await call.outcome(limiter)

    # Not functools.wraps alone: a class or a partial lacks what it copies, but a signature there must be.
    return wraps(func)(in_thread)


class _ThreadCall:
    """One call in a thread: either the thread takes it or its cancellation does, never both."""

    __slots__ = ("_claim", "_func")

    def __init__(self, func: Callable[[], Any]) -> None:
        self._func = func
        self._claim: dict[str, str] = {}

    def __call__(self) -> Any:
        if self._claimed_by("thread"):
            return self._func()
        return None

    def _claimed_by(self, claimant: str) -> bool:
        # dict.setdefault is atomic, so this is a lock without a lock.
        return self._claim.setdefault("by", claimant) == claimant

    async def outcome(self, limiter: CapacityLimiter | None) -> Any:
        worker = asyncio.ensure_future(asyncify(self, limiter=limiter)())
        try:
            return await asyncio.shield(worker)
        except asyncio.CancelledError:
            if self._claimed_by("cancellation"):
                worker.cancel()  # it still waited for its limiter or for a thread
            # A thread can't be stopped. What it uses (its dependencies, its limiter, its task's slot) stays its own
            # until it ends.
            while not worker.done():
                try:
                    await asyncio.wait((worker,))
                except asyncio.CancelledError:
                    continue
            if not worker.cancelled():
                worker.exception()  # seen: nobody is left to whom it could be raised
            raise
