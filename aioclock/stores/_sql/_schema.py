"""Scripts that make the tables and look after them."""

from collections.abc import Sequence

from aioclock.exceptions import StoreError
from aioclock.stores._sql._dialects import Dialect
from aioclock.stores._sql._migrations import LATEST, MIGRATIONS, Migration, statements_of
from aioclock.stores._sql._statements import Script, Statement, ask, clock, each, tell

__all__ = ["migrate", "prepare", "problems", "version"]


def version(dialect: Dialect) -> Script[int]:
    """Return the version of the schema, 0 if there is none."""
    if not (yield Statement(dialect.has_tables, {})):
        return 0
    rows = yield from ask("SELECT value FROM aioclock_meta WHERE name = :name", name="schema")
    return int(rows[0][0]) if rows else 0


def prepare(dialect: Dialect, name: str) -> Script[None]:
    """Make an empty database ready; refuse what this version of aioclock can't work with."""
    found, pending = yield from _pending(dialect, name)
    if found and not all(migration.adds_only for migration in pending):
        raise StoreError(
            f"the store {name} was made by an older aioclock (schema {found}, this one needs {LATEST}); "
            "stop what uses it and run `aioclock store upgrade`"
        )
    if pending:
        yield from migrate(dialect, name)


def migrate(dialect: Dialect, name: str) -> Script[list[int]]:
    """Bring the schema up to date and return the versions that it went through."""
    yield from each(dialect.begin_migration)
    # Another process may have done it by now.
    _, pending = yield from _pending(dialect, name)
    for migration in pending:
        yield from _apply(dialect, migration)
    yield from each(dialect.end_migration)
    return [migration.version for migration in pending]


def _pending(dialect: Dialect, name: str) -> Script[tuple[int, list[Migration]]]:
    """Return the version of the schema, and what is missing to the latest."""
    found = yield from version(dialect)
    if found > LATEST:
        raise StoreError(
            f"the store {name} was made by a newer aioclock (schema {found}, this one knows {LATEST}); update aioclock"
        )
    return found, [migration for migration in MIGRATIONS if migration.version > found]


def _apply(dialect: Dialect, migration: Migration) -> Script[None]:
    yield from each(statements_of(migration, dialect))
    for name, value in _META.items():
        # Several processes may be here at once where the database can't lock a change of tables.
        yield from ask(dialect.insert_meta, name=name, value=value)
    yield from tell(
        "UPDATE aioclock_meta SET value = :version WHERE name = 'schema' AND value < :version",
        [{"version": migration.version}],
    )


_META = {"schema": 0, "sequence": 0, "changes": 0}
"""Rows that are there: the schema's version, the number of the latest event, and one that is there to be locked."""


def problems(dialect: Dialect, node_clock: int | None) -> Script[list[str]]:
    """Return what is wrong with the store, in words.

    Args:
        node_clock: What this process's clock shows; None if that is the store's, too.
    """
    found = yield from version(dialect)
    if found != LATEST:
        return [f"its schema is {found or 'missing'}, this aioclock needs {LATEST}: run `aioclock store upgrade`"]
    now = yield from clock(dialect)
    said: Sequence[str] = [] if node_clock is None else _about_clocks(now, node_clock)
    left = yield from ask(
        "SELECT COUNT(*), MIN(lease_until) FROM aioclock_run "
        "WHERE state IN ('running', 'waiting') AND lease_until < :since",
        since=now - _GRACE_US,
    )
    count, oldest = left[0]
    if count:
        said = [*said, f"{count} runs are past their leases, the first since {_ago(now - oldest)}: nobody reaps them"]
    return list(said)


_GRACE_US = 60_000_000
_SKEW_US = 1_000_000


def _about_clocks(now: int, node_clock: int) -> list[str]:
    ahead = node_clock - now
    if abs(ahead) < _SKEW_US:
        return []
    return [f"this machine's clock is {abs(ahead) / 1e6:.1f} s {'ahead of' if ahead > 0 else 'behind'} the store's"]


def _ago(us: int) -> str:
    return f"{us / 1e6:.0f} s" if us < 86_400_000_000 else f"{us / 86_400e6:.0f} days"
