"""`aioclock simulate`: weeks of an app's schedule on virtual time, in seconds."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from math import isfinite
from typing import TYPE_CHECKING, Annotated

import typer

from aioclock.cli._errors import FAILED, INTERRUPTED, CommandError
from aioclock.cli._options import App, Factory, Json
from aioclock.cli._output import print_json, stdout

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from aioclock.app import AioClock
    from aioclock.cli._simulations import Hollow, Report

__all__ = ["simulate"]

SLOW_TICKS = 20_000
"""So many take a second or so: somebody may want to know how far it is."""


def simulate(
    app: App = None,
    days: Annotated[float, typer.Option("--days", help="How many days of 24 hours; a fraction will do.")] = 30.0,
    begin: Annotated[
        str | None,
        typer.Option("--from", metavar="ISO", help="When the app is started; left out: now.", show_default=False),
    ] = None,
    execute: Annotated[
        bool,
        typer.Option("--execute", help="Really run the app, its functions and its lifespan.", show_default=False),
    ] = False,
    tz: Annotated[str, typer.Option("--tz", metavar="ZONE", help="The zone in which times of day are shown.")] = "UTC",
    seed: Annotated[int, typer.Option("--seed", help="Of the random numbers: the same seed, the same jitter.")] = 0,
    max_runs: Annotated[
        int, typer.Option("--max-runs", min=1, help="More ticks than that are not simulated.")
    ] = 1_000_000,
    factory: Factory = None,
    as_json: Json = False,
) -> None:
    """Run an app on virtual time and show when it is busy.

    Days pass in seconds. The functions of tasks are replaced by nothing: no dependency, no lifespan, no start-up task
    runs. With --execute they really run, and so does the lifespan; what they wait for by asyncio takes no real time.
    Exit code 0: done; 1: a run failed, or there were more ticks than --max-runs; 2: that was clear at the beginning.
    """
    from aioclock.cli._moments import moment_of
    from aioclock.cli._target import load_app
    from aioclock.clock import current_clock

    zone = _zone(tz)
    start = current_clock().now().replace(second=0, microsecond=0) if begin is None else moment_of(begin, "--from")
    end = _end(start, days)
    loaded = load_app(app, factory=factory)
    report = _simulated(loaded, start, end, zone, seed=seed, max_runs=max_runs, execute=execute)
    if as_json:
        print_json(report.as_json())
    else:
        report.print(stdout())
    if report.course.interrupted:
        raise CommandError(f"interrupted at {report.reached.astimezone(zone).isoformat()}", code=INTERRUPTED)
    if not report.complete:
        raise CommandError(
            f"stopped at {report.reached.astimezone(zone).isoformat()} after more than {max_runs:,} ticks; "
            "simulate fewer days, or raise --max-runs",
            code=FAILED,
        )
    if any(task.failed for task in report.tally.tasks.values()):
        raise typer.Exit(FAILED)


def _zone(name: str) -> "ZoneInfo":
    from zoneinfo import ZoneInfo

    from pydantic import TypeAdapter, ValidationError

    from aioclock.triggers._calendar import ZoneName

    try:
        return ZoneInfo(TypeAdapter(ZoneName).validate_python(name))
    except ValidationError as error:
        raise CommandError(f"--tz: {error.errors()[0]['msg'].removeprefix('Value error, ')}") from error


def _end(start: datetime, days: float) -> datetime:
    if not isfinite(days) or days <= 0:
        raise CommandError(f"--days must be a number above 0, got {days:g}")
    try:
        return start + timedelta(days=days)
    except OverflowError as error:
        raise CommandError(f"--days {days:g} ends after the year 9999; simulate fewer") from error


def _simulated(
    app: "AioClock", start: datetime, end: datetime, zone: "ZoneInfo", *, seed: int, max_runs: int, execute: bool
) -> "Report":
    from aioclock.cli._simulations import Hollow, Report, Tally, drive, hollow

    served = Hollow(app, {}, {}) if execute else hollow(app)
    expected = _require_few(served, start, end, max_runs)
    tally = Tally(app.tasks, zone, most=max_runs)
    with _failures_told(), _progress(shown=execute or expected > SLOW_TICKS) as tell:
        course = drive(served.app, tally, start, end, seed=seed, tell=tell)
    return Report(
        tally=tally,
        start=start,
        end=end,
        course=course,
        zone=zone,
        seed=seed,
        executed=execute,
        left_out=served.left_out,
        partly=served.partly,
    )


def _require_few(served: "Hollow", start: datetime, end: datetime, most: int) -> int:
    """Return how many ticks are to be expected, if they are not too many."""
    from aioclock.cli._simulations import estimate

    ticks = {key: estimate(task.trigger, start, end) for key, task in served.app.tasks.items()}
    expected = sum(ticks.values())
    if expected > most:
        key = max(ticks, key=ticks.__getitem__)
        raise CommandError(
            f"that would take {expected:,} ticks, {ticks[key]:,} of them of {key!r}, and --max-runs is {most:,}; "
            "simulate fewer days, or raise it"
        )
    return expected


@contextmanager
def _failures_told() -> Iterator[None]:
    """Turn what ends a serving into the end of the command."""
    from traceback import format_exception

    from aioclock.exceptions import BaseAioClockException

    try:
        yield
    except (Exception, SystemExit) as error:
        raise CommandError(
            f"the simulation failed: {type(error).__name__}: {error}",
            code=FAILED,
            # An error of ours says itself what is wrong.
            details=None if isinstance(error, BaseAioClockException) else "".join(format_exception(error)),
        ) from error


@contextmanager
def _progress(*, shown: bool) -> Iterator[Callable[[float], None]]:
    """Show on a terminal how far it is."""
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not (shown and console.is_terminal)) as progress:
        task = progress.add_task("simulating", total=1.0)

        def tell(part: float) -> None:
            progress.update(task, completed=part)

        yield tell
