"""Which executor a function gets, and sync functions that the user wants on the event loop."""

from collections.abc import Awaitable, Callable
from functools import wraps
from inspect import iscoroutine
from typing import Any

from aioclock.exceptions import TaskDeclarationError
from aioclock.policies import Executor
from aioclock.utils import is_async_callable

__all__ = ["as_loop_call", "executor_for", "require_executor"]


def executor_for(func: Callable[..., Any], wanted: Executor | None) -> Executor:
    """Return where *func* runs: an async function never in a thread, a sync one there unless something else is wanted.

    Args:
        wanted: The user's choice, which may be that of a whole group.
    """
    if is_async_callable(func):
        return "process" if wanted == "process" else "loop"
    return wanted or "thread"


def require_executor(func: Callable[..., Any], wanted: Executor | None, *, owner: str) -> None:
    """Check that what was chosen for *func* itself is possible.

    Raises:
        TaskDeclarationError: *func* is async and wanted in a thread.
    """
    if wanted == "thread" and is_async_callable(func):
        raise TaskDeclarationError(
            f"{owner}: an async function runs on the event loop, not in a thread; "
            "leave executor out, make the function sync, or use executor='process'"
        )


def as_loop_call(func: Callable[..., Any]) -> Callable[..., Awaitable[Any]]:
    """Return a coroutine function of the signature of *func*, which is sync, that calls it on the event loop."""

    @wraps(func)
    async def on_loop(*args: Any, **kwargs: Any) -> Any:
        result = func(*args, **kwargs)
        return await result if iscoroutine(result) else result

    return on_loop
