"""The app: what a user declares, and the way to serve it."""

from collections.abc import Callable, Coroutine, Iterable
from dataclasses import replace
from datetime import datetime
from itertools import count
from math import isnan
from types import EllipsisType
from typing import Any, ParamSpec, TypeVar
from weakref import WeakSet

from anyio import CapacityLimiter
from fast_depends import Provider

from aioclock._engine import Lifespan, RunObserver, Serving, lifespan_opener, require_lifespan
from aioclock.custom_types import Triggers
from aioclock.exceptions import ServingError, TaskDeclarationError
from aioclock.group import Defaults, Group
from aioclock.logger import logger
from aioclock.provider import DependencyProvider, Override
from aioclock.task import Task
from aioclock.triggers import BaseTrigger

__all__ = ["AioClock", "owner_of"]

P = ParamSpec("P")
R = TypeVar("R")

LIFECYCLE = frozenset({Triggers.ON_START_UP, Triggers.ON_SHUT_DOWN})
"""Types of the triggers that no schedule has: the app itself gives their ticks."""

_apps: "WeakSet[AioClock]" = WeakSet()
_births = count()


class AioClock:
    """A collection of tasks that are served together.

    ```python
    import asyncio

    from aioclock import AioClock, Every

    app = AioClock()


    @app.task(trigger=Every(seconds=0.01, max_loop_count=3))
    async def greet() -> None:
        print("hello")


    asyncio.run(app.serve())
    ```

    Args:
        lifespan: Called with the app (and with what its further parameters ask for by `Depends`); returns an async or
            sync context manager that is entered before anything runs and left after everything has stopped.
        limiter: Bounds how many threads sync tasks use at once, unless their group says otherwise.
        shutdown_timeout: Seconds that runs may take to finish after SIGTERM or `stop()` before they are cancelled;
            0 for none, None for as long as it takes.
        handle_signals: Whether `serve()` turns SIGTERM into a graceful stop. None: in the main thread, if nobody else
            handles SIGTERM.
    """

    def __init__(
        self,
        *,
        lifespan: Lifespan | None = None,
        limiter: CapacityLimiter | None = None,
        shutdown_timeout: float | None = 30.0,
        handle_signals: bool | None = None,
    ) -> None:
        require_lifespan(lifespan)
        _require_seconds(shutdown_timeout, name="shutdown_timeout")
        if handle_signals not in (None, True, False):
            raise TaskDeclarationError(f"handle_signals must be True, False or None, got {handle_signals!r}")
        self._lifespan = lifespan
        self._shutdown_timeout = shutdown_timeout
        self._handle_signals = handle_signals
        self._provider = DependencyProvider()
        self._root = Group(limiter=limiter)
        self._root.report_to(self._bind)
        self._bound: dict[str, Task] = {}
        self._copies: dict[str, int] = {}
        """How often each key was asked for, where it was more than once."""
        self._observers: list[RunObserver] = []
        self._requests: WeakSet[_Request] = WeakSet()
        self._serving: Serving | None = None
        self._birth = next(_births)
        _apps.add(self)

    # Declaring

    def task(
        self, *, trigger: BaseTrigger, timeout: float | None = None, name: str | None = None
    ) -> Callable[[Callable[P, R]], Callable[P, R]]:
        """Return a decorator that adds a function to the app and gives it back unchanged; see `Group.task`."""
        return self._root.task(trigger=trigger, timeout=timeout, name=name)

    def include_group(self, group: Group) -> None:
        """Add all tasks of *group*, also those that it will get later; see `Group.include_group`."""
        self._root.include_group(group)

    def _bind(self, task: Task, defaults: Defaults) -> None:
        """Make a task of a group this app's own: with its key, its dependencies and the defaults that hold here."""
        key = task.key
        if key in self._bound:
            if task.name is not None or self._bound[key].name is not None:
                raise TaskDeclarationError(f"the name {key!r} is given to two tasks; names are unique")
            self._copies[key] = number = self._copies.get(key, 1) + 1
            key = f"{key}#{number}"
        bound = replace(
            task,
            key=key,
            timeout=defaults.timeout if task.timeout is None else task.timeout,
            limiter=defaults.limiter,
            provider=self._provider,
        )
        if self._serving is not None:
            self._serving.add(bound)
        self._bound[key] = bound

    # Dependencies

    @property
    def dependencies(self) -> Provider:
        """The provider of this app's dependencies; no other app shares it."""
        return self._provider

    def override_dependencies(self, original: Callable[..., Any], override: Callable[..., Any]) -> Override:
        """Let *override* stand in for *original* in every task of this app, from the next run on.

        Returns:
            A context manager that undoes it at the end of its block; the override holds without one, too.
        """
        return Override(self._provider, original, override)

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

    async def _serve(self, request: "_Request") -> None:
        if request.withdrawn:
            return
        self._requests.discard(request)
        if self._serving is not None:
            raise ServingError("the app is being served already; one app is served once at a time")
        if not self._bound:
            logger.warning("the app has no tasks; a group's tasks are served where the group is included")
        try:
            await self._serve_now()
        except Exception as error:
            # Whoever started this in the background may not look at it before the end.
            logger.error("serving ended by an error: %s: %s", type(error).__name__, error)
            raise

    async def _serve_now(self) -> None:
        self._serving = serving = Serving(
            self._bound.values(),
            lifespan=lifespan_opener(self._lifespan, self, self._provider)(),
            observers=self._observers,
            shutdown_timeout=self._shutdown_timeout,
            handle_signals=self._handle_signals,
        )
        try:
            await serving.run()
        finally:
            self._serving = None

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
        if self._serving is not None:
            await self._serving.stop(seconds)

    async def next_tick(self, task: Task) -> datetime | None:
        """Return when *task* is due next (aware, UTC); None while the app does not serve, and when nobody knows."""
        return None if self._serving is None else await self._serving.engine.next_tick(task.key)

    @property
    def _tasks(self) -> list[Task]:
        return list(self._bound.values())

    def _get_tasks(self, exclude_type: Iterable[Triggers] | None = None) -> list[Task]:
        excluded = LIFECYCLE if exclude_type is None else frozenset(exclude_type)
        return [task for task in self._bound.values() if task.trigger.type_ not in excluded]


class _Request:
    """One call of `serve()` until it begins. Held by its coroutine only, so one that is never awaited is forgotten."""

    withdrawn = False


def _require_seconds(seconds: Any, *, name: str) -> None:
    if seconds is None:
        return
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or isnan(seconds) or seconds < 0:
        raise TaskDeclarationError(f"{name} must be a number of seconds, 0 or more, or None for ever; got {seconds!r}")


def owner_of(func: Callable[..., Any]) -> Task | None:
    """Return the task that *func* is in an app; of several apps the one that serves, then the youngest."""
    owners = sorted(_apps, key=lambda app: (app._serving is not None, app._birth), reverse=True)
    return next((task for app in owners for task in app._bound.values() if task.func == func), None)
