"""The lifespan: entered before anything runs, left after everything stopped, whatever happened in between."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from datetime import UTC, datetime
from types import TracebackType
from typing import Annotated, Any

import anyio
import pytest

from aioclock import AioClock, Depends, Every, Once, OnShutDown
from aioclock.testing import simulate

pytestmark = pytest.mark.filterwarnings("ignore:OnShutDown:DeprecationWarning")

START = "2026-01-01T00:00:00+00:00"


def make(kind: str, order: list[str]) -> Callable[[AioClock], Any]:
    """Return a lifespan of that kind which notes the order of things; none of them has a try/finally."""

    @asynccontextmanager
    async def asynchronous(app: AioClock) -> AsyncIterator[None]:
        order.append("in")
        yield
        await asyncio.sleep(0)
        order.append("out")

    @contextmanager
    def synchronous(app: AioClock) -> Iterator[None]:
        order.append("in")
        yield
        order.append("out")

    return {"async": asynchronous, "sync": synchronous}[kind]


async def serve(app: AioClock) -> None:
    async with asyncio.timeout(5):
        await app.serve()


async def served_until(app: AioClock, started: asyncio.Event, end: Callable[["asyncio.Task[None]"], Any]) -> bool:
    serving = asyncio.create_task(app.serve())
    await asyncio.wait_for(started.wait(), 3)
    if asyncio.iscoroutine(ending := end(serving)):
        await ending
    await asyncio.wait({serving}, timeout=5)
    assert serving.done()
    return serving.cancelled()


@pytest.mark.parametrize("kind", ["async", "sync"])
async def test_a_lifespan_surrounds_the_tasks(kind: str) -> None:
    order: list[str] = []
    app = AioClock(lifespan=make(kind, order))
    app.task(trigger=Once())(lambda: order.append("task"))
    await serve(app)
    assert order == ["in", "task", "out"]


@pytest.mark.parametrize("kind", ["async", "sync"])
async def test_a_cancelled_app_leaves_its_lifespan_cleanly(kind: str) -> None:
    order: list[str] = []
    app, started = AioClock(lifespan=make(kind, order)), asyncio.Event()

    @app.task(trigger=Once())
    async def work() -> None:
        started.set()
        try:
            await asyncio.sleep(30)
        finally:
            order.append("cancelled")

    assert await served_until(app, started, lambda serving: serving.cancel())
    assert order == ["in", "cancelled", "out"]


@pytest.mark.parametrize("kind", ["async", "sync"])
async def test_a_stopped_app_leaves_its_lifespan_cleanly(kind: str) -> None:
    order: list[str] = []
    app, started = AioClock(lifespan=make(kind, order)), asyncio.Event()

    @app.task(trigger=Once())
    async def work() -> None:
        started.set()
        await asyncio.sleep(0.01)
        order.append("finished")

    assert not await served_until(app, started, lambda serving: app.stop())
    assert order == ["in", "finished", "out"]


async def test_a_lifespan_gets_the_app() -> None:
    got: list[AioClock] = []

    @asynccontextmanager
    async def lifespan(app: AioClock) -> AsyncIterator[None]:
        got.append(app)
        yield

    app = AioClock(lifespan=lifespan)
    await serve(app)
    assert got == [app]


async def test_the_parameter_for_the_app_may_have_any_name_and_no_annotation() -> None:
    got: list[object] = []

    @asynccontextmanager
    async def lifespan(_):  # type: ignore[no-untyped-def] # as people write it
        got.append(_)
        yield

    app = AioClock(lifespan=lifespan)
    await serve(app)
    assert got == [app]


async def test_a_class_of_context_managers_is_a_lifespan_too() -> None:
    order: list[object] = []

    class Lifespan:
        def __init__(self, app: AioClock) -> None:
            order.append(app)

        async def __aenter__(self) -> None:
            order.append("in")

        async def __aexit__(
            self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
        ) -> None:
            order.append(("out", kind))

    app = AioClock(lifespan=Lifespan)
    await serve(app)
    assert order == [app, "in", ("out", None)]


async def test_a_lifespan_is_entered_and_left_by_each_serving() -> None:
    order: list[str] = []
    app = AioClock(lifespan=make("async", order))
    for _ in range(2):
        await serve(app)
    assert order == ["in", "out"] * 2


async def test_tasks_and_lifespan_share_one_event_loop() -> None:
    loops: list[object] = []

    @asynccontextmanager
    async def lifespan(app: AioClock) -> AsyncIterator[None]:
        loops.append(asyncio.get_running_loop())
        yield

    await serve(AioClock(lifespan=lifespan))
    assert loops == [asyncio.get_running_loop()]


async def test_nothing_runs_when_the_lifespan_can_not_be_entered() -> None:
    ran: list[str] = []

    @asynccontextmanager
    async def lifespan(app: AioClock) -> AsyncIterator[None]:
        raise LookupError("no database")
        yield

    app = AioClock(lifespan=lifespan)
    app.task(trigger=Once())(lambda: ran.append("task"))
    with pytest.raises(LookupError, match="no database"):
        await serve(app)
    assert ran == []


async def test_an_error_at_the_end_of_the_lifespan_comes_out_of_serve() -> None:
    @asynccontextmanager
    async def lifespan(app: AioClock) -> AsyncIterator[None]:
        yield
        raise LookupError("can't close")

    with pytest.raises(LookupError, match="can't close"):
        await serve(AioClock(lifespan=lifespan))


async def test_a_failing_task_is_not_thrown_into_the_lifespan() -> None:
    order: list[str] = []
    app = AioClock(lifespan=make("async", order))

    @app.task(trigger=Once())
    async def fail() -> None:
        raise RuntimeError("failed on purpose")

    await serve(app)
    assert order == ["in", "out"]


class BrokenClock:
    """Works until *broken* is set: an error of the app itself, not of one of its tasks."""

    broken = False

    def now(self) -> datetime:
        if self.broken:
            raise OSError("the clock is broken")
        return datetime.now(UTC)

    async def sleep_until(self, deadline: datetime) -> None:
        await asyncio.sleep(0.01)


@pytest.mark.parametrize("kind", ["async", "sync"])
async def test_an_error_of_the_app_itself_is_thrown_into_the_lifespan(kind: str) -> None:
    thrown: list[BaseException] = []

    @asynccontextmanager
    async def asynchronous(app: AioClock) -> AsyncIterator[None]:
        try:
            yield
        except OSError as error:
            thrown.append(error)
            raise

    @contextmanager
    def synchronous(app: AioClock) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            thrown.append(error)
            raise

    clock = BrokenClock()
    asyncio.get_running_loop().clock = clock  # type: ignore[attr-defined] # where the app looks for another clock
    app = AioClock(lifespan=asynchronous if kind == "async" else synchronous)

    @app.task(trigger=Every(seconds=0.01))
    async def work() -> None:
        clock.broken = True

    with pytest.raises(OSError, match="the clock is broken"):
        await serve(app)
    assert [str(error) for error in thrown] == ["the clock is broken"]


async def test_a_lifespan_that_is_no_context_manager_is_refused_by_name() -> None:
    async def forgotten(app: AioClock) -> AsyncIterator[None]:
        yield

    async def declare_and_serve() -> None:
        await serve(AioClock(lifespan=forgotten))  # type: ignore[arg-type] # bad on purpose

    with pytest.raises(Exception, match=r"forgotten.*asynccontextmanager"):
        await declare_and_serve()


@pytest.mark.virtual_time
async def test_an_app_in_a_cancel_scope_of_anyio_shuts_down_cleanly_too() -> None:
    # Such a scope cancels again and again, at every await, unless it is told to hold back.
    order: list[str] = []

    @asynccontextmanager
    async def lifespan(app: AioClock) -> AsyncIterator[None]:
        yield
        await asyncio.sleep(0.01)
        order.append("out")

    app = AioClock(lifespan=lifespan)

    async def down() -> None:
        await asyncio.sleep(0.01)
        order.append("down")

    app.task(trigger=OnShutDown())(down)
    app.task(trigger=Every(hours=1))(down)
    with anyio.move_on_after(0.02) as scope:
        await app.serve()
    assert scope.cancelled_caught
    assert order == ["down", "out"]


@pytest.mark.parametrize("limit", ["asyncio.timeout", "asyncio.wait_for", "anyio.move_on_after"])
@pytest.mark.parametrize("where", ["before", "after"])
def test_a_lifespan_may_limit_its_own_waiting(limit: str, where: str) -> None:
    # Each of these cancels the asyncio task that it is used in: nobody asked the app to stop.
    order: list[str] = []

    async def give_up() -> None:
        with suppress(TimeoutError):
            if limit == "asyncio.timeout":
                async with asyncio.timeout(0.01):
                    await asyncio.Event().wait()
            elif limit == "asyncio.wait_for":
                await asyncio.wait_for(asyncio.Event().wait(), 0.01)
            else:
                with anyio.move_on_after(0.01):
                    await asyncio.Event().wait()
        order.append("gave up")

    @asynccontextmanager
    async def lifespan(app: AioClock) -> AsyncIterator[None]:
        if where == "before":
            await give_up()
        yield
        if where == "after":
            await give_up()

    app = AioClock(lifespan=lifespan)
    app.task(trigger=Every(seconds=1, max_loop_count=2), name="task")(lambda: order.append("task"))
    with simulate(app, start=START) as sim:
        sim.advance(seconds=5)
    assert order == (["gave up", "task", "task"] if where == "before" else ["task", "task", "gave up"])


# What it depends on


def source() -> str:
    return "real"


async def async_source(value: str = Depends(source)) -> AsyncIterator[str]:
    yield f"nested {value}"


@pytest.mark.parametrize("kind", ["async", "sync"])
@pytest.mark.parametrize("override", [False, True])
async def test_further_parameters_of_a_lifespan_are_resolved_as_for_a_task(kind: str, override: bool) -> None:
    got: list[object] = []

    @asynccontextmanager
    async def asynchronous(
        app: AioClock, value: str = Depends(source), *, nested: Annotated[str, Depends(async_source)]
    ) -> AsyncIterator[None]:
        got.extend((app, value, nested))
        yield

    @contextmanager
    def synchronous(
        app: AioClock, value: str = Depends(source), *, nested: Annotated[str, Depends(async_source)]
    ) -> Iterator[None]:
        got.extend((app, value, nested))
        yield

    app = AioClock(lifespan=asynchronous if kind == "async" else synchronous)
    if override:
        app.override_dependencies(source, lambda: "override")
    await serve(app)
    word = "override" if override else "real"
    assert got == [app, word, f"nested {word}"]


async def test_what_a_lifespan_depends_on_is_open_until_it_was_left() -> None:
    order: list[str] = []

    async def resource() -> AsyncIterator[str]:
        order.append("open")
        yield "resource"
        order.append("closed")

    @asynccontextmanager
    async def lifespan(app: AioClock, value: str = Depends(resource)) -> AsyncIterator[None]:
        order.append("in")
        yield
        order.append("out")

    app = AioClock(lifespan=lifespan)
    app.task(trigger=Once())(lambda: order.append("task"))
    await serve(app)
    assert order == ["open", "in", "task", "out", "closed"]


async def test_a_parameter_of_a_lifespan_that_nobody_can_fill_is_refused_at_the_start() -> None:
    entered: list[str] = []

    @asynccontextmanager
    async def lifespan(app: AioClock, session: str) -> AsyncIterator[None]:
        entered.append("in")
        yield

    with pytest.raises(Exception, match="session"):
        await serve(AioClock(lifespan=lifespan))
    assert entered == []


# On virtual time


def test_a_lifespan_on_virtual_time_is_left_when_the_simulation_ends() -> None:
    order: list[str] = []
    app = AioClock(lifespan=make("async", order))
    app.task(trigger=Every(hours=1))(lambda: order.append("task"))
    with simulate(app, start=START) as sim:
        assert order == ["in"]
        sim.advance(minutes=90)
    assert order == ["in", "task", "out"]
