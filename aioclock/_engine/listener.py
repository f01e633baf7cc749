"""One listener: a function, the events that it is told, and how it is called."""

import inspect
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack
from fnmatch import fnmatchcase
from functools import partial
from inspect import Parameter, Signature
from types import SimpleNamespace, UnionType
from typing import Annotated, Any, ForwardRef, Union, get_args, get_origin, get_type_hints

from anyio import CapacityLimiter
from fast_depends import Provider
from fast_depends.core import CallModel
from fast_depends.dependencies import Dependant
from fast_depends.library import CustomField
from fast_depends.utils import collect_outer_stack_locals

from aioclock import events
from aioclock.events import Event, RunEvent, TaskEvent
from aioclock.exceptions import DependencyError, TaskDeclarationError
from aioclock.executors import as_async
from aioclock.provider import call_model, needs_injection, require_resolvable, solve
from aioclock.utils import callable_name, did_you_mean

__all__ = ["Listener", "require_kinds"]

_OF_A_TASK = (RunEvent, TaskEvent)
_FAMILIES = (Event, *_OF_A_TASK)
_NAMED: dict[str, type[Event]] = {
    name: kind for name in events.__all__ if isinstance(kind := getattr(events, name), type)
}
_VARIADIC = (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD)


class Listener:
    """A function that is told events, with what else it asks for by `Depends`.

    Args:
        kinds: Event classes; `Event`, `RunEvent` and `TaskEvent` stand for all below them.
        task: Pattern that the task's key must match; events that are of no task are left out then.

    Raises:
        TaskDeclarationError: nothing can be told to *func* on these terms.
        DependencyError: a parameter can't be filled, as far as that is known before all annotations can be resolved.
    """

    def __init__(
        self, func: Callable[..., Any], kinds: tuple[type[Event], ...], *, task: str | None, provider: Provider
    ) -> None:
        _require_function(func)
        self.name = callable_name(func)
        self._owner = f"listener {self.name!r}"
        self.kinds = _concrete(kinds, owner=self._owner)
        """The concrete event classes that it may be told."""
        if task is not None:
            self.kinds = _of_tasks(self.kinds, task, owner=self._owner)
        self._func, self._task, self._provider = func, task, provider
        self._parameter: str | None = None
        self._model: CallModel | None = None
        self._prepared = False
        try:
            self.prepare()
        except DependencyError as error:
            if not _may_become_known(error, self._model):  # else the app asks again before it serves
                raise

    def wants(self, event: Event) -> bool:
        """Tell whether *event*, of one of its kinds, is of a task that it listens to."""
        return self._task is None or (isinstance(event, _OF_A_TASK) and fnmatchcase(event.task_key, self._task))

    def prepare(self) -> None:
        """Find out how to call the function.

        Raises:
            DependencyError: one of its parameters, or of a dependency, can't be filled.
        """
        if not self._prepared:  # not again: a name that is local to where it was declared would be unknown here
            self._build()
        if self._model is not None:
            given = frozenset() if self._parameter is None else frozenset({self._parameter})
            require_resolvable(self._model, owner=self._owner, given=given)
        self._prepared = True

    def _build(self) -> None:
        parameters = list(_parameters(self._func, owner=self._owner))
        self._parameter = self._find_event(parameters)
        values = _value_collector(self._func, [p for p in parameters if p.name != self._parameter])
        if needs_injection(values, owner=self._owner):
            self._model = call_model(values, self._provider)

    def _find_event(self, parameters: list[Parameter]) -> str | None:
        free = [p for p in parameters if not isinstance(p.default, Dependant | CustomField)]
        accepted = {p.name: classes for p in free if (classes := tuple(_events_in(p.annotation)))}
        if len(accepted) > 1:
            raise DependencyError(f"{self._owner}: only one parameter can be the event, got {', '.join(accepted)}")
        for name, classes in accepted.items():
            refused = sorted(kind.__name__ for kind in self.kinds if not issubclass(kind, classes))
            if refused:
                raise DependencyError(
                    f"{self._owner}: parameter {name!r} does not accept {', '.join(refused)}, which it listens to; "
                    "annotate it with a base class or a union of all, or listen to fewer events"
                )
            return name
        for parameter in parameters:
            if parameter.annotation is Parameter.empty and parameter.default is Parameter.empty:
                raise DependencyError(
                    f"{self._owner}: parameter {parameter.name!r} has neither a default nor Depends(...); "
                    "if it is the event, annotate it with the event's class"
                )
        return None

    async def tell(self, event: Event, threads: CapacityLimiter) -> None:
        """Call the function about *event*; if it is sync, in one of *threads*."""
        if not self._prepared:
            self.prepare()
        given = {} if self._parameter is None else {self._parameter: event}
        call = as_async(self._func, threads)
        if self._model is None:
            await call(**given)
            return
        async with AsyncExitStack() as stack:
            values = await solve(self._model, stack, **given)
            await call(**values, **given)


def _require_function(func: Any) -> None:
    if not callable(func):
        raise TaskDeclarationError(f"a listener is a function, got {func!r}; decorate one with @app.on(RunFailed)")
    if inspect.isgeneratorfunction(func) or inspect.isasyncgenfunction(func):
        raise TaskDeclarationError(
            f"listener {callable_name(func)!r}: a generator function can't listen, nothing would iterate it; "
            "use return instead of yield"
        )


def require_kinds(kinds: tuple[Any, ...], *, owner: str = "on()") -> None:
    """Check that *kinds* are classes of events.

    Raises:
        TaskDeclarationError: there are none, or one of them is something else.
    """
    if not kinds:
        raise TaskDeclarationError(f"{owner}: nothing to listen to; name an event's class: @app.on(RunFailed)")
    for kind in kinds:
        if not (isinstance(kind, type) and issubclass(kind, Event)):
            close = did_you_mean(kind, _NAMED) if isinstance(kind, str) and kind not in _NAMED else ""
            raise TaskDeclarationError(
                f"{owner}: events are told by their classes, as in @app.on(RunFailed), got {kind!r}{close}"
            )


def _concrete(kinds: tuple[Any, ...], *, owner: str) -> frozenset[type[Event]]:
    require_kinds(kinds, owner=owner)
    # Not kind.__subclasses__(): a dataclass with slots is made twice, and the first one may still be about.
    return frozenset(kind for kind in (*_NAMED.values(), *kinds) if issubclass(kind, kinds) and kind not in _FAMILIES)


def _of_tasks(kinds: frozenset[type[Event]], task: Any, *, owner: str) -> frozenset[type[Event]]:
    if not (isinstance(task, str) and task.strip()):
        raise TaskDeclarationError(f"{owner}: task must be a pattern of task keys such as 'etl.*', got {task!r}")
    matchable = frozenset(kind for kind in kinds if issubclass(kind, _OF_A_TASK))
    if not matchable:
        names = ", ".join(sorted(kind.__name__ for kind in kinds))
        raise TaskDeclarationError(
            f"{owner}: task={task!r} can't match, as no task belongs to {names}; "
            "leave task out, or listen to events of runs or tasks"
        )
    return matchable


# Its parameters


def _parameters(func: Callable[..., Any], *, owner: str) -> Iterator[Parameter]:
    """Yield what can be filled, with annotations resolved and fit to be passed by name."""
    try:
        parameters = inspect.signature(func).parameters.values()
    except NameError as error:  # since Python 3.14 annotations are evaluated only now
        raise DependencyError(f"{owner}: an annotation can't be resolved: {error}") from error
    except (TypeError, ValueError) as error:
        raise DependencyError(f"{owner}: its parameters can't be read; wrap it in a function: {error}") from error
    for parameter in parameters:
        if parameter.kind is Parameter.POSITIONAL_ONLY and parameter.default is Parameter.empty:
            raise DependencyError(
                f"{owner}: parameter {parameter.name!r} is filled by name; take the `/` after it away"
            )
        if parameter.kind not in (*_VARIADIC, Parameter.POSITIONAL_ONLY):
            annotation = _resolved(parameter, func, owner=owner)
            yield parameter.replace(annotation=annotation, kind=Parameter.KEYWORD_ONLY)


def _resolved(parameter: Parameter, func: Callable[..., Any], *, owner: str) -> Any:
    if parameter.annotation is Parameter.empty:
        return Parameter.empty
    holder = SimpleNamespace(__annotations__={"it": parameter.annotation})
    known = getattr(_function_of(func), "__globals__", {})
    try:
        return get_type_hints(holder, known, collect_outer_stack_locals(), include_extras=True)["it"]
    except (NameError, AttributeError) as error:
        raise DependencyError(
            f"{owner}: the annotation {parameter.annotation!r} of parameter {parameter.name!r} can't be resolved; "
            "what it names must be imported at run time, not under TYPE_CHECKING only"
        ) from error
    except Exception as error:
        raise DependencyError(
            f"{owner}: the annotation {parameter.annotation!r} of parameter {parameter.name!r} "
            f"can't be understood: {error}"
        ) from error


def _function_of(func: Any) -> Any:
    while isinstance(func, partial):
        func = func.func
    func = inspect.unwrap(func)
    return func if hasattr(func, "__globals__") else type(func).__call__


def _events_in(annotation: Any) -> Iterator[type[Event]]:
    annotation = getattr(annotation, "__value__", annotation)  # `type Bad = RunFailed | RunTimedOut`
    kind, parts = get_origin(annotation), get_args(annotation)
    if kind is Annotated:
        if not any(isinstance(extra, Dependant | CustomField) for extra in parts[1:]):
            yield from _events_in(parts[0])
    elif kind in (Union, UnionType):
        for part in parts:
            yield from _events_in(part)
    elif isinstance(annotation, type) and issubclass(annotation, Event):
        yield annotation


def _value_collector(func: Callable[..., Any], parameters: list[Parameter]) -> Callable[..., Any]:
    """Return a function that returns the values of *parameters*, for fast-depends to fill.

    The event is none of them: pydantic, which checks them, needs no model of it, and it arrives as the object it is.
    """

    async def collect(**values: Any) -> dict[str, Any]:
        return values

    collect.__signature__ = Signature(parameters)  # type: ignore[attr-defined]  # inspect.signature honours it
    collect.__wrapped__ = _function_of(func)  # type: ignore[attr-defined]  # its name is what error messages show
    return collect


def _may_become_known(error: DependencyError, model: CallModel | None) -> bool:
    """Tell whether *error* is about a name that the module may define further down."""
    return isinstance(error.__cause__, NameError | AttributeError) or (model is not None and _names_unknown(model))


def _names_unknown(model: CallModel, above: tuple[CallModel, ...] = ()) -> bool:
    if model in above:  # a dependency of its own, which is an error already
        return False
    options = model.serializer.options.values() if model.serializer is not None else ()
    if any(isinstance(option.field_type, str | ForwardRef) for option in options):
        return True
    below = map(model.dependency_provider.get_dependant, model.dependencies.values())
    return any(_names_unknown(dependency, (*above, model)) for dependency in below)
