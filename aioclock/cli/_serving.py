"""How the end of an app becomes the end of a command."""

from collections.abc import Iterator
from contextlib import contextmanager
from traceback import format_exc

import typer

from aioclock.cli._errors import FAILED, INTERRUPTED, MISUSED, CommandError
from aioclock.exceptions import BaseAioClockException, TaskIdNotFound

__all__ = ["ended_by_command_errors"]


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
