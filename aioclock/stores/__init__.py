"""What remains: stores, which keep tasks and runs beyond the end of a process, for one process or many."""

from importlib import import_module
from typing import TYPE_CHECKING

from aioclock.stores._memory import MemoryStore
from aioclock.stores._protocol import Store, TransactionalStore
from aioclock.stores._urls import store_at
from aioclock.stores._words import (
    Change,
    Claim,
    Claimed,
    Finish,
    Finished,
    Node,
    Note,
    Pulse,
    PulseAnswer,
    Reaped,
    Registration,
    RunQuery,
    RunRecord,
    TaskState,
    Verdict,
)

if TYPE_CHECKING:
    from aioclock.stores._redis import RedisStore as RedisStore
    from aioclock.stores._sqlalchemy import SQLStore as SQLStore
    from aioclock.stores._sqlite import SQLiteStore as SQLiteStore

__all__ = [
    "Change",
    "Claim",
    "Claimed",
    "Finish",
    "Finished",
    "MemoryStore",
    "Node",
    "Note",
    "Pulse",
    "PulseAnswer",
    "Reaped",
    "Registration",
    "RunQuery",
    "RunRecord",
    "Store",
    "TaskState",
    "TransactionalStore",
    "Verdict",
    "store_at",
]

if not TYPE_CHECKING:  # for a checker, a `__getattr__` would make every name right
    # Not in `__all__`: what some of them need is in extras.
    _HOME_OF = {"RedisStore": "_redis", "SQLStore": "_sqlalchemy", "SQLiteStore": "_sqlite"}

    def __getattr__(name):
        if name not in _HOME_OF:
            raise AttributeError(f"module 'aioclock.stores' has no attribute {name!r}")
        return getattr(import_module(f"aioclock.stores.{_HOME_OF[name]}"), name)
