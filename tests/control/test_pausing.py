"""Pausing and resuming: what becomes of ticks, events and runs."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from aioclock import (
    AioClock,
    Every,
    Forever,
    Jitter,
    Once,
    OnShutDown,
    OnStartUp,
    OrTrigger,
)
from aioclock.events import TaskPaused, TaskResumed
from aioclock.triggers import BaseTrigger
from timelines import due, letters, simulated, sleeping

pytestmark = pytest.mark.filterwarnings("ignore:On(StartUp|ShutDown):DeprecationWarning")


def test_ticks_of_a_paused_task_are_recorded_as_skipped_and_the_grid_stays() -> None:
    app = AioClock()
    app.task(trigger=Every(seconds=10), name="work")(sleeping(0))
    with simulated(app) as sim:
        sim.advance(seconds=15)
        app.pause("work")
        sim.advance(seconds=20)
        app.resume("work")
        sim.advance(seconds=10)
        assert due(sim.runs("work"), "skipped", "paused") == [20, 30]
        assert due(sim.runs("work"), "succeeded") == [10, 40]
        assert due(app.runs("work", outcome="skipped")) == [30, 20]
    assert all(run.started_at is None and run.attempt == 0 for run in app.runs(outcome="skipped"))


def test_pausing_and_resuming_again_is_told_once() -> None:
    app, told = AioClock(), []
    app.task(trigger=Every(seconds=10), name="work")(sleeping(0))

    @app.on(TaskPaused, TaskResumed)
    async def listen(event: TaskPaused | TaskResumed) -> None:
        told.append(event.note if isinstance(event, TaskPaused) else "resumed")

    with simulated(app) as sim:
        app.resume("work")
        for note in ("first", "second"):
            app.pause("work", note)
        app.resume("work")
        app.resume("work")
        sim.advance(seconds=1)
    assert told == ["first", "resumed"]


def test_a_run_that_is_going_when_its_task_is_paused_may_finish() -> None:
    app = AioClock()
    app.task(trigger=Every(seconds=10), name="work")(sleeping(5))
    with simulated(app) as sim:
        sim.advance(seconds=12)
        app.pause("work")
        sim.advance(seconds=5)
        assert due(sim.runs("work"), "succeeded") == [10]


@pytest.mark.parametrize("trigger", [Forever(), Every(seconds=0), Every(seconds=3, mode="fixed_delay")])
def test_a_task_that_follows_its_own_runs_stands_still_while_paused(trigger: BaseTrigger) -> None:
    app = AioClock()
    app.task(trigger=trigger, name="work")(sleeping(2))
    with simulated(app) as sim:
        sim.advance(seconds=4)
        app.pause("work")
        sim.advance(hours=1)
        before = len(due(sim.runs("work"), "succeeded"))
        sim.advance(hours=1)
        assert len(due(sim.runs("work"), "succeeded")) == before
        app.resume("work")
        sim.advance(seconds=10)
        assert len(due(sim.runs("work"), "succeeded")) >= before + 2
        assert len(due(sim.runs("work"), "skipped")) <= 1


def test_pausing_forever_in_a_run_and_resuming_in_the_same_run_goes_on_without_a_doubled_run() -> None:
    app, going = AioClock(), []

    @app.task(trigger=Forever(), name="work")
    async def work() -> None:
        going.append(len(going))
        app.pause("work")
        await asyncio.sleep(1)
        app.resume("work")
        await asyncio.sleep(1)

    with simulated(app) as sim:
        sim.advance(seconds=9)
        assert len(going) == 5
        assert due(sim.runs("work"), "succeeded") == [0, 2, 4, 6]


def test_once_while_paused_is_skipped_and_ends_the_serving() -> None:
    app = AioClock()
    app.task(trigger=Once(), name="work")(sleeping(0))
    app.pause("work")
    with simulated(app) as sim:
        sim.run(asyncio.sleep(1))
        assert due(sim.runs("work"), "skipped", "paused") == [0]
        assert app._roster.serving is None


def test_a_paused_or_trigger_skips_the_ticks_of_all_its_children() -> None:
    app = AioClock()
    either = OrTrigger(triggers=[Every(seconds=4), Every(seconds=6)])
    app.task(trigger=either, name="work")(sleeping(0))
    with simulated(app) as sim:
        sim.advance(seconds=5)
        app.pause("work")
        sim.advance(seconds=8)
        app.resume("work")
        sim.advance(seconds=7)
        assert due(sim.runs("work"), "skipped", "paused") == [6, 8, 12]
        assert due(sim.runs("work"), "succeeded") == [4, 16, 18, 20]


def test_paused_ticks_use_up_no_loop_count() -> None:
    app = AioClock()
    app.task(trigger=Every(seconds=1, max_loop_count=3), name="work")(sleeping(0))
    with simulated(app) as sim:
        sim.advance(seconds=1)
        app.pause("work")
        sim.advance(seconds=5)
        app.resume("work")
        sim.advance(seconds=5)
        assert due(sim.runs("work"), "succeeded") == [1, 7, 8]


@pytest.mark.parametrize("policy", ["skip", "queue", "allow", "cancel"])
def test_an_event_taken_from_a_queue_is_held_while_paused_and_not_lost(policy: Any) -> None:
    app, trigger, done = AioClock(), letters(), []

    @app.task(trigger=trigger, name="work", overlap=policy)
    async def work() -> None:
        done.append(1)

    with simulated(app) as sim:
        sim.advance(seconds=1)
        app.pause("work")
        for letter in "abc":
            trigger.box.put_nowait(letter)
        sim.advance(seconds=60)
        assert trigger.taken == ["a"]
        assert done == []
        app.resume("work")
        sim.advance(seconds=60)
        assert (trigger.taken, len(done)) == (["a", "b", "c"], 3)
        assert due(sim.runs("work"), "skipped") == []


def test_an_event_taken_while_the_run_before_is_paused_midway_is_held_too() -> None:
    app, trigger = AioClock(), letters()
    app.task(trigger=trigger, name="work")(sleeping(10))
    with simulated(app) as sim:
        trigger.box.put_nowait("a")
        trigger.box.put_nowait("b")
        sim.advance(seconds=5)
        app.pause("work")
        sim.advance(seconds=20)
        app.resume("work")
        sim.advance(seconds=11)
        assert due(sim.runs("work"), "succeeded") == [0, 10]
        assert [run.lateness_s for run in sim.runs("work")] == [0, 15]


def test_an_event_held_back_by_jitter_is_not_lost_when_its_task_is_paused() -> None:
    app, trigger = AioClock(), letters()
    app.task(trigger=trigger, name="work", jitter=Jitter(100, stable=True))(sleeping(0))
    with simulated(app) as sim:
        trigger.box.put_nowait("a")
        sim.advance(seconds=0.001)
        assert trigger.taken == ["a"]
        app.pause("work")
        sim.advance(seconds=200)
        app.resume("work")
        sim.advance(seconds=200)
        assert len(due(sim.runs("work"), "succeeded")) == 1


def test_an_event_that_waits_for_the_run_which_it_cancelled_is_not_lost_when_its_task_is_paused() -> None:
    app, trigger, done = AioClock(), letters(), []

    @app.task(trigger=trigger, name="work", overlap="cancel")
    async def work() -> None:
        try:
            await asyncio.sleep(10)
        except asyncio.CancelledError:
            await asyncio.sleep(2)
            raise
        done.append(1)

    with simulated(app) as sim:
        trigger.box.put_nowait("a")
        sim.advance(seconds=1)
        trigger.box.put_nowait("b")
        sim.advance(seconds=1)
        app.pause("work")
        sim.advance(seconds=60)
        app.resume("work")
        sim.advance(seconds=60)
        assert done == [1]


def test_pausing_skips_the_ticks_that_wait_in_the_queue_and_they_use_up_no_loop_count() -> None:
    app = AioClock()
    app.task(trigger=Every(seconds=1, max_loop_count=4), name="work", overlap="queue")(sleeping(10))
    with simulated(app) as sim:
        sim.advance(seconds=3.5)  # one runs, two wait
        app.pause("work")
        assert due(sim.runs("work"), "skipped", "paused") == [2, 3]
        sim.advance(seconds=20)
        app.resume("work")
        sim.advance(seconds=60)
        assert len(due(sim.runs("work"), "succeeded")) == 4


def test_a_last_tick_that_is_paused_in_the_queue_is_made_up_for_by_a_later_one() -> None:
    app = AioClock()
    app.task(trigger=Every(seconds=1, max_loop_count=2), name="work", overlap="queue")(sleeping(10))
    with simulated(app) as sim:
        sim.advance(seconds=2.5)  # one runs, the last one waits
        app.pause("work")
        sim.advance(seconds=1)
        app.resume("work")
        sim.advance(seconds=60)
        assert len(due(sim.runs("work"), "succeeded")) == 2


def test_a_tick_held_back_by_jitter_is_skipped_when_its_task_is_paused() -> None:
    app = AioClock()
    app.task(trigger=Every(seconds=100), name="work", jitter=Jitter(50, stable=True))(sleeping(0))
    with simulated(app) as sim:
        sim.advance(seconds=100)
        app.pause("work")
        app.resume("work")  # too late for this tick: it was skipped already
        sim.advance(seconds=60)
        assert due(sim.runs("work"), "skipped", "paused") == [100]
        sim.advance(seconds=100)
        assert due(sim.runs("work"), "succeeded") == [200]


def test_a_pause_survives_the_serving_and_is_undone_outside_of_one() -> None:
    app = AioClock()
    app.task(trigger=Every(seconds=1), name="work")(sleeping(0))
    with simulated(app) as sim:
        app.pause("work")
        sim.advance(seconds=2)
    with simulated(app) as sim:
        sim.advance(seconds=2)
        assert due(sim.runs("work"), "skipped", "paused") == [1, 2]
    app.resume("work")
    with simulated(app) as sim:
        sim.advance(seconds=2)
        assert due(sim.runs("work"), "succeeded") == [1, 2]


def test_start_up_and_shut_down_tasks_can_be_paused_and_hold_up_nothing() -> None:
    app, order = AioClock(), []
    app.task(trigger=OnStartUp(), name="up")(lambda: order.append("up"))
    app.task(trigger=OnShutDown(), name="down")(lambda: order.append("down"))
    app.task(trigger=Once(), name="work")(lambda: order.append("work"))
    app.pause("up")
    app.pause("down")
    with simulated(app) as sim:
        sim.advance(seconds=1)
    assert order == ["work"]
    assert {run.task_key: run.reason for run in app.runs()} == {"up": "paused", "down": "paused", "work": None}


def test_what_is_paused_can_be_seen_with_its_note() -> None:
    app = AioClock()
    for name in ("one", "two", "three"):
        app.task(trigger=Every(seconds=1), name=name)(sleeping(0))
    assert app.paused == {}
    app.pause("one")
    app.pause("two", note="for lunch")
    app.pause("three")
    app.resume("three")
    assert app.paused == {"one": None, "two": "for lunch"}
    app.remove_task("one")
    app.paused.clear()
    assert app.paused == {"two": "for lunch"}


@pytest.mark.parametrize(
    ("end", "reason"),
    [
        (lambda app: None, "stopping"),
        (lambda app: app.reschedule("work", Every(hours=1)), "removed"),
    ],
    ids=["the app stops", "the task is rescheduled"],
)
def test_an_event_that_can_be_held_no_longer_is_recorded(end: Callable[[AioClock], None], reason: str) -> None:
    app, trigger = AioClock(), letters()
    app.task(trigger=trigger, name="work")(sleeping(0))
    with simulated(app) as sim:
        app.pause("work")
        trigger.box.put_nowait("a")
        sim.advance(seconds=5)
        end(app)
        sim.advance(seconds=5)
    assert [(run.outcome, run.reason) for run in sim.runs("work")] == [("skipped", reason)]


def test_an_event_that_is_held_when_the_count_is_used_up_is_no_tick() -> None:
    app, trigger = AioClock(), letters()
    both = OrTrigger(triggers=[trigger, Every(seconds=10)], max_loop_count=1)
    app.task(trigger=both, name="work", overlap="queue")(sleeping(20))
    with simulated(app) as sim:
        asking = sim.run(begun(app.run_now("work")))
        trigger.box.put_nowait("a")
        sim.advance(seconds=60)
        assert asking.done()
    assert trigger.taken == ["a"]
    assert [(run.kind, run.outcome) for run in sim.runs("work")] == [("manual", "succeeded"), ("schedule", "succeeded")]


async def begun(work: Coroutine[Any, Any, Any]) -> "asyncio.Task[Any]":
    task = asyncio.create_task(work)
    await asyncio.sleep(0)
    return task
