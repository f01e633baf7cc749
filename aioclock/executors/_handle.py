"""A worker process as its parent sees it."""

import asyncio
import atexit
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor
from contextlib import contextmanager, suppress
from functools import cache
from typing import Any, cast
from weakref import WeakSet

from anyio import CancelScope, CapacityLimiter
from anyio.to_thread import run_sync

from aioclock.executors._readiness import PROCESS_NAME
from aioclock.executors._worker import prepare

__all__ = ["Worker", "see_off"]

END_S = 2.0
"""How long an idle worker may take to end by itself."""

KILL_S = 3.0
"""How long to wait for the end of a killed worker. It takes milliseconds, unless the kernel itself hangs."""


class Worker:
    """One process, with an executor of its own so that killing it breaks no other."""

    def __init__(self) -> None:
        from concurrent.futures.process import ProcessPoolExecutor  # takes longer to import than most of aioclock

        self._context = _SpawnContext()
        # What it asks of a context is what this one gives, but no declared type says so.
        context = cast(Any, self._context)
        # Before each call the worker sends a note. Nothing else could tell a death before a call from one within.
        self._beginnings, begin = context.Pipe(duplex=False)
        self._executor = ProcessPoolExecutor(1, mp_context=context, initializer=prepare, initargs=(begin,))
        self.never_began = True
        self._ended = False
        self._parent_pid = os.getpid()
        _kill_at_exit()
        _living.add(self)

    @property
    def exit_code(self) -> int | None:
        return None if self._context.process is None else self._context.process.exitcode

    @property
    def death(self) -> str:
        """How the process died, for people."""
        code = self.exit_code
        if code is None or code >= 0:
            return "exit code unknown" if code is None else f"exit code {code}"
        with suppress(ValueError):
            return f"killed by {signal.Signals(-code).name}"
        return f"killed by signal {-code}"

    @property
    def pid(self) -> int | None:
        return None if self._context.process is None else self._context.process.pid

    @property
    def usable(self) -> bool:
        # In a fork of the parent, the parent's workers are out of bounds.
        return not self._ended and self._parent_pid == os.getpid() and self.exit_code is None

    async def ask(self, func: Callable[..., Any], *args: Any) -> Any:
        """Return what *func* returns there; if this is cancelled, kill the process and go on when it is gone.

        Raises:
            BrokenExecutor: the process is dead; `never_began` tells whether it was before *func* was called.
        """
        job = self._submit(func, *args)
        try:
            await asyncio.wait({job})
            return job.result()
        except BaseException as error:
            self.never_began = not self._ended and not self._beginnings.poll()
            self.kill()
            _forget(job)
            if not isinstance(error, GeneratorExit):
                await _gone(self)
            raise

    def _submit(self, func: Callable[..., Any], *args: Any) -> "asyncio.Future[Any]":
        if not self.usable:
            raise BrokenExecutor
        try:
            with _stops_held_back():
                return asyncio.get_running_loop().run_in_executor(self._executor, func, *args)
        except BrokenExecutor:
            self.kill()
            raise

    def forget_beginning(self) -> None:
        """Take the note of the latest call, which is answered."""
        self._beginnings.recv_bytes()

    def end(self) -> None:
        """Let the process end as soon as it is idle."""
        if not self._ended:
            self._ended = True
            ending = threading.Thread(target=self._executor.shutdown, name="aioclock: end worker", daemon=True)
            _endings.add(ending)
            ending.start()

    def end_at_exit(self) -> None:
        """Kill the process and wait until nothing of its executor is left."""
        if self._parent_pid != os.getpid():
            return
        self._kill_process()
        if not self._ended:
            self._ended = True
            self._executor.shutdown()

    def kill(self) -> None:
        """Kill the process, and on POSIX whatever it started; does nothing if it is dead."""
        if self._parent_pid == os.getpid():
            self._kill_process()
            self.end()

    def _kill_process(self) -> None:
        if self.pid is not None and self.exit_code is None:
            if sys.platform != "win32":
                with suppress(OSError):  # it does not lead a group yet
                    os.killpg(self.pid, signal.SIGKILL)
            self._context.process.kill()

    def join(self, timeout_s: float) -> None:
        """Wait for the end of the process; blocks."""
        if self.pid is None:
            return
        deadline = time.monotonic() + timeout_s
        self._context.process.join(timeout_s)
        # The executor's thread waits too, and may have fetched the exit code but not have noted it yet.
        while self.exit_code is None and time.monotonic() < deadline:
            time.sleep(0.002)


class _SpawnContext:
    """The way `spawn` starts processes, which also tells what process it made."""

    def __init__(self) -> None:
        from multiprocessing import get_context

        self._spawn = get_context("spawn")
        self.process: Any = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._spawn, name)

    def Process(self, *args: Any, **kwargs: Any) -> Any:  # noqa: N802 - the executor calls it by this name
        self.process = self._spawn.Process(*args, **kwargs)
        self.process.name = PROCESS_NAME
        return self.process


@contextmanager
def _stops_held_back() -> Iterator[None]:
    # A new process inherits what is blocked, so a Ctrl+C can't hit a worker before it has learnt to ignore it.
    if sys.platform == "win32":
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _forget(job: "asyncio.Future[Any]") -> None:
    with suppress(RuntimeError):  # the loop is closed
        if not job.cancel() and not job.cancelled():
            job.exception()  # it counts as retrieved then


async def _gone(worker: Worker) -> None:
    """Wait until *worker*, which has been killed, is gone; a cancellation meanwhile comes afterwards."""
    cancelled = None
    with CancelScope(shield=True):
        # A limiter of its own: the others' threads may all be busy.
        waiting = asyncio.ensure_future(run_sync(worker.join, KILL_S, limiter=CapacityLimiter(1)))
        while not waiting.done():
            try:
                await asyncio.wait({waiting})
            except asyncio.CancelledError as error:
                cancelled = error
    if cancelled is not None:
        raise cancelled


def see_off(*workers: Worker) -> None:
    """Kill those of *workers*, which have been told to end, that don't; returns at once."""
    threading.Thread(target=_see_off, args=workers, name="aioclock: see workers off", daemon=True).start()


def _see_off(*workers: Worker) -> None:
    deadline = time.monotonic() + END_S
    for worker in workers:
        worker.join(max(0.0, deadline - time.monotonic()))
    for worker in workers:
        worker.kill()


_living: WeakSet[Worker] = WeakSet()
_endings: WeakSet[threading.Thread] = WeakSet()


@cache
def _kill_at_exit() -> None:
    # Python waits at its exit for the threads of all executors, and these wait for their processes. `atexit` comes
    # after that. What comes before has a private name, the same from 3.9 to 3.14.
    getattr(threading, "_register_atexit", atexit.register)(_kill_all)


def _kill_all() -> None:
    # And wait: Python's own hook, which comes next, trips over an executor that is just about to end.
    for worker in list(_living):
        worker.end_at_exit()
    for ending in list(_endings):
        ending.join(KILL_S)
