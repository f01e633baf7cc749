"""The tables, and how they came to be what they are.

A migration is never changed once it was released. Its statements do no harm when they are repeated: MySQL commits each
one by itself.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from aioclock.stores._sql._dialects import Dialect

__all__ = ["LATEST", "MIGRATIONS", "Index", "Migration", "Table", "statements_of"]


@dataclass(frozen=True, slots=True)
class Index:
    """An index; with *only* of the rows that meet a condition, where the database can do that."""

    name: str
    columns: str
    only: str | None = None


@dataclass(frozen=True, slots=True)
class Table:
    """A new table; columns are of the dialects' types."""

    name: str
    columns: Mapping[str, str]
    constraints: tuple[str, ...] = ()
    indexes: tuple[Index, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Migration:
    """What leads to the schema with number *version* from the one before."""

    version: int
    adds_only: bool
    """Whether processes of the version before can go on with the new schema: then opening a store does it."""
    tables: tuple[Table, ...] = ()
    statements: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """More, by the name of the dialect."""


_OPEN = "state IN ('running', 'waiting')"

_TASK = Table(
    "aioclock_task",
    {
        '"key"': "key",
        "anchor": "int",
        '"cursor"': "int",
        "fence": "int",
        "generation": "int",
        "fired": "int",
        "paused": "flag",
        "note": "text",
        "override_trigger": "text",
        "fingerprint": "text",
        "last_success": "time",
        "failures": "int",
        "holder": "text",
        "held_until": "int",
        "changed_at": "int",
    },
    ('PRIMARY KEY ("key")',),
    (Index("aioclock_task_changed", "changed_at"),),
)

_RUN = Table(
    "aioclock_run",
    {
        "number": "number",
        "id": "id",
        "task_key": "key",
        "kind": "word",
        "tick": "int",
        "attempt": "int",
        "fence": "int",
        "claim_id": "id",
        "state": "word",
        "owner": "id",
        "lease_until": "int",
        "on_lost": "word",
        "cancel_requested": "flag",
        "covers_from": "int",
        "missed": "int",
        "created": "int",
        "started": "time",
        "finished": "time",
        "reason": "text",
        "error_type": "text",
        "error_message": "text",
        "error_traceback": "text",
        "output": "text",
        "previous_success": "time",
    },
    (
        "CONSTRAINT aioclock_run_id UNIQUE (id)",
        # No two runs of a kind answer one tick, whatever else goes wrong.
        "CONSTRAINT aioclock_run_tick UNIQUE (task_key, kind, tick)",
    ),
    (
        Index("aioclock_run_claim", "claim_id"),
        Index("aioclock_run_open", "state, lease_until", _OPEN),
        Index("aioclock_run_of_task", "task_key, state", _OPEN),
        Index("aioclock_run_history", "task_key, number"),
        Index("aioclock_run_finished", "finished"),
    ),
)

_NODE = Table(
    "aioclock_node",
    {"id": "id", "label": "text", "started_at": "int", "seen_at": "int"},
    ("PRIMARY KEY (id)",),
)

_EVENT = Table(
    "aioclock_event",
    {
        "sequence": "int",
        "noted_at": "int",
        "kind": "word",
        "task_key": "text",
        "run_id": "text",
        "node": "text",
        "remark": "text",
    },
    ("PRIMARY KEY (sequence)",),
    (Index("aioclock_event_noted", "noted_at"),),
)

_META = Table("aioclock_meta", {"name": "word", "value": "int"}, ("PRIMARY KEY (name)",))

MIGRATIONS = (Migration(version=1, adds_only=True, tables=(_TASK, _RUN, _NODE, _EVENT, _META)),)

LATEST = MIGRATIONS[-1].version


def statements_of(migration: Migration, dialect: Dialect) -> list[str]:
    """Return what brings the schema from the version before to that of *migration*."""
    made = [sql for table in migration.tables for sql in _created(table, dialect)]
    return made + list(migration.statements.get(dialect.name, ()))


def _created(table: Table, dialect: Dialect) -> list[str]:
    parts = [f"{name} {dialect.types[kind]}" for name, kind in table.columns.items()]
    parts += table.constraints
    if dialect.indexes_inline:
        parts += [f"INDEX {index.name} ({index.columns})" for index in table.indexes]
    made = [f"CREATE TABLE IF NOT EXISTS {table.name} ({', '.join(parts)}){dialect.types['options']}"]
    if not dialect.indexes_inline:
        made += [_index(index, table) for index in table.indexes]
    return made


def _index(index: Index, table: Table) -> str:
    condition = f" WHERE {index.only}" if index.only else ""
    return f"CREATE INDEX IF NOT EXISTS {index.name} ON {table.name} ({index.columns}){condition}"
