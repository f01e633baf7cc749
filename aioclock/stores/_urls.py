"""From an address to a store."""

from importlib import import_module
from typing import Any

from aioclock.exceptions import StoreError
from aioclock.stores._memory import MemoryStore
from aioclock.stores._protocol import Store
from aioclock.utils import did_you_mean

__all__ = ["store_at"]

_HOMES = {
    "sqlite": ("aioclock.stores._sqlite", "SQLiteStore"),
    "postgresql": ("aioclock.stores._sqlalchemy", "SQLStore"),
    "mysql": ("aioclock.stores._sqlalchemy", "SQLStore"),
    "mariadb": ("aioclock.stores._sqlalchemy", "SQLStore"),
    "redis": ("aioclock.stores._redis", "RedisStore"),
    "rediss": ("aioclock.stores._redis", "RedisStore"),
}
_EXAMPLES = "sqlite:///clock.db, postgresql+asyncpg://host/db, mysql+aiomysql://host/db, redis://host/0 or memory://"


def store_at(address: str | Store) -> Store:
    """Return the store at *address*, a URL; a store itself is returned as it is. Nothing is connected yet.

    Raises:
        StoreError: no kind of store has such an address.
        ImportError: the packages that it needs are not installed; the message names the extra.
    """
    if not isinstance(address, str):
        if isinstance(address, Store):
            return address
        raise StoreError(f"a store is told by its URL, such as {_EXAMPLES}, or is a Store itself; got {address!r}")
    scheme, colon, _ = address.partition("://")
    if not colon:
        raise StoreError(f"{address!r} is no URL of a store; it looks like {_EXAMPLES}")
    kind = scheme.partition("+")[0]
    if scheme == "memory":
        return MemoryStore()
    if kind not in _HOMES:
        # Not the rest: it may hold a password.
        raise StoreError(
            f"no store has the scheme {scheme!r}{did_you_mean(kind, _HOMES)}; a URL looks like {_EXAMPLES}"
        )
    module, name = _HOMES[kind]
    made: Any = getattr(import_module(module), name)
    store: Store = made(address)
    return store
