"""`aioclock pause` and `aioclock resume`: tasks that rest, in all processes."""

from typing import TYPE_CHECKING, Annotated

import typer

from aioclock.cli._options import App, Factory, Json, StoreAddress, StoredKey
from aioclock.cli._output import print_json

if TYPE_CHECKING:
    from aioclock.stores import TaskState

__all__ = ["pause", "resume"]


def pause(
    app: App = None,
    key: StoredKey = None,
    *,
    note: Annotated[str | None, typer.Option("--note", help="Why, for those who look at the task.")] = None,
    store: StoreAddress = None,
    factory: Factory = None,
    as_json: Json = False,
) -> None:
    """Pause a task in all processes, now and later.

    Its ticks are skipped, with the reason `paused`, until it is resumed. Processes that serve take about a second to
    know it; a run that goes on may finish.
    """
    state, _ = _changed(app, key, store, paused=True, note=note, factory=factory)
    _tell(state, f"{state.key} is paused{f': {state.note}' if state.note else ''}", as_json=as_json)


def resume(
    app: App = None,
    key: StoredKey = None,
    *,
    store: StoreAddress = None,
    factory: Factory = None,
    as_json: Json = False,
) -> None:
    """Let a paused task run again, in all processes.

    It runs from its next tick on; those that it missed are not made up for.
    """
    state, was_paused = _changed(app, key, store, paused=False, note=None, factory=factory)
    _tell(state, f"{state.key} {'runs again' if was_paused else 'was not paused'}", as_json=as_json)


def _tell(state: "TaskState", text: str, *, as_json: bool) -> None:
    if as_json:
        print_json({"key": state.key, "paused": state.paused, "note": state.note})
    else:
        typer.echo(text)


def _changed(
    app: str | None, ref: str | None, address: str | None, *, paused: bool, note: str | None, factory: bool | None
) -> "tuple[TaskState, bool]":
    """Return the task as it is after the change, and whether it was paused before."""
    from aioclock.cli._errors import FAILED, CommandError
    from aioclock.cli._stores._source import app_and_rest, source_of, worked_in
    from aioclock.cli._stores._words import operator
    from aioclock.stores import Change, Store, TaskState

    app, ref = app_and_rest(app, ref, address)
    source = source_of(app, address, factory=factory)

    async def change(store: Store) -> tuple[TaskState, bool]:
        states = {state.key: state for state in await store.tasks()}
        before = states[source.key(ref, states)]
        if not paused and not before.paused:
            return before, False
        [after] = await store.change([Change(key=before.key, paused=paused, note=note, by=operator())])
        if after is None:  # forgotten in this very moment, by an import
            raise CommandError(f"the store {store.name} knows no task {before.key!r} any more", code=FAILED)
        return after, before.paused

    return worked_in(source, change)
