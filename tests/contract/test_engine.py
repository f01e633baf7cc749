"""The engine: every tick becomes exactly one run or one recorded skip, late at worst, never early and never twice."""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aioclock import AioClock, At, Cron, Depends, Every, Forever, Once, OnShutDown, OnStartUp, OrTrigger
from aioclock.runs import Run
from aioclock.testing import VirtualEventLoop
from aioclock.triggers import BaseTrigger
from timelines import START, block, due, offset, on_a_clock_that_may_be_set, set_wall_clock, simulated, sleeping

pytestmark = pytest.mark.filterwarnings("ignore:On(StartUp|ShutDown):DeprecationWarning")


def runs_of(trigger: BaseTrigger[Any], *, seconds: float, takes_s: float = 0) -> list[Run]:
    app = AioClock()
    app.task(trigger=trigger, name="work")(sleeping(takes_s))
    with simulated(app) as sim:
        sim.advance(seconds=seconds)
        return sim.runs("work")


# One tick, one record


@settings(max_examples=60, deadline=None)
@given(
    period=st.integers(1, 20),
    takes=st.lists(st.integers(0, 60), min_size=1, max_size=6),
    immediate=st.booleans(),
)
def test_every_tick_of_an_interval_is_recorded_exactly_once_however_long_runs_take(
    period: int, takes: list[int], immediate: bool
) -> None:
    app, durations = AioClock(), iter(takes)

    async def work() -> None:
        await asyncio.sleep(next(durations, 0))

    strategy: Literal["wait", "immediate"] = "immediate" if immediate else "wait"
    app.task(trigger=Every(seconds=period, first_run_strategy=strategy), name="work")(work)
    with simulated(app) as sim:
        sim.advance(seconds=100.5 + sum(takes))
    assert due(sim.runs("work")) == list(range(0 if immediate else period, 100 + sum(takes) + 1, period))


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 20), st.integers(0, 50))
def test_runs_of_a_task_never_overlap_and_skipped_ticks_say_why(period: int, seconds: int) -> None:
    takes_s = seconds + 0.5  # never exactly a period: whether an end or a tick at one instant comes first is left open
    runs = runs_of(Every(seconds=period), seconds=200, takes_s=takes_s)
    done = [run for run in runs if run.started_at is not None]
    assert all(sooner.finished_at <= later.started_at for sooner, later in pairwise(done))  # type: ignore[operator]
    skipped = [run for run in runs if run.started_at is None]
    assert {(run.outcome, run.reason) for run in skipped} <= {("skipped", "overlap")}
    assert bool(skipped) == (takes_s > period)


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(
        [
            Every(seconds=7),
            Cron(cron="*/2 * * * *", tz="UTC"),
            At(tz="UTC", hour=0, minute=1),
            OrTrigger(triggers=[Every(seconds=11), Cron(cron="* * * * *", tz="UTC"), Once()]),
        ]
    ),
    st.floats(0, 500),
)
def test_no_run_begins_before_its_instant_and_lateness_is_what_it_began_after(
    trigger: BaseTrigger[Any], takes_s: float
) -> None:
    for run in runs_of(trigger, seconds=600, takes_s=takes_s):
        if run.started_at is not None:
            assert run.started_at >= run.scheduled_at
            assert run.lateness_s == pytest.approx((run.started_at - run.scheduled_at).total_seconds(), abs=1e-5)


def test_a_record_tells_task_tick_begin_and_end() -> None:
    [run] = runs_of(Every(seconds=10), seconds=15, takes_s=2)
    assert run.task_key == "work"
    assert (offset(run.scheduled_at), offset(run.started_at), offset(run.finished_at)) == (10, 10, 12)
    assert (run.outcome, run.reason, run.lateness_s, run.missed) == ("succeeded", None, 0, 0)


# The grid


def test_slow_runs_do_not_move_the_grid() -> None:
    runs = runs_of(Every(seconds=10), seconds=100, takes_s=9)
    assert [offset(run.started_at) for run in runs] == list(range(10, 91, 10))


def test_a_tick_during_a_run_is_skipped_and_recorded() -> None:
    runs = runs_of(Every(seconds=10), seconds=69, takes_s=25)
    assert due(runs, "succeeded") == [10, 40]
    assert due(runs, "skipped") == [20, 30, 50, 60]
    assert {run.reason for run in runs if run.outcome == "skipped"} == {"overlap"}


def test_a_skipped_tick_is_logged_with_the_name_of_the_task(caplog: pytest.LogCaptureFixture) -> None:
    runs_of(Every(seconds=10), seconds=25, takes_s=15)
    [record] = [record for record in caplog.records if "skipped" in record.getMessage()]
    assert "work" in record.getMessage()
    assert "overlap" in record.getMessage()


def test_wall_clock_ticks_during_a_run_are_skipped_too() -> None:
    runs = runs_of(Cron(cron="* * * * *", tz="UTC"), seconds=300, takes_s=90)
    assert due(runs, "skipped") == [120, 240]
    assert due(runs, "succeeded") == [60, 180]


def test_a_run_by_one_task_does_not_keep_another_from_running() -> None:
    app = AioClock()
    app.task(trigger=Every(seconds=10), name="slow")(sleeping(1_000))
    app.task(trigger=Every(seconds=10), name="quick")(sleeping(0))
    with simulated(app) as sim:
        sim.advance(seconds=45)
        assert due(sim.runs("quick"), "succeeded") == [10, 20, 30, 40]


def test_a_skipped_tick_is_not_a_run_that_max_loop_count_allows() -> None:
    runs = runs_of(Every(seconds=10, max_loop_count=3), seconds=500, takes_s=15)
    assert due(runs, "succeeded") == [10, 30, 50]


def test_the_grids_of_all_tasks_begin_at_the_same_instant() -> None:
    app = AioClock()
    for number in range(50):
        app.task(trigger=Every(seconds=10), name=f"work {number}")(sleeping(0))
    with simulated(app) as sim:
        sim.advance(seconds=10)
        assert Counter(due(sim.runs())) == {10: 50}


def test_a_grid_does_not_drift_in_a_year() -> None:
    runs = runs_of(Every(hours=7, seconds=0.1), seconds=365 * 86_400)
    period = 7 * 3600 + 0.1
    assert len(runs) == 365 * 86_400 // period
    assert due(runs)[-1] == pytest.approx(len(runs) * period, abs=1e-3)
    assert max(run.lateness_s for run in runs) < 1e-3


def test_ticks_of_several_triggers_at_one_instant_are_one_run() -> None:
    trigger = OrTrigger(triggers=[Every(seconds=60), Cron(cron="* * * * *", tz="UTC"), Every(seconds=30)])
    assert due(runs_of(trigger, seconds=125)) == [30, 60, 90, 120]


# Late ticks


def test_all_ticks_that_passed_while_the_loop_was_blocked_become_one_run_of_the_latest() -> None:
    app = AioClock()
    app.task(trigger=Every(seconds=10), name="work")(sleeping(0))
    with simulated(app) as sim:
        sim.advance(seconds=15)
        sim.run(block(40))
        sim.advance(seconds=10)
        runs = sim.runs("work")
    assert due(runs) == [10, 50, 60]
    late = runs[1]
    assert late.outcome == "succeeded"
    assert late.missed == 3
    assert late.lateness_s == pytest.approx(5, abs=0.01)


def test_wall_clock_ticks_that_passed_become_one_run_of_the_latest() -> None:
    app = AioClock()
    app.task(trigger=Cron(cron="* * * * *", tz="UTC"), name="work")(sleeping(0))
    with simulated(app) as sim:
        sim.advance(seconds=70)
        sim.run(block(200))
        sim.advance(seconds=31)
        runs = sim.runs("work")
    assert due(runs) == [60, 240, 300]
    assert runs[1].missed == 2
    assert runs[1].lateness_s == pytest.approx(30, abs=0.01)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 30), st.lists(st.tuples(st.integers(0, 100), st.integers(0, 300)), max_size=4))
def test_no_tick_is_lost_when_the_loop_is_blocked_for_however_long(period: int, pauses: list[tuple[int, int]]) -> None:
    app = AioClock()
    app.task(trigger=Every(seconds=period), name="work")(sleeping(0))
    with simulated(app) as sim:
        for quiet, blocked in pauses:
            sim.advance(seconds=quiet)
            sim.run(block(blocked))
        sim.advance(seconds=period + 0.5)
        runs, ticks = sim.runs("work"), int(offset(sim.now) // period)
    assert sum(1 + run.missed for run in runs) == ticks
    assert len({run.scheduled_at for run in runs}) == len(runs)
    assert all(run.scheduled_at <= run.started_at for run in runs if run.started_at)
    assert due(runs)[-1] == ticks * period


def test_ticks_that_passed_are_found_without_counting_them_one_by_one() -> None:
    app = AioClock()
    app.task(trigger=Every(seconds=0.001), name="work")(sleeping(0))
    app.task(trigger=Cron(cron="* * * * * *", tz="UTC"), name="cron")(sleeping(0))
    begin = time.monotonic()
    with simulated(app) as sim:
        sim.run(block(30 * 86_400))
        sim.advance(seconds=0)
        assert sum(1 + run.missed for run in sim.runs("work")) == pytest.approx(30 * 86_400_000, abs=2)
        assert sim.runs("cron")
    # Thirty days of milliseconds are 2.6 thousand million ticks.
    assert time.monotonic() - begin < 5


async def test_a_really_blocked_loop_costs_one_late_run() -> None:
    # The real clock: the one time that a real time.sleep() holds up a real loop.
    app, starts, blocked = AioClock(), [], []
    loop = asyncio.get_running_loop()

    @app.task(trigger=Every(seconds=0.05, max_loop_count=3), name="work")
    async def work() -> None:
        starts.append(loop.time())

    @app.task(trigger=Every(seconds=0.06, max_loop_count=1), name="rude")
    async def rude() -> None:
        time.sleep(0.16)  # noqa: ASYNC251 # on purpose
        blocked.append(loop.time())

    begin = loop.time()
    async with asyncio.timeout(5):
        await app.serve()
    assert len(starts) == 3
    assert blocked[0] <= starts[1] < blocked[0] + 0.04
    # Back on the grid: 50, late for 200, then 250 ms after the start.
    assert starts[2] - begin >= 0.25


# Never early


async def test_no_run_begins_early_on_the_real_clocks() -> None:
    # The real clocks: that a timer may fire a hair early, and the wall clock be read a hair late, only they can show.
    app, early, anchor = AioClock(), [], asyncio.get_running_loop().time()

    @app.task(trigger=Every(seconds=0.013, max_loop_count=40), name="every")
    async def every() -> None:
        every_starts.append(asyncio.get_running_loop().time())

    @app.task(trigger=Cron(cron="* * * * * *", tz="UTC", max_loop_count=1), name="cron")
    async def cron() -> None:
        # A tick at the full second that begins early shows nearly a whole second in the fraction.
        early.append(datetime.now(UTC).microsecond / 1e6)

    every_starts: list[float] = []
    async with asyncio.timeout(5):
        await app.serve()
    assert len(every_starts) + len(early) == 41
    assert early[0] < 0.5
    assert [number for number, start in enumerate(every_starts, 1) if start < anchor + number * 0.013] == []


# Clocks that are set


def hourly(app: AioClock) -> None:
    app.task(trigger=Cron(cron="0 * * * *", tz="UTC"), name="cron")(sleeping(0))
    app.task(trigger=Every(minutes=30), name="every")(sleeping(0))


def test_a_wall_clock_set_ahead_brings_one_late_run_within_a_minute_and_none_is_lost() -> None:
    app = AioClock()
    hourly(app)
    with on_a_clock_that_may_be_set(app) as sim:
        sim.advance(minutes=90)
        sim.run(set_wall_clock(timedelta(hours=3)))  # it shows 04:30 now
        sim.advance(minutes=1)
        assert [offset(run.scheduled_at) / 3600 for run in sim.runs("cron")] == [1, 4]
        late = sim.runs("cron")[1]
        sim.advance(minutes=60)
        assert [offset(run.scheduled_at) / 3600 for run in sim.runs("cron")] == [1, 4, 5]
    assert late.missed == 2
    assert 1800 <= late.lateness_s <= 1860
    assert late.started_at is not None
    assert late.started_at >= late.scheduled_at


def test_a_wall_clock_set_back_repeats_no_tick() -> None:
    app = AioClock()
    hourly(app)
    with on_a_clock_that_may_be_set(app) as sim:
        sim.advance(minutes=150)
        sim.run(set_wall_clock(timedelta(hours=-2)))  # it shows 00:30 now
        sim.advance(minutes=165)  # until 03:15
        ticks = [offset(run.scheduled_at) / 3600 for run in sim.runs("cron")]
    assert ticks == [1, 2, 3]


def test_elapsed_time_ticks_do_not_notice_that_the_wall_clock_is_set() -> None:
    app, starts = AioClock(), []

    @app.task(trigger=Every(minutes=30))
    async def work() -> None:
        starts.append(asyncio.get_running_loop().time() / 60)

    with on_a_clock_that_may_be_set(app) as sim:
        sim.advance(minutes=45)
        sim.run(set_wall_clock(timedelta(hours=3)))
        sim.advance(minutes=30)
        sim.run(set_wall_clock(timedelta(hours=-5)))
        sim.advance(minutes=30)
    assert starts == [30, 60, 90]


def test_a_step_of_the_wall_clock_is_reported(caplog: pytest.LogCaptureFixture) -> None:
    app = AioClock()
    hourly(app)
    with on_a_clock_that_may_be_set(app) as sim:
        sim.advance(minutes=5)
        sim.run(set_wall_clock(timedelta(minutes=10)))
        sim.advance(minutes=2)
    assert [record for record in caplog.records if "clock" in record.getMessage() and "600" in record.getMessage()]


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 50), st.integers(-300, 300)), max_size=5))
def test_no_wall_clock_tick_is_early_doubled_or_lost_however_the_clock_is_set(steps: list[tuple[int, int]]) -> None:
    app = AioClock()
    app.task(trigger=Cron(cron="*/10 * * * *", tz="UTC"), name="work")(sleeping(0))
    latest = START
    with on_a_clock_that_may_be_set(app) as sim:
        for quiet, step in steps:
            sim.advance(minutes=quiet)
            latest = max(latest, sim.now)
            sim.run(set_wall_clock(timedelta(minutes=step)))
            latest = max(latest, sim.now)
        sim.advance(minutes=2)
        latest = max(latest, sim.now)
        runs = sim.runs("work")
    # Every ten minutes that the clock ever passed were answered, alone or together with others.
    assert sum(1 + run.missed for run in runs) == int(offset(latest) // 600)
    assert len({run.scheduled_at for run in runs}) == len(runs)
    assert [run for run in runs if run.started_at is None or run.started_at < run.scheduled_at] == []


# Runs that don't end


class Stubborn:
    """Ignores its cancellation for *seconds*."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.starts = 0

    async def __call__(self) -> None:
        self.starts += 1
        end = asyncio.get_running_loop().time() + self.seconds
        while (left := end - asyncio.get_running_loop().time()) > 0:
            try:
                await asyncio.sleep(left)
            except asyncio.CancelledError:
                continue


def test_a_run_that_ignores_its_timeout_is_reported_as_stuck_and_is_not_overlapped(
    caplog: pytest.LogCaptureFixture,
) -> None:
    app, work = AioClock(), Stubborn(100)
    app.task(trigger=Every(seconds=30, max_loop_count=5), timeout=5, name="stubborn")(work)
    with simulated(app) as sim:
        sim.advance(seconds=125)  # the run goes on from 30 to 130
        assert work.starts == 1
        runs = sim.runs("stubborn")
        sim.advance(seconds=30)
        assert work.starts == 2
    assert [run.outcome for run in runs] == ["timed_out", "skipped", "skipped", "skipped"]
    stuck = [record for record in caplog.records if "stuck" in record.getMessage()]
    assert stuck
    assert "stubborn" in stuck[0].getMessage() or getattr(stuck[0], "task", "") == "stubborn"


def test_a_stuck_run_has_one_record() -> None:
    app = AioClock()
    app.task(trigger=Once(), timeout=5, name="stubborn")(Stubborn(100))
    with simulated(app) as sim:
        sim.advance(seconds=300)
    assert [run.outcome for run in sim.runs("stubborn")] == ["timed_out"]


def test_a_stuck_run_does_not_keep_other_tasks_from_running() -> None:
    app = AioClock()
    app.task(trigger=Once(), timeout=5, name="stubborn")(Stubborn(10_000))
    app.task(trigger=Every(seconds=60), name="work")(sleeping(0))
    with simulated(app) as sim:
        sim.advance(seconds=200)
        assert due(sim.runs("work"), "succeeded") == [60, 120, 180]


# Back-off and bursts


def test_a_failing_forever_is_recorded_at_each_try() -> None:
    app = AioClock()

    @app.task(trigger=Forever(), name="work")
    async def work() -> None:
        raise RuntimeError("failed on purpose")

    with simulated(app) as sim:
        sim.advance(seconds=1)
        runs = sim.runs("work")
    assert due(runs, "failed") == pytest.approx([0, 0.1, 0.3, 0.7])
    assert len(runs) == 4


def test_a_burst_of_due_ticks_lets_others_have_a_turn() -> None:
    app, turns = AioClock(), []

    async def others() -> None:
        while len(sim.runs()) < 2_000:
            turns.append(len(sim.runs()))
            await asyncio.sleep(0)

    for number in range(2_000):
        app.task(trigger=At(tz="UTC", hour=1), name=f"work {number}")(sleeping(0))
    with simulated(app) as sim:
        sim.advance(hours=1, seconds=-1)
        sim.run(asyncio.sleep(1))
        sim.run(others())
    assert len([done for done in turns if 0 < done < 2_000]) >= 3


def test_no_coroutine_is_parked_per_scheduled_task() -> None:
    async def count() -> int:
        return len(asyncio.all_tasks())

    app = AioClock()
    for number in range(500):
        app.task(trigger=Every(hours=1 + number), name=f"work {number}")(sleeping(0))
    with simulated(app) as sim:
        assert sim.run(count()) < 20


# Every wait has an end


class Deaf(BaseTrigger[Literal["DEAF"]]):
    """Waits by itself, once, and ignores its cancellation."""

    type_: Literal["DEAF"] = "DEAF"
    asked: int = 0

    def should_trigger(self) -> bool:
        return not self.asked

    async def trigger_next(self) -> None:
        self.asked += 1
        await Stubborn(1_000)()


async def hang() -> None:
    await asyncio.Event().wait()


def stopped_after(app: AioClock, *, advance_s: float = 10) -> float:
    """Return how long the app takes to end once it was told to stop, in virtual seconds."""
    with simulated(app) as sim:
        sim.advance(seconds=advance_s)
    return offset(sim.now) - advance_s


def test_a_run_that_does_not_end_is_waited_for_30_seconds_then_cancelled() -> None:
    app = AioClock()
    app.task(trigger=Once())(hang)
    assert stopped_after(app) == pytest.approx(30, abs=1)


@pytest.mark.parametrize("shutdown_timeout", [0, 3, 120])
def test_the_shut_down_timeout_says_how_long_runs_are_waited_for(shutdown_timeout: float) -> None:
    app = AioClock(shutdown_timeout=shutdown_timeout)
    app.task(trigger=Once())(hang)
    assert stopped_after(app) == pytest.approx(shutdown_timeout, abs=1)


def test_without_a_shut_down_timeout_runs_are_waited_for_as_long_as_they_take() -> None:
    app, ended = AioClock(shutdown_timeout=None), []

    @app.task(trigger=Once())
    async def work() -> None:
        await asyncio.sleep(5_000)
        ended.append(1)

    assert stopped_after(app) == pytest.approx(4_990, abs=1)
    assert ended == [1]


def test_a_run_that_ignores_its_cancellation_does_not_keep_the_app_from_ending(
    caplog: pytest.LogCaptureFixture,
) -> None:
    app, down = AioClock(), []
    app.task(trigger=Once(), name="stubborn")(Stubborn(10_000))
    app.task(trigger=OnShutDown(), name="down")(lambda: down.append(1))
    assert stopped_after(app) < 60
    assert down == [1]
    assert "stuck" in caplog.text


def test_a_trigger_that_ignores_its_cancellation_does_not_keep_the_app_from_ending() -> None:
    app, ran = AioClock(), []
    app.task(trigger=Deaf(), name="deaf")(lambda: ran.append(1))

    async def stopped() -> float:
        serving = asyncio.create_task(app.serve())
        await asyncio.sleep(10)
        await app.stop()
        await asyncio.wait({serving})
        ended = asyncio.get_running_loop().time()
        await asyncio.sleep(2_000)
        return ended

    with asyncio.Runner(loop_factory=VirtualEventLoop) as runner:
        assert runner.run(stopped()) < 60
    # What it waited for came long after the end.
    assert ran == []


def test_a_hanging_shut_down_task_does_not_keep_the_app_from_ending(caplog: pytest.LogCaptureFixture) -> None:
    order: list[str] = []

    @asynccontextmanager
    async def lifespan(app: AioClock) -> AsyncIterator[None]:
        yield
        order.append("out")

    app = AioClock(lifespan=lifespan)
    app.task(trigger=OnShutDown(), name="hanging")(hang)
    app.task(trigger=OnShutDown(), name="down")(lambda: order.append("down"))
    assert stopped_after(app) < 120
    assert order == ["down", "out"]
    assert [record for record in caplog.records if record.levelno >= logging.WARNING]


def test_a_lifespan_that_hangs_at_its_end_does_not_keep_the_app_from_ending(caplog: pytest.LogCaptureFixture) -> None:
    @asynccontextmanager
    async def lifespan(app: AioClock) -> AsyncIterator[None]:
        yield
        await hang()

    assert stopped_after(AioClock(lifespan=lifespan)) < 120
    assert "lifespan" in caplog.text


def test_a_dependency_that_hangs_at_its_end_does_not_keep_the_app_from_ending() -> None:
    async def resource() -> AsyncIterator[int]:
        yield 1
        await hang()

    app = AioClock()

    @app.task(trigger=Once())
    async def work(value: int = Depends(resource)) -> None: ...

    assert stopped_after(app) < 120


def test_a_hanging_start_up_task_ends_with_the_app() -> None:
    app, ran = AioClock(), []
    app.task(trigger=OnStartUp(), name="hanging")(hang)
    app.task(trigger=OnShutDown(), name="down")(lambda: ran.append("down"))
    assert stopped_after(app) < 120
    assert ran == ["down"]


def test_a_cancelled_app_does_not_wait_for_runs_to_finish() -> None:
    async def cancelled() -> float:
        app, loop = AioClock(), asyncio.get_running_loop()
        app.task(trigger=Once())(hang)
        serving = asyncio.create_task(app.serve())
        await asyncio.sleep(10)
        serving.cancel()
        await asyncio.wait({serving})
        assert serving.cancelled()
        return loop.time()

    with asyncio.Runner(loop_factory=VirtualEventLoop) as runner:
        assert runner.run(cancelled()) == pytest.approx(10, abs=0.1)


def test_an_impatient_second_cancellation_does_not_skip_shut_down() -> None:
    order: list[str] = []

    @asynccontextmanager
    async def lifespan(app: AioClock) -> AsyncIterator[None]:
        yield
        order.append("out")

    async def cancelled_twice() -> None:
        app = AioClock(lifespan=lifespan)

        async def down() -> None:
            await asyncio.sleep(1)
            order.append("down")

        app.task(trigger=OnShutDown())(down)
        app.task(trigger=Once(), name="stubborn")(Stubborn(3))
        serving = asyncio.create_task(app.serve())
        for _ in range(3):
            await asyncio.sleep(0.5)
            serving.cancel()
        await asyncio.wait({serving})
        assert serving.cancelled()

    with asyncio.Runner(loop_factory=VirtualEventLoop) as runner:
        runner.run(cancelled_twice())
    assert order == ["down", "out"]
