"""`aioclock run`: serve an app."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from aioclock.cli._errors import CommandError
from aioclock.cli._options import App, Factory, LogFormatOption, LogLevelOption

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from aioclock.app import AioClock

__all__ = ["run"]


def run(
    app: App = None,
    *,
    factory: Factory = None,
    log_format: LogFormatOption = None,
    log_level: LogLevelOption = None,
    reload: Annotated[
        bool | None,
        typer.Option("--reload/--no-reload", help="Serve anew when a source file changes.", show_default=False),
    ] = None,
    reload_dir: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="DIR", help="Folder to watch with --reload; may be repeated.", show_default="the current folder"
        ),
    ] = None,
    uvloop: Annotated[
        bool | None, typer.Option("--uvloop/--no-uvloop", help="Serve on uvloop's event loop.", show_default=False)
    ] = None,
) -> None:
    """Serve an app until its schedules end or a signal stops it.

    SIGTERM lets runs finish (shutdown_timeout), Ctrl+C cancels them; both shut down in order. A second signal does not
    wait.
    """
    from aioclock.cli._settings import settings

    if settings().reload if reload is None else reload:
        from aioclock.cli._reload import serve_with_reload

        serve_with_reload(reload_dir or [Path()])
        return
    if reload_dir:
        raise CommandError("--reload-dir is for --reload, which is not given")
    from aioclock.cli._logs import configure_logging
    from aioclock.cli._target import load_app

    loop_factory = _uvloop() if (settings().uvloop if uvloop is None else uvloop) else None
    clock = load_app(app, factory=factory, prints=True)
    configure_logging(log_format, log_level)
    _serve(clock, loop_factory)


def _uvloop() -> "Callable[[], asyncio.AbstractEventLoop]":
    try:
        import uvloop
    except ModuleNotFoundError:
        raise CommandError("--uvloop needs the package uvloop; install it: pip install uvloop") from None
    loop_factory: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    return loop_factory


def _serve(app: "AioClock", loop_factory: "Callable[[], asyncio.AbstractEventLoop] | None") -> None:
    import asyncio

    from aioclock.cli._serving import ended_by_command_errors, stopping_on_hangup

    with ended_by_command_errors(), stopping_on_hangup(), asyncio.Runner(loop_factory=loop_factory) as runner:
        runner.run(app.serve())
