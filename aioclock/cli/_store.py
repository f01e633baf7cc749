"""`aioclock store`: looking after a store."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any

import typer

from aioclock.cli._errors import FAILED
from aioclock.cli._help import paragraphs
from aioclock.cli._options import App, Factory, Json, StoreAddress
from aioclock.cli._output import print_json, stdout

__all__ = ["store_commands"]

store_commands = typer.Typer(no_args_is_help=True, help="Look after the store: upgrade, prune and check it.")


def upgrade(app: App = None, *, store: StoreAddress = None, factory: Factory = None, as_json: Json = False) -> None:
    """Bring what an older aioclock has kept up to date.

    Stop what uses the store first, unless the release notes say that it need not be. A store that does not exist yet
    is made.
    """
    from aioclock.cli._stores._source import source_of, worked_in

    source = source_of(app, store, factory=factory)
    method = _optional(source.store, "upgrade")
    # A store that is out of date can't be opened.
    versions = worked_in(source, lambda _: method(), opens=False, creates=True) if method is not None else []
    if as_json:
        print_json({"store": source.store.name, "versions": versions})
    elif versions:
        typer.echo(f"the store {source.store.name} is of version {versions[-1]} now")
    else:
        typer.echo(f"the store {source.store.name} is up to date")


def prune(
    app: App = None,
    *,
    older_than: Annotated[
        str, typer.Option("--older-than", metavar="SPAN", help="How old, such as 30d.", show_default=False)
    ],
    store: StoreAddress = None,
    factory: Factory = None,
    as_json: Json = False,
) -> None:
    """Delete old runs and events.

    Those go that ended longer ago than --older-than. Tasks, and runs that go on, stay: nothing that has run runs again.
    """
    from datetime import UTC, datetime

    from aioclock.cli._moments import since_of, span_of
    from aioclock.cli._stores._source import source_of, worked_in
    from aioclock.cli._stores._words import micros_of

    span_of(older_than, "--older-than")
    before = since_of(older_than, "--older-than", datetime.now(UTC))
    source = source_of(app, store, factory=factory)
    deleted = worked_in(source, lambda store: store.prune(before=micros_of(before)))
    if as_json:
        print_json({"store": source.store.name, "before": before, "runs_deleted": deleted})
    else:
        typer.echo(
            f"{deleted:,} {'run' if deleted == 1 else 'runs'} deleted that ended before {before:%Y-%m-%d %H:%M} UTC"
        )


def check(app: App = None, *, store: StoreAddress = None, factory: Factory = None, as_json: Json = False) -> None:
    """Tell what is wrong with the store.

    Whether it can be reached, whether its version is that of this aioclock, and what the kind of store has rules for.
    Exit code 0: nothing is wrong; 1: something is, or the store can't be reached.
    """
    from aioclock.cli._stores._source import source_of, worked_in

    source = source_of(app, store, factory=factory)
    method = _optional(source.store, "check")
    problems = worked_in(source, lambda _: _nothing() if method is None else method(), opens=method is None)
    if as_json:
        print_json({"store": source.store.name, "problems": problems})
    else:
        for problem in problems:
            stdout().print(problem, style="yellow", soft_wrap=True)
        found = f"{len(problems)} {'problem' if len(problems) == 1 else 'problems'}" if problems else "no problems"
        typer.echo(f"{found} with the store {source.store.name}")
    if problems:
        raise typer.Exit(FAILED)


def _optional(store: Any, name: str) -> "Callable[[], Awaitable[list[Any]]] | None":
    """Return a method that not every store has."""
    method: Callable[[], Awaitable[list[Any]]] | None = getattr(store, name, None)
    return method


async def _nothing() -> list[str]:
    return []


for name, function, example in (
    ("upgrade", upgrade, "--store sqlite:///clock.db"),
    ("prune", prune, "shop/tasks.py:app --older-than 30d"),
    ("check", check, "shop/tasks.py:app"),
):
    store_commands.command(name, help=paragraphs(function), epilog=f"Example: aioclock store {name} {example}")(
        function
    )
