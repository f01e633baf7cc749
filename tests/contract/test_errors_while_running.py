"""What fails is logged and contained: the loop goes on, and nobody else notices."""

import asyncio
import logging
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest

from aioclock import AioClock, Every, Forever, Once, OnShutDown, OnStartUp
from aioclock.exceptions import TaskTimeoutError
from aioclock.testing import simulate

pytestmark = pytest.mark.filterwarnings("ignore:On(StartUp|ShutDown):DeprecationWarning")

START = "2026-01-01T00:00:00+00:00"


class Flaky:
    """Notes when it is called, and fails as often as *failures* says."""

    def __init__(self, failures: int = 1_000_000, error: Callable[[], BaseException] = RuntimeError) -> None:
        self.starts: list[float] = []
        self.failures = failures
        self.error = error

    async def __call__(self) -> None:
        self.starts.append(round(asyncio.get_running_loop().time(), 6))
        if len(self.starts) <= self.failures:
            raise self.error()

    @property
    def gaps(self) -> list[float]:
        return [round(later - sooner, 3) for sooner, later in pairwise(self.starts)]


class Unprintable(Exception):
    def __str__(self) -> str:
        raise ValueError("no text")


def test_a_failure_is_logged_with_its_traceback_and_the_name_of_the_task(caplog: pytest.LogCaptureFixture) -> None:
    app = AioClock()

    @app.task(trigger=Once(), name="report")
    async def report() -> None:
        raise LookupError("no such customer")

    with simulate(app, start=START) as sim:
        sim.advance(seconds=1)
    [record] = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert record.name == "aioclock"
    assert "report" in record.getMessage()
    assert record.exc_info is not None
    assert isinstance(record.exc_info[1], LookupError)
    assert "in report" in caplog.text  # the traceback leads to the user's own line


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError,
        asyncio.CancelledError,
        TimeoutError,
        StopIteration,
        StopAsyncIteration,
        GeneratorExit,
        lambda: ExceptionGroup("several", [ValueError("one"), KeyError("two")]),
        Unprintable,
    ],
    ids=lambda error: getattr(error, "__name__", "error"),
)
@pytest.mark.parametrize("sync", [False, True], ids=["async", "sync"])
def test_the_loop_goes_on_whatever_is_raised(error: Callable[[], BaseException], sync: bool) -> None:
    app, calls, other = AioClock(), [], Flaky(failures=0)

    async def work() -> None:
        calls.append(1)
        raise error()

    def sync_work() -> None:
        calls.append(1)
        raise error()

    app.task(trigger=Every(seconds=10), name="work")(sync_work if sync else work)
    app.task(trigger=Every(seconds=10), name="other")(other)
    with simulate(app, start=START) as sim:
        sim.advance(seconds=35)
        outcomes = [run.outcome for run in sim.runs("work")]
    assert len(calls) == 3
    assert other.starts == [10, 20, 30]
    assert len(outcomes) == 3
    assert "succeeded" not in outcomes


class WithoutTraceback(Exception):
    def __getattribute__(self, name: str) -> Any:
        if name == "__notes__":  # what the standard library asks for while it formats a traceback
            raise ValueError("no notes")
        return super().__getattribute__(name)


def test_a_failure_whose_traceback_can_not_be_printed_is_recorded_too(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL, logger="aioclock")  # pytest's own handler would fail to print it as well
    app = AioClock()
    app.task(trigger=Every(seconds=10), name="work")(Flaky(failures=1, error=lambda: WithoutTraceback("no answer")))
    with simulate(app, start=START) as sim:
        sim.advance(seconds=25)
        failed, succeeded = sim.runs("work")
    assert (failed.outcome, succeeded.outcome) == ("failed", "succeeded")
    assert failed.error is not None
    assert (failed.error.message, failed.error.traceback) == ("no answer", "(can't be printed: ValueError)")


def test_a_failure_that_can_not_be_logged_is_recorded_all_the_same() -> None:
    def refuse(record: logging.LogRecord) -> bool:
        raise RuntimeError("this filter is broken")

    app, log = AioClock(), logging.getLogger("aioclock")
    app.task(trigger=Every(seconds=10), name="work")(Flaky(failures=1))
    log.addFilter(refuse)
    try:
        with simulate(app, start=START) as sim:
            sim.advance(seconds=25)
            assert [run.outcome for run in sim.runs("work")] == ["failed", "succeeded"]
    finally:
        log.removeFilter(refuse)


def test_the_outcome_of_a_failed_run_is_failed_and_of_others_succeeded() -> None:
    app = AioClock()
    app.task(trigger=Every(seconds=10), name="work")(Flaky(failures=1))
    with simulate(app, start=START) as sim:
        sim.advance(seconds=25)
        assert [run.outcome for run in sim.runs("work")] == ["failed", "succeeded"]


@pytest.mark.parametrize("trigger", [OnStartUp, OnShutDown])
async def test_a_failing_start_up_or_shut_down_task_stops_nobody(
    trigger: Callable[[], Any], caplog: pytest.LogCaptureFixture
) -> None:
    app, ran = AioClock(), []

    @app.task(trigger=trigger(), name="broken")
    async def broken() -> None:
        raise LookupError("failed on purpose")

    app.task(trigger=trigger(), name="beside")(lambda: ran.append("beside"))
    app.task(trigger=Once(), name="work")(lambda: ran.append("work"))
    async with asyncio.timeout(5):
        await app.serve()
    assert sorted(ran) == ["beside", "work"]
    assert "failed on purpose" in caplog.text


# Time limits


def test_a_run_that_outlives_its_timeout_is_cancelled_at_that_moment() -> None:
    app, ended = AioClock(), []

    @app.task(trigger=Every(seconds=60), timeout=5, name="slow")
    async def slow() -> None:
        try:
            await asyncio.sleep(30)
        finally:
            ended.append(asyncio.get_running_loop().time())

    with simulate(app, start=START) as sim:
        sim.advance(seconds=150)
        assert [run.outcome for run in sim.runs("slow")] == ["timed_out", "timed_out"]
    assert ended == [65, 125]


def test_a_timeout_is_reported_as_task_timeout_error_naming_task_and_seconds(
    caplog: pytest.LogCaptureFixture,
) -> None:
    app = AioClock()
    app.task(trigger=Once(), timeout=2.5, name="slow report")(asyncio.Event().wait)
    with simulate(app, start=START) as sim:
        sim.advance(seconds=10)
        [run] = sim.runs("slow report")
    assert run.error is not None
    assert run.error.type == TaskTimeoutError.__name__
    assert "slow report" in run.error.message
    assert "2.5" in run.error.message
    [record] = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert "slow report" in record.getMessage()
    assert "2.5" in record.getMessage()


def test_a_run_that_ends_within_its_timeout_is_left_alone() -> None:
    app, ended = AioClock(), []

    @app.task(trigger=Every(seconds=60), timeout=5)
    async def quick() -> None:
        await asyncio.sleep(4.9)
        ended.append(1)

    with simulate(app, start=START) as sim:
        sim.advance(seconds=130)
        assert [run.outcome for run in sim.runs(quick)] == ["succeeded", "succeeded"]
    assert len(ended) == 2


def test_a_timeout_error_of_the_function_itself_is_a_failure_like_any_other() -> None:
    app = AioClock()
    app.task(trigger=Once(), timeout=50, name="work")(Flaky(error=TimeoutError))
    with simulate(app, start=START) as sim:
        sim.advance(seconds=1)
        [run] = sim.runs("work")
    assert run.outcome == "failed"
    assert run.error is not None
    assert run.error.type == "TimeoutError"


def test_the_time_limit_of_one_task_does_not_touch_another() -> None:
    app, ended = AioClock(), []
    app.task(trigger=Once(), timeout=1, name="limited")(asyncio.Event().wait)

    @app.task(trigger=Once(), name="free")
    async def free() -> None:
        await asyncio.sleep(100)
        ended.append("free")

    with simulate(app, start=START) as sim:
        sim.advance(seconds=200)
    assert ended == ["free"]


# Back-off


def test_a_failing_forever_is_retried_after_a_tenth_of_a_second_doubling_to_half_a_minute() -> None:
    app, work = AioClock(), Flaky()
    app.task(trigger=Forever(), name="work")(work)
    with simulate(app, start=START) as sim:
        sim.advance(seconds=200)
    assert work.gaps[:12] == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 30, 30, 30]


def test_a_success_resets_the_back_off_of_a_failing_forever() -> None:
    app, starts = AioClock(), []

    @app.task(trigger=Forever())
    async def work() -> None:
        starts.append(round(asyncio.get_running_loop().time(), 3))
        if len(starts) in (4, 7):
            await asyncio.sleep(1)
            return
        raise RuntimeError("failed on purpose")

    with simulate(app, start=START) as sim:
        sim.advance(seconds=3.5)
    gaps = [round(later - sooner, 3) for sooner, later in pairwise(starts)]
    assert gaps[:8] == [0.1, 0.2, 0.4, 1, 0.1, 0.2, 1, 0.1]


def test_a_forever_that_times_out_at_once_is_retried_with_back_off_too() -> None:
    app, starts = AioClock(), []

    @app.task(trigger=Forever(), timeout=0.001)
    async def work() -> None:
        starts.append(asyncio.get_running_loop().time())
        await asyncio.sleep(30)

    with simulate(app, start=START) as sim:
        sim.advance(seconds=30)
    assert 5 <= len(starts) <= 10


def test_a_failing_interval_of_zero_does_not_spin_the_event_loop() -> None:
    app, work = AioClock(), Flaky()
    app.task(trigger=Every(seconds=0), name="work")(work)
    with simulate(app, start=START) as sim:
        sim.advance(seconds=30)
    assert 5 <= len(work.starts) <= 10


def test_a_failing_interval_keeps_its_grid() -> None:
    app, work = AioClock(), Flaky()
    app.task(trigger=Every(seconds=10), name="work")(work)
    with simulate(app, start=START) as sim:
        sim.advance(seconds=55)
    assert work.starts == [10, 20, 30, 40, 50]


async def test_a_failing_forever_leaves_room_for_others_on_the_real_clock() -> None:
    # Virtual time would hide a loop that is busy without an end: this one has to be felt.
    app, work, other = AioClock(), Flaky(), Flaky(failures=0)
    app.task(trigger=Forever(), name="work")(work)
    app.task(trigger=Every(seconds=0.02, max_loop_count=5), name="other")(other)
    serving = asyncio.create_task(app.serve())
    async with asyncio.timeout(5):
        while len(other.starts) < 5 or len(work.starts) < 2:  # noqa: ASYNC110 - starts set no event
            await asyncio.sleep(0.01)
    serving.cancel()
    await asyncio.wait({serving}, timeout=3)
    assert serving.cancelled()
    assert len(other.starts) == 5
    assert 2 <= len(work.starts) <= 3
