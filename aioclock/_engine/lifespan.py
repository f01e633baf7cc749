"""The context in which an app serves."""

import asyncio
import inspect
from collections.abc import AsyncIterator, Callable
from contextlib import (
    AbstractAsyncContextManager,
    AbstractContextManager,
    AsyncExitStack,
    asynccontextmanager,
    nullcontext,
)
from functools import wraps
from types import TracebackType
from typing import Any, TypeAlias

from fast_depends import Provider

from aioclock.exceptions import TaskDeclarationError
from aioclock.logger import logger
from aioclock.provider import call_model, require_resolvable, solve

__all__ = ["Lifespan", "LifespanScope", "lifespan_opener", "require_lifespan"]

Lifespan: TypeAlias = Callable[..., AbstractAsyncContextManager[Any] | AbstractContextManager[Any]]


def require_lifespan(lifespan: Any) -> None:
    """Check that *lifespan* is None or a callable that gives a context manager.

    Raises:
        TaskDeclarationError: it is not callable, or a generator function that lacks its decorator.
    """
    if lifespan is None:
        return
    if not callable(lifespan):
        raise TaskDeclarationError(f"lifespan must be a function that returns a context manager, got {lifespan!r}")
    for test, decorator in (
        (inspect.isasyncgenfunction, "@asynccontextmanager"),
        (inspect.isgeneratorfunction, "@contextmanager"),
    ):
        if test(lifespan):
            raise TaskDeclarationError(f"lifespan {lifespan.__qualname__!r} must be decorated with {decorator}")


def lifespan_opener(
    lifespan: Lifespan | None, app: object, provider: Provider
) -> Callable[[], AbstractAsyncContextManager[None]]:
    """Return how to open *lifespan* for *app*, with what its parameters after the first ask for by `Depends`.

    Raises:
        DependencyError: one of these parameters can't be filled.
    """
    if lifespan is None:
        return nullcontext
    first, *others = inspect.signature(lifespan).parameters or [""]

    @wraps(lifespan)
    async def call(*args: Any, **kwargs: Any) -> Any:
        return lifespan(*args, **kwargs)

    model = None
    if others:
        model = call_model(call, provider)
        require_resolvable(model, owner="lifespan", given=frozenset({first}))

    @asynccontextmanager
    async def opened() -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            if model is None:
                context = await call(app)
            else:
                context = await solve(model, stack, **{first: app})
            await _enter(context, stack)
            yield

    return opened


async def _enter(context: Any, stack: AsyncExitStack) -> None:
    if isinstance(context, AbstractAsyncContextManager):
        await stack.enter_async_context(context)
    elif isinstance(context, AbstractContextManager):
        stack.enter_context(context)
    else:
        raise TaskDeclarationError(
            f"lifespan must return a context manager, got {context!r}; decorate it with @asynccontextmanager"
        )


class LifespanScope:
    """Enters a lifespan and leaves it cleanly: a stop or a cancellation is a normal end, errors are thrown into it.

    Args:
        patience_s: How long leaving may take before it is reported and given up; None: for ever.
    """

    def __init__(self, lifespan: AbstractAsyncContextManager[object], *, patience_s: float | None) -> None:
        self._lifespan = lifespan
        self._patience_s = patience_s

    async def __aenter__(self) -> None:
        await self._lifespan.__aenter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool | None:
        limit = asyncio.timeout(self._patience_s)
        try:
            async with limit:
                if isinstance(error, Exception):
                    return await self._lifespan.__aexit__(kind, error, traceback)
                await self._lifespan.__aexit__(None, None, None)
        except TimeoutError:
            if not limit.expired():
                raise
            logger.error("the lifespan did not end within %g s and was cancelled", self._patience_s)
        return None
