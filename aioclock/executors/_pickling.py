"""What crosses the border between two processes, and what can't."""

import pickle
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from inspect import signature
from io import BytesIO
from operator import attrgetter
from typing import Any

from aioclock.exceptions import TaskDeclarationError
from aioclock.executors._worker import Failure
from aioclock.utils import callable_name

__all__ = ["WorkerTraceback", "pack", "require_picklable", "unpack"]


class WorkerTraceback(Exception):
    """The traceback of an exception where it was raised, in a worker process; the cause of that exception here."""

    def __str__(self) -> str:
        return f'\n"""\n{self.args[0]}"""'


def pack(func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], run: Any) -> bytes:
    """Return the call as bytes.

    Raises:
        TypeError: something of it can't be pickled; the message names the parameter.
    """
    try:
        return pickle.dumps((func, args, kwargs, run), pickle.HIGHEST_PROTOCOL)
    except Exception as error:
        what = _unpicklable_part(func, args, kwargs)
        raise TypeError(f"{what} of {callable_name(func)!r} can't be sent to a worker process: {error}") from error


def _unpicklable_part(func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
    for name, value in signature(func).bind(*args, **kwargs).arguments.items():
        try:
            pickle.dumps(value)
        except Exception:
            return f"the value of parameter {name!r}, of type {type(value).__qualname__},"
    return "the code"


def unpack(reply: bytes | Failure, name: str) -> Any:
    """Return the result in *reply*, or raise the exception in it."""
    if isinstance(reply, Failure):
        raise _exception_of(reply, name)
    try:
        return pickle.loads(reply)
    except Exception as error:
        raise TypeError(f"the result of {name!r} can't be read back from its worker process: {error}") from error


def _exception_of(failure: Failure, name: str) -> Exception:
    error: object = None
    if failure.pickled is not None:
        with suppress(Exception):
            error = pickle.loads(failure.pickled)
    if not isinstance(error, Exception):
        error = RuntimeError(f"{name!r} raised {failure.summary}")
    error.__cause__ = WorkerTraceback(failure.traceback)
    return error


def require_picklable(func: Callable[..., Any], *, owner: str) -> None:
    """Check that *func* can be sent to a worker process.

    Not for use inside a decorator: a module knows the functions it defines only after they are decorated.

    Args:
        owner: Who asks, for the message.

    Raises:
        TaskDeclarationError: it can't, for example because it is a lambda.
    """
    scout = _Scout()
    try:
        scout.dump(func)
        reason = None if _main_can_be_imported() or not scout.needs_main else _NO_MAIN
    except Exception as error:
        reason = _why(func) or str(error)
    if reason:
        raise TaskDeclarationError(
            f"{owner}: {callable_name(func)!r} can't be sent to a worker process: {reason}; "
            "use a function at the top level of a module that can be imported"
        )


_NO_MAIN = "a worker process can't import this __main__ (an interactive session, code from -c, or a __main__.py)"


class _Scout(pickle.Pickler):
    """Pickles, and notes whether that leads into the module `__main__`."""

    def __init__(self) -> None:
        super().__init__(BytesIO(), pickle.HIGHEST_PROTOCOL)
        self.needs_main = False

    def reducer_override(self, obj: Any) -> Any:
        self.needs_main |= getattr(obj, "__module__", None) == "__main__"
        return NotImplemented


def _main_can_be_imported() -> bool:
    # What multiprocessing goes by when it prepares a worker.
    main = sys.modules["__main__"]
    spec = getattr(main, "__spec__", None)
    if spec is None:
        return getattr(main, "__file__", None) is not None
    return not (spec.name == "__main__" or spec.name.endswith(".__main__"))


def _why(func: Any) -> str | None:
    if isinstance(func, partial):
        return _why(func.func)
    path = getattr(func, "__qualname__", "")
    if path.endswith("<lambda>"):
        return "it is a lambda"
    if "<locals>" in path:
        return "it is defined inside another function"
    with suppress(AttributeError, KeyError):
        if path and not hasattr(func, "__self__") and attrgetter(path)(sys.modules[func.__module__]) is not func:
            return f"the name {path!r} in its module means something else, perhaps what a decorator made of it"
    return None
