"""What the errors of SQLAlchemy and its drivers mean, told by their codes."""

from collections.abc import Iterator

from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from aioclock.exceptions import StoreError, StoreUnavailableError

__all__ = ["is_conflict", "is_disconnect", "store_error"]

_CONFLICTS = {
    *("40001", "40P01", "23505"),  # PostgreSQL: serialization failure, deadlock, somebody else was first to insert
    *(1213, 1020, 1062),  # MySQL: deadlock, changed since last read, somebody else was first to insert
}

_TRANSIENT_CLASSES = ("08", "40", "53", "57", "58")
"""PostgreSQL: connection, rollback, resources (disk full, too many connections), operator intervention, system."""

_TRANSIENT = {
    # PostgreSQL: idle in transaction for too long, lock not available, read-only (as after a switch to another server)
    *("25P03", "25P04", "55P03", "25006"),
    # MySQL: too many connections (1040, 1203, 1226), disk or table full (1021, 1114), shutdown (1053), host blocked
    # (1129), lost or slow on the network (1158 to 1161), waited too long for a lock (1205), interrupted (1317, 1969,
    # 3024), read-only (1290, 1792, 1836), killed (1927), idle for too long (4031), Galera not ready (1047)
    *(1040, 1203, 1226, 1021, 1114, 1053, 1129, 1158, 1159, 1160, 1161, 1205, 1317, 1969, 3024, 1290, 1792, 1836, 1927),
    *(4031, 1047),
    # MySQL's clients: can't connect, gone away, lost
    *(2002, 2003, 2006, 2013, 2014, 2055),
}

_LOST = {"25P03", "57P01", "57P02", "57P05", 1927, 2006, 2013, 2055, 4031}
"""The connection is gone, the next one may be fine."""


def is_conflict(error: BaseException) -> bool:
    """Tell whether the transaction was given up in favour of others: it will succeed when it is repeated."""
    return _code(error) in _CONFLICTS


def is_disconnect(error: BaseException) -> bool:
    """Tell whether a connection that stood before was found to be gone."""
    return isinstance(error, DBAPIError) and (error.connection_invalidated or _code(error) in _LOST)


def store_error(error: BaseException, name: str) -> StoreError:
    """Return *error* of the store *name* as users see it: without SQL, which could tell secrets."""
    kind = StoreUnavailableError if _is_transient(error) else StoreError
    return kind(f"the store {name}: {_said(error)}")


def _is_transient(error: BaseException) -> bool:
    # What has a code is told by it, for drivers have various ideas of classes.
    code = _code(error)
    if code is not None:
        return code in _TRANSIENT or code in _CONFLICTS or (isinstance(code, str) and code[:2] in _TRANSIENT_CLASSES)
    if isinstance(error, PoolTimeoutError) or is_disconnect(error):
        return True
    return any(isinstance(each, OSError | EOFError) or _is_about_connections(each) for each in _chain(error))


def _is_about_connections(error: BaseException) -> bool:
    names = {kind.__name__ for kind in type(error).__mro__}
    return bool(names & {"InterfaceError", "OperationalError", "InternalClientError"}) and "DataError" not in names


def _code(error: BaseException) -> str | int | None:
    for each in _chain(error):
        # MySQL's drivers have a state as well, which tells less.
        if _is_numbered(each):
            return int(each.args[0])
        state = getattr(each, "sqlstate", None)
        if isinstance(state, str):
            return state
    return None


def _is_numbered(error: BaseException) -> bool:
    """Tell whether *error* is one of MySQL's, which come with number and text."""
    return (
        len(error.args) > 1 and isinstance(error.args[0], int) and error.args[0] > 0 and not isinstance(error, OSError)
    )


def _said(error: BaseException) -> str:
    if isinstance(error, TimeoutError) and not str(error):
        return "no answer in time"
    root = list(_chain(error))[-1]
    said = root.args[1] if _is_numbered(root) else root
    return " ".join((str(said) or type(root).__name__).split("\n")[0].split())


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Return *error* and what it is about: SQLAlchemy's, the driver's, the system's."""
    seen: BaseException | None = error
    while seen is not None:
        yield seen
        seen = getattr(seen, "orig", None) or seen.__cause__
