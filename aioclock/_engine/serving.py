"""One serving from beginning to end: lifespan in, start-up, schedules, runs, shut-down, lifespan out."""

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from contextlib import AbstractAsyncContextManager, suppress
from typing import Any

from anyio import CancelScope

from aioclock._engine.engine import Engine
from aioclock._engine.entry import Entry
from aioclock._engine.lifespan import LifespanScope
from aioclock._engine.run import LiveRun, current_live_run
from aioclock._engine.runner import RunObserver
from aioclock._engine.signals import hold_back_sigterm, stop_on_sigterm
from aioclock.clock import current_clock
from aioclock.custom_types import Triggers
from aioclock.exceptions import ServingError
from aioclock.logger import logger
from aioclock.task import Task

__all__ = ["Serving", "run_by_hand"]

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
        self._entering = False
        self._stop = asyncio.Event()
        self._hurry = asyncio.Event()
        self._home: ServingTask | None = None

    async def run(self) -> None:
        """Serve until every trigger is exhausted or a stop is asked for.

        Being cancelled is a request too: runs are cancelled, but the rest of the shut-down takes its course.
        """
        with stop_on_sigterm(self._on_signal, wanted=self._handle_signals):
            self._home = home = ServingTask(self._serve(), on_cancel=self.abort)
            try:
                await asyncio.wait((home,))
            except asyncio.CancelledError:
                self.abort()
                with CancelScope(shield=True), hold_back_sigterm():
                    await _end_of(home)
                if not home.cancelled() and (error := home.exception()) is not None:
                    raise error from None
                raise
        home.result()

    async def _serve(self) -> None:
        scope = LifespanScope(self._lifespan, patience_s=self._hook_patience_s)
        self._entering = True
        async with scope:
            self._entering = False
            try:
                await self._start_up()
                await self._fire_until_stopped()
            except BaseException:
                self._hurry.set()
                raise
            finally:
                await self._shut_down()

    async def _start_up(self) -> None:
        runs = self._run_now(self._start_up_tasks)
        if runs:
            await self._until_stopped(asyncio.wait({run.handle for run in runs}))

    async def _fire_until_stopped(self) -> None:
        if not self._stop.is_set():
            self._firing = True
            self.engine.begin(self._scheduled_tasks)
            await self._until_stopped(self.engine.until_exhausted())

    async def _until_stopped(self, coroutine: Coroutine[Any, Any, object]) -> None:
        work, stopped = asyncio.ensure_future(coroutine), asyncio.ensure_future(self._stop.wait())
        waits: set[asyncio.Future[Any]] = {work, stopped}
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        if work.done() and not self._stop.is_set():
            work.result()
        stopped.cancel()
        work.cancel()

    async def _shut_down(self) -> None:
        self._firing = False
        runner = self.engine.runner
        await self.engine.halted()
        await runner.finish(patience_s=self._patience_s, hurry=self._hurry)
        self._run_now(self._shut_down_tasks)
        await runner.finish(patience_s=self._hook_patience_s, hurry=asyncio.Event())

    def _run_now(self, tasks: Iterable[Task]) -> list[LiveRun]:
        now = self.engine.now().epoch
        return [self.engine.runner.start(Entry(task), now) for task in tasks]

    def add(self, task: Task) -> None:
        """Serve one more task from now on.

        Raises:
            ServingError: it belongs to a start-up that is over.
        """
        task.prepare()
        if task.trigger.type_ == Triggers.ON_SHUT_DOWN:
            self._shut_down_tasks.append(task)
        elif task.trigger.type_ == Triggers.ON_START_UP:
            if not self._entering:
                raise ServingError(f"task {task.key!r} comes too late for the start-up of an app that is being served")
            self._start_up_tasks.append(task)
        elif self._firing:
            self.engine.add(task)
        else:
            self._scheduled_tasks.append(task)

    def _on_signal(self) -> None:
        if self._stop.is_set():
            logger.warning("asked to stop again: nothing is waited for")
            self.abort()
        else:
            logger.info("asked to stop: runs may finish", extra={"patience_s": self._patience_s})
            self._ask_to_stop()

    def _ask_to_stop(self) -> None:
        self._stop.set()
        self.engine.halt()

    def abort(self) -> None:
        """Ask for a stop that waits for no run."""
        self._hurry.set()
        self._ask_to_stop()
        if self._entering and self._home is not None:
            self._home.cut_off()  # nothing has begun, so there is nothing to shut down

    async def stop(self, patience_s: float | None) -> None:
        """Ask for a stop and return when all is over; at once when called from inside, which would wait for itself."""
        self._patience_s = patience_s
        if patience_s == 0:
            self._hurry.set()
        self._ask_to_stop()
        home = self._home
        if home is not None and current_live_run.get() is None and asyncio.current_task() is not home:
            await asyncio.wait((home,))


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


async def _end_of(task: "asyncio.Task[None]") -> None:
    while not task.done():
        with suppress(asyncio.CancelledError):
            await asyncio.wait((task,))


async def run_by_hand(task: Task) -> object:
    """Run *task* now, beside its schedule and within its timeout, and return its result or raise its error."""
    run = LiveRun(Entry(task), _Nobody(), current_clock().now().timestamp(), 0)
    run.start(asyncio.get_running_loop())
    return await run.wait()


class _Nobody:
    """Keeps no account of a run: its caller gets the outcome."""

    def decided(self, run: LiveRun) -> None:
        pass

    def ended(self, run: LiveRun) -> None:
        pass
