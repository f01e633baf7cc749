"""Scripts about the past: runs, events, and forgetting them."""

from typing import Any

from aioclock.stores._sql._dialects import Dialect
from aioclock.stores._sql._rows import RUN_COLUMNS, runs_in
from aioclock.stores._sql._statements import BATCH, Script, ask, begin
from aioclock.stores._words import Note, RunQuery, RunRecord

__all__ = ["notes", "prune_rest", "prune_runs", "runs"]


def runs(query: RunQuery) -> Script[list[RunRecord]]:
    """Return runs, newest claim first."""
    conditions: list[str] = []
    params: dict[str, Any] = {}
    for condition, name, value in (
        ("task_key IN :keys", "keys", query.task_keys),
        ("state IN :states", "states", query.states),
        ("tick >= :since", "since", query.since),
    ):
        if value == ():
            return []
        if value is not None:
            conditions.append(condition)
            params[name] = list(dict.fromkeys(value)) if isinstance(value, tuple) else value
    where = f"WHERE {' AND '.join(conditions)} " if conditions else ""
    rows = yield from ask(
        f"SELECT {RUN_COLUMNS} FROM aioclock_run {where}ORDER BY number DESC LIMIT :limit", limit=query.limit, **params
    )
    return runs_in(rows)


def notes(after: int, limit: int) -> Script[list[Note]]:
    """Return entries of the sequence of events."""
    rows = yield from ask(
        "SELECT sequence, noted_at, kind, task_key, run_id, node, remark FROM aioclock_event "
        "WHERE sequence > :after ORDER BY sequence LIMIT :limit",
        after=after,
        limit=limit,
    )
    return [
        Note(sequence=sequence, at=at, kind=kind, task_key=task_key, run_id=run_id, node=node, text=text)
        for sequence, at, kind, task_key, run_id, node, text in rows
    ]


def prune_runs(dialect: Dialect, before: int) -> Script[int]:
    """Delete a batch of runs that ended before *before*, and return how many: 0 when none is left."""
    yield from begin(dialect)
    rows = yield from ask(
        f"SELECT number FROM aioclock_run WHERE finished < :before ORDER BY finished LIMIT {BATCH}{dialect.for_update}",
        before=before,
    )
    if rows:
        yield from ask("DELETE FROM aioclock_run WHERE number IN :numbers", numbers=[number for (number,) in rows])
    return len(rows)


def prune_rest(dialect: Dialect, before: int) -> Script[None]:
    """Delete events and processes from before *before*."""
    yield from begin(dialect)
    yield from ask("DELETE FROM aioclock_event WHERE noted_at < :before", before=before)
    yield from ask("DELETE FROM aioclock_node WHERE seen_at < :before", before=before)
