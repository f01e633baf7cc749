"""An app on virtual time, held by its test."""

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial
from types import TracebackType
from typing import Any, Self, TypeVar

from aioclock._engine import TaskRef, keys_of
from aioclock.app import AioClock
from aioclock.exceptions import ServingError
from aioclock.runs import Run, RunFacts, run_of
from aioclock.testing._clock import DEFAULT_START, as_moment
from aioclock.testing._loop import VirtualEventLoop, VirtualTimeError
from aioclock.testing._outside import join_workers
from aioclock.testing._suspended import outer_loop_suspended

__all__ = ["Simulation", "simulate"]

T = TypeVar("T")

CANCEL_PATIENCE_S = 60.0
"""Virtual seconds that a cancelled coroutine may take to end."""


def simulate(app: AioClock, *, start: datetime | str = DEFAULT_START) -> "Simulation":
    """Serve *app*, unchanged, on virtual time within a `with` block.

    ```python
    from aioclock import AioClock, Every
    from aioclock.testing import simulate

    app = AioClock()


    @app.task(trigger=Every(minutes=10))
    async def poll() -> None: ...


    with simulate(app, start="2026-01-01T00:00:00+00:00") as sim:
        sim.advance(hours=1)
        assert len(sim.runs("poll")) == 6
    ```

    It works in a plain test, in an async one and in a notebook: a running event loop stands still meanwhile. Leaving
    the block shuts the app down as SIGTERM would.

    Args:
        start: What the clock shows at first: an aware datetime or ISO 8601 text with an offset; left out, the first
            moment of 2025 in UTC.

    Raises:
        ValueError: *start* has no time zone, or is no ISO 8601 text.
        TypeError: *app* is no app.
    """
    if not isinstance(app, AioClock):
        raise TypeError(f"simulate() takes an AioClock app, got {app!r}")
    return Simulation(app, as_moment(start, name="start"))


class Simulation:
    """What `simulate` gives: the remote control of an app's time.

    An error that `app.serve()` raises comes out of whichever of these calls let it happen, once.
    """

    def __init__(self, app: AioClock, start: datetime) -> None:
        self._app = app
        self._runs: list[RunFacts] = []
        self._record = self._runs.append
        self._runner = asyncio.Runner(loop_factory=partial(VirtualEventLoop, start))
        self._start = start
        self._end: datetime | None = None
        self._loop: VirtualEventLoop | None = None
        self._serving: asyncio.Task[None] | None = None
        self._error_raised = False

    def __enter__(self) -> Self:
        if self._loop is not None:
            raise ServingError("a simulation is entered once; call simulate() again for another")
        loop = self._runner.get_loop()
        assert isinstance(loop, VirtualEventLoop)
        self._loop = loop
        self._app._roster.runner.ledger.observers.append(self._record)
        for entry in self._app._roster.entries.values():
            entry.forget()  # what happened at other times, in another test perhaps, is no past of this one
        self._serving = loop.create_task(self._app.serve(), name="aioclock serve")
        self._serving.add_done_callback(self._served)
        try:
            self.run_until(self._start)
        except BaseException as error:
            self._leave(error)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._leave(error)

    # Looking

    @property
    def now(self) -> datetime:
        """The virtual present: aware, UTC."""
        if self._loop is None or self._end is not None:
            return self._end or self._start
        return self._loop.clock.now()

    def runs(self, ref: TaskRef | None = None) -> list[Run]:
        """Return the finished runs and the skipped ticks so far, oldest tick first; also after the end.

        Args:
            ref: A task's key, its id, its function or the function's name; left out, all tasks.

        Raises:
            TaskIdNotFound: *ref* means no task, or its name is that of several.
        """
        keys = None if ref is None else set(keys_of(ref, self._app.tasks))
        runs = [run_of(facts) for facts in self._runs if keys is None or facts.task_key in keys]
        return sorted(runs, key=lambda run: run.scheduled_at)

    # Moving

    def advance(self, duration: timedelta | None = None, /, **parts: float) -> None:
        """Run all that is due within a stretch of time, its last instant included, and stop there.

        Args:
            duration: How far to go.
            parts: Or the same as keyword arguments of `timedelta`: `days=2, hours=1`.

        Raises:
            ValueError: the stretch is negative.
        """
        if (duration is None) is not bool(parts):
            raise TypeError("advance() takes one timedelta, or its keyword arguments such as days=2")
        duration = timedelta(**parts) if duration is None else duration
        if not isinstance(duration, timedelta):
            raise TypeError(f"advance() takes a timedelta or keyword arguments such as seconds=5, got {duration!r}")
        if duration < timedelta(0):
            raise ValueError(f"time never goes back: can't advance by {duration}")
        self.run_until(self.now + duration)

    def run_until(self, moment: datetime | str) -> None:
        """Run all that is due until *moment* (aware), itself included, and stop there.

        Raises:
            ValueError: *moment* is in the past or has no time zone.
        """
        moment = as_moment(moment, name="moment")
        if moment < self.now:
            raise ValueError(f"time never goes back: {moment.isoformat()} is before {self.now.isoformat()}")
        loop = self._idle_loop()
        with outer_loop_suspended():
            loop.run_to(loop.clock.seconds_at(moment))
        self._raise_serving_error()

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run *coroutine* beside the app, for as much virtual time as it takes, and return its result.

        Raises:
            VirtualTimeError: it can't ever finish.
        """
        if not asyncio.iscoroutine(coroutine):
            raise TypeError(f"run() takes a coroutine, what calling an async function gives; got {coroutine!r}")
        try:
            loop = self._idle_loop()
        except ServingError:
            coroutine.close()
            raise
        with outer_loop_suspended():
            task = loop.create_task(coroutine)
            try:
                loop.run_until_complete(self._done_or_failed(task))
            finally:
                self._cancel(task)
        if task.cancelled():
            self._raise_serving_error()
        result = task.result()
        self._raise_serving_error()
        return result

    def _idle_loop(self) -> VirtualEventLoop:
        if self._loop is None or self._end is not None:
            raise ServingError("a simulation moves inside its `with` block only")
        if self._loop.is_running():
            raise ServingError("code that runs on virtual time can't move it; await asyncio.sleep() there")
        return self._loop

    async def _done_or_failed(self, task: "asyncio.Task[Any]") -> None:
        assert self._serving is not None
        await asyncio.wait({task, self._serving}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done() and self._serving_error() is None:
            await asyncio.wait({task})

    def _cancel(self, task: "asyncio.Task[Any]") -> None:
        assert self._loop is not None
        if not task.done():
            task.cancel()
            with suppress(VirtualTimeError):  # it ignores that; the end of the simulation is another chance
                self._loop.run_until_complete(asyncio.wait({task}, timeout=CANCEL_PATIENCE_S))

    # What serve() raises

    def _served(self, serving: "asyncio.Task[None]") -> None:
        if self._loop is not None and self._serving_error() is not None:
            self._loop.interrupt()

    def _serving_error(self) -> BaseException | None:
        serving = self._serving
        if serving is None or not serving.done() or self._error_raised:
            return None
        return ServingError("app.serve() was cancelled") if serving.cancelled() else serving.exception()

    def _raise_serving_error(self) -> None:
        if (error := self._serving_error()) is not None:
            self._error_raised = True
            raise error

    # The end

    def _leave(self, error: BaseException | None) -> None:
        if self._end is not None:
            return
        try:
            with outer_loop_suspended():
                self._shut_down()
            self._raise_serving_error()
        except Exception as further:
            if error is None:
                raise
            error.add_note(f"leaving the simulation failed as well: {further!r}")

    def _shut_down(self) -> None:
        assert self._loop is not None
        assert self._serving is not None
        try:
            if not self._serving.done():
                self._loop.run_until_complete(self._stop())
        finally:
            self._end = self._loop.clock.now()
            self._app._roster.runner.ledger.observers.remove(self._record)
            try:
                self._runner.close()
            finally:
                join_workers(self._loop)

    async def _stop(self) -> None:
        assert self._serving is not None
        await self._app.stop()
        await asyncio.wait({self._serving})
