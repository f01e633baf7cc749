"""What a run needs to tell, and whom."""

from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol

from aioclock._engine.listeners import Listeners
from aioclock._engine.run import LiveRun
from aioclock.runs import Outcome, Run

__all__ = ["Keeper"]


class Keeper(Protocol):
    """Who keeps account of runs."""

    listeners: Listeners
    """Those who may want to know when a run begins."""

    def begun(self, run: LiveRun, /) -> None:
        """Take note that the function is about to be called for the first time."""

    def retrying(self, run: LiveRun, error: Exception, delay_s: float, /) -> None:
        """Take note that another attempt will follow."""

    def leaves_time_for(self, run: LiveRun, delay_s: float, /) -> bool:
        """Tell whether something that starts in *delay_s* seconds starts before the next tick."""
        ...

    async def settle(
        self, run: LiveRun, outcome: Outcome, error: BaseException | None, /
    ) -> tuple[Outcome, BaseException | None]:
        """Have the end of a run put on record that other processes see; return how it ended after all."""
        ...

    def transaction(self, run: LiveRun, /) -> AbstractAsyncContextManager[Any]:
        """Return a block within a transaction that ends with the run.

        Raises:
            ServingError: there is no such thing.
        """
        ...

    def decided(self, run: LiveRun, /) -> None:
        """Take note of the outcome. Called once."""

    def stuck(self, run: LiveRun, /) -> None:
        """Take note that the run ignores its cancellation. Called after `decided`."""

    def ended(self, run: LiveRun, /) -> None:
        """Take note that nothing of the run is going any more. Called once, after `decided`."""

    def withdrawn(self, run: LiveRun, /) -> None:
        """Take note that nobody waits any more for a run that has not started."""

    def snapshot(self, run: LiveRun, /) -> Run:
        """Return what is known of the run."""
        ...
