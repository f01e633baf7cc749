"""The app: what a user declares, and the way to serve it."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from datetime import datetime
from functools import partial
from itertools import count
from math import inf
from os import PathLike
from types import EllipsisType
from typing import TYPE_CHECKING, Any, Self
from weakref import WeakSet

from anyio import CapacityLimiter
from typing_extensions import Unpack

from aioclock._engine import (
    LIFECYCLE,
    Lifespan,
    Serving,
    end_of,
    lifespan_opener,
    mark_log_records,
    require_lifespan,
)
from aioclock.commands import Commands
from aioclock.custom_types import Triggers
from aioclock.exceptions import ServingError, TaskDeclarationError
from aioclock.executors import leave_unready_worker
from aioclock.logger import logger
from aioclock.policies import PolicyArgs
from aioclock.task import Task
from aioclock.utils import running_loop

if TYPE_CHECKING:
    from aioclock._engine.membership import Membership
    from aioclock.stores import Store

__all__ = ["AioClock", "Handle", "owner_of"]

_apps: "WeakSet[AioClock]" = WeakSet()
_births = count()

LONGEST_S = 1e9
"""Seconds that somebody may mean; an event loop can't wait for much more."""


class AioClock(Commands):
    """A collection of tasks that are served together.

    ```python
    from aioclock import AioClock, Every

    app = AioClock()


    @app.task(trigger=Every(seconds=0.01, max_loop_count=3))
    async def greet() -> None:
        print("hello")


    app.run()
    ```

    Args:
        lifespan: Called with the app (and with what its further parameters ask for by `Depends`); returns an async or
            sync context manager that is entered before anything runs and left after everything has stopped.
        limiter: Bounds how many threads sync tasks use at once, unless their group says otherwise.
        shutdown_timeout: Seconds that runs may take to finish after SIGTERM or `stop()` before they are cancelled;
            0 for none, None for as long as it takes.
        handle_signals: Whether `serve()` turns SIGTERM into a graceful stop. None: in the main thread, if nobody else
            handles SIGTERM.
        history: How many runs of each task are remembered, at least 1; see `runs`.
        store: Where tasks and runs outlast the process, and what other processes share: a URL such as
            `sqlite:///clock.db`, or a `Store`. None: nothing does.
        lease: Seconds that a run belongs to a process which gives no sign of life; with a store only. A process
            that is dead is noticed after this time, one that stands still for longer loses its runs.
        policies: What holds for all tasks of the app whose group does not say it either; see `Group.task`.
    """

    def __init__(
        self,
        *,
        lifespan: Lifespan | None = None,
        limiter: CapacityLimiter | None = None,
        shutdown_timeout: float | None = 30.0,
        handle_signals: bool | None = None,
        history: int = 100,
        store: "str | Store | None" = None,
        lease: float = 30.0,
        **policies: Unpack[PolicyArgs],
    ) -> None:
        require_lifespan(lifespan)
        _require_seconds(shutdown_timeout, name="shutdown_timeout")
        if handle_signals is not None and not isinstance(handle_signals, bool):
            raise TaskDeclarationError(f"handle_signals must be True, False or None, got {handle_signals!r}")
        super().__init__(limiter=limiter, history=history, membership=_membership(store, lease), policies=policies)
        self._lifespan = lifespan
        self._shutdown_timeout = shutdown_timeout
        self._handle_signals = handle_signals
        self._requests: WeakSet[_Request] = WeakSet()
        self._birth = next(_births)
        _apps.add(self)

    @classmethod
    def from_config(cls, path: "str | PathLike[str]") -> Self:
        """Return the app that a configuration file describes: its settings, groups and tasks.

        Modules that the file names are looked for in the file's folder, then in the current one, then where Python
        looks anyway; both folders are added to `sys.path`.

        Args:
            path: A YAML, TOML or JSON file, by its suffix; relative to the current folder.

        Raises:
            ConfigurationError: something is wrong with the file; the message names file, line and key of all that is.
        """
        from aioclock.config import load  # YAML comes with an extra, and most apps are written in Python

        return load(path, cls, cls.include_group)

    # Serving

    def serve(self) -> Coroutine[Any, Any, None]:
        """Run everything: lifespan, start-up tasks, schedules, shut-down tasks, end of the lifespan.

        Returns when every trigger is exhausted, or after SIGTERM or `stop()`. Cancelling it cancels the runs that are
        going on, waits for them and shuts down in order. An app can be served again; every serving starts afresh.

        Raises:
            ServingError: the app is being served already.
            DependencyError: a function has a parameter that can't be filled. Nothing has begun then.
        """
        request = _Request()
        self._requests.add(request)
        return self._serve(request)

    async def _serve(self, request: "_Request", *, stays: bool = False, idle: bool = False) -> None:
        if request.withdrawn:
            return
        self._requests.discard(request)
        if self._roster.serving is not None:
            raise ServingError("the app is being served already; one app is served once at a time")
        if not self._roster.tasks and not stays:
            logger.warning("the app has no tasks; a group's tasks are served where the group is included")
        try:
            await self._serve_now(stays=stays, idle=idle)
        except Exception as error:
            # Whoever started this in the background may not look at it before the end.
            logger.error("serving ended by an error: %s: %s", type(error).__name__, error)
            raise

    async def _serve_now(self, *, stays: bool, idle: bool) -> None:
        leave_unready_worker()
        mark_log_records()
        self._listeners.prepare()
        self._listeners.wake()
        entries = tuple(self._roster.entries.values())
        session = None
        if self._membership is not None:
            session = self._membership.begin(idle=idle)
        self._roster.serving = serving = Serving(
            () if idle else entries,
            self._roster.runner,
            self._pool,
            lifespan=lifespan_opener(self._lifespan, self, self._provider)(),
            shutdown_timeout=self._shutdown_timeout,
            handle_signals=self._handle_signals,
            stays=stays,
            session=session,
        )
        try:
            await serving.run()
        finally:
            self._roster.serving = None
            if self._membership is not None:
                self._membership.end()

    def run(self) -> None:
        """Serve until all is done or SIGTERM or Ctrl+C ends it: the way to start a program that only schedules.

        SIGTERM lets runs finish, Ctrl+C cancels them; both shut down in order, and this returns.

        Raises:
            ServingError: an event loop is running here already, or the app is being served.
            DependencyError: a function has a parameter that can't be filled. Nothing has begun then.
        """
        if running_loop() is not None:
            raise ServingError("run() starts an event loop of its own; where one is running, `await app.serve()`")
        with suppress(KeyboardInterrupt):
            asyncio.run(self.serve())

    def running(self) -> AbstractAsyncContextManager["Handle"]:
        """Serve within an `async with` block, beside whatever else the event loop does.

        The block begins when start-up tasks are done and the schedules have begun. At its end the app stops as by
        `stop()`; if the block is cancelled, runs are too. Within the block it goes on even when every trigger is
        exhausted, so tasks may be added.

        SIGTERM, if nobody else handles it, ends the block: when the app has stopped, what the block awaits is
        cancelled, and the program goes on after the block. An error of the app does the same and is raised there.

        ```python
        import asyncio

        from aioclock import AioClock, Every

        app = AioClock()


        @app.task(trigger=Every(hours=1), name="tidy up")
        async def tidy_up() -> str:
            return "tidy"


        async def main() -> None:
            async with app.running():
                assert await app.run_now("tidy up") == "tidy"


        asyncio.run(main())
        ```

        Raises:
            Exception: what `serve()` raises: at the beginning of the block, or at its end.
        """
        return self._running(idle=False)

    @asynccontextmanager
    async def _running(self, *, idle: bool) -> AsyncIterator["Handle"]:
        """Serve within a block; *idle*: without any task, for what is run by hand within the lifespan."""
        serving = asyncio.create_task(self._serve(_Request(), stays=True, idle=idle), name="aioclock serve")
        interruption = _Interruption(asyncio.current_task())
        try:
            interruption.on_end_of(serving, await self._until_started(serving))
            yield Handle(self, serving)
        except asyncio.CancelledError:
            serving.cancel()
            if not interruption.takes_back():
                raise
        finally:
            interruption.close()
            await self._end(serving)
        if not serving.cancelled():
            serving.result()

    async def _until_started(self, serving: "asyncio.Task[None]") -> Serving:
        await asyncio.sleep(0)  # the first step of `serve()`
        ours = self._roster.serving
        if not serving.done() and ours is not None:
            await asyncio.wait((ours.started, serving), return_when=asyncio.FIRST_COMPLETED)
        if serving.done() or ours is None:
            serving.result()
            raise ServingError("the app was stopped before it began")
        return ours

    async def _end(self, serving: "asyncio.Task[None]") -> None:
        """Stop *serving* and return when all is over; being cancelled meanwhile only hurries it."""
        try:
            if not serving.done():
                await self.stop()
            await asyncio.wait((serving,))
        except asyncio.CancelledError:
            serving.cancel()
            await end_of(serving)
            raise
        finally:
            if serving.done() and not serving.cancelled():
                serving.exception()  # looked at, so that asyncio does not complain when another error goes on

    async def stop(self, *, timeout: float | EllipsisType | None = ...) -> None:
        """Stop serving in order: nothing new starts, runs finish, shut-down tasks run, the lifespan ends.

        Returns when all of that is over; when called from a task, a hook or the lifespan of this app, at once.
        Without anything to stop it does nothing.

        Args:
            timeout: Seconds that runs may take to finish before they are cancelled: 0 for none, None for as long as
                it takes; left out, the app's `shutdown_timeout`.
        """
        seconds = self._shutdown_timeout if timeout is ... else timeout
        _require_seconds(seconds, name="timeout")
        for request in self._requests:  # serve() was called but could not begin yet, in a task just created
            request.withdrawn = True
        if self._roster.serving is not None:
            await self._roster.over_there(partial(self._roster.serving.stop, seconds))

    async def next_tick(self, task: Task) -> datetime | None:
        """Return when *task* is due next (aware, UTC); None while the app does not serve, and when nobody knows."""
        return await self._roster.next_tick(task.key)

    @property
    def _tasks(self) -> list[Task]:
        return list(self._roster.tasks.values())

    def _get_tasks(self, exclude_type: Iterable[Triggers] | None = None) -> list[Task]:
        excluded = LIFECYCLE if exclude_type is None else frozenset(exclude_type)
        return [task for task in self._tasks if task.trigger.type_ not in excluded]


class _Interruption:
    """Ends the block of `running()` when what it serves has ended by a signal or an error, as a task group would."""

    def __init__(self, block: "asyncio.Task[Any] | None") -> None:
        self._block = block
        self._before = 0 if block is None else block.cancelling()
        self._struck = self._over = False

    def on_end_of(self, serving: "asyncio.Task[None]", details: Serving) -> None:
        def strike(serving: "asyncio.Task[None]") -> None:
            failed = not serving.cancelled() and serving.exception() is not None
            if self._block is not None and not self._over and (failed or details.signalled):
                self._struck = True
                self._block.cancel()

        serving.add_done_callback(strike)

    def takes_back(self) -> bool:
        """Take our own cancellation back, if it is what arrives now, and tell whether nobody else cancels the block."""
        if not self._struck or self._block is None:
            return False
        self._struck = False
        return self._block.uncancel() <= self._before

    def close(self) -> None:
        """Leave the block alone from now on; what it did not let through is taken back as well."""
        self._over = True
        self.takes_back()


class Handle:
    """A serving that goes on beside other things; what `AioClock.running` gives."""

    def __init__(self, app: AioClock, serving: "asyncio.Task[None]") -> None:
        self.app = app
        self._serving = serving

    @property
    def serving(self) -> bool:
        """Whether the app is still being served: SIGTERM, `stop()` or an error may have ended it."""
        return not self._serving.done()

    async def wait(self) -> None:
        """Return when the serving has ended; raise what ended it."""
        await asyncio.wait((self._serving,))
        self._serving.result()

    async def stop(self, *, timeout: float | EllipsisType | None = ...) -> None:
        """Stop as `AioClock.stop` does, now instead of at the end of the block."""
        if self.serving:
            await self.app.stop(timeout=timeout)
            inside = self.app._roster.serving
            if inside is None or not inside.is_inside():
                await asyncio.wait((self._serving,))


class _Request:
    """One call of `serve()` until it begins. Held by its coroutine only, so one that is never awaited is forgotten."""

    withdrawn = False


def _require_seconds(seconds: Any, *, name: str) -> None:
    if seconds is None:
        return
    number = isinstance(seconds, int | float) and not isinstance(seconds, bool)
    if not number or seconds != seconds or seconds < 0 or (seconds > LONGEST_S and seconds != inf):
        raise TaskDeclarationError(f"{name} must be a number of seconds, 0 or more, or None for ever; got {seconds!r}")


LEASES_S = (0.5, 86_400.0)
"""The shortest and the longest lease: a pulse must fit into a part of it, and a death be noticed some day."""


def _membership(store: "str | Store | None", lease: Any) -> "Membership | None":
    number = isinstance(lease, int | float) and not isinstance(lease, bool)
    if not number or not LEASES_S[0] <= lease <= LEASES_S[1]:
        least, most = LEASES_S
        raise TaskDeclarationError(f"lease must be a number of seconds from {least:g} to {most:g}, got {lease!r}")
    if store is None:
        return None
    # What stores need is loaded with the first of them.
    from aioclock._engine.membership import Membership
    from aioclock.stores import store_at

    return Membership(store_at(store), lease_s=float(lease))


def owner_of(func: Callable[..., Any]) -> Task | None:
    """Return the task that *func* is in an app; of several apps the one that serves, then the youngest."""
    owners = sorted(_apps, key=lambda app: (app._roster.serving is not None, app._birth), reverse=True)
    return next((task for app in owners for task in app._tasks if task.func == func), None)
