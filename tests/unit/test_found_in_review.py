"""What once went wrong: drifting clocks, closed loops, deadlines, triggers that misbehave, references that stay."""

import asyncio
import gc
import logging
import threading
import weakref
from datetime import timedelta
from typing import Any, Literal

import pytest

from aioclock import AioClock, Every, Jitter, Once
from aioclock.api import get_metadata_of_all_tasks
from aioclock.events import TaskPaused
from aioclock.exceptions import ServingError
from aioclock.runs import Outcome
from aioclock.testing import VirtualEventLoop, simulate
from aioclock.triggers import BaseTrigger

HOURLY = Every(hours=1)


def elapsed() -> float:
    return asyncio.get_running_loop().time()


async def nothing() -> None: ...


def on_virtual_time(coroutine: Any) -> Any:
    with asyncio.Runner(loop_factory=VirtualEventLoop) as runner:
        return runner.run(coroutine)


def set_clock(**change: float) -> None:
    loop: Any = asyncio.get_running_loop()
    loop.clock.start += timedelta(**change)


# Clocks


def test_a_clock_that_drifts_in_small_steps_makes_no_tick_too_late() -> None:
    app = AioClock()
    app.task(trigger=Every(minutes=10), grace=1.5, name="work")(nothing)

    async def main() -> None:
        async with app.running():
            for _ in range(20):
                await asyncio.sleep(600)
                set_clock(seconds=0.3)

    on_virtual_time(main())
    assert {run.outcome for run in app.runs("work")} == {Outcome.SUCCEEDED}
    assert max(run.lateness_s for run in app.runs("work")) < 1.3


def test_a_run_by_hand_tells_the_time_of_a_clock_that_was_set_since_the_last_tick() -> None:
    app = AioClock()
    app.task(trigger=Every(hours=6), name="work")(nothing)

    async def main() -> None:
        async with app.running():
            set_clock(hours=8)
            await app.run_now("work")
            loop: Any = asyncio.get_running_loop()
            assert app.runs("work")[0].scheduled_at == loop.clock.now()

    on_virtual_time(main())


# Event loops


def test_what_was_left_on_a_closed_loop_neither_runs_nor_blocks_nor_counts() -> None:
    app, hanging = AioClock(), [True]

    @app.task(trigger=Every(seconds=5), name="work", overlap="queue", pause_after_failures=1)
    async def work() -> None:
        if hanging:
            await asyncio.sleep(1_000)

    async def leave() -> None:
        left.extend(asyncio.create_task(app.run_now("work")) for _ in range(2))
        await asyncio.sleep(1)

    left: list[asyncio.Task[Any]] = []
    loop = VirtualEventLoop()
    loop.run_until_complete(leave())
    loop.close()
    hanging.clear()

    async def go_on() -> None:
        await app.run_now("work")
        async with app.running():
            await asyncio.sleep(11)

    on_virtual_time(asyncio.wait_for(go_on(), 100))
    assert [run.outcome for run in app.runs("work")] == [Outcome.SUCCEEDED] * 3
    assert app.paused == {}
    for task in left:
        task._log_destroy_pending = False  # type: ignore[attr-defined]  # it is meant to be lost
    left.clear()
    gc.collect()


def test_an_app_works_on_one_event_loop_at_a_time() -> None:
    # Real threads: each has a loop of its own.
    app, going, over = AioClock(), threading.Event(), threading.Event()

    @app.task(trigger=HOURLY, name="long")
    def long() -> str:
        going.set()
        over.wait(20)
        return "done"

    app.task(trigger=HOURLY, name="other")(nothing)
    answers: list[Any] = []
    thread = threading.Thread(target=lambda: answers.append(asyncio.run(app.run_now("long"))))
    thread.start()
    going.wait(20)
    for work in (app.run_now("other"), app.serve()):
        with pytest.raises(ServingError, match="another event loop"):
            asyncio.run(work)
    over.set()
    thread.join(20)
    assert answers == ["done"]
    asyncio.run(app.run_now("other"))


# Stopping


def test_of_several_deadlines_the_earliest_holds_whatever_comes_later() -> None:
    app = AioClock(shutdown_timeout=None)

    @app.task(trigger=Once())
    async def long() -> None:
        await asyncio.sleep(1_000)

    async def main() -> float:
        async with app.running():
            await asyncio.gather(app.stop(timeout=7), app.stop(timeout=None), app.stop(timeout=20))
            return elapsed()

    assert on_virtual_time(main()) == pytest.approx(7)


def test_a_listener_of_one_app_may_wait_for_the_end_of_another() -> None:
    app, other, order = AioClock(), AioClock(), []

    @other.task(trigger=Once())
    async def last() -> None:
        await asyncio.sleep(3)
        order.append("its run ended")

    @app.on(TaskPaused)
    async def stop_other() -> None:
        await other.stop()
        order.append("it has stopped")

    app.task(trigger=HOURLY, name="work")(nothing)

    async def main() -> None:
        async with app.running(), other.running():
            await asyncio.sleep(1)
            app.pause("work")
            await asyncio.sleep(5)

    on_virtual_time(main())
    assert order == ["its run ended", "it has stopped"]


# Triggers of users


class Misbehaving(BaseTrigger[Literal["MISBEHAVING"]]):
    type_: Literal["MISBEHAVING"] = "MISBEHAVING"
    how: str

    async def trigger_next(self) -> None:
        if self.how == "cancels itself":
            future = asyncio.get_running_loop().create_future()
            await asyncio.sleep(1)
            future.cancel()
            await future
        try:
            await asyncio.sleep(2)
        except asyncio.CancelledError:
            if self.how != "swallows":
                raise

    async def get_waiting_time_till_next_trigger(self) -> float | None:  # type: ignore[override]
        if self.how == "hangs when asked":
            await asyncio.sleep(10_000)
        raise OSError("on purpose")


def test_a_trigger_that_is_cancelled_from_within_has_failed_and_is_asked_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    app = AioClock()
    app.task(trigger=Misbehaving(how="cancels itself"), name="work")(nothing)
    with simulate(app) as sim:
        sim.advance(seconds=10)
    assert caplog.text.count("the trigger of work failed") >= 3


def test_a_trigger_that_swallows_its_cancellation_gets_no_run_after_its_task_was_removed() -> None:
    app, ran = AioClock(), list[float]()
    app.task(trigger=Misbehaving(how="swallows"), name="work", executor="loop")(lambda: ran.append(elapsed()))
    with simulate(app) as sim:
        sim.advance(seconds=5)
        app.remove_task("work")
        sim.advance(seconds=20)
    assert ran == [2, 4]


@pytest.mark.parametrize("how", ["raises when asked", "hangs when asked"])
def test_one_trigger_that_does_not_tell_when_it_is_due_spoils_no_listing(how: str) -> None:
    app = AioClock()
    app.task(trigger=Misbehaving(how=how), name="bad")(nothing)
    app.task(trigger=HOURLY, name="good")(nothing)
    with simulate(app) as sim:
        bad, good = sim.run(get_metadata_of_all_tasks(app))
    assert bad.trigger.expected_trigger_time is None
    assert good.trigger.expected_trigger_time is not None


# Counting


def test_a_run_after_the_end_of_another_is_not_lost_when_its_place_in_the_queue_was() -> None:
    app = AioClock()

    @app.task(
        trigger=Every(seconds=5, mode="fixed_delay", max_loop_count=1),
        jitter=Jitter(4, stable=True),
        overlap="queue",
        name="work",
    )
    async def work() -> None:
        await asyncio.sleep(10)

    async def main() -> None:
        serving = asyncio.create_task(app.serve())
        await asyncio.sleep(5.01)
        by_hand = asyncio.create_task(app.run_now("work"))
        await asyncio.sleep(4.5)
        app.pause("work")
        app.resume("work")
        await asyncio.wait_for(serving, 200)
        await by_hand

    on_virtual_time(main())
    runs = app.runs("work", outcome="succeeded")
    assert sorted(run.kind for run in runs) == ["manual", "schedule"]


def test_a_pause_by_failures_leaves_the_note_of_a_pause_by_hand_alone() -> None:
    app = AioClock()

    @app.task(trigger=HOURLY, name="work", pause_after_failures=1)
    async def work() -> None:
        raise OSError

    app.pause("work", "closed until Monday")
    with pytest.raises(OSError):  # noqa: PT011 - any
        on_virtual_time(app.run_now("work"))
    assert app.paused == {"work": "closed until Monday"}


# References


@pytest.mark.parametrize("policies", [{}, {"timeout": 5}], ids=str)
def test_a_run_that_failed_keeps_nothing_that_it_used(policies: dict[str, Any]) -> None:
    class Big: ...

    app, kept = AioClock(), []

    @app.task(trigger=Every(seconds=1, max_loop_count=3), **policies)
    async def work() -> None:
        big = Big()
        kept.append(weakref.ref(big))
        raise OSError(big)

    gc.collect()
    gc.disable()
    logging.disable(logging.CRITICAL)  # pytest keeps log records, and those keep errors
    try:
        with simulate(app) as sim:
            sim.advance(seconds=10)
            assert [ref() for ref in kept] == [None] * 3
    finally:
        gc.enable()
        logging.disable(logging.NOTSET)
