"""What a process writes: read as it comes, so that it never has to wait, and only its end kept."""

import os
import selectors
import subprocess
import sys
import threading
import time
from contextlib import ExitStack, suppress
from typing import IO, Protocol

__all__ = ["MOST_CHARACTERS", "Outputs", "Tail", "outputs_of"]

MOST_CHARACTERS = 20_000
"""How much is kept of each output."""

MOST_BYTES = 4 * MOST_CHARACTERS + 4
CHUNK = 65_536


class Tail:
    """Keeps the end of what is fed."""

    def __init__(self) -> None:
        self._content = bytearray()

    def feed(self, chunk: bytes) -> None:
        self._content += chunk
        if len(self._content) > 2 * MOST_BYTES:
            del self._content[:-MOST_BYTES]

    def text(self) -> str:
        return self._content[-MOST_BYTES:].decode("utf-8", "replace")[-MOST_CHARACTERS:]


class Outputs(Protocol):
    """The outputs of a process."""

    def read(self, seconds: float) -> bool:
        """Read what comes within *seconds*, at least once; return whether more may come."""
        ...


def outputs_of(process: "subprocess.Popen[bytes]", tails: tuple[Tail, Tail], stack: ExitStack) -> Outputs:
    """Return the outputs of *process*, which go to *tails*; *stack* closes what it takes to read them."""
    assert process.stdout is not None
    assert process.stderr is not None
    pipes = [(process.stdout, tails[0]), (process.stderr, tails[1])]
    if sys.platform == "win32":
        return _ReadByThreads(pipes)
    return _Selected(pipes, stack)


class _Selected:
    """Pipes that can be waited for together, and left alone while something else still holds them."""

    def __init__(self, pipes: list[tuple[IO[bytes], Tail]], stack: ExitStack) -> None:
        self._selector = stack.enter_context(selectors.DefaultSelector())
        for pipe, tail in pipes:
            self._selector.register(stack.enter_context(pipe), selectors.EVENT_READ, tail)

    def read(self, seconds: float) -> bool:
        open_pipes = self._selector.get_map()
        for key, _ in self._selector.select(seconds) if open_pipes else ():
            if chunk := os.read(key.fd, CHUNK):
                key.data.feed(chunk)
            else:
                self._selector.unregister(key.fileobj)
        return bool(open_pipes)


class _ReadByThreads:
    """Windows can't wait for several pipes, so each has a thread; one that something else holds is left behind."""

    def __init__(self, pipes: list[tuple[IO[bytes], Tail]]) -> None:
        self._threads = [threading.Thread(target=_drain, args=pipe, daemon=True) for pipe in pipes]
        for thread in self._threads:
            thread.start()

    def read(self, seconds: float) -> bool:
        until = time.monotonic() + seconds
        for thread in self._threads:
            thread.join(max(0.0, until - time.monotonic()))
        return any(thread.is_alive() for thread in self._threads)


def _drain(pipe: IO[bytes], tail: Tail) -> None:
    # Closed here and nowhere else: on Windows that would wait for a read that is going on.
    with pipe, suppress(OSError):
        while chunk := os.read(pipe.fileno(), CHUNK):
            tail.feed(chunk)
