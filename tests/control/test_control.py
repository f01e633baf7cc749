"""Commands: who may give them, where and when, and which task is meant."""

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID, uuid4

import pytest

from aioclock import (
    AioClock,
    Every,
    Once,
    OnStartUp,
)
from aioclock.events import TaskResumed
from aioclock.exceptions import (
    ServingError,
    TaskDeclarationError,
    TaskIdNotFound,
)
from aioclock.testing import Simulation
from timelines import due, period, simulated, sleeping

pytestmark = pytest.mark.filterwarnings("ignore:On(StartUp|ShutDown):DeprecationWarning")


# Where commands come from


async def tasks(app: AioClock) -> None:
    assert list(app.tasks)[:2] == ["work", "other"]
    assert app.tasks["work"].key == "work"


async def next_ticks(app: AioClock) -> None:
    assert len(app.next_ticks("other", count=2)) == 2
    assert set(app.next_ticks()) == set(app.tasks)


async def runs(app: AioClock) -> None:
    assert all(run.task_key == "work" for run in app.runs("work"))


async def pause(app: AioClock) -> None:
    app.pause("work", note="why not")


async def resume(app: AioClock) -> None:
    app.pause("work")
    app.resume("work")


async def run_now(app: AioClock) -> None:
    assert await app.run_now("other") == "done"


async def cancel(app: AioClock) -> None:
    assert app.cancel("other") == 0


async def reschedule(app: AioClock) -> None:
    app.reschedule("work", Every(seconds=4))


async def add_task(app: AioClock) -> None:
    assert app.add_task(sleeping(0), trigger=Every(seconds=7), name="new").key == "new"


async def remove_task(app: AioClock) -> None:
    app.remove_task("work")


async def stop(app: AioClock) -> None:
    await app.stop(timeout=1)


def ten_runs(sim: Simulation) -> None:
    assert due(sim.runs("work")) == [10]


def paused_tick(sim: Simulation) -> None:
    assert due(sim.runs("work"), "skipped", "paused") == [10]


def new_grid(sim: Simulation) -> None:
    assert due(sim.runs("work")) == [4, 8, 12]


def one_task_more(sim: Simulation) -> None:
    assert due(sim.runs("new")) == [7]


def one_task_less(sim: Simulation) -> None:
    with pytest.raises(TaskIdNotFound):
        sim.runs("work")
    assert due(sim.runs("other")) == [12]


Command = Callable[[AioClock], Awaitable[None]]
Place = Callable[[AioClock, Command], None]

COMMANDS: list[tuple[Command, Callable[[Simulation], None]]] = [
    (tasks, ten_runs),
    (next_ticks, ten_runs),
    (runs, ten_runs),
    (pause, paused_tick),
    (resume, ten_runs),
    (run_now, ten_runs),
    (cancel, ten_runs),
    (reschedule, new_grid),
    (add_task, one_task_more),
    (remove_task, one_task_less),
    (stop, ten_runs),
]


def before_a_serving(app: AioClock, command: Command) -> None:
    asyncio.run(command(app))  # type: ignore[arg-type] # every command here is a coroutine function


def between_two_steps(app: AioClock, command: Command) -> None:
    with simulated(app) as sim:
        sim.advance(seconds=5)
        if command in (run_now, stop):
            sim.run(command(app))  # type: ignore[arg-type] # see above
        else:
            with pytest.raises(StopIteration):  # not on the event loop, and not on another one either
                command(app).send(None)  # type: ignore[attr-defined] # see above
        sim.advance(seconds=1)


def after_a_serving(app: AioClock, command: Command) -> None:
    with simulated(app) as sim:
        sim.advance(seconds=15)
    before_a_serving(app, command)


def in_a_task(app: AioClock, command: Command) -> None:
    said = []

    @app.task(trigger=Every(seconds=5, max_loop_count=1), name="commander")
    async def commander() -> None:
        await command(app)
        said.append("done")

    with simulated(app) as sim:
        sim.advance(seconds=6)
    assert said == ["done"]
    app.remove_task("commander")


def in_a_thread_of_a_sync_task(app: AioClock, command: Command) -> None:
    said = []

    @app.task(trigger=Every(seconds=5, max_loop_count=1), name="commander")
    def commander() -> None:
        assert threading.current_thread() is not threading.main_thread()
        before_a_serving(app, command)
        said.append("done")

    with simulated(app) as sim:
        sim.advance(seconds=6)
    assert said == ["done"]
    app.remove_task("commander")


def in_a_listener(app: AioClock, command: Command) -> None:
    said, once = [], iter([1])

    @app.on(TaskResumed, task="other")
    async def listen() -> None:
        for _ in once:
            await command(app)
            said.append("done")

    with simulated(app) as sim:
        sim.advance(seconds=5)
        app.pause("other")
        app.resume("other")
        sim.advance(seconds=1)
    assert said == ["done"]


def in_a_lifespan(at_its_end: bool) -> Place:
    def place(app: AioClock, command: Command) -> None:
        said, once = [], iter([1])

        @asynccontextmanager
        async def lifespan(app: AioClock) -> AsyncIterator[None]:
            if at_its_end:
                yield
            for _ in once:
                await command(app)
                said.append("done")
            if not at_its_end:
                yield

        app._lifespan = lifespan
        with simulated(app) as sim:
            sim.advance(seconds=6)
        app._lifespan = None
        assert said == ["done"]

    return place


PLACES: dict[str, Place] = {
    "before a serving": before_a_serving,
    "between two steps": between_two_steps,
    "after a serving": after_a_serving,
    "in a task": in_a_task,
    "in a sync task": in_a_thread_of_a_sync_task,
    "in a listener": in_a_listener,
    "at the beginning of the lifespan": in_a_lifespan(at_its_end=False),
    "at the end of the lifespan": in_a_lifespan(at_its_end=True),
}


@pytest.mark.parametrize(("command", "effect"), COMMANDS, ids=[command.__name__ for command, _ in COMMANDS])
@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)
def test_every_command_works_everywhere_and_holds_in_the_next_serving(
    place: Place, command: Command, effect: Callable[[Simulation], None]
) -> None:
    if place is in_a_thread_of_a_sync_task and command is stop:
        pytest.skip("stop() from another event loop is a matter of test_control_threads.py")
    app = AioClock()
    app.task(trigger=Every(seconds=10), name="work")(sleeping(0))
    app.task(trigger=Every(seconds=12), name="other")(sleeping(0, "done"))
    place(app, command)
    with simulated(app) as sim:
        sim.advance(seconds=13)
        effect(sim)


@pytest.mark.virtual_time
async def test_while_an_app_serves_it_can_be_neither_run_nor_served_again_and_goes_on() -> None:
    app, ran = AioClock(), []
    app.task(trigger=Every(seconds=1), name="work")(lambda: ran.append(1))
    async with app.running():
        with pytest.raises(ServingError, match="already"):
            async with app.running():
                pytest.fail("a second serving began")
        with pytest.raises(ServingError, match="already"):
            await app.serve()
        with pytest.raises(ServingError, match="event loop"):
            app.run()
        await asyncio.sleep(2.5)
    assert ran == [1, 1]


@pytest.mark.virtual_time
async def test_a_serving_that_has_not_begun_is_stopped_before_it_begins() -> None:
    app, ran = AioClock(), []
    app.task(trigger=Once())(lambda: ran.append(1))
    serving = asyncio.create_task(app.serve())
    await app.stop()
    await serving
    assert ran == []
    await app.serve()
    assert ran == [1]


# Who is meant


def report() -> str:
    return "plain"


def app_with_copies() -> AioClock:
    app = AioClock()
    app.task(trigger=Every(hours=1))(report)
    app.task(trigger=Every(hours=2))(report)
    app.task(trigger=Every(hours=3), name="daily report")(sleeping(0))
    app.task(trigger=Every(hours=4), name="etl.load")(sleeping(0))
    return app


def test_a_task_is_told_by_its_key_its_id_the_text_of_that_and_by_the_key_of_a_copy() -> None:
    app = app_with_copies()
    assert [period(app, key) for key in app.tasks] == [1, 2, 3, 4]
    assert [period(app, task.id) for task in app.tasks.values()] == [1, 2, 3, 4]
    assert [period(app, str(task.id).upper()) for task in app.tasks.values()] == [1, 2, 3, 4]
    assert list(app.tasks)[1] == f"{next(iter(app.tasks))}#2"


def test_a_task_is_told_by_its_function_and_by_the_name_of_that() -> None:
    app = AioClock()
    app.task(trigger=Every(hours=1), name="hourly")(report)
    assert period(app, report) == period(app, "report") == 1


def test_a_method_tells_its_task_though_each_access_makes_another_object() -> None:
    class Worker:
        async def work(self) -> None: ...

    app, worker = AioClock(), Worker()
    app.task(trigger=Every(hours=1))(worker.work)
    app.task(trigger=Every(hours=2))(Worker().work)
    assert period(app, worker.work) == 1


@pytest.mark.parametrize("ref", ["report", report])
def test_a_ref_to_several_tasks_is_refused_with_the_candidates(ref: Any) -> None:
    app = app_with_copies()
    key = next(iter(app.tasks))
    with pytest.raises(TaskIdNotFound, match="2 tasks") as refused:
        app.pause(ref)
    assert repr(key) in str(refused.value)
    assert repr(f"{key}#2") in str(refused.value)


@pytest.mark.parametrize(
    ("ref", "close"),
    [("daily reprot", "daily report"), ("etl.laod", "etl.load"), ("repotr", "report"), ("ETL.LOAD", "etl.load")],
)
def test_an_unknown_ref_is_refused_with_what_is_close(ref: str, close: str) -> None:
    with pytest.raises(TaskIdNotFound, match="did you mean") as refused:
        app_with_copies().pause(ref)
    assert repr(close) in str(refused.value)


@pytest.mark.parametrize("ref", ["nothing alike", "", uuid4(), UUID(int=0), print, lambda: None])
def test_an_unknown_ref_that_nothing_is_close_to_is_refused_all_the_same(ref: Any) -> None:
    with pytest.raises(TaskIdNotFound, match="no task of the app answers to"):
        app_with_copies().pause(ref)


@pytest.mark.parametrize("ref", [None, 1, b"etl.load", ["etl.load"], object()])
def test_what_can_not_mean_a_task_is_a_type_error(ref: Any) -> None:
    with pytest.raises(TypeError, match="key"):
        app_with_copies().pause(ref)


@pytest.mark.virtual_time
async def test_every_command_refuses_an_unknown_task() -> None:
    app = app_with_copies()
    for command in (app.next_ticks, app.runs, app.pause, app.resume, app.cancel, app.remove_task):
        with pytest.raises(TaskIdNotFound):
            command("missing")
    with pytest.raises(TaskIdNotFound):
        app.reschedule("missing", Once())
    with pytest.raises(TaskIdNotFound):
        await app.run_now("missing")


def test_the_tasks_of_an_app_are_a_view_that_nobody_can_write_to() -> None:
    app = app_with_copies()
    view = app.tasks
    app.remove_task("etl.load")
    assert "etl.load" not in view
    with pytest.raises(TypeError):
        view["etl.load"] = view["daily report"]  # type: ignore[index] # bad on purpose


@pytest.mark.parametrize("bad", [-1, True, 1.5, "2"])
def test_a_count_is_a_whole_number(bad: Any) -> None:
    app = app_with_copies()
    with pytest.raises(ValueError, match="count"):
        app.next_ticks("etl.load", count=bad)
    with pytest.raises(ValueError, match="limit"):
        app.runs(limit=bad)


def test_bad_arguments_change_nothing() -> None:
    app = app_with_copies()
    for trigger in (None, 5, "Every(seconds=5)", Every):
        with pytest.raises(TaskDeclarationError, match="trigger"):
            app.reschedule("etl.load", trigger)  # type: ignore[arg-type] # bad on purpose
        with pytest.raises(TaskDeclarationError, match="trigger"):
            app.add_task(report, trigger=trigger)  # type: ignore[arg-type] # bad on purpose
    with pytest.raises(TaskDeclarationError, match="function"):
        app.add_task(5, trigger=Once())  # type: ignore[arg-type] # bad on purpose
    with pytest.raises(TaskDeclarationError, match="unique"):
        app.add_task(report, trigger=Once(), name="etl.load")
    with pytest.raises(TaskDeclarationError):
        app.add_task(report, trigger=Once(), timeout=-1)
    with pytest.raises(ValueError, match="outcome must be one of succeeded, failed,"):
        app.runs(outcome="great")
    assert len(app.tasks) == 4
    assert period(app, "etl.load") == 4


@pytest.mark.virtual_time
@pytest.mark.parametrize("bad", [-1, float("nan"), "5", True])
async def test_a_stop_takes_a_number_of_seconds(bad: Any) -> None:
    with pytest.raises(TaskDeclarationError, match="timeout"):
        await AioClock().stop(timeout=bad)


# Stopping


@pytest.mark.virtual_time
async def test_a_second_stop_with_less_patience_is_heard() -> None:
    app = AioClock(shutdown_timeout=None)
    app.task(trigger=Once(), name="work")(sleeping(1000))
    serving = asyncio.create_task(app.serve())
    await asyncio.sleep(1)
    patient = asyncio.create_task(app.stop())
    await asyncio.sleep(1)
    async with asyncio.timeout(100):
        await app.stop(timeout=5)
    await patient
    await serving
    assert app.runs("work")[0].outcome == "cancelled"


@pytest.mark.virtual_time
async def test_a_stop_during_the_start_up_waits_for_it_within_its_patience() -> None:
    app, order = AioClock(), []

    @app.task(trigger=OnStartUp(), name="up")
    async def up() -> None:
        await asyncio.sleep(5)
        order.append("up")

    app.task(trigger=Once(), name="work")(lambda: order.append("work"))
    serving = asyncio.create_task(app.serve())
    await asyncio.sleep(1)
    await app.stop()
    assert serving.done() or not await serving
    assert order == ["up"]
