"""Statements, and the scripts that are made of them."""

from collections.abc import Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, TypeAlias, TypeVar

from aioclock.stores._sql._dialects import Dialect

__all__ = ["BATCH", "Rows", "Script", "Statement", "ask", "batches", "begin", "clock", "each", "tell"]

T = TypeVar("T")

Rows: TypeAlias = Sequence[Sequence[Any]]

BATCH = 500
"""How many items a statement or transaction is about at most: databases limit parameters, and locks stay short."""


@dataclass(frozen=True, slots=True)
class Statement:
    """SQL with parameters such as `:name`; with a list of parameters it is executed for each."""

    sql: str
    params: Mapping[str, Any] | Sequence[Mapping[str, Any]]


Script: TypeAlias = Generator[Statement, Rows, T]


def ask(sql: str, **params: Any) -> Script[Rows]:
    """Execute one statement; a list as a parameter stands for as many parameters, in parentheses."""
    for name, value in params.copy().items():
        if isinstance(value, list):
            del params[name]
            items = _padded(value)
            names = [f"{name}_{index}" for index in range(len(items))]
            params.update(zip(names, items, strict=True))
            sql = sql.replace(f":{name}", f"({', '.join(f':{each}' for each in names)})")
    return (yield Statement(sql, params))


def _padded(values: list[Any]) -> list[Any]:
    # Lists of few lengths make few statements, which databases and drivers keep prepared.
    length = 1 << (len(values) - 1).bit_length()
    return values + values[-1:] * (length - len(values))


def tell(sql: str, rows: Sequence[Mapping[str, Any]]) -> Script[None]:
    """Execute a statement for each of *rows*."""
    for some in batches(rows):
        yield Statement(sql, some[0] if len(some) == 1 else some)


def batches(items: Iterable[T]) -> Iterable[list[T]]:
    """Return *items* in lists of at most `BATCH`."""
    rest = iter(items)
    while batch := list(islice(rest, BATCH)):
        yield batch


def begin(dialect: Dialect) -> Script[None]:
    """Be in a transaction that may write, from here on."""
    yield from each(dialect.begin)


def each(statements: Iterable[str]) -> Script[None]:
    """Execute statements that have no parameters."""
    for sql in statements:
        yield Statement(sql, {})


def clock(dialect: Dialect) -> Script[int]:
    """Return the store's time. It is asked for once locks are held: what another wrote under them was earlier."""
    rows = yield Statement(f"SELECT {dialect.clock}", {})
    return int(rows[0][0])
