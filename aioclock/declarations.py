"""What an app is made of: tasks, groups, dependencies, listeners."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from anyio import CapacityLimiter
from fast_depends import Provider
from typing_extensions import Unpack

from aioclock._engine import Listeners, Roster, require_kinds
from aioclock.events import Event
from aioclock.exceptions import TaskDeclarationError
from aioclock.executors import ProcessPool
from aioclock.group import Defaults, Group
from aioclock.policies import NO_POLICIES, STORE_POLICIES, Policies, PolicyArgs
from aioclock.policies._checks import require_count
from aioclock.provider import DependencyProvider, Override
from aioclock.task import Task
from aioclock.triggers import BaseTrigger

if TYPE_CHECKING:
    from aioclock._engine.membership import Membership

__all__ = ["Declarations"]

P = ParamSpec("P")
R = TypeVar("R")


class Declarations:
    """The part of an app that is told what there is to do."""

    def __init__(
        self, *, limiter: CapacityLimiter | None, history: int, membership: "Membership | None", policies: PolicyArgs
    ) -> None:
        self._policies = Policies.of("AioClock", policies)
        self._provider = DependencyProvider()
        self._pool = ProcessPool()
        self._listeners = Listeners(self._provider)
        self._membership = membership
        if membership is None:
            _refuse_store_policies(self._policies, owner="AioClock")
        self._roster = Roster(self._listeners, history_size=require_count("history", history), membership=membership)
        self._root = Group(limiter=limiter)
        self._root.report_to(self._bind)
        self._copies: dict[str, int] = {}
        """How often each key was asked for, where it was more than once."""

    def task(
        self, *, trigger: BaseTrigger, name: str | None = None, **policies: Unpack[PolicyArgs]
    ) -> Callable[[Callable[P, R]], Callable[P, R]]:
        """Return a decorator that adds a function to the app and gives it back unchanged; see `Group.task`."""
        return self._root.task(trigger=trigger, name=name, **policies)

    def include_group(self, group: Group) -> None:
        """Add all tasks of *group*, also those that it will get later; see `Group.include_group`."""
        self._root.include_group(group)

    def on(self, *events: type[Event], task: str | None = None) -> Callable[[Callable[P, R]], Callable[P, R]]:
        """Return a decorator for a function, sync or async, that is told *events* of these classes.

        The event goes to the parameter that is annotated with its class; other parameters are filled by `Depends`.
        Each listener gets its events in order, one at a time, beside the runs. What it raises is logged; a call that
        takes more than 30 s is cancelled; of more than 50,000 events that wait for it the newest are lost.

        ```python
        from aioclock import AioClock, Every
        from aioclock.events import RunFailed

        app = AioClock()


        @app.on(RunFailed, task="etl.*")
        async def tell_somebody(event: RunFailed) -> None:
            print(f"{event.run.task_key} failed: {event.run.error}")
        ```

        Args:
            events: Classes of `aioclock.events`; a base class such as `Event` stands for all that derive from it.
            task: Only events of tasks whose key matches this glob.

        Raises:
            TaskDeclarationError: there is nothing to listen to, or the function can't be told.
            DependencyError: a parameter can't be filled.
        """
        require_kinds(events)

        def decorate(func: Callable[P, R]) -> Callable[P, R]:
            self._listeners.add(func, events, task=task)
            return func

        return decorate

    def _bind(self, task: Task, defaults: Defaults) -> None:
        """Make a task of a group this app's own: with its key, its dependencies and the defaults that hold here."""
        key = self._free_key(task)
        policies = task.policies.over(defaults.policies).over(self._policies)
        if self._membership is None:
            _refuse_store_policies(policies, owner=f"task {key!r}")
        self._roster.add(
            task.bound(
                key,
                policies=policies,
                limiter=defaults.limiter,
                provider=self._provider,
                pool=self._pool,
            )
        )

    def _free_key(self, task: Task) -> str:
        key, taken = task.key, self._roster.tasks
        if key not in taken:
            return key
        if task.name is not None or taken[key].name is not None:
            raise TaskDeclarationError(f"the name {key!r} is given to two tasks; names are unique")
        number = self._copies.get(key, 1) + 1
        while f"{key}#{number}" in taken:
            number += 1
        self._copies[key] = number
        return f"{key}#{number}"

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


def _refuse_store_policies(policies: Policies, *, owner: str) -> None:
    if policies is NO_POLICIES:
        return
    for name in STORE_POLICIES:
        if getattr(policies, name) is not None:
            raise TaskDeclarationError(f"{owner}: {name} means nothing without a store; use AioClock(store=...)")
