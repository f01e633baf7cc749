"""One serving from beginning to end: lifespan in, start-up, schedules, runs, shut-down, lifespan out."""

import asyncio
from collections.abc import Awaitable, Iterable
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Any

from anyio import CancelScope

from aioclock._engine.engine import Engine
from aioclock._engine.entry import LIFECYCLE, Entry
from aioclock._engine.lifespan import LifespanScope
from aioclock._engine.listeners import in_listener
from aioclock._engine.present import Present
from aioclock._engine.run import LiveRun
from aioclock._engine.runner import Runner
from aioclock._engine.serving_task import ServingTask, end_of
from aioclock._engine.signals import hold_back_sigterm, stop_on_sigterm
from aioclock.clock import current_clock
from aioclock.custom_types import Triggers
from aioclock.events import ServingStarted, ServingStopped, ServingStopping
from aioclock.exceptions import ServingError
from aioclock.executors import ProcessPool
from aioclock.logger import logger
from aioclock.runs import run_source

if TYPE_CHECKING:
    from aioclock._engine.session import Session

__all__ = ["Serving"]

LISTENER_PATIENCE_S = 10.0
"""How long listeners may take for what they have not been told yet when a serving ends."""

HOOK_PATIENCE_S = 30.0
"""How long the shut-down tasks, and then the end of the lifespan, may take at least."""


class Serving:
    """Serves the tasks of *entries* inside *lifespan*, once.

    Args:
        runner: Runs them.
        pool: Worker processes, which end with the serving.
        shutdown_timeout: Seconds that runs may take to finish after a stop was asked for; None: for ever.
        handle_signals: Whether SIGTERM asks for a stop; None: if nobody else handles it.
        stays: Whether to go on when every trigger is exhausted.
        session: The part in what other processes share, if the app has a store.
    """

    def __init__(
        self,
        entries: Iterable[Entry],
        runner: Runner,
        pool: ProcessPool,
        *,
        lifespan: AbstractAsyncContextManager[object],
        shutdown_timeout: float | None,
        handle_signals: bool | None,
        stays: bool,
        session: "Session | None" = None,
    ) -> None:
        entries = list(entries)
        for entry in entries:
            entry.prepare()  # what can't run is refused before anything has begun
            entry.forget_dead_runs()
        self._of_start_up = [entry for entry in entries if _kind(entry) == Triggers.ON_START_UP]
        self._of_shut_down = [entry for entry in entries if _kind(entry) == Triggers.ON_SHUT_DOWN]
        self._scheduled = [entry for entry in entries if _kind(entry) not in LIFECYCLE]
        self._lifespan = lifespan
        self._patience_s = shutdown_timeout
        self._hook_patience_s = None if shutdown_timeout is None else max(HOOK_PATIENCE_S, shutdown_timeout)
        self._handle_signals = handle_signals
        self.loop = loop = asyncio.get_running_loop()
        self._session = session
        self._present = present = Present(loop, current_clock() if session is None else session.clock)
        self._runner = runner
        self._pool = pool
        self.engine = Engine(runner, present, stays=stays)
        self.started = loop.create_future()
        """Done when the schedules have begun."""
        self._firing = False
        self._entering = False
        self._stop = asyncio.Event()
        self._hurry = asyncio.Event()
        self.signalled = False
        """Whether the process was asked to end."""
        self._deadlines: list[asyncio.TimerHandle] = []
        self._home: ServingTask | None = None

    async def run(self) -> None:
        """Serve until every trigger is exhausted or a stop is asked for.

        Being cancelled is a request too: runs are cancelled, but the rest of the shut-down takes its course.
        """
        with stop_on_sigterm(self._on_signal, wanted=self._handle_signals):
            self._runner.attach(self.engine, self._present, None if self._session is None else self._session.claims)
            self._home = home = ServingTask(self._serve(), on_cancel=self.abort)
            try:
                await asyncio.wait((home,))
            except asyncio.CancelledError:
                self.abort()
                with CancelScope(shield=True), hold_back_sigterm():
                    await end_of(home)
                if not home.cancelled() and (error := home.exception()) is not None:
                    raise error from None
                raise
            finally:
                self._runner.detach()
                self.engine.leave()
                for deadline in self._deadlines:
                    deadline.cancel()
        home.result()

    async def _serve(self) -> None:
        self._entering = True
        if self._session is None:
            await self._serve_inside()
            return
        await self._session.join()
        self._present.look()  # from now on it shows the store's time, which is no step of a clock
        try:
            await self._serve_inside()
        finally:
            await self._session.leave()

    async def _serve_inside(self) -> None:
        scope = LifespanScope(self._lifespan, patience_s=self._hook_patience_s)
        try:
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
        finally:
            self._pool.close()
            if not self._entering:
                self._runner.ledger.event(ServingStopped)
                await self._told()

    async def _start_up(self) -> None:
        self._run_now(self._of_start_up)
        if self._of_start_up:
            await self._until_stopped(asyncio.gather(*(entry.settled() for entry in self._of_start_up)))

    async def _fire_until_stopped(self) -> None:
        if not self._stop.is_set():
            self._firing = True
            if self._session is None:
                self.engine.begin(self._scheduled)
            else:
                self._session.begin(self.engine)
                self.engine.begin(entry for entry in self._scheduled if not _is_shared(entry))
            self._runner.ledger.event(ServingStarted)
            self.started.set_result(None)
            await self._until_stopped(self.engine.until_exhausted())

    async def _until_stopped(self, awaitable: Awaitable[object]) -> None:
        work, stopped = asyncio.ensure_future(awaitable), asyncio.ensure_future(self._stop.wait())
        waits: set[asyncio.Future[Any]] = {work, stopped}
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        if work.done() and not self._stop.is_set():
            work.result()
        stopped.cancel()
        work.cancel()

    async def _shut_down(self) -> None:
        self._firing = False
        self._halt()
        runner = self._runner
        runner.close()
        runner.ledger.event(ServingStopping)
        await self.engine.halted()
        await runner.finish(patience_s=self._patience_s, hurry=self._hurry)
        runner.reopen()
        self._run_now(self._of_shut_down)
        await runner.finish(patience_s=self._hook_patience_s, hurry=asyncio.Event())
        await self._told()  # listeners may use what the lifespan closes

    async def _told(self) -> None:
        await self._runner.listeners.drain(patience_s=LISTENER_PATIENCE_S)

    def _run_now(self, entries: Iterable[Entry]) -> None:
        for entry in list(entries):
            self._runner.tick(entry, self._present.now().epoch, 0, ())

    def add(self, entry: Entry) -> None:
        """Serve one more task from now on.

        Raises:
            ServingError: it belongs to a start-up that is over.
        """
        entry.prepare()
        if _kind(entry) == Triggers.ON_SHUT_DOWN:
            self._of_shut_down.append(entry)
        elif _kind(entry) == Triggers.ON_START_UP:
            if not self._entering:
                raise ServingError(f"task {entry.key!r} comes too late for the start-up of an app that is being served")
            self._of_start_up.append(entry)
        elif self._firing and not _is_shared(entry):
            self.engine.add(entry)
        elif not self._firing:
            self._scheduled.append(entry)
        if self._session is not None:
            self._session.add(entry)

    def remove(self, entry: Entry) -> None:
        """Serve a task no longer; its runs go on."""
        for entries in (self._of_start_up, self._of_shut_down, self._scheduled):
            if entry in entries:
                entries.remove(entry)
        if self._session is not None:
            self._session.remove(entry)
        self.engine.remove(entry)
        self.engine.check_idle()

    def restart(self, entry: Entry) -> None:
        """Begin the schedule of a task anew, by another trigger."""
        if _is_shared(entry):
            self.engine.remove(entry)
            self.engine.expect(entry)  # it begins when the store knows the new trigger
        elif self._firing:
            self.engine.remove(entry)
            self.engine.add(entry)

    def _on_signal(self) -> None:
        self.signalled = True
        if self._stop.is_set():
            logger.warning("asked to stop again: nothing is waited for")
            self.abort()
        else:
            logger.info("asked to stop: runs may finish", extra={"patience_s": self._patience_s})
            self._ask_to_stop()

    def _ask_to_stop(self) -> None:
        self._stop.set()
        self._runner.close()
        self._halt()

    def _halt(self) -> None:
        if self._session is not None:
            self._session.halt()  # first: it looks at how far the schedules have come
        self.engine.halt()

    def abort(self) -> None:
        """Ask for a stop that waits for no run."""
        self._hurry.set()
        self._ask_to_stop()
        if self._entering and self._home is not None:
            self._home.cut_off()  # nothing has begun, so there is nothing to shut down

    async def stop(self, patience_s: float | None) -> None:
        """Ask for a stop and return when all is over; at once when called from inside, which would wait for itself."""
        if patience_s == 0:
            self._hurry.set()
        elif self._stop.is_set():
            # Whoever asked first may wait longer: of several deadlines the earliest holds.
            if patience_s is not None:
                self._deadlines.append(self.loop.call_later(patience_s, self._hurry.set))
        else:
            self._patience_s = patience_s
        self._ask_to_stop()
        if self._home is not None and not self.is_inside():
            await asyncio.wait((self._home,))

    def is_inside(self) -> bool:
        """Tell whether this code is part of what is served, so that it can't wait for the end of it."""
        source = run_source.get()
        within_run = isinstance(source, LiveRun) and source.is_kept_by(self._runner)
        return within_run or in_listener.get() is self._runner.listeners or asyncio.current_task() is self._home


def _is_shared(entry: Entry) -> bool:
    return entry.stored is not None and entry.stored.mode != "node"


def _kind(entry: Entry) -> object:
    return entry.task.trigger.type_
