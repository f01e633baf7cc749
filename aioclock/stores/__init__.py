"""What remains: stores, which keep tasks and runs beyond the end of a process, for one process or many."""

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
