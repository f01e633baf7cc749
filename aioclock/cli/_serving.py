"""How the end of an app becomes the end of a command."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from traceback import format_exc

import typer

from aioclock.cli._errors import FAILED, INTERRUPTED, MISUSED, CommandError
from aioclock.exceptions import BaseAioClockException, TaskIdNotFound

__all__ = ["ended_by_command_errors", "stopping_on_hangup"]


@contextmanager
def stopping_on_hangup() -> Iterator[None]:
    """Treat the end of the terminal like SIGTERM, unless it is to be ignored (nohup): commands must not go on alone."""
    hangup = getattr(signal, "SIGHUP", None)  # Windows has none
    if hangup is None or signal.getsignal(hangup) != signal.SIG_DFL:
        yield
        return
    signal.signal(hangup, lambda number, frame: signal.raise_signal(signal.SIGTERM))
    try:
        yield
    finally:
        signal.signal(hangup, signal.SIG_DFL)


@contextmanager
def ended_by_command_errors() -> Iterator[None]:
    """Turn what an app raises while it is served into the message and the exit code of the command."""
    try:
        yield
    except KeyboardInterrupt:
        raise typer.Exit(INTERRUPTED) from None
    except BaseAioClockException as error:
        code = MISUSED if isinstance(error, TaskIdNotFound) else FAILED
        raise CommandError(str(error), code=code) from error
    except Exception as error:
        message = f"serving ended by an error: {type(error).__name__}: {error}"
        raise CommandError(message, code=FAILED, details=format_exc()) from error
