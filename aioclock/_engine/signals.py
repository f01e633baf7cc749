"""SIGTERM asks for a graceful stop."""

import asyncio
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

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
    in_main_thread = threading.current_thread() is threading.main_thread()
    if wanted and not in_main_thread:
        raise ServingError("handle_signals=True needs the main thread; serve there, or call app.stop() instead")
    if wanted is None:
        wanted = (
            in_main_thread
            and isinstance(current_clock(), SystemClock)  # on virtual time the process belongs to somebody else
            and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
        )
    if not wanted:
        yield
        return
    loop = asyncio.get_running_loop()
    # Not loop.add_signal_handler: Windows lacks it, and removing it would reset a handler set before it.
    before = signal.signal(signal.SIGTERM, lambda *_: loop.call_soon_threadsafe(callback))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def hold_back_sigterm() -> Iterator[None]:
    """Let a SIGTERM wait for the end of the block, if somebody else handles SIGTERM.

    A web server that has shut down sends itself the SIGTERM once more to die of it. It knows nothing of a serving
    that was cancelled a moment before and is still on its way out.
    """
    handled = signal.getsignal(signal.SIGTERM) not in (signal.SIG_DFL, signal.SIG_IGN)
    in_main_thread = threading.current_thread() is threading.main_thread()
    if not (handled and in_main_thread and hasattr(signal, "pthread_sigmask")):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
