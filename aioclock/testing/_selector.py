"""The place where an event loop waits: here it asks for the time instead."""

import selectors
import time
from collections.abc import Callable, Mapping
from typing import Any

__all__ = ["Events", "VirtualSelector"]

Events = list[tuple[selectors.SelectorKey, int]]

MAX_TURNS = 1_000_000
"""How often the loop may turn at one instant of virtual time before that counts as a busy loop (some ten seconds)."""


class VirtualSelector(selectors.BaseSelector):
    """A selector whose waits are decided by *when_idle*; what is registered is really polled.

    Args:
        when_idle: Called when nothing is ready to run; returns events, or nothing after it moved the time.
        on_spin: Called after `MAX_TURNS` turns without an idle moment.
    """

    def __init__(self, when_idle: Callable[[], Events], on_spin: Callable[[], None]) -> None:
        self._real = selectors.DefaultSelector()
        self._when_idle = when_idle
        self._on_spin = on_spin
        self._turns = 0
        self._active_at = time.monotonic()
        # The loop's own self-pipe comes first. It only ends waits, so while nobody really waits it can be left alone.
        self._foreign = -1

    @property
    def has_io(self) -> bool:
        """Whether there are real files or sockets to look after."""
        return self._foreign > 0

    def select(self, timeout: float | None = None) -> Events:
        if timeout is None or timeout > 0:
            return self._when_idle()
        self._turns += 1
        if self._turns > MAX_TURNS:
            self._turns = 0
            self._on_spin()
        return self.poll(0) if self._foreign > 0 else []

    def time_moved(self) -> None:
        """Note that this instant is over."""
        self._turns = 0

    def poll(self, real_s: float) -> Events:
        """Wait up to *real_s* real seconds for real events."""
        events = self._real.select(real_s)
        if events:
            self._active_at = time.monotonic()
        return events

    def poll_while_lively(self, *, silence_s: float, at_least_s: float) -> Events:
        """Wait for real events until there has been *silence_s* of silence, and *at_least_s* anyway."""
        silent_s = time.monotonic() - self._active_at
        return self.poll(max(at_least_s, silence_s - silent_s))

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        key = self._real.register(fileobj, events, data)
        self._foreign += 1
        self._active_at = time.monotonic()
        return key

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        key = self._real.unregister(fileobj)
        self._foreign -= 1
        return key

    def modify(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        self._active_at = time.monotonic()
        return self._real.modify(fileobj, events, data)

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return self._real.get_map()

    def close(self) -> None:
        self._real.close()
