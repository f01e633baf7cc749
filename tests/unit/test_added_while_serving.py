"""Tasks and groups that come and go while an app serves."""

import asyncio
import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from weakref import ref

import pytest

from aioclock import AioClock, Every, Group, Once, OnStartUp
from aioclock.exceptions import DependencyError, ServingError, TaskDeclarationError
from aioclock.testing import Simulation, simulate

START = datetime(2026, 1, 1, tzinfo=UTC)


async def nothing() -> None: ...


async def unfillable(what: int) -> None: ...


def ticks(sim: Simulation, name: str) -> list[float]:
    return [(run.scheduled_at - START).total_seconds() for run in sim.runs(name)]


async def endless() -> None:
    await asyncio.sleep(10**6)


async def doing(func: Any, *args: Any) -> Any:
    return func(*args)


def test_a_task_added_while_the_app_serves_begins_its_schedule_then() -> None:
    app = AioClock()
    app.task(trigger=Every(seconds=10), name="early")(nothing)
    with simulate(app, start=START) as sim:
        sim.advance(seconds=7)
        sim.run(doing(app.task(trigger=Every(seconds=10), name="late"), nothing))
        sim.advance(seconds=23)
        assert (ticks(sim, "early"), ticks(sim, "late")) == ([10, 20, 30], [17, 27])


def test_a_task_may_add_the_next_one_and_serving_ends_after_the_last() -> None:
    app = AioClock()

    @app.task(trigger=Once(), name="first")
    async def first() -> None:
        app.task(trigger=Every(seconds=5, max_loop_count=2), name="second")(nothing)

    with simulate(app, start=START) as sim:
        sim.advance(seconds=60)
        assert (ticks(sim, "first"), ticks(sim, "second")) == ([0], [5, 10])
        assert sim._serving is not None
        assert sim._serving.done()


def test_a_task_added_before_the_schedules_begin_begins_with_all_others() -> None:
    @asynccontextmanager
    async def lifespan(app: AioClock) -> AsyncIterator[None]:
        app.task(trigger=Every(seconds=10), name="of lifespan")(nothing)
        await asyncio.sleep(2)
        yield

    app = AioClock(lifespan=lifespan)
    app.task(trigger=Every(seconds=10), name="ordinary")(nothing)
    with pytest.warns(DeprecationWarning, match="OnStartUp"):
        start_up = OnStartUp()

    @app.task(trigger=start_up, name="start-up")
    async def add() -> None:
        app.task(trigger=Every(seconds=10), name="of start-up")(nothing)
        await asyncio.sleep(2)

    with simulate(app, start=START) as sim:
        sim.advance(seconds=25)
        assert ticks(sim, "ordinary") == ticks(sim, "of lifespan") == ticks(sim, "of start-up") == [14, 24]


def test_a_task_that_is_added_after_a_stop_waits_for_the_next_serving() -> None:
    app, ran = AioClock(), []

    @app.task(trigger=Once())
    async def slow() -> None:
        await asyncio.sleep(10)
        app.task(trigger=Once(), name="late")(lambda: ran.append(1))

    with simulate(app, start=START) as sim:
        sim.advance(seconds=5)
    assert (len(app._tasks), ran) == (2, [])


def test_the_tasks_of_a_group_included_while_the_app_serves_are_served() -> None:
    app, group = AioClock(), Group()
    app.task(trigger=Once(), name="endless")(endless)
    group.task(trigger=Every(seconds=10), name="sooner")(nothing)
    with simulate(app, start=START) as sim:
        sim.advance(seconds=5)
        sim.run(doing(app.include_group, group))
        sim.advance(seconds=5)
        sim.run(doing(group.task(trigger=Every(seconds=10), name="later"), nothing))
        sim.advance(seconds=15)
        assert (ticks(sim, "sooner"), ticks(sim, "later")) == ([15, 25], [20])


def test_a_task_that_can_not_run_is_refused_while_the_app_serves_and_nothing_else_notices() -> None:
    app = AioClock()
    app.task(trigger=Every(seconds=10), name="work")(nothing)
    with simulate(app, start=START) as sim:
        with pytest.raises(DependencyError, match=r"'bad'.*'what'"):
            sim.run(doing(app.task(trigger=Every(seconds=1), name="bad"), unfillable))
        sim.advance(seconds=20)
        assert ticks(sim, "work") == [10, 20]
    assert [task.key for task in app._tasks] == ["work"]


def test_a_task_with_a_taken_name_is_refused_while_the_app_serves() -> None:
    app = AioClock()
    app.task(trigger=Every(seconds=10), name="work")(nothing)
    with simulate(app, start=START) as sim, pytest.raises(TaskDeclarationError, match="'work' is given to two tasks"):
        sim.run(doing(app.task(trigger=Every(seconds=1), name="work"), nothing))


def test_nobody_knows_the_next_tick_of_a_task_of_another_app() -> None:
    app, other = AioClock(), AioClock()
    app.task(trigger=Every(seconds=10), name="work")(nothing)
    other.task(trigger=Every(seconds=10), name="other")(nothing)
    with simulate(app, start=START) as sim:
        assert sim.run(app.next_tick(app._tasks[0])) == START + timedelta(seconds=10)
        assert sim.run(app.next_tick(other._tasks[0])) is None
        assert sim.run(other.next_tick(other._tasks[0])) is None


def test_an_app_is_served_once_at_a_time_and_the_first_serving_goes_on() -> None:
    app = AioClock()
    app.task(trigger=Every(seconds=10), name="work")(nothing)
    with simulate(app, start=START) as sim:
        with pytest.raises(ServingError, match="served already"):
            sim.run(app.serve())
        sim.advance(seconds=20)
        assert ticks(sim, "work") == [10, 20]


def test_a_group_does_not_keep_an_app_alive_that_included_it_and_goes_on_without_it() -> None:
    group, kept = Group(), AioClock()
    gone = AioClock()
    for app in (gone, kept):
        app.include_group(group)
    trace = ref(gone)
    del app, gone
    gc.collect()
    assert trace() is None
    group.task(trigger=Once(), name="work")(nothing)
    assert [task.key for task in kept._tasks] == ["work"]


def test_an_app_keeps_the_groups_it_included() -> None:
    app, group = AioClock(), Group()
    app.include_group(group)
    inner = Group()
    group.include_group(inner)
    trace = ref(group)
    del group
    gc.collect()
    assert trace() is not None
    inner.task(trigger=Once(), name="work")(nothing)
    assert [task.key for task in app._tasks] == ["work"]
