"""What goes on in the background while a session lasts."""

import asyncio
from collections.abc import Coroutine
from contextvars import copy_context
from typing import Any

from aioclock.logger import logger

__all__ = ["Jobs"]


class Jobs:
    """Owns the coroutines that work on the store beside everything else."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._context = copy_context()  # not that of whoever gives a job, which may be a run
        self._jobs: set[asyncio.Task[None]] = set()

    def start(self, work: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
        """Let *work* go on until it ends, or all do."""
        job = self._loop.create_task(work, name="aioclock store", context=self._context.copy())
        self._jobs.add(job)
        job.add_done_callback(self._ended)
        return job

    def _ended(self, job: "asyncio.Task[None]") -> None:
        self._jobs.discard(job)
        if not job.cancelled() and (error := job.exception()) is not None:
            logger.critical("work on the store ended by an error", exc_info=error)

    async def end(self) -> None:
        """Cancel all, and return when nothing of them is left."""
        jobs = list(self._jobs)
        for job in jobs:
            job.cancel()
        if jobs:
            await asyncio.wait(jobs)
