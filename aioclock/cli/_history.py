"""`aioclock history`: what a store has on record."""

from typing import TYPE_CHECKING, Annotated

import typer

from aioclock.cli._errors import CommandError
from aioclock.cli._options import App, Factory, Json, Since, StoreAddress, StoredTasks
from aioclock.cli._output import print_json

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from aioclock.cli._stores._source import Source

__all__ = ["history"]


def history(
    app: App = None,
    *,
    task: StoredTasks = None,
    outcome: Annotated[
        list[str] | None,
        typer.Option(
            "--outcome",
            metavar="OUTCOME",
            help="Only runs that ended like that (failed, skipped, ..) or go on (running, waiting); may be repeated.",
        ),
    ] = None,
    since: Since = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="How many at most.")] = 50,
    audit: Annotated[
        bool,
        typer.Option(
            "--audit", help="What was done to tasks, and what went wrong, instead of runs.", show_default=False
        ),
    ] = False,
    store: StoreAddress = None,
    factory: Factory = None,
    as_json: Json = False,
) -> None:
    """Show the runs of all processes, newest first.

    Runs that go on are among them, and ticks that were skipped, with the reason. Times are in UTC. --audit shows the
    store's sequence of events: schedules registered, edited and replaced, tasks paused and resumed, runs that failed
    or were lost, processes that joined and left.
    """
    from datetime import UTC, datetime

    from aioclock.cli._moments import since_of
    from aioclock.cli._stores._source import source_of

    if audit and outcome:
        raise CommandError("--outcome is for runs; --audit shows none")
    states = _states(outcome or ())
    now = datetime.now(UTC)
    earliest = None if since is None else since_of(since, "--since", now)
    source = source_of(app, store, factory=factory)
    if audit:
        _show_notes(source, task or [], earliest, limit, as_json=as_json)
    else:
        _show_runs(source, task or [], states, earliest, limit, now, as_json=as_json)


def _states(given: "Iterable[str]") -> tuple[str, ...] | None:
    from aioclock.runs import Outcome
    from aioclock.stores._words import OPEN_STATES
    from aioclock.utils import did_you_mean

    known = (*(outcome.value for outcome in Outcome), *OPEN_STATES)
    for name in given:
        if name not in known:
            raise CommandError(f"--outcome must be one of {', '.join(known)}, got {name!r}{did_you_mean(name, known)}")
    return tuple(given) or None


def _show_runs(
    source: "Source",
    refs: list[str],
    states: tuple[str, ...] | None,
    since: "datetime | None",
    limit: int,
    now: "datetime",
    *,
    as_json: bool,
) -> None:
    from aioclock.cli._stores._runs import print_runs, run_as_json
    from aioclock.cli._stores._source import worked_in
    from aioclock.cli._stores._words import micros_of
    from aioclock.stores import RunQuery, RunRecord, Store

    async def look(store: Store) -> list[RunRecord]:
        keys = await source.keys(store, refs)
        query = RunQuery(
            task_keys=None if keys is None else tuple(keys),
            states=states,
            since=None if since is None else micros_of(since),
            limit=limit,
        )
        return await store.runs(query)

    records = worked_in(source, look)
    if as_json:
        print_json({"store": source.store.name, "runs": [run_as_json(record) for record in records]})
    elif records:
        print_runs(records, now)
    else:
        typer.echo("no runs")


def _show_notes(source: "Source", refs: list[str], since: "datetime | None", limit: int, *, as_json: bool) -> None:
    from aioclock.cli._stores._audit import Audit, latest_notes, note_as_json, print_notes
    from aioclock.cli._stores._source import worked_in
    from aioclock.stores import Store

    async def look(store: Store) -> Audit:
        return await latest_notes(store, keys=await source.keys(store, refs), since=since, limit=limit)

    audit = worked_in(source, look)
    if as_json:
        print_json({"store": source.store.name, "events": [note_as_json(note) for note in audit.notes]})
    elif audit.notes:
        print_notes(audit)
    else:
        typer.echo("no events")
