"""The asyncio task that a serving has to itself."""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

__all__ = ["ServingTask", "end_of"]


class ServingTask(asyncio.Task[None]):
    """Has its event loop's last word: being cancelled by a loop that no longer runs is a request to stop.

    A lifespan must be entered and left by one asyncio task, so it has this one to itself. `asyncio.run` cancels every
    task that is left when its main one returns; that must not tear apart what a lifespan does at its end.
    """

    def __init__(self, coroutine: Coroutine[Any, Any, None], *, on_cancel: Callable[[], None]) -> None:
        self._on_cancel = on_cancel
        super().__init__(coroutine, loop=asyncio.get_running_loop(), name="aioclock serving")

    def cancel(self, msg: Any | None = None) -> bool:
        # While the loop runs, this is a time limit within the lifespan, say, and means what it says.
        if self.get_loop().is_running():
            return super().cancel(msg)
        self._on_cancel()
        return False

    def cut_off(self) -> None:
        """Cancel without further ado."""
        super().cancel()


async def end_of(task: "asyncio.Task[None]") -> None:
    """Return when *task* has ended, however often this is cancelled."""
    while not task.done():
        with suppress(asyncio.CancelledError):
            await asyncio.wait((task,))
