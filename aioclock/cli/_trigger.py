"""`aioclock trigger`: one run of one task, now."""

import sys
from contextlib import nullcontext, redirect_stdout
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import typer

from aioclock.cli._errors import FAILED
from aioclock.cli._options import App, Factory, Json, Key, LogFormatOption, LogLevelOption
from aioclock.cli._output import as_json_value, as_text, print_error, print_json

if TYPE_CHECKING:
    from aioclock.app import AioClock
    from aioclock.runs import Run

__all__ = ["trigger"]


def trigger(
    app: App = None,
    key: Key = None,
    *,
    factory: Factory = None,
    as_json: Json = False,
    log_format: LogFormatOption = None,
    log_level: LogLevelOption = None,
) -> None:
    """Run one task now, in this process, and print its result.

    The lifespan is entered and the task's policies hold, but no schedule begins, and no start-up or shut-down task
    runs. SIGTERM lets the run finish (shutdown_timeout), Ctrl+C cancels it. The exit code is 0 if the run succeeded.
    """
    import asyncio

    from aioclock._engine import key_of
    from aioclock.cli._logs import configure_logging
    from aioclock.cli._serving import ended_by_command_errors, stopping_on_hangup
    from aioclock.cli._target import app_and_key, load_app

    app, key = app_and_key(app, key)
    clock = load_app(app, factory=factory, prints=not as_json)
    configure_logging(log_format, log_level)
    with ended_by_command_errors(), stopping_on_hangup():
        key = key_of(key, clock.tasks)  # before the lifespan is entered
        try:
            with redirect_stdout(sys.stderr) if as_json else nullcontext():
                run, result, error = asyncio.run(_once(clock, key))
        except SystemExit as raised:  # it ends the serving, but is no success of the task
            run, result, error = clock.runs(key, limit=1)[0], None, raised
    if as_json:
        print_json({**asdict(run), "result": as_json_value(result)})
    elif error is None and result is not None:
        typer.echo(as_text(result))
    if error is not None:
        print_error(_told(run, error), run.error.traceback if run.error else None)
        raise typer.Exit(FAILED)


def _told(run: "Run", error: BaseException) -> str:
    from aioclock.exceptions import BaseAioClockException

    if isinstance(error, BaseAioClockException):  # its message says all
        return str(error)
    message = run.error.message if run.error is not None else as_text(error)
    return f"the run of {run.task_key!r} failed: {type(error).__name__}: {message}"


async def _once(app: "AioClock", key: str) -> "tuple[Run, Any, BaseException | None]":
    """Return the run of the task *key*, and what the function returned or what the run ended with."""
    async with app._running(idle=True):
        try:
            result, error = await app.run_now(key), None
        except Exception as raised:
            result, error = None, raised
        runs = app.runs(key, limit=1)
    if not runs:  # it could not even be asked for
        assert error is not None
        raise error
    return runs[0], result, error
