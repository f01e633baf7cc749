"""Dependencies: which function fills a parameter, and what stands in for it in tests."""

from collections.abc import Awaitable, Callable, Hashable, Iterator
from contextlib import AsyncExitStack, contextmanager
from inspect import Parameter, Signature, signature
from types import TracebackType
from typing import Annotated, Any, ForwardRef, TypeAlias, get_args, get_origin

from fast_depends import Depends, Provider, dependency_provider
from fast_depends.core import CallModel, build_call_model
from fast_depends.dependencies import Dependant
from fast_depends.library import CustomField
from fast_depends.library.serializer import OptionItem, Serializer, SerializerProto
from fast_depends.pydantic import PydanticSerializer
from pydantic import TypeAdapter

from aioclock.exceptions import DependencyError
from aioclock.runs import Run, current_run
from aioclock.utils import callable_name

__all__ = [
    "CurrentRun",
    "DependencyProvider",
    "Override",
    "call_model",
    "get_provider",
    "inject",
    "needs_injection",
    "require_resolvable",
]


class _SharedSerializer(SerializerProto):
    """Builds the pydantic model that checks a function's parameters, once for each name and signature.

    fast-depends asks for one for a dependency as often as somebody depends on it, and building it takes longer than
    all the rest of adding a task.
    """

    def __init__(self) -> None:
        self._build = PydanticSerializer()
        self._built: dict[Hashable, Serializer] = {}

    def __call__(self, *, name: str, options: list[OptionItem], response_type: Any) -> Serializer:
        shape = tuple((o.field_name, o.field_type, type(o.default_value), o.default_value, o.kind) for o in options)
        key = (name, shape, response_type)
        try:
            serializer = self._built.get(key)
        except TypeError:  # a default or an annotation that can't be hashed
            return self._build(name=name, options=options, response_type=response_type)
        if serializer is None:
            if len(self._built) >= MOST_SERIALIZERS:
                self._built.clear()
            serializer = self._built[key] = self._build(name=name, options=options, response_type=response_type)
        return serializer

    @staticmethod
    def encode(message: Any) -> bytes:
        return PydanticSerializer.encode(message)


async def _the_current_run() -> Run:
    # Async, for fast-depends calls sync dependencies of an async function in a thread.
    return current_run()


CurrentRun: TypeAlias = Annotated[Run, Depends(_the_current_run)]
"""The run that the function is called for, as a parameter: `async def job(run: CurrentRun) -> None`."""

MOST_SERIALIZERS = 1024
_SERIALIZER = _SharedSerializer()
_VARIADIC = (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD)


def get_provider() -> Provider:
    """Return the process-wide provider, which serves functions that belong to no app."""
    return dependency_provider


def call_model(func: Callable[..., Any], provider: Provider) -> CallModel:
    """Return how to call *func* with everything that `Depends` asks for, looked up in *provider* at each call.

    Raises:
        DependencyError: a parameter can't be filled or its annotation can't be understood.
    """
    try:
        # Not sync, whatever func is: all calls are made from the event loop, so any dependency may be async.
        return build_call_model(
            func, dependency_provider=provider, is_sync=False, serializer_cls=_SERIALIZER, serialize_result=False
        )
    except Exception as error:
        raise DependencyError(f"the parameters of {callable_name(func)!r} can't be understood: {error}") from error


class DependencyProvider(Provider):
    """The dependencies of one app: overriding one of them touches no other app."""

    def override(self, original: Callable[..., Any], override: Callable[..., Any]) -> None:
        """Let *override* stand in for *original* from the next call on, wherever it is asked for."""
        _require_functions(original=original, override=override)
        if original not in self.dependencies:
            self.dependencies[original] = call_model(original, self)
        self.overrides[original] = call_model(override, self)

    @contextmanager
    def scope(self, original: Callable[..., Any], override: Callable[..., Any]) -> Iterator[None]:
        """Override within a `with` block."""
        with Override(self, original, override):
            yield


def _require_functions(**functions: Any) -> None:
    for role, func in functions.items():
        if not callable(func):
            raise DependencyError(f"a dependency is overridden by functions, got {role} {func!r}")


class Override:
    """An override in force from now on; as a context manager it is undone at the end of the block."""

    def __init__(self, provider: Provider, original: Callable[..., Any], override: Callable[..., Any]) -> None:
        _require_functions(original=original, override=override)
        self._provider, self._original = provider, original
        self._before = provider.overrides.get(original)
        provider.override(original, override)

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._before is None:
            self._provider.overrides.pop(self._original, None)
        else:
            self._provider.overrides[self._original] = self._before


def _asks_for_injection(parameter: Parameter, owner: str) -> bool:
    if parameter.kind in _VARIADIC:
        return False
    annotation = parameter.annotation
    for marker in (parameter.default, *get_args(annotation)[1:]):
        if type(marker).__module__ == "fastapi.params":
            raise DependencyError(
                f"{owner}: parameter {parameter.name!r} uses FastAPI's {type(marker).__name__}; use aioclock.Depends"
            )
    return (
        parameter.default is Parameter.empty
        or isinstance(parameter.default, Dependant | CustomField)
        or isinstance(annotation, str)
        or (get_origin(annotation) is Annotated and _has_marker(annotation))
    )


def _has_marker(annotation: Any) -> bool:
    return any(isinstance(extra, Dependant | CustomField) for extra in get_args(annotation)[1:])


def needs_injection(func: Callable[..., Any], *, owner: str) -> bool:
    """Tell whether *func* has a parameter that must be filled; without one it can be called as it is."""
    code = getattr(func, "__code__", None)
    if code is not None and not code.co_argcount and not code.co_kwonlyargcount and not hasattr(func, "__wrapped__"):
        return False  # the ordinary case, told without building a signature
    return any(_asks_for_injection(parameter, owner) for parameter in _signature(func).parameters.values())


def _signature(func: Callable[..., Any]) -> Signature:
    try:
        return signature(func)
    except (TypeError, ValueError) as error:
        raise DependencyError(
            f"the parameters of {callable_name(func)!r} can't be read; wrap it in a function: {error}"
        ) from error


async def solve(model: CallModel, stack: AsyncExitStack, **given: Any) -> Any:
    """Resolve the dependencies of *model*, which *stack* closes later, and return what its function returns."""
    return await model.asolve(stack=stack, cache_dependencies={}, **given)


def inject(model: CallModel) -> Callable[[], Awaitable[Any]]:
    """Return a coroutine function that resolves the dependencies of *model*, calls it and closes them."""
    provider, needs_closing = model.dependency_provider, _needs_closing(model)

    async def call() -> Any:
        if not needs_closing and not provider.overrides:
            # An exit stack takes about as long as all the scheduling of a run.
            return await model.asolve(stack=_NOTHING_TO_CLOSE, cache_dependencies={})
        async with AsyncExitStack() as stack:
            return await model.asolve(stack=stack, cache_dependencies={})

    return call


_NOTHING_TO_CLOSE = AsyncExitStack()


def _needs_closing(model: CallModel) -> bool:
    """Tell whether a dependency of *model*, or one of theirs, is a generator."""
    keys = (*model.dependencies.values(), *model.extra_dependencies)
    return any(
        below.is_generator or _needs_closing(below) for below in map(model.dependency_provider.get_dependant, keys)
    )


def require_resolvable(model: CallModel, *, owner: str, given: frozenset[str] = frozenset()) -> None:
    """Check that every parameter of *model* and of its dependencies will be filled, overrides considered.

    Args:
        owner: Who asks, for the message.
        given: Names of parameters that the caller fills.

    Raises:
        DependencyError: a parameter has neither default nor `Depends`, or a dependency depends on itself.
    """
    _check(model, owner=owner, given=given, path=())


def _check(model: CallModel, *, owner: str, given: frozenset[str], path: tuple[CallModel, ...]) -> None:
    if model in path:
        circle = " -> ".join(step.call_name for step in (*path[path.index(model) :], model))
        raise DependencyError(f"{owner}: a dependency depends on itself: {circle}")
    where = f" of dependency {model.call_name!r}" if path else ""
    for item in (*model.params, *_typed_dependencies(model)):
        if item.kind in _VARIADIC and not _accepts(item.field_type, item.default_value):
            raise DependencyError(
                f"{owner}: nothing fills *{item.field_name}{where}, and its annotation does not allow that; drop it"
            )
        if isinstance(item.field_type, str | ForwardRef):
            raise DependencyError(
                f"{owner}: the annotation {_text_of(item.field_type)!r} of parameter {item.field_name!r}{where} "
                "can't be resolved; what it names must be imported at run time, not under TYPE_CHECKING only"
            )
        filled = item.field_name in given or item.field_name in model.dependencies
        if item.default_value is ... and item.kind not in _VARIADIC and not filled:
            raise DependencyError(
                f"{owner}: parameter {item.field_name!r}{where} has neither a default nor Depends(...)"
            )
    for name, key in model.dependencies.items():
        dependency = model.dependency_provider.get_dependant(key)
        _check(dependency, owner=owner, given=given, path=(*path, model))
        given |= {name}  # fast-depends hands what is solved so far to later dependencies, by name


def _typed_dependencies(model: CallModel) -> list[OptionItem]:
    """Return the parameters that `Depends` fills; of them only the annotation is of interest here."""
    options = model.serializer.options if model.serializer is not None else {}
    return [option for name, option in options.items() if name in model.dependencies]


def _text_of(annotation: str | ForwardRef) -> str:
    return annotation if isinstance(annotation, str) else annotation.__forward_arg__


def _accepts(annotation: Any, value: Any) -> bool:
    try:
        TypeAdapter(annotation, config={"arbitrary_types_allowed": True}).validate_python(value)
    except Exception:
        return False
    return True
