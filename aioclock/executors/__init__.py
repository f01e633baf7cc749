"""Where a function runs: on the event loop or in a worker thread."""

from aioclock.executors._threads import as_async, cancel

__all__ = ["as_async", "cancel"]
