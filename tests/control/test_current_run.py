"""The run that code is part of: as a parameter, by `current_run()`, and in log records."""

import asyncio
import logging
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from contextvars import ContextVar, copy_context
from typing import Annotated, Any, Literal

import pytest

from aioclock import AioClock, CurrentRun, Depends, Every, Forever, Once, Retry, Run, current_run
from aioclock.events import RunFailed
from aioclock.exceptions import ServingError
from aioclock.triggers import BaseTrigger
from timelines import offset, simulated, sleeping

word: ContextVar[str] = ContextVar("word", default="nothing")


def helper() -> Run:
    return current_run()


async def async_helper() -> Run:
    await asyncio.sleep(0)
    return helper()


# Where it is known


def test_async_and_sync_tasks_get_their_run_as_a_parameter_and_from_below() -> None:
    app, seen = AioClock(), []

    @app.task(trigger=Every(seconds=10), name="async")
    async def async_work(run: CurrentRun) -> None:
        seen.extend([run.key, current_run().key, helper().key, (await async_helper()).key])

    @app.task(trigger=Every(seconds=10), name="sync")
    def sync_work(run: CurrentRun) -> None:
        assert threading.current_thread() is not threading.main_thread()
        seen.extend([run.key, current_run().key, helper().key])

    @app.task(trigger=Every(seconds=10), name="loop", executor="loop")
    def loop_work(run: CurrentRun) -> None:
        seen.extend([run.key, helper().key])

    with simulated(app) as sim:
        sim.advance(seconds=10)
    expected = {"async": 4, "sync": 3, "loop": 2}
    assert sorted(seen) == sorted(
        f"{key}@2026-01-01T00:00:10+00:00" for key, count in expected.items() for _ in range(count)
    )


def test_it_is_known_in_child_tasks_threads_and_callbacks_of_the_run() -> None:
    app, seen = AioClock(), {}

    @app.task(trigger=Every(seconds=10), name="work")
    async def work() -> None:
        seen["thread"] = await asyncio.to_thread(helper)
        seen["child"] = await asyncio.create_task(async_helper())
        async with asyncio.TaskGroup() as group:
            child = group.create_task(async_helper())
        seen["group"] = child.result()
        asyncio.get_running_loop().call_later(1, lambda: seen.update(timer=helper()))
        await asyncio.sleep(2)

    with simulated(app) as sim:
        sim.advance(seconds=15)
    assert {name: run.key for name, run in seen.items()} == dict.fromkeys(
        ("thread", "child", "group", "timer"), "work@2026-01-01T00:00:10+00:00"
    )


def test_dependencies_know_it_however_deep_they_are() -> None:
    app, seen = AioClock(), []

    async def deepest(run: CurrentRun) -> str:
        return run.key

    def middle(run: CurrentRun, below: str = Depends(deepest)) -> list[str]:
        return [run.key, below, helper().key]

    async def resource(run: CurrentRun) -> AsyncIterator[str]:
        yield run.key
        seen.append(current_run().key)

    @app.task(trigger=Every(seconds=10), name="work")
    async def work(
        run: CurrentRun, keys: Annotated[list[str], Depends(middle)], key: Annotated[str, Depends(resource)]
    ) -> None:
        seen.extend([run.key, *keys, key])

    with simulated(app) as sim:
        sim.advance(seconds=10)
    assert seen == ["work@2026-01-01T00:00:10+00:00"] * 6


def test_the_parameter_may_stand_anywhere_and_have_any_name() -> None:
    app, seen = AioClock(), []

    @app.task(trigger=Once(), name="work")
    async def work(number: int = 5, *, which: CurrentRun, text: str = "x") -> None:
        seen.append((number, which.task_key, text))

    with simulated(app) as sim:
        sim.advance(seconds=1)
    assert seen == [(5, "work", "x")]


def test_runs_that_overlap_each_know_their_own() -> None:
    app, seen = AioClock(), []

    @app.task(trigger=Every(seconds=1), name="work", overlap="allow")
    async def work(run: CurrentRun) -> None:
        await asyncio.sleep(5)
        seen.append(run.scheduled_at == current_run().scheduled_at)
        seen.append(offset(current_run().scheduled_at))

    with simulated(app) as sim:
        sim.advance(seconds=8)
        assert seen == [True, 1.0, True, 2.0, True, 3.0]


def test_a_task_that_runs_another_now_is_not_the_run_of_that() -> None:
    app, seen = AioClock(), []

    @app.task(trigger=Every(hours=9), name="other")
    async def other(run: CurrentRun) -> None:
        seen.append((run.task_key, run.kind, current_run().task_key))

    @app.task(trigger=Every(seconds=10), name="work")
    async def work(run: CurrentRun) -> None:
        await app.run_now("other")
        seen.append((run.task_key, run.kind, current_run().task_key))

    with simulated(app) as sim:
        sim.advance(seconds=10)
    assert seen == [("other", "manual", "other"), ("work", "schedule", "work")]


@pytest.mark.virtual_time
async def test_a_run_by_hand_outside_a_serving_is_known_too() -> None:
    app = AioClock()

    @app.task(trigger=Every(hours=9), name="work")
    def work(run: CurrentRun) -> tuple[str, str, int]:
        return run.kind, helper().kind, run.attempt

    assert await app.run_now("work") == ("manual", "manual", 1)


# What it tells


def test_each_attempt_knows_its_number() -> None:
    app, seen = AioClock(), []

    @app.task(trigger=Every(hours=1), name="work", retry=Retry(attempts=3, delay=1, jitter=0))
    async def work(run: CurrentRun) -> None:
        seen.append((run.attempt, current_run().attempt, await asyncio.to_thread(lambda: current_run().attempt)))
        raise OSError

    with simulated(app) as sim:
        sim.advance(hours=1, minutes=1)
    assert seen == [(1, 1, 1), (2, 2, 2), (3, 3, 3)]


def test_lateness_is_known_and_the_tick_is_not_the_start() -> None:
    app, seen = AioClock(), []

    @app.task(trigger=Every(seconds=10), name="work", overlap="queue")
    async def work(run: CurrentRun) -> None:
        seen.append((offset(run.scheduled_at), offset(run.started_at), run.lateness_s))
        await asyncio.sleep(14)

    with simulated(app) as sim:
        sim.advance(seconds=40)
    assert seen == [(10, 10, 0), (20, 24, 4), (30, 38, 8)]


def test_while_it_goes_it_has_no_outcome_and_afterwards_it_has_one_for_what_outlives_it() -> None:
    app, seen = AioClock(), []

    async def linger() -> None:
        await asyncio.sleep(5)
        seen.append((current_run().outcome, current_run().finished_at is not None))

    @app.task(trigger=Once(), name="work")
    async def work(run: CurrentRun) -> None:
        seen.append((run.outcome, run.finished_at is not None))
        seen.append(asyncio.create_task(linger()) and None)

    app.task(trigger=Every(seconds=60), name="other")(sleeping(0))
    with simulated(app) as sim:
        sim.advance(seconds=10)
    assert seen == [(None, False), None, ("succeeded", True)]


def test_the_previous_success_is_that_of_the_latest_run_that_succeeded() -> None:
    app, seen, fails = AioClock(), [], iter([False, True, True, False, False])

    @app.task(trigger=Every(seconds=10), name="work")
    async def work(run: CurrentRun) -> None:
        seen.append(run.previous_success and offset(run.previous_success))
        if next(fails):
            raise OSError

    with simulated(app) as sim:
        sim.advance(seconds=50)
    assert seen == [None, 10, 10, 10, 40]


def test_it_is_as_frozen_as_any_run_and_has_a_key() -> None:
    app, seen = AioClock(), []

    @app.task(trigger=Once(), name="work")
    async def work(run: CurrentRun) -> None:
        with pytest.raises(AttributeError):
            run.attempt = 5  # type: ignore[misc] # bad on purpose
        seen.append(run)

    with simulated(app) as sim:
        sim.advance(seconds=1)
    assert isinstance(seen[0], Run)
    assert seen[0].key == "work@2026-01-01T00:00:00+00:00"


# Where there is none


def test_outside_a_run_it_is_a_clear_error() -> None:
    with pytest.raises(ServingError, match="no run is going on here"):
        current_run()


def test_neither_the_lifespan_nor_a_listener_nor_a_trigger_is_part_of_a_run() -> None:
    told: list[str] = []

    def note(where: str) -> None:
        try:
            told.append(f"{where}: {current_run().key}")
        except ServingError:
            told.append(where)

    @asynccontextmanager
    async def lifespan(app: AioClock) -> AsyncIterator[None]:
        note("in")
        yield
        note("out")

    class Noting(BaseTrigger[Literal["NOTING"]]):
        type_: Literal["NOTING"] = "NOTING"

        async def trigger_next(self) -> None:
            note("trigger")
            await asyncio.sleep(1000)

    app = AioClock(lifespan=lifespan)

    @app.on(RunFailed)
    async def listen() -> None:
        note("listener")

    @app.task(trigger=Once(), name="work")
    async def work() -> None:
        app.add_task(sleeping(0), trigger=Noting(), name="noting")
        raise OSError

    with simulated(app) as sim:
        sim.advance(seconds=1)
        sim.run(app.stop())
    assert sorted(told) == ["in", "listener", "out", "trigger"]


# Log records


@pytest.fixture
def records() -> Iterator[list[logging.LogRecord]]:
    kept: list[logging.LogRecord] = []

    class Keeper(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            kept.append(record)

    keeper, root = Keeper(), logging.getLogger()
    level = root.level
    root.addHandler(keeper)
    root.setLevel(logging.DEBUG)
    yield kept
    root.removeHandler(keeper)
    root.setLevel(level)


def marks(records: list[logging.LogRecord], message: str) -> list[tuple[str | None, str | None]]:
    return [
        (getattr(record, "aioclock_task", None), getattr(record, "aioclock_run", None))
        for record in records
        if message in record.getMessage()
    ]


def test_records_of_any_logger_made_during_a_run_tell_its_task_and_its_key(records: list[logging.LogRecord]) -> None:
    app, user = AioClock(), logging.getLogger("somebody.else")

    @app.task(trigger=Every(seconds=10), name="async")
    async def async_work() -> None:
        user.info("mine", extra={"task": "my own"})
        logging.getLogger().warning("mine")
        await asyncio.to_thread(user.error, "mine")

    @app.task(trigger=Every(seconds=20), name="sync")
    def sync_work() -> None:
        user.info("yours", extra={"run": "my own"})

    with simulated(app) as sim:
        sim.advance(seconds=10)
        user.info("mine, but outside")
        sim.advance(seconds=10)
    assert marks(records, "mine")[:4] == [("async", "async@2026-01-01T00:00:10+00:00")] * 3 + [(None, None)]
    assert marks(records, "yours") == [("sync", "sync@2026-01-01T00:00:20+00:00")]
    own = [vars(record).get("task") for record in records if record.getMessage() == "mine"]
    assert own[0] == "my own"


def test_what_the_library_itself_logs_about_a_run_is_marked_with_that_run(records: list[logging.LogRecord]) -> None:
    app = AioClock()

    @app.task(trigger=Every(seconds=10), name="work")
    async def work() -> None:
        raise OSError

    with simulated(app) as sim:
        sim.advance(seconds=10)
    assert marks(records, "run of work failed") == [("work", "work@2026-01-01T00:00:10+00:00")]


def test_what_is_logged_of_a_stuck_run_is_marked_with_it_and_not_with_the_one_that_cancelled_it(
    records: list[logging.LogRecord],
) -> None:
    app = AioClock()

    @app.task(trigger=Every(seconds=10, max_loop_count=1), name="stubborn")
    async def stubborn() -> None:
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(60)
        await asyncio.sleep(60)

    @app.task(trigger=Every(seconds=20, max_loop_count=1), name="canceller")
    async def canceller() -> None:
        app.cancel("stubborn")

    with simulated(app) as sim:
        sim.advance(seconds=30)
    stubborn_run = ("stubborn", "stubborn@2026-01-01T00:00:10+00:00")
    assert marks(records, "run of stubborn cancelled") == [stubborn_run]
    assert marks(records, "run of stubborn is stuck") == [stubborn_run]


def test_what_is_logged_of_a_skipped_run_is_marked_with_it_and_not_with_the_one_before(
    records: list[logging.LogRecord],
) -> None:
    app = AioClock()
    app.task(trigger=Every(seconds=10), name="work", overlap="queue", grace=5)(sleeping(19))
    with simulated(app) as sim:
        sim.advance(seconds=30)
    assert marks(records, "run of work skipped: missed") == [("work", "work@2026-01-01T00:00:20+00:00")]


def test_a_run_by_hand_before_any_serving_marks_its_records(
    records: list[logging.LogRecord], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = logging.getLogRecordFactory()
    logging.setLogRecordFactory(logging.LogRecord)  # as in a process that never served
    app = AioClock()

    @app.task(trigger=Every(hours=9), name="work")
    async def work() -> None:
        logging.getLogger("somebody.else").info("mine")

    try:
        asyncio.run(app.run_now("work"))
    finally:
        logging.setLogRecordFactory(before)
    assert [task for task, _ in marks(records, "mine")] == ["work"]


def test_records_that_are_not_made_during_a_run_are_not_marked_with_one_that_is_over(
    records: list[logging.LogRecord],
) -> None:
    app = AioClock()
    # Its end sets the next timer, but what happens at that time is no part of the run.
    app.task(trigger=Every(seconds=3, mode="fixed_delay"), name="follower")(sleeping(0))
    app.task(trigger=Every(seconds=10), name="slow")(sleeping(15))
    with simulated(app) as sim:
        sim.advance(seconds=60)
    skips = marks(records, "run of slow skipped")
    assert skips
    assert {task for task, _ in skips} <= {None, "slow"}


def test_a_task_added_in_a_run_does_not_log_as_a_part_of_it(records: list[logging.LogRecord]) -> None:
    app = AioClock()

    @app.task(trigger=Once(), name="adder")
    async def adder() -> None:
        app.add_task(sleeping(15), trigger=Every(seconds=10), name="slow")

    with simulated(app) as sim:
        sim.advance(seconds=60)
    skips = marks(records, "run of slow skipped")
    assert skips
    assert {task for task, _ in skips} <= {None, "slow"}


def test_a_record_factory_of_the_users_own_is_kept(records: list[logging.LogRecord]) -> None:
    before = logging.getLogRecordFactory()

    def factory(*args: Any, **kwargs: Any) -> logging.LogRecord:
        record = logging.LogRecord(*args, **kwargs)
        record.mine = "mine"
        return record

    logging.setLogRecordFactory(factory)
    app = AioClock()

    @app.task(trigger=Once(), name="work")
    async def work() -> None:
        logging.getLogger("somebody.else").info("hello")

    try:
        with simulated(app) as sim:
            sim.advance(seconds=1)
    finally:
        logging.setLogRecordFactory(before)
    (record,) = [record for record in records if record.getMessage() == "hello"]
    assert (vars(record)["mine"], vars(record)["aioclock_task"]) == ("mine", "work")


# Context variables


@pytest.mark.parametrize(
    ("trigger", "overlap"),
    [
        (Every(seconds=1), "skip"),
        (Forever(), "skip"),
        (Every(seconds=0), "skip"),
        (Every(seconds=1, mode="fixed_delay"), "skip"),
        (Every(seconds=0.5), "queue"),
        (Every(seconds=0.5), "cancel"),
    ],
)
@pytest.mark.parametrize("sync", [True, False])
def test_what_a_run_sets_is_not_seen_by_the_next(trigger: BaseTrigger, overlap: Any, sync: bool) -> None:
    app, seen = AioClock(), []

    def look() -> None:
        seen.append(word.get())
        word.set("set by a run")

    async def async_look() -> None:
        look()
        await asyncio.sleep(0.75)

    app.task(trigger=trigger, name="work", overlap=overlap)(look if sync else async_look)
    app.task(trigger=Every(seconds=1), name="other")(lambda: seen.append(word.get()))
    if sync and trigger.pause_after_run is not None and not trigger.pause_after_run:
        pytest.skip("a thread that never waits gets nowhere on virtual time")
    with simulated(app) as sim:
        sim.advance(seconds=5)
    assert len(seen) > 6
    assert set(seen) == {"nothing"}


@pytest.mark.virtual_time
async def test_what_was_set_where_serving_began_is_seen_by_every_run_also_of_a_task_that_came_later() -> None:
    app, seen = AioClock(), {}

    @app.task(trigger=Every(seconds=1), name="async")
    async def async_work() -> None:
        seen.setdefault("async", word.get())

    @app.task(trigger=Every(seconds=1), name="sync")
    def sync_work() -> None:
        seen.setdefault("sync", word.get())

    word.set("server's")
    serving = asyncio.create_task(app.serve())
    word.set("later")
    await asyncio.sleep(2)
    app.add_task(lambda: seen.setdefault("added", word.get()), trigger=Once())
    await asyncio.sleep(2)
    await app.stop()
    await serving
    assert seen == {"async": "server's", "sync": "server's", "added": "server's"}


@pytest.mark.virtual_time
@pytest.mark.parametrize("serving", [True, False])
async def test_a_run_by_hand_sees_what_was_set_where_it_was_asked_for_and_changes_nothing_there(serving: bool) -> None:
    app = AioClock()

    @app.task(trigger=Every(hours=9), name="work", overlap="queue")
    async def work() -> str:
        seen = word.get()
        word.set("set by a run")
        await asyncio.sleep(1)
        return seen

    async def check() -> None:
        word.set("asker's")
        assert await app.run_now("work") == "asker's"
        assert word.get() == "asker's"
        # The second one starts when the first ends, and yet not with what is set there.
        contexts = [copy_context() for _ in range(2)]
        for number, context in enumerate(contexts):
            context.run(word.set, f"asker {number}")
        asked = [asyncio.create_task(app.run_now("work"), context=context) for context in contexts]
        assert await asyncio.gather(*asked) == ["asker 0", "asker 1"]

    if serving:
        word.set("server's")
        async with app.running():
            await check()
    else:
        await check()
