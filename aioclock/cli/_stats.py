"""`aioclock stats`: how tasks fare."""

from typing import TYPE_CHECKING

import typer

from aioclock.cli._options import App, Factory, Json, Since, StoreAddress, StoredTasks
from aioclock.cli._output import print_json

if TYPE_CHECKING:
    from datetime import datetime

    from aioclock.cli._stores._source import Source
    from aioclock.cli._stores._tally import Tally

__all__ = ["stats"]

MOST = 10_000
"""Runs of a task that are looked at."""


def stats(
    app: App = None,
    *,
    task: StoredTasks = None,
    since: Since = None,
    store: StoreAddress = None,
    factory: Factory = None,
    as_json: Json = False,
) -> None:
    """Show how each task fares: outcomes, durations, lateness.

    All processes together, over the runs that the store still has, of each task the latest 10,000. The success rate
    leaves skipped and cancelled runs aside.
    """
    from datetime import UTC, datetime

    from aioclock.cli._moments import since_of
    from aioclock.cli._stores._source import source_of
    from aioclock.cli._stores._tally import print_tallies

    earliest = None if since is None else since_of(since, "--since", datetime.now(UTC))
    source = source_of(app, store, factory=factory)
    tallies = _tallies(source, task or [], earliest)
    if as_json:
        print_json({"store": source.store.name, "since": earliest, "tasks": [tally.as_json() for tally in tallies]})
    elif tallies:
        print_tallies(tallies)
    else:
        typer.echo("the store knows no tasks")


def _tallies(source: "Source", refs: list[str], since: "datetime | None") -> "list[Tally]":
    from aioclock.cli._stores._source import worked_in
    from aioclock.cli._stores._tally import Tally
    from aioclock.cli._stores._words import micros_of
    from aioclock.stores import RunQuery, Store

    earliest = None if since is None else micros_of(since)

    async def look(store: Store) -> list[Tally]:
        states = await store.tasks(await source.keys(store, refs))
        tallies = []
        for state in states:  # one by one, for their runs together may be very many
            query = RunQuery(task_keys=(state.key,), since=earliest, limit=MOST + 1)
            tallies.append(Tally.of(state, await store.runs(query), most=MOST))
        return tallies

    return worked_in(source, look)
