"""Where a function runs: on the event loop, in a worker thread or in a worker process."""

from aioclock.executors._loop import as_loop_call, executor_for, require_executor
from aioclock.executors._pool import ProcessPool, as_process_call
from aioclock.executors._readiness import leave_unready_worker
from aioclock.executors._threads import as_async, cancel

__all__ = [
    "ProcessPool",
    "as_async",
    "as_loop_call",
    "as_process_call",
    "cancel",
    "executor_for",
    "leave_unready_worker",
    "require_executor",
]
