"""Each fault of AioClock 0.3 that was found, and what happens here instead."""

import asyncio
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import anyio
import pytest

from aioclock import AioClock, At, Cron, Depends, Every, Forever, Group, Once, OrTrigger
from aioclock.api import get_metadata_of_all_tasks, run_specific_task
from aioclock.exceptions import TaskTimeoutError
from aioclock.testing import simulate

START = "2026-01-01T00:00:00+00:00"
BERLIN = ZoneInfo("Europe/Berlin")
DAYS = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]


async def serve(app: AioClock) -> None:
    async with asyncio.timeout(5):
        await app.serve()


class Clocked:
    """Notes when it is called, in virtual seconds."""

    def __init__(self, takes_s: float = 0, fails: bool = False) -> None:
        self.starts: list[float] = []
        self.takes_s = takes_s
        self.fails = fails

    async def __call__(self) -> None:
        self.starts.append(round(asyncio.get_running_loop().time(), 6))
        await asyncio.sleep(self.takes_s)
        if self.fails:
            raise RuntimeError("failed on purpose")


def calls_of(trigger: Any, *, seconds: float, takes_s: float = 0, fails: bool = False) -> list[float]:
    app, work = AioClock(), Clocked(takes_s, fails)
    app.task(trigger=trigger, name="work")(work)
    with simulate(app, start=START) as sim:
        sim.advance(seconds=seconds)
        return list(work.starts)


@pytest.mark.parametrize("asked_on", range(7), ids=DAYS)
@pytest.mark.parametrize("wanted", range(7), ids=DAYS)
@pytest.mark.parametrize("hour", [9, 15], ids=["after it", "before it"])
def test_at_waits_for_the_right_weekday(asked_on: int, wanted: int, hour: int) -> None:
    # 5 January 2026 is a Monday.
    now = datetime(2026, 1, 5 + asked_on, 12, tzinfo=UTC)
    at: Any = f"every {DAYS[wanted]}"
    due = now + timedelta(seconds=At(tz="UTC", hour=hour, at=at)._get_next_ts(now))
    ahead = (wanted - asked_on) % 7
    if ahead == 0 and hour < 12:
        ahead = 7
    assert due == datetime(2026, 1, 5 + asked_on, hour, tzinfo=UTC) + timedelta(days=ahead)


@pytest.mark.parametrize("trigger", [At(tz="Europe/Berlin", hour=12), Cron(cron="0 12 * * *", tz="Europe/Berlin")])
@pytest.mark.parametrize(("month", "day", "hours"), [(3, 30, 23), (10, 26, 25)], ids=["spring", "autumn"])
async def test_wall_clock_triggers_are_right_across_a_clock_change(
    trigger: At | Cron, month: int, day: int, hours: int
) -> None:
    noon = datetime(2024, month, day, 12, tzinfo=BERLIN)
    assert await trigger.get_waiting_time_till_next_trigger(now=noon) == hours * 3600


async def test_override_dependencies_works_and_only_for_its_app() -> None:
    got: list[str] = []

    def source() -> str:
        return "real"

    async def work(value: str = Depends(source)) -> None:
        got.append(value)

    overriding, other = AioClock(), AioClock()
    for app in (overriding, other):
        app.task(trigger=Once())(work)
    overriding.override_dependencies(source, lambda: "override")
    await serve(overriding)
    await serve(other)
    assert got == ["override", "real"]


def test_every_trigger_inside_or_keeps_its_own_grid() -> None:
    trigger = OrTrigger(triggers=[Every(seconds=10), Every(seconds=13)])
    assert calls_of(trigger, seconds=41) == [10, 13, 20, 26, 30, 39, 40]


def test_every_keeps_its_grid_under_slow_runs() -> None:
    assert calls_of(Every(seconds=10), seconds=45, takes_s=3) == [10, 20, 30, 40]


def test_fixed_delay_waits_after_each_run_as_of_old() -> None:
    assert calls_of(Every(seconds=10, mode="fixed_delay"), seconds=45, takes_s=3) == [10, 23, 36]


def test_one_trigger_object_given_to_two_tasks_counts_for_each_alone() -> None:
    app, first, second, trigger = AioClock(), Clocked(), Clocked(), Every(seconds=1, max_loop_count=2)
    app.task(trigger=trigger, name="first")(first)
    app.task(trigger=trigger, name="second")(second)
    with simulate(app, start=START) as sim:
        sim.advance(seconds=10)
    assert (first.starts, second.starts) == ([1, 2], [1, 2])


def test_a_decorated_sync_function_stays_sync() -> None:
    @AioClock().task(trigger=Once())
    def add(a: int, b: int) -> int:
        return a + b

    @Group().task(trigger=Once())
    def multiply(a: int, b: int) -> int:
        return a * b

    assert (add(2, 3), multiply(2, 3)) == (5, 6)


def test_hour_24_is_refused() -> None:
    with pytest.raises(ValueError, match=r"(?s)hour.*24"):
        At(tz="UTC", hour=24)


def test_a_failing_forever_backs_off() -> None:
    starts = calls_of(Forever(), seconds=2, fails=True)
    assert starts == [0, 0.1, 0.3, 0.7, 1.5]


@pytest.mark.parametrize("of_group", [False, True])
async def test_the_limiter_of_the_app_reaches_its_groups_unless_they_have_their_own(of_group: bool) -> None:
    of_app, own = anyio.CapacityLimiter(1), anyio.CapacityLimiter(1)
    app, group, borrowed = AioClock(limiter=of_app), Group(limiter=own if of_group else None), []
    group.task(trigger=Once())(lambda: borrowed.append((of_app.borrowed_tokens, own.borrowed_tokens)))
    app.include_group(group)
    await serve(app)
    assert borrowed == [(0, 1) if of_group else (1, 0)]


async def test_run_specific_task_honours_the_timeout() -> None:
    app = AioClock()
    app.task(trigger=Every(hours=1), timeout=0.01, name="endless")(asyncio.Event().wait)
    [metadata] = await get_metadata_of_all_tasks(app)
    with pytest.raises(TaskTimeoutError, match=r"endless.*0\.01"):
        async with asyncio.timeout(3):
            await run_specific_task(metadata.id, app)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGTERM that a process could handle")
def test_sigterm_stops_gracefully() -> None:
    # A real process: what is tested is what SIGTERM does to one.
    program = """
import asyncio
from contextlib import asynccontextmanager
from aioclock import AioClock, Once

@asynccontextmanager
async def lifespan(app):
    yield
    print("lifespan out", flush=True)

app = AioClock(lifespan=lifespan)

@app.task(trigger=Once())
async def work():
    print("running", flush=True)
    await asyncio.sleep(0.1)
    print("finished", flush=True)

asyncio.run(app.serve())
"""
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline().strip() == "running"
        process.send_signal(signal.SIGTERM)
        assert process.communicate(timeout=10)[0].split("\n")[:2] == ["finished", "lifespan out"]
    assert process.returncode == 0


async def test_task_ids_are_the_same_at_every_start() -> None:
    def build() -> AioClock:
        app, group = AioClock(), Group()

        @app.task(trigger=Once())
        @app.task(trigger=Once())
        async def work() -> None: ...

        group.task(trigger=Once())(work)
        app.include_group(group)
        return app

    first, second = [[metadata.id for metadata in await get_metadata_of_all_tasks(build())] for _ in range(2)]
    assert first == second
    assert len(set(first)) == 3
