"""All commands, by name. Each module imports what its command needs only when that runs: a help text is quick."""

import sys
from typing import Annotated

import typer

from aioclock.cli._check import check
from aioclock.cli._errors import CommandError
from aioclock.cli._export import export
from aioclock.cli._help import markup_mode, paragraphs
from aioclock.cli._history import history
from aioclock.cli._list import list_tasks
from aioclock.cli._next import next_ticks
from aioclock.cli._output import print_error
from aioclock.cli._pause import pause, resume
from aioclock.cli._run import run
from aioclock.cli._schema import schema
from aioclock.cli._show import show
from aioclock.cli._simulate import simulate
from aioclock.cli._state import state_commands
from aioclock.cli._stats import stats
from aioclock.cli._store import store_commands
from aioclock.cli._trigger import trigger

__all__ = ["call"]

commands = typer.Typer(
    name="aioclock",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=markup_mode(),
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="APP is module:app, path/to/file.py:app or a configuration file; left out, it is AIOCLOCK_APP.",
)


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"aioclock {version('aioclock')}")
        raise typer.Exit


@commands.callback()
def aioclock(
    version: Annotated[
        bool, typer.Option("--version", help="Show the version and exit.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    """Run, look into, check and export the schedules of an aioclock app."""


for name, function, example in (
    ("run", run, "shop/tasks.py:app --log-format json"),
    ("next", next_ticks, "shop/tasks.py:app --from 2026-03-28T12:00Z"),
    ("list", list_tasks, "shop/tasks.py:app"),
    ("show", show, "shop/tasks.py:app send_invoices"),
    ("check", check, "shop/tasks.py:app --strict"),
    ("simulate", simulate, "shop/tasks.py:app --days 7"),
    ("trigger", trigger, "shop/tasks.py:app send_invoices"),
    ("history", history, "shop/tasks.py:app --since 2h --outcome failed"),
    ("stats", stats, "shop/tasks.py:app --since 7d"),
    ("pause", pause, 'shop/tasks.py:app send_invoices --note "until the bank answers"'),
    ("resume", resume, "shop/tasks.py:app send_invoices"),
    ("schema", schema, "> aioclock.schema.json"),
):
    commands.command(name, help=paragraphs(function), epilog=f"Example: aioclock {name} {example}")(function)
commands.add_typer(export, name="export", epilog="Example: aioclock export systemd shop/tasks.py:app -o units")
commands.add_typer(
    store_commands, name="store", epilog="Example: aioclock store prune shop/tasks.py:app --older-than 30d"
)
commands.add_typer(state_commands, name="state", epilog="Example: aioclock state export shop/tasks.py:app")


def call() -> None:
    """Run the command of the process's arguments; what it returns to the shell is its exit code."""
    try:
        commands()
    except CommandError as error:
        print_error(str(error), error.details)
        sys.exit(error.code)
