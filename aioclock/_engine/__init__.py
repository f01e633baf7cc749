"""The engine: turns ticks into runs. Nothing in here is public."""

from aioclock._engine.entry import LIFECYCLE, Entry
from aioclock._engine.ledger import RunObserver
from aioclock._engine.lifespan import Lifespan, lifespan_opener, require_lifespan
from aioclock._engine.listener import require_kinds
from aioclock._engine.listeners import Listeners
from aioclock._engine.log_records import mark_log_records
from aioclock._engine.lookup import TaskRef, key_of, keys_of
from aioclock._engine.roster import Roster
from aioclock._engine.serving import Serving
from aioclock._engine.serving_task import end_of

__all__ = [
    "LIFECYCLE",
    "Entry",
    "Lifespan",
    "Listeners",
    "Roster",
    "RunObserver",
    "Serving",
    "TaskRef",
    "end_of",
    "key_of",
    "keys_of",
    "lifespan_opener",
    "mark_log_records",
    "require_kinds",
    "require_lifespan",
]
