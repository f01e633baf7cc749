"""Dependencies: how a function asks for them, and how a test puts others in their place."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

import pytest

from aioclock import AioClock, Depends, Every, Group, Once
from aioclock.api import run_with_injected_deps
from aioclock.provider import get_provider


async def serve(app: AioClock) -> None:
    async with asyncio.timeout(5):
        await app.serve()


def source() -> str:
    return "real"


async def async_source() -> str:
    await asyncio.sleep(0)
    return "real"


def generator() -> Iterator[str]:
    yield "real"


async def async_generator() -> AsyncIterator[str]:
    yield "real"


def nested(value: str = Depends(source)) -> str:
    return f"nested {value}"


async def through_a_generator(value: Annotated[str, Depends(generator)]) -> AsyncIterator[str]:
    yield f"nested {value}"


KINDS = {
    "sync": (source, "real"),
    "async": (async_source, "real"),
    "generator": (generator, "real"),
    "async generator": (async_generator, "real"),
    "nested": (nested, "nested real"),
    "nested generators": (through_a_generator, "nested real"),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("style", ["default", "annotated"])
@pytest.mark.parametrize("sync", [False, True], ids=["async task", "sync task"])
async def test_a_task_gets_what_it_depends_on(kind: str, style: str, sync: bool) -> None:
    dependency, expected = KINDS[kind]
    app, got = AioClock(), []

    async def by_default(value: str = Depends(dependency)) -> None:
        got.append(value)

    async def by_annotation(value: Annotated[str, Depends(dependency)]) -> None:
        got.append(value)

    def sync_by_default(value: str = Depends(dependency)) -> None:
        got.append(value)

    def sync_by_annotation(value: Annotated[str, Depends(dependency)]) -> None:
        got.append(value)

    tasks = {
        ("default", False): by_default,
        ("annotated", False): by_annotation,
        ("default", True): sync_by_default,
        ("annotated", True): sync_by_annotation,
    }
    app.task(trigger=Once())(tasks[style, sync])
    await serve(app)
    assert got == [expected]


async def test_a_sync_task_with_an_async_dependency_still_runs_in_a_thread() -> None:
    app, threads = AioClock(), []

    @app.task(trigger=Once())
    def work(value: str = Depends(async_source)) -> None:
        threads.append(threading.current_thread())

    await serve(app)
    assert threads
    assert threading.main_thread() not in threads


async def test_a_parameter_with_a_plain_default_keeps_it() -> None:
    app, got = AioClock(), []

    @app.task(trigger=Once())
    async def work(value: str = Depends(source), number: int = 7, *, flag: bool = True) -> None:
        got.append((value, number, flag))

    await serve(app)
    assert got == [("real", 7, True)]


@pytest.mark.parametrize("fails", [False, True], ids=["succeeded", "failed"])
@pytest.mark.parametrize("kind", ["sync", "async"])
async def test_a_generator_is_closed_after_the_run_however_it_ended(kind: str, fails: bool) -> None:
    app, order = AioClock(), []

    def resource() -> Iterator[str]:
        order.append("open")
        try:
            yield "resource"
        finally:
            order.append("closed")

    async def async_resource() -> AsyncIterator[str]:
        order.append("open")
        try:
            yield "resource"
        finally:
            await asyncio.sleep(0)
            order.append("closed")

    dependency = resource if kind == "sync" else async_resource

    @app.task(trigger=Every(seconds=0, max_loop_count=2))
    async def work(value: Annotated[str, Depends(dependency)]) -> None:
        order.append("run")
        if fails:
            raise RuntimeError("failed on purpose")

    await serve(app)
    assert order == ["open", "run", "closed"] * 2


@pytest.mark.virtual_time
async def test_a_generator_is_closed_when_the_run_times_out() -> None:
    app, order = AioClock(), []

    async def resource() -> AsyncIterator[str]:
        try:
            yield "resource"
        finally:
            order.append("closed")

    @app.task(trigger=Once(), timeout=0.01)
    async def work(value: str = Depends(resource)) -> None:
        await asyncio.sleep(30)

    await serve(app)
    assert order == ["closed"]


async def test_a_generator_is_closed_when_the_app_is_cancelled() -> None:
    app, order, started = AioClock(), [], asyncio.Event()

    async def resource() -> AsyncIterator[str]:
        try:
            yield "resource"
        finally:
            order.append("closed")

    @app.task(trigger=Once())
    async def work(value: str = Depends(resource)) -> None:
        started.set()
        await asyncio.sleep(30)

    serving = asyncio.create_task(app.serve())
    await asyncio.wait_for(started.wait(), 3)
    serving.cancel()
    await asyncio.wait({serving}, timeout=3)
    assert serving.cancelled()
    assert order == ["closed"]


async def test_a_dependency_is_called_once_in_a_run_and_again_in_the_next() -> None:
    app, calls, got = AioClock(), [], []

    def counted() -> int:
        calls.append(1)
        return len(calls)

    def left(number: int = Depends(counted)) -> int:
        return number

    def right(number: int = Depends(counted)) -> int:
        return number

    @app.task(trigger=Every(seconds=0, max_loop_count=2))
    async def work(a: int = Depends(left), b: int = Depends(right), c: int = Depends(counted)) -> None:
        got.append((a, b, c))

    await serve(app)
    assert got == [(1, 1, 1), (2, 2, 2)]


async def test_a_failing_dependency_fails_the_run_and_nothing_else() -> None:
    app, ran = AioClock(), []

    def broken() -> str:
        raise RuntimeError("no database")

    @app.task(trigger=Every(seconds=0, max_loop_count=2))
    async def work(value: str = Depends(broken)) -> None:
        ran.append("never")

    app.task(trigger=Once())(lambda: ran.append("other"))
    await serve(app)
    assert ran == ["other"]


async def test_a_dependency_keeps_the_object_that_was_returned() -> None:
    # Nothing converts or copies what a dependency returns, whatever the annotation says.
    class Session: ...

    session, got, app = Session(), [], AioClock()

    @app.task(trigger=Once())
    async def work(value: Annotated[Session, Depends(lambda: session)]) -> None:
        got.append(value)

    await serve(app)
    assert got[0] is session


# Overriding


def returning(value: str) -> Callable[[], str]:
    return lambda: value


@pytest.mark.parametrize("kind", ["async task", "sync task", "nested"])
async def test_an_override_changes_what_the_task_gets(kind: str) -> None:
    app, got = AioClock(), []

    async def work(value: str = Depends(source)) -> None:
        got.append(value)

    def sync_work(value: str = Depends(source)) -> None:
        got.append(value)

    async def deep_work(value: str = Depends(nested)) -> None:
        got.append(value)

    app.task(trigger=Once())({"async task": work, "sync task": sync_work, "nested": deep_work}[kind])
    app.override_dependencies(source, returning("override"))
    await serve(app)
    assert got == ["nested override" if kind == "nested" else "override"]


async def test_an_override_made_before_the_decoration_counts_too() -> None:
    app, got = AioClock(), []
    app.override_dependencies(source, returning("override"))

    @app.task(trigger=Once())
    async def work(value: str = Depends(source)) -> None:
        got.append(value)

    await serve(app)
    assert got == ["override"]


async def test_an_override_reaches_the_tasks_of_included_groups() -> None:
    app, outer, inner, got = AioClock(), Group(), Group(), []

    @inner.task(trigger=Once())
    async def work(value: str = Depends(nested)) -> None:
        got.append(value)

    outer.include_group(inner)
    app.include_group(outer)
    app.override_dependencies(source, returning("override"))
    await serve(app)
    assert got == ["nested override"]


async def test_an_override_touches_no_other_app() -> None:
    got: list[str] = []

    async def work(value: str = Depends(source)) -> None:
        got.append(value)

    overriding, other = AioClock(), AioClock()
    for app in (overriding, other):
        app.task(trigger=Once())(work)
    overriding.override_dependencies(source, returning("override"))
    await serve(other)
    assert got == ["real"]
    await serve(overriding)
    assert got == ["real", "override"]


async def test_an_override_is_undone_at_the_end_of_its_block() -> None:
    app, got = AioClock(), []

    @app.task(trigger=Once())
    async def work(value: str = Depends(source)) -> None:
        got.append(value)

    with app.override_dependencies(source, returning("override")):
        await serve(app)
    await serve(app)
    assert got == ["override", "real"]


async def test_an_override_is_undone_also_when_its_block_fails() -> None:
    app, got = AioClock(), []

    @app.task(trigger=Once())
    async def work(value: str = Depends(source)) -> None:
        got.append(value)

    with pytest.raises(LookupError), app.override_dependencies(source, returning("override")):
        raise LookupError
    await serve(app)
    assert got == ["real"]


async def test_the_end_of_an_inner_override_brings_back_the_outer_one() -> None:
    app, got = AioClock(), []

    @app.task(trigger=Once())
    async def work(value: str = Depends(source)) -> None:
        got.append(value)

    app.override_dependencies(source, returning("outer"))
    with app.override_dependencies(source, returning("inner")):
        await serve(app)
    await serve(app)
    assert got == ["inner", "outer"]


async def test_an_override_may_be_of_another_kind_and_have_dependencies() -> None:
    app, got, order = AioClock(), [], []

    async def replacement(base: str = Depends(async_source)) -> AsyncIterator[str]:
        yield f"override of {base}"
        order.append("closed")

    @app.task(trigger=Once())
    async def work(value: str = Depends(source)) -> None:
        got.append(value)

    with app.override_dependencies(source, replacement):
        await serve(app)
    assert got == ["override of real"]
    assert order == ["closed"]


async def test_an_override_holds_from_the_next_run_on() -> None:
    app, got = AioClock(), []

    @app.task(trigger=Every(seconds=0, max_loop_count=2))
    async def work(value: str = Depends(source)) -> None:
        got.append(value)
        app.override_dependencies(source, returning("override"))

    await serve(app)
    assert got == ["real", "override"]


def test_the_dependencies_of_an_app_are_its_own_provider() -> None:
    assert AioClock().dependencies is not AioClock().dependencies
    assert AioClock().dependencies is not get_provider()


async def test_an_override_through_the_provider_of_the_app_counts() -> None:
    app, got = AioClock(), []

    @app.task(trigger=Once())
    async def work(value: str = Depends(source)) -> None:
        got.append(value)

    with app.dependencies.scope(source, returning("override")):
        await serve(app)
    assert got == ["override"]


async def test_the_default_provider_is_for_functions_that_belong_to_no_app() -> None:
    @Group().task(trigger=Once())
    async def lonely(value: str = Depends(source)) -> str:
        return value

    app = AioClock()

    @app.task(trigger=Once())
    async def owned(value: str = Depends(source)) -> str:
        return value

    with get_provider().scope(source, returning("override")):
        assert await run_with_injected_deps(lonely) == "override"
        assert await run_with_injected_deps(owned) == "real"


# Refused at the start


def needs(number: int) -> int:
    return number


@pytest.mark.parametrize("sync", [False, True], ids=["async task", "sync task"])
@pytest.mark.parametrize("where", ["task", "dependency", "nested dependency"])
async def test_what_can_not_be_resolved_is_refused_at_the_start_naming_task_and_parameter(
    where: str, sync: bool
) -> None:
    def between(total: int = Depends(needs)) -> int:
        return total

    dependency: Callable[..., Any] = {"task": source, "dependency": needs, "nested dependency": between}[where]

    async def faulty(given: int = Depends(dependency)) -> None: ...

    def sync_faulty(given: int = Depends(dependency)) -> None: ...

    order: list[str] = []

    @asynccontextmanager
    async def lifespan(app: AioClock) -> AsyncIterator[None]:
        order.append("lifespan")
        yield

    app = AioClock(lifespan=lifespan)
    # Due in an hour: what is wrong must show before the first tick.
    app.task(trigger=Every(hours=1), name="faulty")(needs if where == "task" else sync_faulty if sync else faulty)
    with pytest.raises(Exception, match=r"faulty.*number|number.*faulty") as refusal:
        await serve(app)
    assert not isinstance(refusal.value, TimeoutError)


async def test_what_an_override_makes_resolvable_is_not_refused() -> None:
    app, got = AioClock(), []

    @app.task(trigger=Once())
    async def work(number: int = Depends(needs)) -> None:
        got.append(number)

    app.override_dependencies(needs, lambda: 5)
    await serve(app)
    assert got == [5]
