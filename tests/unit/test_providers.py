"""Dependencies at their edges: scopes, circles, and functions that can't be understood."""

from typing import Annotated, Any

import pytest
from fast_depends import Provider

from aioclock import AioClock, Depends, Once
from aioclock.api import run_with_injected_deps
from aioclock.exceptions import BaseAioClockException, DependencyError
from aioclock.provider import needs_injection


def real() -> str:
    return "real"


def fake() -> str:
    return "fake"


def faker() -> str:
    return "faker"


def app_with(func: Any) -> AioClock:
    app = AioClock()
    app.task(trigger=Once(), name="work")(func)
    return app


def asking() -> tuple[AioClock, Any]:
    async def work(value: str = Depends(real)) -> str:
        return value

    return app_with(work), work


# Overrides


async def test_a_scope_of_the_provider_is_an_override_that_ends_with_its_block() -> None:
    app, work = asking()
    with app.dependencies.scope(real, fake):
        assert await run_with_injected_deps(work) == "fake"
        with app.dependencies.scope(real, faker):
            assert await run_with_injected_deps(work) == "faker"
        assert await run_with_injected_deps(work) == "fake"
    assert await run_with_injected_deps(work) == "real"


async def test_a_scope_of_the_provider_ends_also_when_its_block_fails() -> None:
    app, work = asking()
    with pytest.raises(OSError, match="on purpose"), app.dependencies.scope(real, fake):
        raise OSError("on purpose")
    assert await run_with_injected_deps(work) == "real"


async def test_the_end_of_an_override_that_was_cleared_meanwhile_changes_nothing() -> None:
    app, work = asking()
    with app.override_dependencies(real, fake):
        app.dependencies.clear()
        assert await run_with_injected_deps(work) == "real"
    assert await run_with_injected_deps(work) == "real"


@pytest.mark.parametrize(
    ("original", "override", "role"), [(real, "fake", "override 'fake'"), ("real", fake, "original 'real'")]
)
async def test_only_functions_are_overridden_and_by_functions_only(original: Any, override: Any, role: str) -> None:
    app, work = asking()
    with pytest.raises(DependencyError, match=f"overridden by functions, got {role}"):
        app.override_dependencies(original, override)
    assert await run_with_injected_deps(work) == "real"


def test_an_override_that_nobody_can_fill_is_told_when_it_is_made_or_when_the_app_starts() -> None:
    def unfillable(what: int) -> str:
        return f"{what}"

    app, _ = asking()
    app.override_dependencies(real, unfillable)
    with pytest.raises(DependencyError, match="task 'work': parameter 'what' of dependency 'unfillable'"):
        app._tasks[0].prepare()


# Circles


def test_an_override_that_asks_for_what_it_stands_in_for_is_told_as_a_circle() -> None:
    def wrapped(value: str = Depends(real)) -> str:
        return f"wrapped {value}"

    app, _ = asking()
    app.override_dependencies(real, wrapped)
    with pytest.raises(DependencyError, match="task 'work': a dependency depends on itself: wrapped -> wrapped"):
        app._tasks[0].prepare()


async def test_serving_is_refused_when_dependencies_go_round_in_a_circle_and_nothing_runs() -> None:
    ran = []

    def first(value: str = Depends(real)) -> str:
        return value

    def second(value: str = Depends(first)) -> str:
        return value

    async def work(value: str = Depends(first)) -> None:
        ran.append(value)

    app = app_with(work)
    app.override_dependencies(real, second)
    with pytest.raises(DependencyError, match=r"first -> second -> first"):
        await app.serve()
    assert ran == []


# Functions that can't be understood


def test_a_parameter_that_is_declared_in_two_ways_is_an_error_of_the_function() -> None:
    async def work(value: Annotated[str, Depends(real)] = Depends(fake)) -> None: ...

    with pytest.raises(DependencyError, match=r"parameters of 'work' can't be understood: .*both"):
        app_with(work)._tasks[0].prepare()


def test_a_function_without_a_readable_signature_is_an_error_that_says_what_to_do() -> None:
    class Odd:
        __signature__ = "nobody can read this"

        async def __call__(self, value: int) -> None: ...

    with pytest.raises(DependencyError, match="parameters of 'Odd' can't be read; wrap it in a function"):
        app_with(Odd())._tasks[0].prepare()


def test_an_error_of_dependencies_is_a_type_error_and_one_of_the_library() -> None:
    assert issubclass(DependencyError, TypeError)
    assert issubclass(DependencyError, BaseAioClockException)


# What needs no injection


def test_a_function_whose_parameters_all_fill_themselves_is_called_as_it_is() -> None:
    def plain(number: int = 1, *others: int, flag: bool = True, **more: int) -> None: ...

    def variadic(*others: int, **more: int) -> None: ...

    def annotated(number: Annotated[int, "no marker"] = 1) -> None: ...

    assert not any(needs_injection(func, owner="task") for func in (plain, variadic, annotated))


async def test_a_marker_in_the_annotation_counts_beside_a_default() -> None:
    async def work(value: Annotated[str, Depends(real)] = "default", *others: Any, flag: bool = True) -> Any:
        return value, others, flag

    app_with(work)
    assert needs_injection(work, owner="task")
    assert await run_with_injected_deps(work) == ("real", (), True)


async def test_the_parameters_of_a_variadic_task_stay_empty() -> None:
    async def work(value: str = Depends(real), *others: Any, **more: Any) -> Any:
        return value, others, more

    app_with(work)
    assert await run_with_injected_deps(work) == ("real", (), {})


def test_the_provider_of_an_app_is_one_of_fast_depends() -> None:
    assert isinstance(AioClock().dependencies, Provider)
