"""`aioclock state`: what a store keeps of tasks, as a file."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from aioclock.cli._errors import FAILED, CommandError
from aioclock.cli._help import paragraphs
from aioclock.cli._options import App, Factory, Json, StoreAddress
from aioclock.cli._output import print_json, takes_any_letter

__all__ = ["state_commands"]

state_commands = typer.Typer(no_args_is_help=True, help="Move what a store keeps of tasks: export and import it.")

Format = Literal["json", "yaml"]


def export_state(
    app: App = None,
    *,
    form: Annotated[
        Format | None,
        typer.Option("--format", help="How it is written.", show_default="as the file is called, else yaml"),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write it there; left out: print it.")
    ] = None,
    store: StoreAddress = None,
    factory: Factory = None,
    as_json: Annotated[bool, typer.Option("--json", help="The same as --format json.", show_default=False)] = False,
) -> None:
    """Write what the store keeps of all tasks.

    Where schedules stand, who is paused and why, overrides, failures in a row: all that another store needs to go on
    from there. Runs and events are not part of it.
    """
    from datetime import UTC, datetime

    from aioclock.cli._stores._document import document_of, written
    from aioclock.cli._stores._source import source_of, worked_in

    form = "json" if as_json else form or _format_of(output)
    source = source_of(app, store, factory=factory)
    tasks = worked_in(source, lambda store: store.tasks())
    document = document_of(tasks, store=source.store.name, at=datetime.now(UTC))
    text = written(document, form, any_letter=output is not None or takes_any_letter())
    if output is None:
        typer.echo(text, nl=False)
        return
    try:
        output.write_text(text, encoding="utf-8")
    except OSError as error:
        raise CommandError(f"{output} can't be written: {error.strerror}", code=FAILED) from error
    typer.echo(f"{len(tasks):,} {'task' if len(tasks) == 1 else 'tasks'} written to {output}")


def _format_of(output: Path | None) -> Format:
    return "json" if output is not None and output.suffix.lower() == ".json" else "yaml"


def import_state(
    app: App = None,
    file: Annotated[
        str | None, typer.Argument(metavar="FILE", help="What `state export` has written.", show_default=False)
    ] = None,
    *,
    replace: Annotated[
        bool,
        typer.Option("--replace", help="Forget all other tasks, and their runs.", show_default=False),
    ] = False,
    store: StoreAddress = None,
    factory: Factory = None,
    as_json: Json = False,
) -> None:
    """Take over what `state export` has written.

    Tasks of the file are written into the store, and others stay as they are, unless --replace is given. Of a task
    that the store knows, what has run stays run: its cursor never moves back. Nothing is written if anything is wrong
    with the file.
    """
    from aioclock.cli._stores._reading import read_tasks
    from aioclock.cli._stores._source import app_and_rest, source_of, worked_in
    from aioclock.exceptions import ConfigurationError
    from aioclock.stores import Store

    app, file = app_and_rest(app, file, store, what="which file? name the app and the file, as in module:app FILE")
    source = source_of(app, store, factory=factory)
    try:
        tasks = read_tasks(file)
    except ConfigurationError as error:
        raise CommandError(str(error)) from error

    async def restore(store: Store) -> list[str]:
        others = {state.key for state in await store.tasks()} - {task.key for task in tasks} if replace else set()
        await store.restore(tasks, replace=replace)
        return sorted(others)

    forgotten = worked_in(source, restore, creates=True)
    if as_json:
        keys = [task.key for task in tasks]
        print_json({"store": source.store.name, "tasks": keys, "replaced": replace, "forgotten": forgotten})
        return
    others = f"; forgotten: {', '.join(forgotten)}" if forgotten else ""
    typer.echo(
        f"{len(tasks):,} {'task' if len(tasks) == 1 else 'tasks'} written to the store {source.store.name}{others}"
    )


for name, function, example in (
    ("export", export_state, "shop/tasks.py:app -o state.yaml"),
    ("import", import_state, "--store postgresql+asyncpg://db/clock state.yaml"),
):
    state_commands.command(name, help=paragraphs(function), epilog=f"Example: aioclock state {name} {example}")(
        function
    )
