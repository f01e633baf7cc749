"""Groups: tasks that share defaults, and the one `task` decorator."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, ParamSpec, TypeAlias, TypeVar
from weakref import WeakMethod

from anyio import CapacityLimiter

from aioclock.exceptions import TaskDeclarationError
from aioclock.task import Task, require_timeout
from aioclock.triggers import BaseTrigger

__all__ = ["Defaults", "Group"]

P = ParamSpec("P")
R = TypeVar("R")


@dataclass(frozen=True, slots=True, kw_only=True)
class Defaults:
    """What a group says for tasks that don't say it themselves; None leaves it to whoever includes the group."""

    limiter: CapacityLimiter | None = None
    timeout: float | None = None

    def over(self, outer: "Defaults") -> "Defaults":
        """Return these defaults with the gaps filled from *outer*."""
        return Defaults(
            limiter=outer.limiter if self.limiter is None else self.limiter,
            timeout=outer.timeout if self.timeout is None else self.timeout,
        )


Adopt: TypeAlias = Callable[[Task, Defaults], None]


class Group:
    """A collection of tasks, to be included in an app, in several apps or in another group.

    ```python
    from aioclock import AioClock, Every, Group

    reports = Group(timeout=30)


    @reports.task(trigger=Every(hours=1))
    async def hourly() -> None: ...


    app = AioClock()
    app.include_group(reports)
    ```

    Args:
        limiter: Bounds how many threads the group's sync tasks use at once. What is left out comes from the group or
            app that includes this one; at the end of the chain is anyio's limit of the event loop (40 threads).
        timeout: Seconds after which a run of any of the tasks is cancelled, unless the task has a timeout of its own.
    """

    def __init__(self, *, limiter: CapacityLimiter | None = None, timeout: float | None = None) -> None:
        require_timeout(timeout, owner=type(self).__name__)
        _require_limiter(limiter)
        self._defaults = Defaults(limiter=limiter, timeout=timeout)
        self._tasks: list[Task] = []
        self._names: set[str] = set()
        self._groups: list[Group] = []
        # A group must not keep the apps alive in which it is included.
        self._includers: list[WeakMethod[Adopt]] = []

    def task(
        self, *, trigger: BaseTrigger, timeout: float | None = None, name: str | None = None
    ) -> Callable[[Callable[P, R]], Callable[P, R]]:
        """Return a decorator that adds a function to the group and gives it back unchanged.

        A sync function runs in a worker thread, an async one on the event loop.

        Args:
            trigger: When the function is due.
            timeout: Seconds after which a run is cancelled; left out, the group's.
            name: The task's stable name; left out, `module:qualname` of the function.

        Raises:
            TaskDeclarationError: an argument can't work, or *name* is taken.
        """

        def decorate(func: Callable[P, R]) -> Callable[P, R]:
            task = Task(func=func, trigger=trigger, timeout=timeout, name=name)
            if name in self._names:
                raise TaskDeclarationError(f"the name {name!r} is given to two tasks; names are unique")
            self._adopt(task, Defaults())
            self._tasks.append(task)
            if name is not None:
                self._names.add(name)
            return func

        return decorate

    def include_group(self, group: "Group") -> None:
        """Add all tasks of *group*, also those that it will get later.

        Raises:
            TaskDeclarationError: *group* is no group, contains this one or is included already, or a name is taken.
        """
        if not isinstance(group, Group):
            raise TaskDeclarationError(f"only a Group can be included, got {group!r}")
        if self in group.family():
            raise TaskDeclarationError("a group can't include itself, directly or through another group")
        if group in self._groups:
            raise TaskDeclarationError("the group is included already; its tasks would run twice")
        for task, defaults in group.declarations():
            self._adopt(task, defaults)
        self._groups.append(group)
        group.report_to(self._adopt)

    def report_to(self, adopt: Adopt) -> None:
        """Call the method *adopt* with each task added from now on and its defaults, as long as its object lives."""
        self._includers.append(WeakMethod(adopt))

    def family(self) -> Iterator["Group"]:
        """Yield this group and all groups within it."""
        yield self
        for group in self._groups:
            yield from group.family()

    def declarations(self) -> Iterator[tuple[Task, Defaults]]:
        """Yield every task in here and in included groups with the defaults that hold for it so far."""
        for task in self._tasks:
            yield task, self._defaults
        for group in self._groups:
            for task, defaults in group.declarations():
                yield task, defaults.over(self._defaults)

    def _adopt(self, task: Task, defaults: Defaults) -> None:
        """Hand a new task of this group, or of one within it, to all who include it."""
        merged = defaults.over(self._defaults)
        for includer in self._includers:
            if (adopt := includer()) is not None:
                adopt(task, merged)


def _require_limiter(limiter: Any) -> None:
    # By its shape: anyio has several limiter classes without a common public base.
    if limiter is not None and not hasattr(limiter, "acquire_on_behalf_of"):
        raise TaskDeclarationError(f"limiter must be an anyio.CapacityLimiter, got {limiter!r}")
