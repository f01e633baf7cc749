"""Where a function runs: on the event loop or in a worker thread."""

from aioclock.executors._thread import as_async

__all__ = ["as_async"]
