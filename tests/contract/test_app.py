"""What an app does between the beginning and the end of `serve()`."""

import asyncio
import inspect
import signal
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import anyio
import pytest

from aioclock import AioClock, Every, Forever, Once, OnShutDown, OnStartUp, OrTrigger

pytestmark = pytest.mark.filterwarnings("ignore:On(StartUp|ShutDown):DeprecationWarning")


async def serve(app: AioClock) -> None:
    async with asyncio.timeout(5):
        await app.serve()


async def cancel(serving: asyncio.Task[None]) -> None:
    serving.cancel()
    with pytest.raises(asyncio.CancelledError):
        async with asyncio.timeout(5):
            await serving


# The decorator


def sync_work(number: int = 1) -> int:
    return number + 1


async def async_work(number: int = 1) -> int:
    return number + 1


@pytest.mark.parametrize("func", [sync_work, async_work])
def test_the_decorator_returns_the_function_itself(func: Callable[..., Any]) -> None:
    attributes = dict(vars(func))
    assert AioClock().task(trigger=Once())(func) is func
    assert vars(func) == attributes


async def test_a_decorated_function_can_still_be_called_directly() -> None:
    app = AioClock()
    app.task(trigger=Once())(sync_work)
    app.task(trigger=Once())(async_work)
    assert not inspect.iscoroutinefunction(sync_work)
    assert inspect.iscoroutinefunction(async_work)
    assert sync_work(4) == 5
    assert await async_work(number=4) == 5


async def test_decorators_stack_so_that_one_function_has_two_schedules() -> None:
    app, ran = AioClock(), []

    @app.task(trigger=Once())
    @app.task(trigger=Every(seconds=0, max_loop_count=2))
    async def work() -> None:
        ran.append(1)

    await serve(app)
    assert len(ran) == 3


def test_everything_is_given_by_name() -> None:
    with pytest.raises(TypeError):
        AioClock().task(Once())  # type: ignore[misc] # bad on purpose
    with pytest.raises(TypeError):
        AioClock(None)  # type: ignore[misc] # bad on purpose


# Threads


async def test_a_sync_task_runs_in_a_worker_thread() -> None:
    app, threads = AioClock(), []
    app.task(trigger=Once())(lambda: threads.append(threading.current_thread()))
    await serve(app)
    assert len(threads) == 1
    assert threads[0] is not threading.main_thread()


async def test_a_blocking_sync_task_holds_up_no_other_task() -> None:
    app, released = AioClock(), threading.Event()

    @app.task(trigger=Once())
    def blocking() -> None:
        # Were this the event loop's thread, the task that releases it could never run.
        assert released.wait(3)

    @app.task(trigger=Once())
    async def releasing() -> None:
        released.set()

    await serve(app)
    assert released.is_set()


async def test_a_coroutine_task_runs_on_the_event_loop() -> None:
    app, loops = AioClock(), []

    @app.task(trigger=Once())
    async def work() -> None:
        loops.append(asyncio.get_running_loop())

    await serve(app)
    assert loops == [asyncio.get_running_loop()]


async def test_an_async_callable_object_and_an_async_method_are_awaited() -> None:
    app, ran = AioClock(), []

    class Worker:
        async def __call__(self) -> None:
            ran.append("object")

        async def method(self) -> None:
            ran.append("method")

    app.task(trigger=Once(), name="object")(Worker())
    app.task(trigger=Once(), name="method")(Worker().method)
    await serve(app)
    assert sorted(ran) == ["method", "object"]


async def test_a_limiter_bounds_the_threads_of_sync_tasks() -> None:
    limiter = anyio.CapacityLimiter(1)
    app, borrowed = AioClock(limiter=limiter), []
    app.task(trigger=Once())(lambda: borrowed.append(limiter.borrowed_tokens))
    await serve(app)
    assert borrowed == [1]


async def test_without_a_limiter_the_default_one_is_used() -> None:
    limiter = anyio.to_thread.current_default_thread_limiter()
    app, borrowed = AioClock(), []
    app.task(trigger=Once())(lambda: borrowed.append(limiter.borrowed_tokens))
    await serve(app)
    assert borrowed == [1]


# The order of things


async def test_an_app_without_tasks_returns() -> None:
    await serve(AioClock())


async def test_serving_goes_from_lifespan_to_start_up_to_tasks_to_shut_down_to_lifespan() -> None:
    order: list[str] = []

    @asynccontextmanager
    async def lifespan(app: AioClock) -> AsyncIterator[None]:
        order.append("in")
        yield
        order.append("out")

    app = AioClock(lifespan=lifespan)

    async def note(word: str) -> None:
        await asyncio.sleep(0.01)
        order.append(word)

    # Declared in an order that only the triggers can put right.
    app.task(trigger=OnShutDown(), name="shut-down")(partial(note, "shut-down"))
    app.task(trigger=Once(), name="task")(partial(note, "task"))
    app.task(trigger=OnStartUp(), name="start-up")(partial(note, "start-up"))
    await serve(app)
    assert order == ["in", "start-up", "task", "shut-down", "out"]


@pytest.mark.parametrize("trigger", [OnStartUp, Once, OnShutDown])
async def test_start_up_tasks_other_tasks_and_shut_down_tasks_each_run_concurrently(
    trigger: Callable[[], Any],
) -> None:
    app = AioClock()
    barrier = asyncio.Barrier(3)
    for number in range(3):
        # Each waits for the two others: one after the other, none could finish.
        app.task(trigger=trigger(), name=f"task {number}")(barrier.wait)
    await serve(app)
    assert barrier.n_waiting == 0
    assert not barrier.broken


async def test_nothing_else_runs_before_every_start_up_task_has_ended() -> None:
    app, running = AioClock(), set()
    seen: list[set[int]] = []
    for number in range(3):

        async def start(number: int = number) -> None:
            running.add(number)
            await asyncio.sleep(0.01 * number)
            running.discard(number)

        app.task(trigger=OnStartUp(), name=f"start {number}")(start)
    app.task(trigger=Once(), name="work")(lambda: seen.append(set(running)))
    await serve(app)
    assert seen == [set()]


async def test_sync_start_up_and_shut_down_tasks_run_in_threads() -> None:
    app, threads = AioClock(), []
    app.task(trigger=OnStartUp(), name="in")(lambda: threads.append(threading.current_thread()))
    app.task(trigger=OnShutDown(), name="out")(lambda: threads.append(threading.current_thread()))
    await serve(app)
    assert len(threads) == 2
    assert threading.main_thread() not in threads


async def test_serving_returns_when_every_trigger_is_exhausted_and_its_runs_have_ended() -> None:
    app, ended = AioClock(), []

    @app.task(trigger=Once())
    async def slow() -> None:
        await asyncio.sleep(0.05)
        ended.append("slow")

    @app.task(trigger=Every(seconds=0, max_loop_count=3))
    async def often() -> None:
        ended.append("often")

    await serve(app)
    assert sorted(ended) == ["often", "often", "often", "slow"]


async def test_each_serving_starts_from_fresh_trigger_state() -> None:
    app, ran = AioClock(), []
    app.task(trigger=Once(), name="once")(lambda: ran.append("once"))
    app.task(trigger=Every(seconds=0, max_loop_count=2), name="every")(lambda: ran.append("every"))
    either = OrTrigger(triggers=[Once(), Every(seconds=0.05, max_loop_count=1)])
    app.task(trigger=either, name="or")(lambda: ran.append("or"))
    app.task(trigger=OnStartUp(), name="in")(lambda: ran.append("in"))
    app.task(trigger=OnShutDown(), name="out")(lambda: ran.append("out"))
    await serve(app)
    first = sorted(ran)
    assert first == ["every", "every", "in", "once", "or", "or", "out"]
    ran.clear()
    await serve(app)
    assert sorted(ran) == first


async def test_an_app_can_be_served_again_after_it_was_cancelled() -> None:
    app, started = AioClock(), asyncio.Event()

    @app.task(trigger=Forever())
    async def work() -> None:
        started.set()
        await asyncio.sleep(30)

    for _ in range(2):
        started.clear()
        serving = asyncio.create_task(app.serve())
        await asyncio.wait_for(started.wait(), 3)
        await cancel(serving)


async def test_an_app_can_be_served_by_one_event_loop_after_another() -> None:
    app, ran = AioClock(), []
    app.task(trigger=Once(), name="sync")(lambda: ran.append("sync"))
    app.task(trigger=Every(seconds=0.01, max_loop_count=1), name="every")(lambda: ran.append("every"))
    for count in (1, 2):
        # Real loops, one after the other, in threads of their own: this test runs inside a loop already.
        await asyncio.to_thread(lambda: asyncio.run(serve(app)))
        assert sorted(ran) == ["every"] * count + ["sync"] * count


async def test_a_start_up_task_does_not_end_the_serving() -> None:
    app, ran = AioClock(), []
    app.task(trigger=OnStartUp(), name="start")(lambda: ran.append("start"))
    app.task(trigger=Every(seconds=0.01, max_loop_count=3), name="every")(lambda: ran.append("every"))
    await serve(app)
    assert ran == ["start", "every", "every", "every"]


# The end


async def test_cancelling_cancels_the_runs_waits_for_them_then_shuts_down() -> None:
    order: list[str] = []

    @asynccontextmanager
    async def lifespan(app: AioClock) -> AsyncIterator[None]:
        yield
        order.append("lifespan out")

    app, started = AioClock(lifespan=lifespan), asyncio.Event()

    @app.task(trigger=Once())
    async def work() -> None:
        try:
            started.set()
            await asyncio.sleep(30)
        except asyncio.CancelledError:
            order.append("cancelled")
            await asyncio.sleep(0.02)
            order.append("cleaned up")
            raise

    @app.task(trigger=OnShutDown())
    async def shut_down() -> None:
        await asyncio.sleep(0.01)
        order.append("shut down")

    serving = asyncio.create_task(app.serve())
    await asyncio.wait_for(started.wait(), 3)
    await cancel(serving)
    assert order == ["cancelled", "cleaned up", "shut down", "lifespan out"]


async def test_cancelling_while_nothing_runs_shuts_down_too() -> None:
    app, order, up = AioClock(), [], asyncio.Event()

    @app.task(trigger=OnStartUp())
    async def start() -> None:
        up.set()

    app.task(trigger=Every(hours=1), name="work")(lambda: order.append("work"))
    app.task(trigger=OnShutDown(), name="down")(lambda: order.append("down"))
    serving = asyncio.create_task(app.serve())
    await asyncio.wait_for(up.wait(), 3)
    await cancel(serving)
    assert order == ["down"]


async def test_cancelling_during_start_up_shuts_down_too() -> None:
    app, order, up = AioClock(), [], asyncio.Event()

    @app.task(trigger=OnStartUp())
    async def start() -> None:
        up.set()
        await asyncio.sleep(30)

    app.task(trigger=Once(), name="work")(lambda: order.append("work"))
    app.task(trigger=OnShutDown(), name="down")(lambda: order.append("down"))
    serving = asyncio.create_task(app.serve())
    await asyncio.wait_for(up.wait(), 3)
    await cancel(serving)
    assert order == ["down"]


async def test_stop_lets_the_runs_finish_first() -> None:
    app, order, started = AioClock(), [], asyncio.Event()

    @app.task(trigger=Forever())
    async def work() -> None:
        started.set()
        await asyncio.sleep(0.05)
        order.append("finished")

    app.task(trigger=OnShutDown(), name="down")(lambda: order.append("down"))
    serving = asyncio.create_task(app.serve())
    await asyncio.wait_for(started.wait(), 3)
    await asyncio.wait_for(app.stop(), 3)
    await asyncio.wait_for(serving, 3)
    assert order == ["finished", "down"]


async def test_a_task_may_stop_its_own_app() -> None:
    app, order = AioClock(), []

    @app.task(trigger=Forever())
    async def work() -> None:
        await app.stop()
        order.append("finished")

    app.task(trigger=OnShutDown(), name="down")(lambda: order.append("down"))
    await serve(app)
    assert order == ["finished", "down"]


async def test_stopping_an_app_that_is_not_served_changes_nothing() -> None:
    app, ran = AioClock(), []
    app.task(trigger=Once(), name="work")(lambda: ran.append(1))
    await asyncio.wait_for(app.stop(), 3)
    await serve(app)
    assert ran == [1]


async def test_after_the_shut_down_timeout_a_stopped_app_cancels_its_runs() -> None:
    # The contract names the default of 30 s; `shutdown_timeout` is how it is made shorter.
    app, order, started = AioClock(shutdown_timeout=0.02), [], asyncio.Event()

    @app.task(trigger=Once())
    async def endless() -> None:
        started.set()
        try:
            await asyncio.Event().wait()
        finally:
            order.append("cancelled")

    app.task(trigger=OnShutDown(), name="down")(lambda: order.append("down"))
    serving = asyncio.create_task(app.serve())
    await asyncio.wait_for(started.wait(), 3)
    await app.stop()
    await asyncio.wait_for(serving, 3)
    assert order == ["cancelled", "down"]


async def test_serving_leaves_no_asyncio_task_and_no_signal_handler_behind() -> None:
    before = asyncio.all_tasks(), signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    app = AioClock()
    app.task(trigger=Once(), name="once")(lambda: None)
    app.task(trigger=Every(seconds=0, max_loop_count=2), name="every")(asyncio.Event().set)
    await serve(app)
    await asyncio.sleep(0)
    after = asyncio.all_tasks(), signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    assert after == before
