"""One run: cancelled before, during and after, by its keeper and by strangers, and by hand."""

import asyncio
import threading
from contextvars import copy_context
from typing import Any, cast

import anyio
import pytest

from aioclock import AioClock, Every, Once
from aioclock._engine import run as run_module
from aioclock._engine.listeners import Listeners
from aioclock._engine.run import CANCEL_GRACE_S, LiveRun
from aioclock.api import run_specific_task
from aioclock.exceptions import RunCancelledError, TaskTimeoutError
from aioclock.executors import as_async
from aioclock.provider import get_provider
from aioclock.runs import Outcome
from aioclock.task import Task
from aioclock.testing import simulate

START = "2026-01-01T00:00:00+00:00"

pytestmark = pytest.mark.virtual_time


class Entry:
    key = "work"
    retry = None
    last_success = None

    def __init__(self, call: Any, timeout: float | None = None) -> None:
        self.call = call
        self.timeout = timeout
        self.task = Task(func=call, trigger=Once())


class Keeper:
    listeners = Listeners(get_provider())

    def __init__(self) -> None:
        self.account: list[Any] = []

    def stuck(self, run: LiveRun) -> None:
        self.account.append("stuck")

    def decided(self, run: LiveRun) -> None:
        self.account.append(run.outcome)

    def ended(self, run: LiveRun) -> None:
        self.account.append("ended")


def elapsed() -> float:
    return asyncio.get_running_loop().time()


def begun(call: Any, timeout: float | None = None) -> tuple[LiveRun, Keeper]:
    keeper = Keeper()
    run = LiveRun(Entry(call, timeout), cast(Any, keeper), 0.0)
    run.start(asyncio.get_running_loop(), copy_context())
    assert run.handle is not None
    return run, keeper


async def nothing() -> None: ...


async def endless() -> None:
    await asyncio.sleep(10**6)


async def deaf(seconds: float = 60) -> None:
    end = elapsed() + seconds
    while elapsed() < end:
        try:
            await asyncio.sleep(end - elapsed())
        except asyncio.CancelledError:
            continue


async def test_a_run_cancelled_before_it_began_never_calls_its_function() -> None:
    called: list[int] = []

    async def work() -> None:
        called.append(1)

    run, keeper = begun(work)
    run.cancel()
    await asyncio.wait((run.handle,))
    assert (keeper.account, called, elapsed()) == ([Outcome.CANCELLED, "ended"], [], 0)


async def test_a_run_that_a_stranger_cancelled_before_it_began_is_accounted_for_once_when_it_is_cancelled() -> None:
    run, keeper = begun(nothing)
    run.handle.cancel()
    await asyncio.wait((run.handle,))
    run.cancel()
    run.cancel()
    await asyncio.sleep(2 * CANCEL_GRACE_S)
    assert keeper.account == [Outcome.CANCELLED, "ended"]


async def test_cancelling_a_run_again_changes_nothing() -> None:
    run, keeper = begun(deaf)
    await asyncio.sleep(1)
    for _ in range(9):
        run.cancel()
        await asyncio.sleep(0.5)
    await asyncio.wait((run.handle,))
    assert keeper.account == [Outcome.CANCELLED, "stuck", "ended"]


async def test_a_run_that_ends_within_its_grace_is_never_called_stuck() -> None:
    run, keeper = begun(lambda: deaf(CANCEL_GRACE_S - 1))
    await asyncio.sleep(0)
    run.cancel()
    await asyncio.sleep(2 * CANCEL_GRACE_S)
    assert keeper.account == [Outcome.SUCCEEDED, "ended"]


async def test_a_stuck_run_is_decided_after_its_grace_and_ends_when_it_does() -> None:
    run, keeper = begun(lambda: deaf(60), timeout=1)
    await asyncio.sleep(1 + CANCEL_GRACE_S)
    assert keeper.account == [Outcome.TIMED_OUT, "stuck"]
    await asyncio.wait((run.handle,))
    assert (keeper.account, elapsed()) == ([Outcome.TIMED_OUT, "stuck", "ended"], 60)


async def test_a_run_that_ends_in_time_leaves_no_timer_behind() -> None:
    run, keeper = begun(nothing, timeout=10)
    await asyncio.wait((run.handle,))
    await asyncio.sleep(20)
    assert keeper.account == [Outcome.SUCCEEDED, "ended"]


def test_a_thread_that_outlives_its_timeout_and_its_grace_is_reported_once(monkeypatch: pytest.MonkeyPatch) -> None:
    # The real clock: virtual time waits for threads, so none ever outlives anything there.
    monkeypatch.setattr(run_module, "CANCEL_GRACE_S", 0.05)

    let_go = threading.Event()

    async def outlived() -> list[Any]:
        run, keeper = begun(as_async(lambda: let_go.wait(10), None), timeout=0.05)
        while "stuck" not in keeper.account and not run.handle.done():  # noqa: ASYNC110 - an account sets no event
            await asyncio.sleep(0.01)
        let_go.set()
        await asyncio.wait((run.handle,))
        return keeper.account

    assert asyncio.run(outlived()) == [Outcome.TIMED_OUT, "stuck", "ended"]


# By hand


async def test_a_run_by_hand_that_is_cancelled_cancels_the_function_and_waits_for_it() -> None:
    app, ended = AioClock(), []

    @app.task(trigger=Every(hours=1))
    async def work() -> None:
        try:
            await endless()
        finally:
            await asyncio.sleep(2)
            ended.append(elapsed())

    by_hand = asyncio.create_task(run_specific_task(app._tasks[0].id, app))
    await asyncio.sleep(1)
    by_hand.cancel()
    await asyncio.wait((by_hand,))
    assert (by_hand.cancelled(), ended, elapsed()) == (True, [3], 3)


async def test_a_run_by_hand_that_ignores_its_cancellation_is_given_up_after_its_grace() -> None:
    app = AioClock()
    app.task(trigger=Every(hours=1))(deaf)
    by_hand = asyncio.create_task(run_specific_task(app._tasks[0].id, app))
    await asyncio.sleep(1)
    by_hand.cancel()
    await asyncio.wait((by_hand,))
    assert by_hand.cancelled()
    assert elapsed() == pytest.approx(1 + CANCEL_GRACE_S)


async def test_a_run_by_hand_whose_function_cancels_itself_is_cancelled() -> None:
    app = AioClock()

    @app.task(trigger=Every(hours=1))
    async def work() -> None:
        raise asyncio.CancelledError

    with pytest.raises(RunCancelledError):
        await run_specific_task(app._tasks[0].id, app)


async def test_a_stuck_run_by_hand_is_a_timeout_for_its_caller() -> None:
    app = AioClock()
    app.task(trigger=Every(hours=1), timeout=3, name="work")(deaf)
    with pytest.raises(TaskTimeoutError, match="'work' was cancelled after 3 s"):
        await run_specific_task(app._tasks[0].id, app)
    assert elapsed() == pytest.approx(3 + CANCEL_GRACE_S)


# A task by itself


async def test_a_failing_task_by_itself_keeps_its_interval_and_needs_no_further_pause(
    caplog: pytest.LogCaptureFixture,
) -> None:
    starts: list[float] = []

    async def work() -> None:
        starts.append(round(elapsed(), 6))
        raise OSError("on purpose")

    await Task(func=work, trigger=Every(seconds=10, max_loop_count=3)).run()
    assert starts == [10, 20, 30]
    assert len(caplog.records) == 3


async def test_a_failing_task_by_itself_without_an_interval_backs_off_until_it_succeeds() -> None:
    starts: list[float] = []

    async def work() -> None:
        starts.append(round(elapsed(), 6))
        if len(starts) != 4:
            raise OSError("on purpose")

    await Task(func=work, trigger=Every(seconds=0, max_loop_count=6)).run()
    assert starts == [0, 0.1, 0.3, 0.7, 0.7, 0.8]


async def test_a_timeout_error_of_the_function_itself_is_not_called_its_tasks_timeout(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def work() -> None:
        raise TimeoutError("of the database")

    for timeout in (None, 5):
        await Task(func=work, trigger=Once(), timeout=timeout).run()
    errors = [record.exc_info[1] for record in caplog.records if record.exc_info]
    assert [type(error) for error in errors] == [TimeoutError, TimeoutError]


async def test_a_task_by_itself_is_cancelled_at_its_timeout(caplog: pytest.LogCaptureFixture) -> None:
    await Task(func=endless, trigger=Once(), timeout=5, name="work").run()
    [error] = [record.exc_info[1] for record in caplog.records if record.exc_info]
    assert isinstance(error, TaskTimeoutError)
    assert elapsed() == pytest.approx(5, abs=0.11)


# In the app


def test_a_run_that_a_stranger_cancels_is_cancelled_and_the_schedule_goes_on() -> None:
    async def cancel() -> None:
        [run] = [task for task in asyncio.all_tasks() if task.get_name() == "work"]
        run.cancel()

    app = AioClock()
    app.task(trigger=Every(seconds=10), timeout=5, name="work")(endless)
    with simulate(app, start=START) as sim:
        sim.advance(seconds=11)
        sim.run(cancel())
        sim.advance(seconds=15)
        assert [run.outcome for run in sim.runs("work")] == ["cancelled", "timed_out"]


def test_a_thread_that_nobody_waits_for_any_more_still_holds_virtual_time_back() -> None:
    done: list[int] = []
    begun, let_go = threading.Event(), threading.Event()

    def slow() -> None:
        begun.set()
        let_go.wait(10)
        done.append(1)

    async def abandon() -> None:
        with anyio.CancelScope() as scope:
            async with anyio.create_task_group() as group:
                group.start_soon(lambda: anyio.to_thread.run_sync(slow, abandon_on_cancel=True))
                while not begun.is_set():  # noqa: ASYNC110 - a thread sets it
                    await asyncio.sleep(0)
                scope.cancel()

    with simulate(AioClock(), start=START) as sim:
        sim.run(abandon())
        assert done == []
        threading.Timer(0.05, let_go.set).start()
        sim.advance(seconds=1)
        assert done == [1]
