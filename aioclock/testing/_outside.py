"""What goes on outside the event loop and holds virtual time back: worker threads, executors, child processes."""

import asyncio
import gc
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future
from contextlib import suppress
from types import FrameType
from typing import Any

__all__ = ["Outside", "join_workers"]

JOIN_S = 5.0


class Outside:
    """Counts what works for *loop* elsewhere.

    Such work takes no virtual time: a timeout must not strike because a thread needed a real millisecond.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._held = 0
        self._children: list[asyncio.SubprocessTransport] = []

    @property
    def absent(self) -> bool:
        """Whether there can't be anything at all; asked before every jump, and so without looking closely."""
        return threading.active_count() == 1 and not self._held and not self._children

    @property
    def busy(self) -> bool:
        """Whether virtual time must stand still."""
        return self._held > 0 or any(map(self._is_busy, threading.enumerate()))

    @property
    def has_children(self) -> bool:
        """Whether a child process that was started through the loop still runs."""
        self._children = [child for child in self._children if child.get_returncode() is None]
        return bool(self._children)

    def _is_busy(self, thread: Any) -> bool:
        # anyio's pool has no public way to ask what it is doing. Its limiters don't tell either: a thread goes on after
        # its limiter was given back, and anybody may bring one of their own (clean-up of dependencies does). So look at
        # the threads: a worker of this loop that is not in its pool's list of idle ones has work. It enters that list
        # on the loop, together with its result, so there is no moment in between.
        if getattr(thread, "loop", None) is not self._loop or not hasattr(thread, "idle_workers"):
            return False
        if getattr(thread, "stopping", False):
            thread.join(0.001)  # nearly always it had been idle and ends at once
            if not thread.is_alive():
                return False
        return thread not in thread.idle_workers and not _waits_for_loop(thread)

    def hold(self) -> None:
        """Keep virtual time still until `release`."""
        self._held += 1

    def release(self) -> None:
        """Take back one `hold`."""
        self._held -= 1

    def add_child(self, child: asyncio.SubprocessTransport) -> None:
        """Note a child process."""
        self._children.append(child)

    def watch(self, job: "Future[Any]") -> None:
        """Hold virtual time until *job* has ended, also when nobody waits for it any more."""
        self.hold()
        job.add_done_callback(self._job_ended)

    def _job_ended(self, job: "Future[Any]") -> None:
        # Through the loop, and so behind the job's result, which was posted there by an earlier callback.
        with suppress(RuntimeError):  # the loop is closed
            self._loop.call_soon_threadsafe(self.release)


class Submission(Executor):
    """Stands in for *executor* once and keeps the job that it made."""

    def __init__(self, executor: Executor) -> None:
        self._executor = executor
        self.job: Future[Any] | None = None

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> "Future[Any]":
        self.job = self._executor.submit(fn, *args, **kwargs)
        return self.job


def _waits_for_loop(thread: threading.Thread) -> bool:
    """Tell whether *thread* is inside `anyio.from_thread.run()`: then it waits for the loop, and the loop must go on.

    Only the loop ends such a wait, so the answer holds until the loop runs again.
    """
    frame = _frame_of(thread)
    while frame is not None:
        if frame.f_code.co_name == "run_async_from_thread":
            answer = frame.f_locals.get("f")
            return isinstance(answer, Future) and not answer.done()
        frame = frame.f_back
    return False


def _frame_of(thread: threading.Thread) -> FrameType | None:
    # Before Python 3.12 a garbage collection within this call can deadlock (CPython issue 106883).
    collects = gc.isenabled()
    gc.disable()
    try:
        return sys._current_frames().get(thread.ident or 0)
    finally:
        if collects:
            gc.enable()


def join_workers(loop: asyncio.AbstractEventLoop) -> None:
    """Wait until anyio's worker threads of *loop*, which have been told to stop, are gone."""
    for thread in threading.enumerate():
        if getattr(thread, "loop", None) is loop and hasattr(thread, "idle_workers"):
            thread.join(JOIN_S)
