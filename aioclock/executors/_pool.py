"""Functions in worker processes: they can be killed, and what they compute keeps nobody waiting."""

from collections.abc import Awaitable, Callable
from functools import wraps
from typing import TYPE_CHECKING, Any

from aioclock.exceptions import TaskDeclarationError
from aioclock.executors._readiness import leave_unready_worker

if TYPE_CHECKING:
    from aioclock.executors._processes import Workers

__all__ = ["ProcessPool", "as_process_call"]


def as_process_call(func: Callable[..., Any], pool: "ProcessPool", *, owner: str) -> Callable[..., Awaitable[Any]]:
    """Return a coroutine function of the same signature as *func* that runs it in *pool*.

    Args:
        owner: Who asks, for the message.

    Raises:
        TaskDeclarationError: *func* can't be sent to another process.
    """
    from aioclock.executors._pickling import require_picklable  # see ProcessPool

    require_picklable(func, owner=owner)

    @wraps(func)
    async def in_process(*args: Any, **kwargs: Any) -> Any:
        return await pool.run(func, args, kwargs)

    return in_process


class ProcessPool:
    """Worker processes, started when needed and used again and again.

    Any event loop may use it, one after the other. What it takes to run processes is imported with the first one.

    Args:
        size: How many may work at once; left out, as many as there are processors for this process.
    """

    def __init__(self, size: int | None = None) -> None:
        if size is not None and size < 1:
            raise TaskDeclarationError(f"a pool of processes needs a size of at least 1, got {size}")
        self._size = size
        self._workers: Workers | None = None

    async def run(self, func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Return what *func* returns in a worker process, which is killed if this is cancelled.

        Raises:
            WorkerDiedError: the process died before the function returned, or could not be started.
            TypeError: an argument or the result can't be pickled.
        """
        leave_unready_worker()
        if self._workers is None:
            from aioclock.executors._processes import Workers

            self._workers = Workers(self._size)
        return await self._workers.run(func, args, kwargs)

    def close(self) -> None:
        """End idle workers and kill busy ones, without waiting; the pool can be used again afterwards."""
        if self._workers is not None:
            self._workers.close()
