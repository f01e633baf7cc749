"""Worker processes: which there are, and which one is asked."""

import asyncio
import os
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor
from contextlib import contextmanager, suppress
from typing import Any
from weakref import WeakKeyDictionary

from aioclock.exceptions import WorkerDiedError
from aioclock.executors._handle import Worker, see_off
from aioclock.executors._pickling import pack, unpack
from aioclock.executors._readiness import UNGUARDED_MAIN
from aioclock.executors._worker import Failure, call, ready
from aioclock.runs import run_source
from aioclock.utils import callable_name

__all__ = ["Workers"]

GUARD_HINT = (
    'the main script runs its program when a worker process imports it; put that under `if __name__ == "__main__":`'
)
START_HINT = (
    "its own words are on stderr; every worker imports the main script, which must do no more than define things then"
)


class Workers:
    """The processes of one pool.

    Args:
        size: How many may work at once; None: as many as there are processors for this process.
    """

    def __init__(self, size: int | None) -> None:
        self._size = size or _usable_cpus()
        self._idle: list[Worker] = []
        self._busy: set[Worker] = set()
        self._places: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore] = WeakKeyDictionary()

    async def run(self, func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        source = run_source.get()
        payload = pack(func, args, kwargs, None if source is None else source.snapshot())
        name = callable_name(func)
        async with self._places_here():
            reply = await self._call(payload, name)
        return unpack(reply, name)

    def close(self) -> None:
        idle, self._idle = self._idle, []
        for worker in self._busy:
            worker.kill()
        for worker in idle:
            worker.end()
        if idle or self._busy:
            see_off(*idle, *self._busy)

    def _places_here(self) -> asyncio.Semaphore:
        loop = asyncio.get_running_loop()
        places = self._places.get(loop)
        if places is None:
            places = self._places[loop] = asyncio.Semaphore(self._size)
        return places

    async def _call(self, payload: bytes, name: str) -> bytes | Failure:
        while self._idle:
            with suppress(BrokenExecutor):  # it died while it was idle
                return await self._ask(self._idle.pop(), payload, name)
        worker = await self._start(name)
        try:
            return await self._ask(worker, payload, name)
        except BrokenExecutor:
            raise WorkerDiedError(
                f"worker process {worker.pid} died before it began {name!r} ({worker.death})"
            ) from None

    async def _ask(self, worker: Worker, payload: bytes, name: str) -> bytes | Failure:
        with self._occupied(worker):
            try:
                reply: bytes | Failure = await worker.ask(call, payload)
            except BrokenExecutor:
                if worker.never_began:
                    raise
                raise WorkerDiedError(f"worker process {worker.pid} died in {name!r} ({worker.death})") from None
        worker.forget_beginning()
        if worker.usable:
            self._idle.append(worker)
        return reply

    async def _start(self, name: str) -> Worker:
        worker = Worker()
        with self._occupied(worker):
            try:
                await worker.ask(ready)
            except BrokenExecutor:
                hint = GUARD_HINT if worker.exit_code == UNGUARDED_MAIN else START_HINT
                raise WorkerDiedError(
                    f"the worker process for {name!r} could not start ({worker.death}): {hint}"
                ) from None
        return worker

    @contextmanager
    def _occupied(self, worker: Worker) -> Iterator[None]:
        self._busy.add(worker)
        try:
            yield
        finally:
            self._busy.discard(worker)


def _usable_cpus() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
