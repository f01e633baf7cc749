"""Small helpers that belong to no layer."""

import asyncio
from collections.abc import Callable, Iterable
from enum import StrEnum
from functools import partial
from inspect import iscoroutinefunction, unwrap
from itertools import chain
from typing import Any, TypeVar

__all__ = [
    "StrEnum",
    "callable_name",
    "did_you_mean",
    "flatten_chain",
    "is_async_callable",
    "longer_delay",
    "running_loop",
]

T = TypeVar("T")


def flatten_chain(matrix: Iterable[Iterable[T]]) -> list[T]:
    """Return the items of all *matrix* rows in one list.

    ```python
    from aioclock.utils import flatten_chain

    assert flatten_chain([[1, 2], [3]]) == [1, 2, 3]
    ```
    """
    return list(chain.from_iterable(matrix))


def is_async_callable(func: Callable[..., Any]) -> bool:
    """Tell whether calling *func* gives a coroutine; partials and callable objects included."""
    while isinstance(func, partial):
        func = func.func
    return iscoroutinefunction(func) or (
        not isinstance(func, type) and iscoroutinefunction(getattr(func, "__call__", None))  # noqa: B004 - its kind matters, not whether it exists
    )


def callable_name(func: Callable[..., Any]) -> str:
    """Return the short name of *func* for people: `__name__`, or its class's name."""
    while isinstance(func, partial):
        func = func.func
    return str(getattr(unwrap(func), "__name__", type(func).__name__))


def did_you_mean(wrong: str, known: Iterable[str]) -> str:
    """Return `"; did you mean 'a', 'b'?"` for an error message, or nothing when nothing is close."""
    from difflib import get_close_matches  # only errors need it, and importing it takes longer than this module

    known = list(known)
    # A cutoff would keep out what differs in case only.
    exact = [name for name in known if name.lower() == wrong.lower()]
    matches = exact or get_close_matches(wrong, known, n=3, cutoff=0.6)
    return f"; did you mean {', '.join(map(repr, matches))}?" if matches else ""


def longer_delay(delay_s: float) -> float:
    """Return how long to wait after one more failure in a row, in seconds: 0.1 at first, doubling to 30."""
    return min(max(delay_s * 2, 0.1), 30.0)


def running_loop() -> asyncio.AbstractEventLoop | None:
    """Return the event loop that runs this code, or None."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
