"""One serving from beginning to end: lifespan in, start-up, schedules, runs, shut-down, lifespan out."""

import asyncio
from collections.abc import Iterable
from contextlib import AbstractAsyncContextManager
from typing import Any

from anyio import CancelScope

from aioclock._engine.engine import Engine
from aioclock._engine.lifespan import LifespanScope
from aioclock._engine.run import LiveRun, current_live_run
from aioclock._engine.runner import RunObserver
from aioclock._engine.signals import stop_on_sigterm
from aioclock.clock import current_clock
from aioclock.custom_types import Triggers
from aioclock.logger import logger
from aioclock.task import Task

__all__ = ["Serving"]

HOOK_PATIENCE_S = 30.0
"""How long the shut-down tasks, and then the end of the lifespan, may take at least."""


class Serving:
    """Runs *tasks* inside *lifespan*, once.

    Args:
        shutdown_timeout: Seconds that runs may take to finish after a stop was asked for; None: for ever.
        handle_signals: Whether SIGTERM asks for a stop; None: if nobody else handles it.
    """

    def __init__(
        self,
        tasks: Iterable[Task],
        *,
        lifespan: AbstractAsyncContextManager[object],
        observers: Iterable[RunObserver],
        shutdown_timeout: float | None,
        handle_signals: bool | None,
    ) -> None:
        tasks = list(tasks)
        for task in tasks:
            task.prepare()  # what can't run is refused before anything has begun
        self._start_up_tasks = [task for task in tasks if task.trigger.type_ == Triggers.ON_START_UP]
        self._shut_down_tasks = [task for task in tasks if task.trigger.type_ == Triggers.ON_SHUT_DOWN]
        lifecycle = {*self._start_up_tasks, *self._shut_down_tasks}
        self._scheduled_tasks = [task for task in tasks if task not in lifecycle]
        self._lifespan = lifespan
        self._patience_s = shutdown_timeout
        self._hook_patience_s = None if shutdown_timeout is None else max(HOOK_PATIENCE_S, shutdown_timeout)
        self._handle_signals = handle_signals
        self.engine = Engine(current_clock(), observers)
        self._firing = False
        self._stop = asyncio.Event()
        self._hurry = asyncio.Event()
        self._done = asyncio.Event()
        self._home = asyncio.current_task()

    async def run(self) -> None:
        """Serve until every trigger is exhausted or a stop is asked for."""
        try:
            with stop_on_sigterm(self._on_signal, wanted=self._handle_signals):
                async with LifespanScope(self._lifespan, patience_s=self._hook_patience_s):
                    await self._run_inside_lifespan()
        finally:
            self._done.set()

    async def _run_inside_lifespan(self) -> None:
        patience_s: float | None = 0.0
        try:
            await self._start_up()
            await self._fire_until_stopped()
            patience_s = self._patience_s
        finally:
            with CancelScope(shield=True):
                await self._shut_down(patience_s)

    async def _start_up(self) -> None:
        runs = self._run_now(self._start_up_tasks)
        await self._until_stopped(asyncio.ensure_future(_all_ended(runs)))

    async def _fire_until_stopped(self) -> None:
        if not self._stop.is_set():
            self._firing = True
            self.engine.begin(self._scheduled_tasks)
            await self._until_stopped(asyncio.ensure_future(self.engine.until_exhausted()))

    async def _until_stopped(self, work: "asyncio.Future[None]") -> None:
        stopped = asyncio.ensure_future(self._stop.wait())
        waits: set[asyncio.Future[Any]] = {stopped, work}
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            if work.done() and not self._stop.is_set():
                work.result()
        finally:
            stopped.cancel()
            work.cancel()

    async def _shut_down(self, patience_s: float | None) -> None:
        """Every step is taken even if an earlier one is interrupted by a further cancellation."""
        self._firing = False
        runner = self.engine.runner
        try:
            await self.engine.halted()
            await runner.finish(patience_s=patience_s, hurry=self._hurry)
        finally:
            try:
                await runner.cancel_all()
            finally:
                self._run_now(self._shut_down_tasks)
                await runner.finish(patience_s=self._hook_patience_s, hurry=asyncio.Event())

    def _run_now(self, tasks: Iterable[Task]) -> list[LiveRun]:
        now = self.engine.now().epoch
        return [
            self.engine.runner.start(task.key, task.prepare(), task.timeout, scheduled=now, on_end=_ignore)
            for task in tasks
        ]

    def add(self, task: Task) -> None:
        """Serve one more task from now on."""
        task.prepare()
        if self._firing:
            self.engine.add(task)
        else:
            self._scheduled_tasks.append(task)

    def _on_signal(self) -> None:
        if self._stop.is_set():
            logger.warning("asked to stop again: runs are cancelled")
            self._hurry.set()
        else:
            logger.info("asked to stop: runs may finish", extra={"patience_s": self._patience_s})
            self._ask_to_stop()

    def _ask_to_stop(self) -> None:
        self._stop.set()
        self.engine.halt()

    async def stop(self, patience_s: float | None) -> None:
        """Ask for a stop and return when all is over; at once when called from inside, which would wait for itself."""
        self._patience_s = patience_s
        self._ask_to_stop()
        if current_live_run.get() is None and asyncio.current_task() is not self._home:
            await self._done.wait()


async def _all_ended(runs: list[LiveRun]) -> None:
    if runs:
        await asyncio.wait({run.handle for run in runs})


def _ignore(run: LiveRun) -> None:
    """End a run that occupies no slot."""
