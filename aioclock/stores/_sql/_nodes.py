"""Scripts about processes: pulse, leave."""

from collections.abc import Iterable
from typing import Any

from aioclock.stores._ledger import Ledger
from aioclock.stores._sql._dialects import Dialect
from aioclock.stores._sql._records import OPEN, Sheet, lock_changes, locked_tasks, note, some_tasks
from aioclock.stores._sql._rows import TASK_COLUMNS, storable, tasks_in
from aioclock.stores._sql._statements import Script, ask, batches, begin, clock
from aioclock.stores._words import Node, Note, Pulse, PulseAnswer, TaskState

__all__ = ["leave", "pulse"]


def pulse(dialect: Dialect, pulse: Pulse) -> Script[PulseAnswer]:
    """Renew what a process has and tell what is new."""
    node = pulse.node.id
    yield from begin(dialect)
    yield from lock_changes(dialect.for_share)
    sheet = Sheet((yield from _within_reach(dialect, pulse)))
    mine = yield from _locked_runs(dialect, pulse.claims)
    now = yield from clock(dialect)
    until = now + pulse.lease
    held = frozenset(key for key in pulse.holds if sheet.hold(key, owner=node, until=until, now=now))
    yield from _renew(mine, until)
    changed = yield from _changed_since(pulse.since)
    yield from _seen(sheet, pulse.node, now)
    yield from sheet.written()
    return PulseAnswer(
        now=now,
        lost=frozenset(pulse.claims) - mine.keys(),
        cancelled=frozenset(claim for claim, cancelled in mine.items() if cancelled),
        held=held,
        changed=tuple(changed),
    )


def _within_reach(dialect: Dialect, pulse: Pulse) -> Script[list[TaskState]]:
    """Return, locked, the tasks that the process holds or may come to hold."""
    if not pulse.holds:
        return []
    now = yield from clock(dialect)
    probe = Ledger((yield from some_tasks(pulse.holds)))
    near = [key for key in pulse.holds if probe.hold(key, owner=pulse.node.id, until=0, now=now)]
    return (yield from locked_tasks(dialect, near))


def _locked_runs(dialect: Dialect, claims: Iterable[str]) -> Script[dict[str, bool]]:
    """Return which of *claims* have their runs, and of which of those somebody wants the end."""
    mine: dict[str, bool] = {}
    for some in batches(claims):
        rows = yield from ask(
            f"SELECT claim_id, cancel_requested FROM aioclock_run WHERE claim_id IN :claims AND {OPEN} "
            f"ORDER BY number{dialect.for_update}",
            claims=some,
        )
        mine |= {claim: bool(cancelled) for claim, cancelled in rows}
    return mine


def _renew(claims: Iterable[str], until: int) -> Script[None]:
    for some in batches(claims):
        yield from ask(
            "UPDATE aioclock_run SET lease_until = :until WHERE claim_id IN :claims", until=until, claims=some
        )


def _changed_since(since: int) -> Script[list[TaskState]]:
    if not since:
        return []
    rows = yield from ask(f"SELECT {TASK_COLUMNS} FROM aioclock_task WHERE changed_at > :since", since=since)
    return tasks_in(rows)


def _seen(sheet: Ledger, node: Node, now: int) -> Script[None]:
    params: dict[str, Any] = {"id": node.id, "now": now}
    if (yield from ask("SELECT 1 FROM aioclock_node WHERE id = :id", id=node.id)):
        yield from ask("UPDATE aioclock_node SET seen_at = :now WHERE id = :id", **params)
        return
    yield from ask(
        "INSERT INTO aioclock_node (id, label, started_at, seen_at) VALUES (:id, :label, :now, :now)",
        label=storable(node.label),
        **params,
    )
    sheet.note("joined", now, node=node.id, text=node.label)


def leave(dialect: Dialect, node_id: str) -> Script[None]:
    """Free what a process has."""
    yield from begin(dialect)
    rows = yield from ask('SELECT "key" FROM aioclock_task WHERE holder = :node', node=node_id)
    for task in (yield from locked_tasks(dialect, [key for (key,) in rows])):
        yield from ask(
            'UPDATE aioclock_task SET holder = NULL, held_until = 0 WHERE "key" = :key AND holder = :node',
            key=task.key,
            node=node_id,
        )
    yield from ask(f"UPDATE aioclock_run SET lease_until = 0 WHERE owner = :node AND {OPEN}", node=node_id)
    yield from _gone(dialect, node_id)


def _gone(dialect: Dialect, node_id: str) -> Script[None]:
    if not (yield from ask(f"SELECT 1 FROM aioclock_node WHERE id = :id{dialect.for_update}", id=node_id)):
        return
    now = yield from clock(dialect)
    yield from ask("DELETE FROM aioclock_node WHERE id = :id", id=node_id)
    yield from note([Note(sequence=0, at=now, kind="left", node=node_id)])
