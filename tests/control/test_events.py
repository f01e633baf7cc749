"""Events of whole servings, as listeners of the app get them."""

import asyncio
import logging
import random
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from typing import Any

import pytest

from aioclock import AioClock, Cron, Depends, Every, Forever, Group, Once, OnShutDown, OnStartUp, Retry
from aioclock._engine import ledger, listeners, runner, serving
from aioclock.events import (
    ClockStepped,
    Event,
    RunCancelled,
    RunEvent,
    RunFailed,
    RunSkipped,
    RunStarted,
    RunStuck,
    RunSucceeded,
    RunTimedOut,
    ServingStarted,
    ServingStopped,
    ServingStopping,
    TaskAdded,
    TaskEvent,
    TaskPaused,
    TaskRecovered,
    TaskRemoved,
    TaskRescheduled,
    TaskResumed,
)
from aioclock.exceptions import TaskDeclarationError
from aioclock.runs import RunFacts, run_of
from timelines import START, offset, on_a_clock_that_may_be_set, set_wall_clock, simulated, sleeping

pytestmark = pytest.mark.filterwarnings("ignore:On(StartUp|ShutDown):DeprecationWarning")


def heard_by(app: AioClock, *kinds: type[Event], task: str | None = None) -> list[Any]:
    told: list[Any] = []

    @app.on(*(kinds or (Event,)), task=task)
    async def listen(event: Event) -> None:
        told.append(event)

    return told


def story(told: list[Any]) -> list[tuple[float, str]]:
    return [(round(offset(event.at), 3), type(event).__name__) for event in told]


def names(told: list[Any]) -> list[str]:
    return [type(event).__name__ for event in told]


def failing(times: int = 10**9, takes_s: float = 0) -> Callable[[], Any]:
    left = iter(range(times))

    async def work() -> None:
        await asyncio.sleep(takes_s)
        for _ in left:
            raise OSError("no answer")

    return work


# The stories of servings


def test_a_whole_serving_is_told_from_its_beginning_to_its_end() -> None:
    app = AioClock()
    told = heard_by(app)
    app.task(trigger=OnStartUp(), name="up")(sleeping(1))
    app.task(trigger=Every(seconds=10, max_loop_count=1), name="work")(sleeping(2))
    app.task(trigger=OnShutDown(), name="down")(sleeping(1))
    with simulated(app) as sim:
        sim.advance(seconds=60)
    assert story(told) == [
        (0, "RunStarted"),
        (1, "RunSucceeded"),
        (1, "ServingStarted"),
        (11, "RunStarted"),
        (13, "RunSucceeded"),
        (13, "ServingStopping"),
        (13, "RunStarted"),
        (14, "RunSucceeded"),
        (14, "ServingStopped"),
    ]
    assert [event.task_key for event in told if isinstance(event, RunEvent)] == ["up"] * 2 + ["work"] * 2 + ["down"] * 2


def test_the_serving_is_told_to_be_over_after_the_lifespan() -> None:
    seen: list[str] = []

    @asynccontextmanager
    async def lifespan(app: AioClock) -> AsyncIterator[None]:
        yield
        seen.append("lifespan out")

    app = AioClock(lifespan=lifespan)

    @app.on(ServingStarted, ServingStopping, ServingStopped)
    async def listen(event: Event) -> None:
        seen.append(type(event).__name__)

    app.task(trigger=Once())(sleeping(0))
    with simulated(app) as sim:
        sim.advance(seconds=1)
    assert seen == ["ServingStarted", "ServingStopping", "lifespan out", "ServingStopped"]


def test_a_success_is_told_with_the_run_as_it_was_then() -> None:
    app = AioClock()
    told = heard_by(app, RunEvent)
    app.task(trigger=Every(seconds=10), name="work")(sleeping(2))
    with simulated(app) as sim:
        sim.advance(seconds=12)
    started, succeeded = told
    assert (started.run.outcome, started.run.finished_at, offset(started.run.started_at)) == (None, None, 10)
    assert (succeeded.run.outcome, offset(succeeded.run.finished_at)) == ("succeeded", 12)
    assert succeeded.run == app.runs("work")[0]


def test_a_run_that_starts_is_at_its_first_attempt() -> None:
    app = AioClock()
    told = heard_by(app, RunStarted)
    app.task(trigger=Once(), name="plain")(sleeping(0))
    app.task(trigger=Once(), name="limited", timeout=5)(sleeping(0))
    app.task(trigger=Once(), name="retried", retry=Retry(attempts=2))(sleeping(0))
    with simulated(app) as sim:
        sim.advance(seconds=1)
    assert {event.task_key: event.run.attempt for event in told} == {"plain": 1, "limited": 1, "retried": 1}


def test_a_failure_is_told_with_its_error_as_text() -> None:
    app = AioClock()
    told = heard_by(app, RunEvent)
    app.task(trigger=Every(seconds=10), name="work")(failing(takes_s=1))
    with simulated(app) as sim:
        sim.advance(seconds=12)
    assert story(told) == [(10, "RunStarted"), (11, "RunFailed")]
    error = told[1].run.error
    assert (error.type, error.message) == ("OSError", "no answer")
    assert "raise OSError" in error.traceback


def test_retries_are_told_between_one_beginning_and_one_end() -> None:
    app = AioClock()
    told = heard_by(app, RunEvent)
    app.task(trigger=Every(minutes=1), name="work", retry=Retry(attempts=3, delay=2, jitter=0))(failing(2))
    with simulated(app) as sim:
        sim.advance(seconds=90)
    assert story(told) == [(60, "RunStarted"), (60, "RunRetrying"), (62, "RunRetrying"), (66, "RunSucceeded")]
    first, second = told[1:3]
    assert [(event.run.attempt, event.delay_s, event.run.outcome) for event in (first, second)] == [
        (1, 2.0, None),
        (2, 4.0, None),
    ]
    assert first.run.error.message == "no answer"
    assert (told[3].run.attempt, told[3].run.error) == (3, None)


def test_a_timeout_is_told() -> None:
    app = AioClock()
    told = heard_by(app, RunEvent)
    app.task(trigger=Every(seconds=10), name="work", timeout=3)(sleeping(5))
    with simulated(app) as sim:
        sim.advance(seconds=14)
    assert story(told) == [(10, "RunStarted"), (13, "RunTimedOut")]
    assert told[1].run.error.type == "TaskTimeoutError"


def test_a_cancellation_is_told() -> None:
    app = AioClock()
    told = heard_by(app, RunEvent)
    app.task(trigger=Every(seconds=10), name="work")(sleeping(5))
    with simulated(app) as sim:
        sim.advance(seconds=12)
        app.cancel("work")
        sim.advance(seconds=1)
    assert story(told) == [(10, "RunStarted"), (12, "RunCancelled")]


def test_a_skip_is_told_with_its_reason() -> None:
    app = AioClock()
    told = heard_by(app, RunSkipped)
    app.task(trigger=Every(seconds=10), name="work")(sleeping(15))
    with simulated(app) as sim:
        sim.advance(seconds=25)
        app.pause("work")
        sim.advance(seconds=10)
    assert [(offset(event.run.scheduled_at), event.run.reason) for event in told] == [(20, "overlap"), (30, "paused")]
    assert [event.run.started_at for event in told] == [None, None]


def test_a_run_that_ignores_its_cancellation_is_told_to_be_stuck() -> None:
    app = AioClock()
    told = heard_by(app, RunEvent)

    @app.task(trigger=Once(), name="work", timeout=3)
    async def work() -> None:
        for _ in range(5):
            try:
                await asyncio.sleep(10)
            except asyncio.CancelledError:
                continue

    with simulated(app) as sim:
        sim.advance(seconds=100)
    assert story(told) == [(0, "RunStarted"), (8, "RunTimedOut"), (8, "RunStuck")]
    assert (type(told[2]), told[2].run.outcome) == (RunStuck, "timed_out")


def test_failures_in_a_row_pause_the_task_and_both_are_told() -> None:
    app = AioClock()
    told = heard_by(app, RunFailed, TaskEvent)
    app.task(trigger=Every(seconds=10), name="work", pause_after_failures=2)(failing())
    with simulated(app) as sim:
        sim.advance(seconds=50)
    assert story(told) == [(10, "RunFailed"), (20, "RunFailed"), (20, "TaskPaused")]
    assert told[2].task_key == "work"
    assert "2 failures" in told[2].note


def test_the_first_success_after_failures_is_told_as_a_recovery() -> None:
    app = AioClock()
    told = heard_by(app, RunFailed, RunSucceeded, TaskRecovered)
    app.task(trigger=Every(seconds=10), name="work")(failing(2))
    with simulated(app) as sim:
        sim.advance(seconds=40)
    assert names(told) == ["RunFailed", "RunFailed", "RunSucceeded", "TaskRecovered", "RunSucceeded"]
    assert (told[3].task_key, told[3].failures, offset(told[3].at)) == ("work", 2, 30)


def test_a_cancelled_or_skipped_run_is_no_recovery_and_no_failure() -> None:
    app = AioClock()
    told = heard_by(app, TaskRecovered)
    app.task(trigger=Every(seconds=10), name="work")(sleeping(5))
    with simulated(app) as sim:
        sim.advance(seconds=12)
        app.cancel("work")
        sim.advance(seconds=20)
    assert told == []


def test_commands_are_told_in_their_order() -> None:
    app = AioClock()
    told = heard_by(app, TaskEvent)
    app.task(trigger=Every(hours=1), name="work")(sleeping(0))
    with simulated(app) as sim:
        sim.advance(seconds=5)
        app.pause("work", "for lunch")
        app.resume("work")
        app.reschedule("work", Every(hours=2))
        app.add_task(sleeping(0), trigger=Every(hours=1), name="new")
        app.remove_task("new")
        sim.advance(seconds=1)
    kinds = [TaskPaused, TaskResumed, TaskRescheduled, TaskAdded, TaskRemoved]
    assert [type(event) for event in told] == kinds
    assert [event.task_key for event in told] == ["work", "work", "work", "new", "new"]
    assert {offset(event.at) for event in told} == {5}
    assert told[0].note == "for lunch"


def test_what_is_told_outside_a_serving_comes_when_there_is_an_event_loop() -> None:
    app = AioClock()
    told = heard_by(app, TaskEvent)
    app.task(trigger=Every(hours=1), name="work")(sleeping(0))
    app.pause("work")
    assert told == []
    with simulated(app) as sim:
        sim.advance(seconds=1)
        assert names(told) == ["TaskPaused"]


@pytest.mark.virtual_time(start=START.isoformat())
async def test_a_run_by_hand_outside_a_serving_is_told_in_virtual_time() -> None:
    app = AioClock()
    told = heard_by(app)
    app.task(trigger=Every(hours=1), name="work")(sleeping(3))
    await asyncio.sleep(5)
    await app.run_now("work")
    await asyncio.sleep(1)
    assert story(told) == [(5, "RunStarted"), (8, "RunSucceeded")]
    assert {event.run.kind for event in told} == {"manual"}


def test_a_serving_that_does_not_get_into_its_lifespan_is_not_told() -> None:
    @asynccontextmanager
    async def lifespan(app: AioClock) -> AsyncIterator[None]:
        raise OSError
        yield

    app = AioClock(lifespan=lifespan)
    told = heard_by(app)
    app.task(trigger=Once())(sleeping(0))
    with pytest.raises(OSError), simulated(app):  # noqa: PT011 - the class says it all
        pass
    assert told == []


@pytest.mark.parametrize("step", [timedelta(hours=3), timedelta(hours=-3)])
def test_a_step_of_the_clock_is_told_by_the_new_time(step: timedelta) -> None:
    app = AioClock()
    told = heard_by(app, ClockStepped)
    app.task(trigger=Cron(cron="0 * * * *", tz="UTC"), name="work")(sleeping(0))
    with on_a_clock_that_may_be_set(app) as sim:
        sim.advance(minutes=30)
        sim.run(set_wall_clock(step))
        sim.advance(minutes=2)
    (event,) = told
    assert event.step_s == pytest.approx(step.total_seconds(), abs=0.001)
    assert 0 <= offset(event.at) - step.total_seconds() - 1800 <= 61


# Who hears what


def test_a_pattern_selects_the_tasks() -> None:
    app = AioClock()
    told, all_told = heard_by(app, RunFailed, task="etl.*"), heard_by(app, RunFailed)
    for name in ("etl.load", "etl.clean", "mail", "metl.x"):
        app.task(trigger=Once(), name=name)(failing())
    with simulated(app) as sim:
        sim.advance(seconds=1)
    assert sorted(event.task_key for event in told) == ["etl.clean", "etl.load"]
    assert len(all_told) == 4


def test_a_class_stands_for_all_below_it_and_several_listeners_hear_the_same_events() -> None:
    app = AioClock()
    everything, again = heard_by(app, Event), heard_by(app, Event)
    of_runs, of_tasks = heard_by(app, RunEvent), heard_by(app, TaskEvent)
    app.task(trigger=Every(seconds=1), name="work")(failing(1))
    with simulated(app) as sim:
        sim.advance(seconds=3)
        app.pause("work")
        sim.advance(seconds=1)
    assert everything == again
    assert of_runs == [event for event in everything if isinstance(event, RunEvent)]
    assert names(of_tasks) == ["TaskRecovered", "TaskPaused"]


def test_a_listener_that_comes_while_the_app_serves_hears_what_comes_after_it() -> None:
    app = AioClock()
    app.task(trigger=Every(seconds=10), name="work")(sleeping(0))
    with simulated(app) as sim:
        sim.advance(seconds=15)
        told = heard_by(app, RunSucceeded)
        sim.advance(seconds=15)
        assert [offset(event.run.scheduled_at) for event in told] == [20, 30]


def test_listening_to_nothing_is_refused() -> None:
    with pytest.raises(TaskDeclarationError):
        AioClock().on()(lambda: None)


def test_dependencies_of_a_listener_are_filled_and_overridden_by_the_app() -> None:
    app, sent, closed = AioClock(), [], []

    async def mailer() -> AsyncIterator[str]:
        yield "real"
        closed.append("real")

    def fake() -> str:
        return "fake"

    @app.on(RunFailed)
    async def tell(event: RunFailed, by: str = Depends(mailer)) -> None:
        sent.append((event.task_key, by))

    @app.on(RunFailed)
    def tell_in_a_thread(event: RunFailed, by: str = Depends(mailer)) -> None:
        assert threading.current_thread() is not threading.main_thread()
        sent.append((event.task_key, by))

    app.task(trigger=Every(seconds=1), name="work")(failing())
    with simulated(app) as sim:
        sim.advance(seconds=1)
        with app.override_dependencies(mailer, fake):
            sim.advance(seconds=1)
        sim.advance(seconds=1)
    assert sent == [("work", "real")] * 2 + [("work", "fake")] * 2 + [("work", "real")] * 2
    assert closed == ["real"] * 4


def test_the_events_of_tasks_of_an_included_group_are_heard_by_the_app() -> None:
    group, app = Group(), AioClock()
    told = heard_by(app, RunSucceeded)
    group.task(trigger=Once(), name="work")(sleeping(0))
    app.include_group(group)
    with simulated(app) as sim:
        sim.advance(seconds=1)
    assert names(told) == ["RunSucceeded"]


# Listeners that misbehave


async def raises() -> None:
    raise ZeroDivisionError("listener")


async def gives_itself_up() -> None:
    raise asyncio.CancelledError


async def hangs() -> None:
    await asyncio.Event().wait()


async def is_slow() -> None:
    await asyncio.sleep(20)


async def ignores_cancellation() -> None:
    for _ in range(3):  # not for ever: the end of an event loop waits for whatever ignores its cancellation
        with suppress(asyncio.CancelledError):
            await asyncio.Event().wait()


def raises_in_a_thread() -> None:
    raise ZeroDivisionError("listener")


@pytest.mark.parametrize(
    "listener", [raises, gives_itself_up, hangs, is_slow, ignores_cancellation, raises_in_a_thread]
)
def test_a_listener_that_misbehaves_touches_no_run_and_delays_nothing(listener: Callable[[], Any]) -> None:
    def tell_story(*, with_listener: bool) -> list[Any]:
        random.seed(1)
        app = AioClock()
        if with_listener:
            app.on(Event)(listener)
        app.task(trigger=Every(seconds=10), name="work")(sleeping(3))
        app.task(trigger=Every(seconds=7), name="bad", retry=Retry(attempts=2))(failing())
        app.task(trigger=Forever(), name="ever", timeout=5)(sleeping(8))
        with simulated(app) as sim:
            sim.advance(minutes=5)
            return sim.runs()

    assert tell_story(with_listener=True) == tell_story(with_listener=False)


@pytest.mark.parametrize("listener", [hangs, is_slow, ignores_cancellation])
def test_a_serving_ends_although_a_listener_does_not(
    listener: Callable[[], Any], caplog: pytest.LogCaptureFixture
) -> None:
    app = AioClock()
    app.on(Event)(listener)
    app.task(trigger=Every(seconds=10), name="work")(sleeping(0))
    told = heard_by(app, ServingStopped)
    with simulated(app) as sim:
        sim.advance(seconds=60)
        sim.run(app.stop())
        assert offset(sim.now) <= 60 + 2 * serving.LISTENER_PATIENCE_S + 1
    assert [record for record in caplog.records if "listener" in record.getMessage()]
    assert names(told) == ["ServingStopped"]


async def test_a_listener_that_spins_beside_the_app_delays_no_run_and_the_serving_ends(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Real time: on virtual time a loop that is never idle is an error, as it should be.
    monkeypatch.setattr(serving, "LISTENER_PATIENCE_S", 0.1)
    app, ran = AioClock(), []

    @app.on(RunSucceeded)
    async def spin() -> None:
        while True:  # noqa: ASYNC110 - it waits for nothing
            await asyncio.sleep(0)

    @app.task(trigger=Every(seconds=0.01, max_loop_count=5), name="work")
    async def work() -> None:
        ran.append(1)

    async with asyncio.timeout(20):
        await app.serve()
    assert len(ran) == 5
    assert all(run.outcome == "succeeded" for run in app.runs())


async def test_listeners_whose_commands_cause_each_others_events_do_not_keep_the_serving_from_its_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Real time, as above.
    monkeypatch.setattr(serving, "LISTENER_PATIENCE_S", 0.1)
    app = AioClock()

    @app.on(TaskPaused)
    async def resume() -> None:
        app.resume("work")

    @app.on(TaskResumed)
    async def pause() -> None:
        app.pause("work")

    @app.task(trigger=Once(), name="starter")
    async def starter() -> None:
        app.pause("work")
        await asyncio.sleep(0.01)

    app.task(trigger=Every(seconds=0.005, max_loop_count=3), name="work")(sleeping(0))
    async with asyncio.timeout(5):
        async with app.running():
            await asyncio.sleep(0.05)


async def test_a_thread_of_a_listener_that_hangs_does_not_keep_the_serving_from_its_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Real time: virtual time would wait for the thread.
    monkeypatch.setattr(serving, "LISTENER_PATIENCE_S", 0.1)
    monkeypatch.setattr(listeners, "CALL_LIMIT_S", 0.05)
    app, enough = AioClock(), threading.Event()

    @app.on(RunSucceeded)
    def hang() -> None:
        enough.wait(10)

    app.task(trigger=Every(seconds=0.01, max_loop_count=5), name="work")(sleeping(0))
    try:
        async with asyncio.timeout(5):
            await app.serve()
    finally:
        enough.set()
    assert len(app.runs("work", outcome="succeeded")) == 5


# Listeners that give commands


def test_a_listener_may_pause_the_task_that_failed() -> None:
    app = AioClock()

    @app.on(RunFailed)
    async def pause(event: RunFailed) -> None:
        app.pause(event.task_key, note=str(event.run.error and event.run.error.message))

    told = heard_by(app, TaskPaused)
    app.task(trigger=Every(seconds=10), name="work")(failing())
    with simulated(app) as sim:
        sim.advance(seconds=30)
        assert [(run.outcome, run.reason) for run in sim.runs("work")] == [
            ("failed", None),
            ("skipped", "paused"),
            ("skipped", "paused"),
        ]
    assert [event.note for event in told] == ["no answer"]


@pytest.mark.parametrize("sync", [True, False])
def test_a_listener_may_stop_the_app(sync: bool) -> None:
    app, order = AioClock(), []

    if sync:

        @app.on(RunFailed)
        def stop_in_a_thread() -> None:
            from anyio.from_thread import run

            run(app.stop)
            order.append("told")
    else:

        @app.on(RunFailed)
        async def stop() -> None:
            await app.stop()
            order.append("told")

    app.task(trigger=Every(seconds=10), name="work")(failing())
    app.task(trigger=OnShutDown(), name="down")(lambda: order.append("down"))
    with simulated(app) as sim:
        sim.advance(seconds=31)
        assert len(sim.runs("work")) == 1
        assert app._roster.serving is None
    assert sorted(order) == ["down", "told"]


def test_a_listener_may_run_another_task_and_wait_for_it() -> None:
    app, got = AioClock(), []

    @app.task(trigger=Every(hours=9), name="repair")
    async def repair() -> str:
        await asyncio.sleep(5)
        return "repaired"

    @app.on(RunFailed, task="work")
    async def listen() -> None:
        got.append(await app.run_now("repair"))

    app.task(trigger=Every(seconds=10), name="work")(failing(1))
    with simulated(app) as sim:
        sim.advance(seconds=16)
        assert got == ["repaired"]
        assert [run.kind for run in sim.runs("repair")] == ["manual"]


def test_a_listener_may_remove_the_task_and_add_another() -> None:
    app = AioClock()

    @app.on(RunFailed)
    async def replace(event: RunFailed) -> None:
        app.remove_task(event.task_key)
        app.add_task(sleeping(0), trigger=Every(seconds=10), name="work")

    app.task(trigger=Every(seconds=10), name="work")(failing())
    app.task(trigger=Every(hours=1), name="other")(sleeping(0))
    with simulated(app) as sim:
        sim.advance(seconds=30)
        assert [run.outcome for run in app.runs("work")] == ["succeeded", "succeeded"]


# What it costs


def test_without_listeners_no_run_object_is_built(monkeypatch: pytest.MonkeyPatch) -> None:
    built: list[RunFacts] = []

    def counting(facts: RunFacts) -> Any:
        built.append(facts)
        return run_of(facts)

    for module in (ledger, runner):
        if hasattr(module, "run_of"):
            monkeypatch.setattr(module, "run_of", counting)

    def serve(app: AioClock) -> None:
        app.task(trigger=Every(seconds=1), name="work")(sleeping(0))
        app.task(trigger=Every(seconds=5), name="bad", retry=Retry(attempts=2, delay=0))(failing())
        app.task(trigger=Every(seconds=5), name="slow", timeout=2)(sleeping(3))
        app.task(trigger=Every(seconds=2), name="late")(sleeping(3))
        logging.getLogger("aioclock").disabled = True  # a log record shows its run
        try:
            with simulated(app) as sim:
                sim.advance(seconds=60)
        finally:
            logging.getLogger("aioclock").disabled = False

    serve(AioClock())
    assert built == []
    app = AioClock()
    heard_by(app, TaskPaused)  # somebody listens, but not to runs
    serve(app)
    assert built == []
    heard_by(app, RunFailed)
    app = AioClock()
    told = heard_by(app, RunFailed)
    serve(app)
    assert len(built) == len(told) > 0
    assert all(facts.outcome == "failed" for facts in built)
    assert not [event for event in told if not isinstance(event, RunFailed)]


def test_cancelled_by_a_newer_tick_is_told_as_cancelled_and_timed_out_as_timed_out_only() -> None:
    app = AioClock()
    told = heard_by(app, RunCancelled, RunTimedOut)
    app.task(trigger=Every(seconds=10, max_loop_count=2), name="work", overlap="cancel", timeout=12)(sleeping(60))
    with simulated(app) as sim:
        sim.advance(seconds=60)
    assert story(told) == [(20, "RunCancelled"), (32, "RunTimedOut")]
