"""Groups: tasks that share defaults, and the one `task` decorator."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, ParamSpec, TypeAlias, TypeVar
from weakref import WeakMethod

from anyio import CapacityLimiter
from typing_extensions import Unpack

from aioclock.exceptions import TaskDeclarationError
from aioclock.policies import NO_POLICIES, Policies, PolicyArgs
from aioclock.task import Task
from aioclock.triggers import BaseTrigger

__all__ = ["Defaults", "Group"]

P = ParamSpec("P")
R = TypeVar("R")


@dataclass(frozen=True, slots=True, kw_only=True)
class Defaults:
    """What a group says for tasks that don't say it themselves; None leaves it to whoever includes the group."""

    limiter: CapacityLimiter | None = None
    policies: Policies = NO_POLICIES

    def over(self, outer: "Defaults") -> "Defaults":
        """Return these defaults with the gaps filled from *outer*."""
        return Defaults(
            limiter=outer.limiter if self.limiter is None else self.limiter,
            policies=self.policies.over(outer.policies),
        )


Adopt: TypeAlias = Callable[[Task, Defaults], None]


class Group:
    """A collection of tasks, to be included in an app, in several apps or in another group.

    ```python
    from aioclock import AioClock, Every, Group, Retry

    reports = Group(timeout=30, retry=Retry(attempts=2))


    @reports.task(trigger=Every(hours=1))
    async def hourly() -> None: ...


    app = AioClock()
    app.include_group(reports)
    ```

    Args:
        limiter: Bounds how many threads the group's sync tasks use at once. What is left out comes from the group or
            app that includes this one; at the end of the chain is anyio's limit of the event loop (40 threads).
        policies: What holds for all tasks of the group that don't say it themselves; see `task`.

    Raises:
        TaskDeclarationError: an argument can't work.
    """

    def __init__(self, *, limiter: CapacityLimiter | None = None, **policies: Unpack[PolicyArgs]) -> None:
        _require_limiter(limiter)
        self._defaults = Defaults(limiter=limiter, policies=Policies.of("Group", policies))
        self._tasks: list[Task] = []
        self._names: set[str] = set()
        self._groups: list[Group] = []
        # A group must not keep the apps alive in which it is included.
        self._includers: list[WeakMethod[Adopt]] = []

    def task(
        self, *, trigger: BaseTrigger, name: str | None = None, **policies: Unpack[PolicyArgs]
    ) -> Callable[[Callable[P, R]], Callable[P, R]]:
        """Return a decorator that adds a function to the group and gives it back unchanged.

        A sync function runs in a worker thread, an async one on the event loop, unless `executor` says otherwise.
        A policy that is left out is that of the group, then that of whoever includes the group; where nobody says
        anything, the default holds.

        Args:
            trigger: When the function is due.
            name: The task's stable name; left out, `module:qualname` of the function.
            policies: What happens when things go wrong:

                - `timeout`: seconds after which an attempt is cancelled. Default: none.
                - `overlap`: what becomes of a tick that comes while a run is going: `"skip"` (default), `"allow"`,
                  `"queue"`, `"cancel"` (the old run), or an `Overlap`.
                - `retry`: a `Retry`. Default: none.
                - `grace`: seconds of lateness beyond which a tick is skipped. Default: none is ever too late.
                - `jitter`: seconds by which the start is held back at random at most, or a `Jitter`. Default: none.
                - `pause_after_failures`: how many failed runs in a row pause the task. Default: it goes on.
                - `executor`: `"loop"`, `"thread"` or `"process"`.

        Raises:
            TaskDeclarationError: an argument can't work, or *name* is taken.
        """

        def decorate(func: Callable[P, R]) -> Callable[P, R]:
            task = Task(func, trigger, name=name, **policies)
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

    def withdraw(self, task: Task) -> None:
        """Forget what an app's *task* was made from, if it was declared here; its name is free again."""
        origin = task.origin
        if origin is not None and origin in self._tasks:
            self._tasks.remove(origin)
            self._names.discard(origin.name or "")

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
