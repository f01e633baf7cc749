"""A task: a function, when it is due and under which terms it runs."""

import asyncio
import inspect
import sys
from collections.abc import Awaitable, Callable
from copy import copy
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID, uuid5

from anyio import CapacityLimiter
from fast_depends import Provider
from typing_extensions import Unpack

from aioclock.exceptions import TaskDeclarationError, TaskTimeoutError
from aioclock.executors import (
    ProcessPool,
    as_async,
    as_loop_call,
    as_process_call,
    executor_for,
    require_executor,
)
from aioclock.logger import logger
from aioclock.policies import NO_POLICIES, Executor, Policies, PolicyArgs
from aioclock.provider import call_model, get_provider, inject, needs_injection, require_resolvable
from aioclock.triggers import BaseTrigger
from aioclock.triggers._base import is_awaitable_trigger, is_pure_trigger
from aioclock.utils import callable_name, is_async_callable, longer_delay

__all__ = ["Task", "default_key", "require_trigger"]

_ID_NAMESPACE = UUID("5f0a3f5c-7c0e-5d0e-9b1a-0a10c10c4a5e")


def default_key(func: Callable[..., Any]) -> str:
    """Return `module:qualname` of *func*; the file's stem stands for `__main__`, so script and import agree."""
    while isinstance(func, partial):
        func = func.func
    target = inspect.unwrap(func)
    qualname = getattr(target, "__qualname__", None) or type(target).__qualname__
    module = getattr(target, "__module__", None) or type(target).__module__
    if module == "__main__":
        code = getattr(target, "__code__", None)
        file = code.co_filename if code else getattr(sys.modules["__main__"], "__file__", None)
        module = Path(file).stem if file and not file.startswith("<") else module
    return f"{module}:{qualname}"


def require_trigger(trigger: Any, *, owner: str) -> None:
    """Check that *trigger* is a trigger that can ever be due.

    Raises:
        TaskDeclarationError: it is not.
    """
    if not isinstance(trigger, BaseTrigger):
        raise TaskDeclarationError(f"{owner}: trigger must be a trigger such as Every(seconds=5), got {trigger!r}")
    if not is_pure_trigger(trigger) and not is_awaitable_trigger(trigger):
        raise TaskDeclarationError(
            f"{owner}: {type(trigger).__name__} must implement next_after or trigger_next to ever be due"
        )


class Task:
    """A function paired with a trigger and the policies that hold for its runs.

    Groups and apps build tasks; `limiter`, `provider` and `pool` are filled in by the app that a task belongs to.

    Attributes:
        func: The function, sync or async.
        trigger: When it is due.
        name: The name that the user gave, if any.
        key: Stable name, unique in its app: *name*, or `module:qualname` of the function.
        policies: What was said of its runs; what nobody said is None.
        origin: Of an app's task: the one of a group that it was made from.
    """

    __slots__ = (
        "__weakref__",
        "_call",
        "_id",
        "func",
        "key",
        "limiter",
        "name",
        "origin",
        "policies",
        "pool",
        "provider",
        "trigger",
    )

    def __init__(
        self,
        func: Callable[..., Any],
        trigger: BaseTrigger,
        *,
        name: str | None = None,
        **policies: Unpack[PolicyArgs],
    ) -> None:
        self.func = func
        self.trigger = trigger
        self.name = name
        self.key = self._declared_key()
        self.policies = NO_POLICIES
        if policies:
            owner = f"task {self.key!r}"
            self.policies = Policies.of(owner, policies)
            require_executor(func, self.policies.executor, owner=owner)
        self.limiter: CapacityLimiter | None = None
        self.provider: Provider = get_provider()
        self.pool: ProcessPool | None = None
        self.origin: Task | None = None
        self._call: Callable[[], Awaitable[Any]] | None = None
        self._id: UUID | None = None

    def __repr__(self) -> str:
        return f"Task(key={self.key!r}, trigger={self.trigger!r})"

    def bound(
        self, key: str, *, policies: Policies, limiter: CapacityLimiter | None, provider: Provider, pool: ProcessPool
    ) -> "Task":
        """Return a copy of the task that belongs to an app."""
        task = copy(self)
        task.origin, task._id = self, None
        task.key, task.policies = key, policies
        task.limiter, task.provider, task.pool = limiter, provider, pool
        return task

    def _declared_key(self) -> str:
        func, trigger = self.func, self.trigger
        if not callable(func):
            raise TaskDeclarationError(f"a task is made of a function, got {func!r}")
        name: Any = self.name
        if name is not None and not (isinstance(name, str) and name.strip()):
            raise TaskDeclarationError(f"the name of a task must be a non-empty string, got {name!r}")
        key = name or default_key(func)
        owner = f"task {key!r}"
        if inspect.isgeneratorfunction(func) or inspect.isasyncgenfunction(func):
            raise TaskDeclarationError(f"{owner}: a generator function can't be scheduled; nothing would iterate it")
        require_trigger(trigger, owner=owner)
        return key

    @property
    def timeout(self) -> float | None:
        """Seconds after which a run is cancelled; None for no limit."""
        return self.policies.timeout

    @property
    def executor(self) -> Executor:
        """Where the function runs."""
        return executor_for(self.func, self.policies.executor)

    @property
    def id(self) -> UUID:
        """Stable: the same key gives the same id in every process."""
        if self._id is None:
            self._id = uuid5(_ID_NAMESPACE, self.key)
        return self._id

    @property
    def display_name(self) -> str:
        """The name that the user gave, or the function's own."""
        return self.name or callable_name(self.func)

    def prepare(self) -> Callable[[], Awaitable[Any]]:
        """Return the coroutine function that runs the task's function with its dependencies, built once.

        Raises:
            DependencyError: a parameter of the function or of a dependency can't be filled.
            TaskDeclarationError: the function is to run in another process and can't be sent there.
        """
        if self._call is None:
            owner = f"task {self.key!r}"
            call = self._where_it_runs(owner)
            if needs_injection(self.func, owner=owner):
                model = call_model(call, self.provider)
                require_resolvable(model, owner=owner)
                call = inject(model)
            self._call = call
        return self._call

    def _where_it_runs(self, owner: str) -> Callable[..., Awaitable[Any]]:
        executor = self.executor
        if executor == "process":
            if self.pool is None:
                self.pool = ProcessPool()
            return as_process_call(self.func, self.pool, owner=owner)
        if executor == "thread":
            return as_async(self.func, self.limiter)
        return self.func if is_async_callable(self.func) else as_loop_call(self.func)

    async def run(self) -> None:
        """Run the task by itself, one run after the other, until its trigger is exhausted; errors are logged.

        `AioClock.serve()` does not use this: it runs all tasks on one agenda.
        """
        trigger, delay_s = self.trigger.model_copy(), 0.0
        self.prepare()
        while True:
            try:
                if not trigger.should_trigger():
                    return
                await trigger.trigger_next()
                await self._run_once()
            except Exception as error:
                logger.error("run of %s failed", self.key, exc_info=error, extra={"task": self.key})
                delay_s = longer_delay(delay_s)
                await asyncio.sleep(delay_s if await _is_due(trigger) else 0)
            else:
                delay_s = 0.0

    async def _run_once(self) -> None:
        limit = asyncio.timeout(self.timeout)
        try:
            async with limit:
                await self.prepare()()
        except TimeoutError as error:
            if self.timeout is None or not limit.expired():
                raise
            raise TaskTimeoutError(task_name=self.key, timeout_s=self.timeout) from error


async def _is_due(trigger: BaseTrigger) -> bool:
    try:
        return not await trigger.get_waiting_time_till_next_trigger()
    except Exception:
        return True  # it fails as well, so nothing but a pause keeps it from being asked again at once
