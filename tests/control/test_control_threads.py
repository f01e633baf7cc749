"""Commands from other threads and other event loops.

Real threads and the real clock: on virtual time the loop waits for its threads, so two of them never meet. All waits
are for something that happens, none is for time to pass.
"""

import asyncio
import logging
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from functools import partial
from typing import Any

import anyio.from_thread
import pytest

from aioclock import AioClock, CurrentRun, Every, Once, OnShutDown
from aioclock.events import Event, TaskAdded, TaskPaused, TaskRemoved, TaskRescheduled, TaskResumed
from aioclock.exceptions import RunSkippedError, ServingError, TaskDeclarationError, TaskIdNotFound
from aioclock.testing import simulate

pytestmark = pytest.mark.filterwarnings("ignore:On(StartUp|ShutDown):DeprecationWarning")

PATIENCE_S = 10.0

word: ContextVar[str] = ContextVar("word", default="nothing")


async def done() -> str:
    return "done"


@contextmanager
def serving_elsewhere(app: AioClock) -> Iterator[asyncio.AbstractEventLoop]:
    """Serve *app* by an event loop in another thread."""
    loops: list[asyncio.AbstractEventLoop] = []
    begun, enough = threading.Event(), threading.Event()

    async def main() -> None:
        loops.append(asyncio.get_running_loop())
        async with app.running():
            begun.set()
            await asyncio.to_thread(enough.wait, PATIENCE_S)

    thread = threading.Thread(target=lambda: asyncio.run(main()))
    thread.start()
    try:
        assert begun.wait(PATIENCE_S)
        yield loops[0]
    finally:
        enough.set()
        thread.join(PATIENCE_S)
        assert not thread.is_alive()


def within(coroutine: Awaitable[Any]) -> Any:
    """Run *coroutine* by an event loop of this thread."""

    async def main() -> Any:
        async with asyncio.timeout(PATIENCE_S):
            return await coroutine

    return asyncio.run(main())


def app_with_work() -> AioClock:
    app = AioClock()
    app.task(trigger=Every(hours=1), name="work")(done)
    return app


def test_every_sync_command_works_from_a_thread_and_is_told_on_the_loop() -> None:
    app, told, threads = app_with_work(), [], set()

    @app.on(TaskAdded, TaskPaused, TaskResumed, TaskRescheduled, TaskRemoved)
    async def listen(event: Event) -> None:
        told.append(type(event))
        threads.add(threading.current_thread())

    with serving_elsewhere(app):
        assert app.add_task(done, trigger=Every(hours=1), name="new").key == "new"
        app.pause("work", "because")
        app.resume("work")
        app.reschedule("work", Every(hours=2))
        assert app.cancel("work") == 0
        first, second = app.next_ticks("work", count=2)
        assert (second - first).total_seconds() == 7200
        app.remove_task("new")
        assert list(app.tasks) == ["work"]
    assert told == [TaskAdded, TaskPaused, TaskResumed, TaskRescheduled, TaskRemoved]
    assert threading.main_thread() not in threads


def test_a_task_added_from_a_thread_begins_at_once() -> None:
    app, ran = app_with_work(), threading.Event()
    with serving_elsewhere(app):
        app.add_task(ran.set, trigger=Once())
        assert ran.wait(PATIENCE_S)


def test_an_error_of_a_command_comes_out_in_the_thread_that_gave_it() -> None:
    app = app_with_work()
    with serving_elsewhere(app):
        with pytest.raises(TaskDeclarationError, match="unique"):
            app.add_task(done, trigger=Once(), name="work")
        with pytest.raises(TaskIdNotFound):
            app.remove_task("missing")


def test_a_run_asked_for_by_another_event_loop_goes_where_the_app_serves_and_answers_there() -> None:
    app, loops = AioClock(), []

    @app.task(trigger=Every(hours=1), name="work")
    async def work() -> str:
        loops.append(asyncio.get_running_loop())
        return word.get()

    @app.task(trigger=Every(hours=1), name="bad")
    async def bad() -> None:
        raise KeyError("lost")

    async def ask() -> None:
        word.set("asker's")
        assert await app.run_now("work") == "asker's"
        with pytest.raises(KeyError, match="lost"):
            await app.run_now("bad")

    with serving_elsewhere(app) as loop:
        within(ask())
        assert loops == [loop]
        assert [run.kind for run in app.runs("work")] == ["manual"]


def test_an_overlap_is_told_to_the_event_loop_that_asked() -> None:
    app, began, enough = AioClock(), threading.Event(), threading.Event()

    @app.task(trigger=Once(), name="work")
    def work() -> None:
        began.set()
        enough.wait(PATIENCE_S)

    with serving_elsewhere(app):
        assert began.wait(PATIENCE_S)
        try:
            with pytest.raises(RunSkippedError, match="overlap"):
                within(app.run_now("work"))
        finally:
            enough.set()


def test_cancelling_who_asked_from_another_event_loop_cancels_the_run() -> None:
    app, began, cancelled = AioClock(), threading.Event(), threading.Event()

    @app.task(trigger=Every(hours=1), name="work")
    async def work() -> None:
        began.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.set()
            raise

    async def ask_and_give_up() -> None:
        asking = asyncio.create_task(app.run_now("work"))
        assert await asyncio.to_thread(began.wait, PATIENCE_S)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking

    with serving_elsewhere(app):
        within(ask_and_give_up())
        assert cancelled.wait(PATIENCE_S)


def test_an_app_can_be_stopped_from_another_event_loop() -> None:
    app, order = app_with_work(), []
    app.task(trigger=OnShutDown(), name="down")(lambda: order.append("down"))
    with serving_elsewhere(app):
        begin = time.monotonic()
        within(asyncio.wait_for(app.stop(), 3))
        # Not only when one of the two event loops happens to wake up for another reason.
        assert time.monotonic() - begin < 2
        assert order == ["down"]


def test_a_sync_task_can_stop_its_app_by_an_event_loop_of_its_own() -> None:
    app, ended = AioClock(shutdown_timeout=2), []

    @app.task(trigger=Once(), name="work")
    def work() -> None:
        asyncio.run(app.stop())
        ended.append(1)

    app.task(trigger=Every(hours=1), name="other")(done)
    within(app.serve())
    assert ended == [1]


@pytest.mark.parametrize("asks", [anyio.from_thread.run, lambda func, ref: asyncio.run(func(ref))])
def test_a_sync_task_gets_the_result_of_another_from_its_thread(asks: Callable[..., Any]) -> None:
    app, got = AioClock(), []
    app.task(trigger=Every(hours=1), name="other")(done)

    @app.task(trigger=Once(), name="work")
    def work() -> None:
        got.append(asks(app.run_now, "other"))
        app.remove_task("other")  # it was all that serving went on for

    within(app.serve())
    assert got == ["done"]


def test_commands_work_in_a_thread_that_outlives_the_serving_and_its_event_loop() -> None:
    app, began, over = app_with_work(), threading.Event(), threading.Event()
    after: list[Any] = []

    def outlive() -> None:
        began.set()
        assert over.wait(PATIENCE_S)
        app.pause("work")
        app.reschedule("work", Every(hours=2))
        after.append(app.add_task(done, trigger=Once(), name="late").key)
        after.append(asyncio.run(app.run_now("work")))

    thread = threading.Thread(target=outlive)
    app.task(trigger=Once(), name="starter")(thread.start)
    app.remove_task("work")
    app.add_task(done, trigger=Once(), name="work")
    within(app.serve())
    over.set()
    thread.join(PATIENCE_S)
    assert after == ["late", "done"]


def at_once(loop: asyncio.AbstractEventLoop, *commands: Callable[[], object]) -> None:
    """Give each command from a thread of its own while *loop* stands still: it carries out one right after another."""
    waiting, go_on = threading.Event(), threading.Event()
    loop.call_soon_threadsafe(lambda: (waiting.set(), go_on.wait(PATIENCE_S)))
    assert waiting.wait(PATIENCE_S)
    threads = [threading.Thread(target=command) for command in commands]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + PATIENCE_S
    while len(loop._ready) < len(threads) and time.monotonic() < deadline:  # type: ignore[attr-defined] # who waits for it
        time.sleep(0.001)
    go_on.set()
    for thread in threads:
        thread.join(PATIENCE_S)


def test_two_threads_that_add_a_task_at_once_each_get_their_own() -> None:
    app = app_with_work()
    got: dict[str, str] = {}

    def add(name: str) -> None:
        got[name] = app.add_task(done, trigger=Once(), name=name).key

    with serving_elsewhere(app) as loop:
        at_once(loop, *(partial(add, name) for name in ("one", "two", "three")))
    assert got == {"one": "one", "two": "two", "three": "three"}


def test_of_two_threads_that_remove_a_task_at_once_the_second_is_told_that_it_is_gone() -> None:
    app = app_with_work()
    app.task(trigger=Every(hours=1), name="other")(done)
    errors: list[BaseException | None] = []

    def remove() -> None:
        try:
            app.remove_task("work")
            errors.append(None)
        except Exception as error:
            errors.append(error)

    with serving_elsewhere(app) as loop:
        at_once(loop, remove, remove)
    refused = [error for error in errors if error is not None]
    assert [type(error) for error in refused] == [TaskIdNotFound]


def test_looking_from_a_thread_is_safe_while_tasks_come_go_and_run() -> None:
    app, over, errors, looks = app_with_work(), threading.Event(), [], 0
    interval = sys.getswitchinterval()

    def fail() -> None:
        raise OSError  # a record that is kept in another way than that of a success

    def look() -> None:
        nonlocal looks
        while not over.is_set():
            try:
                app.next_ticks()
                app.runs()
                looks += 1
            except Exception as error:
                errors.append(error)
                return

    async def change() -> None:
        async with app.running():
            for number in range(40):
                app.add_task(done, trigger=Every(seconds=0, max_loop_count=20), name=f"good {number}")
                app.add_task(fail, trigger=Once(), name=f"bad {number}", executor="loop")
                await asyncio.sleep(0.005)
                if number > 10:
                    app.remove_task(f"good {number - 10}")

    thread = threading.Thread(target=look)
    logging.getLogger("aioclock").disabled = True
    sys.setswitchinterval(1e-6)
    try:
        thread.start()
        within(change())
    finally:
        over.set()
        thread.join(PATIENCE_S)
        sys.setswitchinterval(interval)
        logging.getLogger("aioclock").disabled = False
    assert errors == []
    assert looks


async def test_between_two_steps_of_a_simulation_an_outer_loop_is_told_why_it_can_not_wait_for_a_run() -> None:
    app = app_with_work()
    with simulate(app) as sim:
        sim.advance(seconds=1)
        # Nothing moves the simulation meanwhile, so this could only hang: it has to be an error.
        with pytest.raises(ServingError):
            async with asyncio.timeout(0.5):
                await app.run_now("work")


async def test_between_two_steps_of_a_simulation_an_outer_loop_is_told_why_it_can_not_wait_for_a_stop() -> None:
    app = app_with_work()
    with simulate(app) as sim:
        sim.advance(seconds=1)
        with pytest.raises(ServingError):
            async with asyncio.timeout(0.5):
                await app.stop()


def test_runs_asked_for_outside_a_serving_know_their_time_whichever_loop_they_are_on() -> None:
    app, seen = AioClock(), []

    @app.task(trigger=Every(hours=1), name="work", overlap="allow")
    async def work(run: CurrentRun) -> None:
        seen.append(run)

    before = datetime.now(UTC)
    for _ in range(3):
        # One after the other: an app works on one event loop at a time.
        thread = threading.Thread(target=lambda: asyncio.run(app.run_now("work")))
        thread.start()
        thread.join(PATIENCE_S)
    after = datetime.now(UTC)
    assert len(app.runs("work", outcome="succeeded")) == 3
    assert all((run.scheduled_at - before).total_seconds() >= -0.1 for run in seen)
    assert all((after - run.scheduled_at).total_seconds() >= -0.1 for run in seen)
