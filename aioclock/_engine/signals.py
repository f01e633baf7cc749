"""SIGTERM asks for a graceful stop."""

import asyncio
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from types import FrameType
from typing import Any

from aioclock.clock import SystemClock, current_clock
from aioclock.exceptions import ServingError

__all__ = ["hold_back_sigterm", "stop_on_sigterm"]


@contextmanager
def stop_on_sigterm(callback: Callable[[], None], *, wanted: bool | None) -> Iterator[None]:
    """Call *callback* on the event loop for each SIGTERM within the block, and put back what was there before.

    Args:
        wanted: None means: in the main thread, if nobody else handles SIGTERM. So a web server's handler stays.

    Raises:
        ServingError: *wanted* is True outside the main thread, where Python delivers no signals.
    """
    if wanted and not _in_main_thread():
        raise ServingError("handle_signals=True needs the main thread; serve there, or call app.stop() instead")
    if wanted is None:
        wanted = (
            _in_main_thread()
            and isinstance(current_clock(), SystemClock)  # on virtual time the process belongs to somebody else
            and signal.getsignal(signal.SIGTERM) in (signal.SIG_DFL, _tell_all)
        )
    if not wanted:
        yield
        return
    loop = asyncio.get_running_loop()
    tell = partial(loop.call_soon_threadsafe, callback)
    if not _told:
        _before.append(signal.signal(signal.SIGTERM, _tell_all))
    _told.append(tell)
    try:
        yield
    finally:
        _told.remove(tell)
        if not _told:
            signal.signal(signal.SIGTERM, _before.pop())


# Not loop.add_signal_handler: Windows lacks it, it knows one callback only, and removing it would not put back what
# was there before. Several apps of one process are all told.
_told: list[Callable[[], object]] = []
_before: list[Any] = []


def _tell_all(number: int, frame: FrameType | None) -> None:
    for tell in list(_told):
        tell()


def _in_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()


@contextmanager
def hold_back_sigterm() -> Iterator[None]:
    """Let a SIGTERM wait for the end of the block, if somebody else handles SIGTERM.

    A web server that has shut down sends itself the SIGTERM once more to die of it. It knows nothing of a serving
    that was cancelled a moment before and is still on its way out.
    """
    handled = signal.getsignal(signal.SIGTERM) not in (signal.SIG_DFL, signal.SIG_IGN)
    if not (handled and _in_main_thread() and hasattr(signal, "pthread_sigmask")):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
