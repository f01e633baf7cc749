"""Programs and tests in the style that people wrote for AioClock 0.3 keep working."""

import asyncio
import zoneinfo
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal, Union
from unittest.mock import AsyncMock, MagicMock, patch

import pytest

from aioclock import AioClock, At, Cron, Depends, Every, Forever, Group, Once, OnShutDown, OnStartUp, OrTrigger
from aioclock.api import get_metadata_of_all_tasks, run_specific_task, run_with_injected_deps
from aioclock.custom_types import Triggers
from aioclock.exceptions import TaskTimeoutError
from aioclock.task import Task
from aioclock.testing import simulate
from aioclock.triggers import BaseTrigger, LoopController

pytestmark = pytest.mark.filterwarnings("ignore:On(StartUp|ShutDown):DeprecationWarning")


# Serving


def test_a_script_of_old_runs() -> None:
    group = Group()
    said: list[str] = []

    def more_useless_than_me() -> str:
        return "I'm a dependency. I'm more useless than a screen door on a submarine."

    @group.task(trigger=Every(seconds=10))
    async def every() -> None:
        said.append("Every 10 seconds, I make a quantum leap.")

    @group.task(trigger=Every(seconds=5))
    def even_sync_works() -> None:
        said.append("I'm a synchronous task. I work even in async world.")

    @group.task(trigger=At(tz="UTC", hour=0, minute=0, second=20))
    async def at(val: str = Depends(more_useless_than_me)) -> None:
        said.append(val)

    @group.task(trigger=Forever())
    async def forever(val: str = Depends(more_useless_than_me)) -> None:
        await asyncio.sleep(2)
        said.append("Heartbeat detected.")

    @group.task(trigger=Once())
    async def once() -> None:
        said.append("Just once, I get to say something.")

    @asynccontextmanager
    async def lifespan(aio_clock: AioClock) -> AsyncGenerator[AioClock]:
        said.append("Welcome to the Async Chronicles!")
        yield aio_clock
        said.append("Going offline.")

    app = AioClock(lifespan=lifespan)
    app.include_group(group)
    with simulate(app, start="2026-01-01T00:00:00+00:00") as sim:
        sim.advance(seconds=21)
    assert said[0] == "Welcome to the Async Chronicles!"
    assert said[-1] == "Going offline."
    assert said.count("Every 10 seconds, I make a quantum leap.") == 2
    assert said.count("I'm a synchronous task. I work even in async world.") == 4
    assert said.count(more_useless_than_me()) == 1
    assert said.count("Heartbeat detected.") >= 10
    assert said.count("Just once, I get to say something.") == 1


async def test_serve_inside_gather_with_a_task_that_cancels() -> None:
    app, ran, enough = AioClock(), [], asyncio.Event()

    @app.task(trigger=Every(seconds=0.01, first_run_strategy="immediate"))
    async def work() -> None:
        ran.append(1)
        if len(ran) == 3:
            enough.set()

    serving = asyncio.create_task(app.serve())

    async def stopper() -> None:
        await enough.wait()
        serving.cancel()

    results = await asyncio.wait_for(asyncio.gather(serving, stopper(), return_exceptions=True), 5)
    assert isinstance(results[0], asyncio.CancelledError)
    assert len(ran) >= 3


@pytest.mark.virtual_time
async def test_serve_inside_wait_for_ends_by_a_timeout_error() -> None:
    app, ran = AioClock(), []

    @app.task(trigger=Every(seconds=0.01))
    async def work() -> None:
        ran.append(1)

    with pytest.raises(asyncio.TimeoutError):
        await asyncio.wait_for(app.serve(), timeout=0.1)
    count = len(ran)
    assert count >= 2
    await asyncio.sleep(0.03)
    assert len(ran) == count


async def test_several_apps_inside_one_gather() -> None:
    apps, ran = [AioClock(), AioClock()], []
    for number, app in enumerate(apps):
        app.task(trigger=Every(seconds=0.001, max_loop_count=2), name=f"work {number}")(lambda n=number: ran.append(n))
    await asyncio.wait_for(asyncio.gather(*(app.serve() for app in apps)), 5)
    assert sorted(ran) == [0, 0, 1, 1]


async def test_serving_beside_a_web_server_in_its_lifespan() -> None:
    app, ran = AioClock(), []
    app.task(trigger=OnShutDown(), name="down")(lambda: ran.append("down"))

    @app.task(trigger=Forever())
    async def work() -> None:
        ran.append("work")
        await asyncio.sleep(30)

    @asynccontextmanager
    async def web_lifespan(_: object) -> AsyncGenerator[None]:
        task = asyncio.create_task(app.serve())
        yield
        try:
            task.cancel()
            await task
        except asyncio.CancelledError:
            ran.append("gone")

    async with asyncio.timeout(5), web_lifespan(None):
        await asyncio.sleep(0.02)
    assert ran == ["work", "down", "gone"]


async def test_startup_and_shutdown_tasks_of_old_still_run() -> None:
    app, order = AioClock(), []

    @app.task(trigger=OnStartUp())
    async def startup() -> None:
        order.append("up")

    @app.task(trigger=OnShutDown())
    async def shutdown() -> None:
        order.append("down")

    @app.task(trigger=Once())
    async def main() -> None:
        order.append("main")

    await asyncio.wait_for(app.serve(), 5)
    assert order == ["up", "main", "down"]


async def test_a_mock_can_be_a_task() -> None:
    app, mock, sync_mock = AioClock(), AsyncMock(__name__="mock", __qualname__="mock"), MagicMock()
    app.task(trigger=Every(seconds=0.001, max_loop_count=2))(mock)
    sync_mock.return_value = None

    @app.task(trigger=Once())
    def work() -> None:
        sync_mock("called")

    await asyncio.wait_for(app.serve(), 5)
    assert mock.await_count == 2
    sync_mock.assert_called_once_with("called")


async def test_patching_asyncio_sleep_in_the_users_module_does_not_stop_the_schedule() -> None:
    app, ran = AioClock(), []

    @app.task(trigger=Every(seconds=0.01, max_loop_count=2))
    async def work() -> None:
        await asyncio.sleep(60)
        ran.append(1)

    with patch("asyncio.sleep", AsyncMock()):
        await asyncio.wait_for(app.serve(), 5)
    assert len(ran) == 2


# What existing test suites touch


def make_app() -> AioClock:
    app, group = AioClock(), Group()
    app.task(trigger=OnStartUp(), name="up")(lambda: None)
    app.task(trigger=Every(seconds=1), name="every")(lambda: None)
    group.task(trigger=Once(), name="once")(lambda: None)
    app.task(trigger=OnShutDown(), name="down")(lambda: None)
    app.include_group(group)
    return app


def kinds(tasks: list[Task]) -> set[Triggers]:
    return {task.trigger.type_ for task in tasks}


def test_tasks_holds_every_task_of_app_and_groups() -> None:
    tasks = make_app()._tasks
    assert isinstance(tasks, list)
    assert [task for task in tasks if not isinstance(task, Task)] == []
    assert kinds(tasks) == {Triggers.ON_START_UP, Triggers.EVERY, Triggers.ONCE, Triggers.ON_SHUT_DOWN}


def test_a_task_tells_its_function_trigger_and_id() -> None:
    app, trigger = AioClock(), Every(seconds=1)

    async def work() -> None: ...

    app.task(trigger=trigger, timeout=3)(work)
    [task] = app._tasks
    assert task.func is work
    assert task.trigger == trigger
    assert task.timeout == 3
    assert task.id == app._get_tasks()[0].id


def test_get_tasks_leaves_start_up_and_shut_down_out_unless_told_otherwise() -> None:
    app = make_app()
    assert kinds(app._get_tasks()) == {Triggers.EVERY, Triggers.ONCE}
    assert kinds(app._get_tasks(exclude_type=None)) == {Triggers.EVERY, Triggers.ONCE}


@pytest.mark.parametrize("container", [set, list, tuple, frozenset])
def test_get_tasks_leaves_out_what_it_is_told(container: Any) -> None:
    app = make_app()
    assert kinds(app._get_tasks(exclude_type=container([Triggers.EVERY]))) == {
        Triggers.ON_START_UP,
        Triggers.ONCE,
        Triggers.ON_SHUT_DOWN,
    }
    assert len(kinds(app._get_tasks(exclude_type=container()))) == 4


async def test_task_run_runs_until_its_trigger_is_exhausted() -> None:
    app, ran = AioClock(), []

    @app.task(trigger=Every(seconds=0.001, max_loop_count=3))
    async def work(value: str = Depends(lambda: "value")) -> None:
        ran.append(value)

    await asyncio.wait_for(app._tasks[0].run(), 5)
    assert ran == ["value"] * 3


async def test_task_run_of_once_runs_once_each_time() -> None:
    app, ran = AioClock(), []
    app.task(trigger=Once())(lambda: ran.append(1))
    for count in (1, 2):
        await asyncio.wait_for(app._get_tasks()[0].run(), 5)
        assert len(ran) == count


async def test_task_run_uses_the_overrides_of_its_app() -> None:
    app, ran = AioClock(), []

    def source() -> str:
        return "real"

    @app.task(trigger=Once())
    async def work(value: str = Depends(source)) -> None:
        ran.append(value)

    app.override_dependencies(source, lambda: "override")
    await asyncio.wait_for(app._get_tasks()[0].run(), 5)
    assert ran == ["override"]


async def test_task_run_logs_an_error_and_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    app, ran = AioClock(), []

    @app.task(trigger=Every(seconds=0.001, max_loop_count=2), name="work")
    async def work() -> None:
        ran.append(1)
        raise RuntimeError("failed on purpose")

    await asyncio.wait_for(app._tasks[0].run(), 5)
    assert len(ran) == 2
    assert caplog.text.count("RuntimeError: failed on purpose") == 2


async def test_task_run_reports_a_timeout_as_task_timeout_error(caplog: pytest.LogCaptureFixture) -> None:
    app = AioClock()
    app.task(trigger=Once(), timeout=0.01, name="endless")(asyncio.Event().wait)
    await asyncio.wait_for(app._tasks[0].run(), 5)
    assert str(TaskTimeoutError(task_name="endless", timeout_s=0.01)) in caplog.text


@pytest.mark.virtual_time
async def test_task_run_of_a_failing_forever_backs_off() -> None:
    app, ran = AioClock(), []

    @app.task(trigger=Forever())
    async def work() -> None:
        ran.append(1)
        raise RuntimeError("failed on purpose")

    with pytest.raises(TimeoutError):
        await asyncio.wait_for(app._tasks[0].run(), 0.25)
    assert 2 <= len(ran) <= 3


async def test_task_run_can_be_cancelled() -> None:
    app, started = AioClock(), asyncio.Event()

    @app.task(trigger=Forever())
    async def work() -> None:
        started.set()
        await asyncio.sleep(30)

    running = asyncio.create_task(app._tasks[0].run())
    await asyncio.wait_for(started.wait(), 3)
    running.cancel()
    await asyncio.wait({running}, timeout=3)
    assert running.cancelled()


async def test_a_task_can_be_found_and_run_by_its_id() -> None:
    app = AioClock()

    @app.task(trigger=Every(hours=1))
    async def work(value: int = Depends(lambda: 5)) -> int:
        return value

    metadata = await get_metadata_of_all_tasks(app)
    assert metadata[0].task_name == "work"
    assert await run_specific_task(metadata[0].id, app) == 5
    assert await run_with_injected_deps(work) == 5


# Triggers by themselves


@pytest.mark.parametrize(
    ("at", "now", "seconds"),
    [
        ("every day", "2024-05-15 11:00:00", 3600),
        ("every day", "2024-05-15 12:00:00", 86_400),
        ("every day", "2024-05-15 13:00:00", 23 * 3600),
        ("every wednesday", "2024-05-15 11:00:00", 3600),
        ("every wednesday", "2024-05-15 13:00:00", 7 * 86_400 - 3600),
        ("every friday", "2024-05-15 13:00:00", 2 * 86_400 - 3600),
        ("every saturday", "2024-05-19 12:00:00", 6 * 86_400),
        ("every monday", "2024-05-19 11:00:00", 86_400 + 3600),
    ],
)
def test_get_next_ts_is_the_seconds_until_the_next_time(at: Any, now: str, seconds: float) -> None:
    trigger = At(tz="Europe/Istanbul", hour=12, at=at)
    moment = datetime.fromisoformat(now).replace(tzinfo=zoneinfo.ZoneInfo("Europe/Istanbul"))
    assert trigger._get_next_ts(moment) == seconds


def test_get_next_ts_takes_a_now_in_any_zone() -> None:
    trigger = At(tz="Europe/Istanbul", hour=12)
    now = datetime(2024, 5, 15, 8, 30, tzinfo=zoneinfo.ZoneInfo("UTC"))
    assert trigger._get_next_ts(now) == 1800


async def test_at_and_cron_wait_less_than_a_day() -> None:
    for trigger in (At(tz="Europe/Istanbul", hour=12), Cron(cron="0 12 * * *", tz="Europe/Istanbul")):
        waiting = await trigger.get_waiting_time_till_next_trigger()
        assert waiting is not None
        assert 0 < waiting <= 86_400


async def test_every_of_old_counts_by_hand() -> None:
    trigger = Every(seconds=1, first_run_strategy="immediate", max_loop_count=2)
    assert trigger.should_trigger()
    assert await trigger.get_waiting_time_till_next_trigger() == 0
    trigger._increment_loop_counter()
    assert await trigger.get_waiting_time_till_next_trigger() == 1
    trigger._increment_loop_counter()
    assert not trigger.should_trigger()


async def test_or_of_old_counts_each_of_its_triggers() -> None:
    trigger = OrTrigger(triggers=[Every(seconds=0, max_loop_count=2), Every(seconds=0, max_loop_count=2)])
    waits = []
    while trigger.should_trigger():
        waits.append(await trigger.get_waiting_time_till_next_trigger())
        await trigger.trigger_next()
    assert waits == [0, 0, 0, 0]


async def test_or_of_old_fires_as_soon_as_one_of_its_triggers_does() -> None:
    trigger = OrTrigger(triggers=[Every(hours=1), Every(seconds=0.01)])
    await asyncio.wait_for(trigger.trigger_next(), 3)
    assert trigger.should_trigger()


async def test_or_of_old_accepts_a_mix_of_triggers() -> None:
    trigger = OrTrigger(triggers=[Once(), At(tz="UTC", hour=3), Cron(cron="* * * * *", tz="UTC"), Forever()])
    assert await trigger.get_waiting_time_till_next_trigger() == 0
    assert trigger.should_trigger()


# Triggers of the user's own, written for 0.3


class RedisLike(BaseTrigger[Literal["REDIS"]]):
    """Written with the typing of its day."""

    type_: Literal["REDIS"] = "REDIS"
    polls: int = 0
    limit: Annotated[int, "polls"] = 3

    async def trigger_next(self) -> None:
        self.polls += 1
        await asyncio.sleep(0.001)

    def should_trigger(self) -> bool:
        return self.polls < self.limit

    async def get_waiting_time_till_next_trigger(self) -> Union[float, None]:  # noqa: UP007 # of its day
        if self.should_trigger():
            return 0.001
        return None


class Countdown(LoopController[Literal["COUNTDOWN"]]):
    type_: Literal["COUNTDOWN"] = "COUNTDOWN"

    def should_trigger(self) -> bool:
        # The counter itself is what subclasses of old looked at.
        return self.max_loop_count is None or self._current_loop_count < self.max_loop_count

    async def trigger_next(self) -> None:
        self._increment_loop_counter()

    async def get_waiting_time_till_next_trigger(self) -> Union[float, None]:  # noqa: UP007 # of its day
        return 0 if self.should_trigger() else None


async def test_a_trigger_of_old_that_keeps_its_state_in_its_fields_runs() -> None:
    app, ran = AioClock(), []
    app.task(trigger=RedisLike())(lambda: ran.append(1))
    await asyncio.wait_for(app.serve(), 5)
    assert len(ran) == 3


async def test_a_loop_controller_of_old_runs_as_often_as_it_counts() -> None:
    app, ran = AioClock(), []
    app.task(trigger=Countdown(max_loop_count=4))(lambda: ran.append(1))
    await asyncio.wait_for(app.serve(), 5)
    assert len(ran) == 4


async def test_triggers_of_old_run_inside_or() -> None:
    app, ran = AioClock(), []
    trigger = OrTrigger(triggers=[RedisLike(), Countdown(max_loop_count=2), Every(seconds=0.05, max_loop_count=1)])
    app.task(trigger=trigger)(lambda: ran.append(1))
    await asyncio.wait_for(app.serve(), 5)
    assert len(ran) == 6


async def test_a_trigger_of_old_answers_by_itself_inside_or() -> None:
    trigger = OrTrigger(triggers=[Countdown(max_loop_count=2), Every(hours=1)])
    assert await trigger.get_waiting_time_till_next_trigger() == 0
    for _ in range(2):
        await asyncio.wait_for(trigger.trigger_next(), 3)
    waiting = await trigger.get_waiting_time_till_next_trigger()
    assert waiting is not None
    assert timedelta(seconds=waiting) > timedelta(minutes=59)


async def test_a_subclass_of_a_built_in_trigger_that_overrides_the_old_methods_is_listened_to() -> None:
    class Impatient(Every):
        async def trigger_next(self) -> None:
            self._increment_loop_counter()

        async def get_waiting_time_till_next_trigger(self, now: datetime | None = None) -> float | None:
            return 0

    app, ran = AioClock(), []
    app.task(trigger=Impatient(hours=1, max_loop_count=2))(lambda: ran.append(1))
    await asyncio.wait_for(app.serve(), 5)
    assert len(ran) == 2
