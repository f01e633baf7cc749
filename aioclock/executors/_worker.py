"""What goes on inside a worker process. Every worker imports this module, so it imports little itself."""

import os
import pickle
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from inspect import iscoroutine
from traceback import format_exception
from types import FrameType
from typing import TYPE_CHECKING, Any, NamedTuple

from aioclock.executors._readiness import begin

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

__all__ = ["Failure", "call", "prepare", "ready"]

PARENT_CHECK_S = 1.0


class Failure(NamedTuple):
    """What came of a call that raised: text, and the exception itself if it could be pickled."""

    summary: str
    traceback: str
    pickled: bytes | None


class _Sent:
    """Stands in for the engine's source of the run: here nothing about it changes any more."""

    output: str | None = None

    def __init__(self, run: Any) -> None:
        self._run = run

    def snapshot(self) -> Any:
        return self._run

    def transaction(self) -> Any:
        from aioclock.exceptions import ServingError

        raise ServingError("transaction() is for functions in the app's own process; a worker has no part in its store")


def prepare(connection: "Connection") -> None:
    """Make this process a worker: deaf to signals, the head of its own process group, and bound to its parent."""
    begin.append(connection)
    stops = (signal.SIGINT, signal.SIGTERM)
    for number in stops:
        signal.signal(number, _leave_to_parent)
    if sys.platform != "win32":
        with suppress(OSError):
            os.setpgid(0, 0)  # so that whatever the functions start can be killed along with them
        signal.pthread_sigmask(signal.SIG_UNBLOCK, stops)  # the parent has blocked them until here
    threading.Thread(target=_end_with_parent, name="aioclock: end with parent", daemon=True).start()


def _leave_to_parent(number: int, frame: FrameType | None) -> None:
    # Not SIG_IGN: that would be inherited by the programs that functions start, and Popen.terminate() would fail.
    pass


def _end_with_parent() -> None:
    from multiprocessing import parent_process

    parent = parent_process()
    # The sentinel tells at once. But it is a pipe, and a fork of the parent may hold it open; hence a look at the pid.
    first = os.getppid()
    while parent is not None and parent.is_alive() and os.getppid() == first:
        parent.join(PARENT_CHECK_S)
    if sys.platform != "win32" and os.getpgrp() == os.getpid():
        os.killpg(0, signal.SIGKILL)
    os._exit(1)


def ready() -> None:
    """Answer the first call, which tells that the worker has started."""


def call(payload: bytes) -> bytes | Failure:
    """Run the call in *payload* and return its pickled result; whatever it raises comes back as a `Failure`."""
    begin[0].send_bytes(b"!")
    try:
        func, args, kwargs, run = _unpack(payload)
        with _within(run):
            result = func(*args, **kwargs)
            if iscoroutine(result):
                from asyncio import run as run_to_its_end

                result = run_to_its_end(result)
        return _pack(result)
    except BaseException as error:  # SystemExit ends the call, not the worker
        return _failure(error)
    finally:
        _flush()


def _unpack(payload: bytes) -> Any:
    try:
        return pickle.loads(payload)
    except Exception as error:
        error.add_note("the worker process could not load the function or its arguments")
        raise


def _pack(result: Any) -> bytes:
    try:
        return pickle.dumps(result, pickle.HIGHEST_PROTOCOL)
    except Exception as error:
        kind = type(result).__qualname__
        raise TypeError(f"the result, of type {kind}, can't be sent back from the worker process: {error}") from error


@contextmanager
def _within(run: Any) -> Iterator[None]:
    if run is None:
        yield
        return
    from aioclock.runs import run_source

    token = run_source.set(_Sent(run))
    try:
        yield
    finally:
        run_source.reset(token)


def _failure(error: BaseException) -> Failure:
    kind = type(error).__qualname__
    try:
        summary = f"{kind}: {error}"
        text = "".join(format_exception(error))
    except Exception:  # its __str__ raises
        summary = text = kind
    return Failure(summary, text, _pickled_error(error) if isinstance(error, Exception) else None)


def _pickled_error(error: Exception) -> bytes | None:
    for form in (error, _Parts(error)):
        with suppress(Exception):
            pickled = pickle.dumps(form, pickle.HIGHEST_PROTOCOL)
            pickle.loads(pickled)
            return pickled
    return None


class _Parts:
    """Pickles an exception by its parts: many can't be made again, for their constructor asks for more than `args`."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def __reduce__(self) -> Any:
        return _put_together, (type(self._error), self._error.args, vars(self._error))


def _put_together(kind: type[Exception], args: tuple[Any, ...], state: dict[str, Any]) -> Exception:
    error = kind.__new__(kind, *args)
    error.args = args
    error.__dict__.update(state)
    return error


def _flush() -> None:
    # Else output would show up when the worker ends, and never if it is killed.
    for stream in (sys.stdout, sys.stderr):
        with suppress(Exception):
            stream.flush()
