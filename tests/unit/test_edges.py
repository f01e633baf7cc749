"""Rules that hold at the edges: strangers' cancellations, local zones, odd signatures."""

import asyncio
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

import pytest

from aioclock import AioClock, Depends, Every, Once, OrTrigger
from aioclock.exceptions import DependencyError, ServingError
from aioclock.task import Task
from aioclock.testing import simulate
from aioclock.triggers import BaseTrigger

BERLIN = ZoneInfo("Europe/Berlin")


def test_a_serving_that_is_refused_has_not_begun() -> None:
    ran: list[str] = []
    app = AioClock(handle_signals=True)  # which only the main thread can
    app.task(trigger=Once())(lambda: ran.append("run"))
    errors: list[BaseException] = []

    async def refused() -> None:
        with pytest.raises(ServingError) as caught:
            await app.serve()
        errors.append(caught.value)
        await asyncio.sleep(0)

    thread = threading.Thread(target=lambda: asyncio.run(refused()))
    thread.start()
    thread.join()
    assert (len(errors), ran) == (1, [])


class Tidy(BaseTrigger[Literal["TIDY"]]):
    """Waits for ever, and takes its time to clean up."""

    type_: Literal["TIDY"] = "TIDY"
    done: list[str]

    async def trigger_next(self) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(1)
            self.done.append("cleaned up")


def test_a_trigger_may_clean_up_when_the_app_stops() -> None:
    trigger = Tidy(done=[])
    done = trigger.done
    app = AioClock()
    app.task(trigger=trigger)(lambda: None)
    with simulate(app) as sim:
        sim.advance(seconds=1)
    assert done == ["cleaned up"]


def test_a_run_that_a_stranger_cancels_before_it_begins_does_not_block_its_task() -> None:
    app, ran = AioClock(), []

    async def cancel_the_other() -> None:
        for task in asyncio.all_tasks():
            if task.get_name() == "victim":
                task.cancel()

    app.task(trigger=Every(seconds=10, max_loop_count=1), name="stranger")(cancel_the_other)

    @app.task(trigger=Every(seconds=10), name="victim")
    async def victim() -> None:
        ran.append(1)

    with simulate(app) as sim:
        sim.advance(seconds=35)
        assert [run.outcome.value for run in sim.runs("victim")] == ["cancelled", "succeeded", "succeeded"]
    assert len(ran) == 2


@pytest.mark.parametrize("method", ["next_after", "latest_between"])
def test_an_interval_is_elapsed_time_in_whatever_zone_it_is_asked(method: str) -> None:
    anchor = datetime(2026, 3, 29, 0, 0, tzinfo=BERLIN)  # the clock skips 02:00 to 03:00
    asked = datetime(2026, 3, 29, 3, 30, tzinfo=BERLIN)  # 2.5 hours later
    every = Every(hours=2)
    if method == "next_after":
        assert every.next_after(asked, anchor) == anchor.astimezone(UTC) + timedelta(hours=4)
    else:
        assert every.latest_between(anchor, asked, anchor) == (anchor.astimezone(UTC) + timedelta(hours=2), 1)


class EveryMicrosecond(BaseTrigger[Literal["MICRO"]]):
    type_: Literal["MICRO"] = "MICRO"

    def next_after(self, moment: datetime, anchor: datetime) -> datetime:
        return moment + timedelta.resolution


def test_the_latest_of_a_great_many_ticks_is_exact_to_the_microsecond() -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    until = start + timedelta(microseconds=1002)
    found = EveryMicrosecond().latest_between(start, until, start)
    assert found is not None
    assert found[0] == until


async def test_a_task_that_runs_by_itself_twice_counts_afresh() -> None:
    ran: list[int] = []
    trigger = OrTrigger(triggers=[Every(seconds=0, max_loop_count=2)])
    task = Task(func=lambda: ran.append(1), trigger=trigger)
    await task.run()
    await task.run()
    assert len(ran) == 4


def with_variadics() -> Callable[..., Any]:
    async def work(value: Annotated[int, Depends(lambda: 1)], *others: int) -> None: ...

    return work


def with_unknown_type() -> Callable[..., Any]:
    depends = Depends(lambda: 1)

    async def work(value: "NoSuchType" = depends) -> None: ...  # type: ignore[name-defined] # noqa: F821 - on purpose

    return work


@pytest.mark.parametrize("make", [with_variadics, with_unknown_type])
async def test_what_would_fail_at_every_run_is_refused_at_the_start(make: Callable[[], Callable[..., Any]]) -> None:
    app = AioClock()
    app.task(trigger=Once(), name="odd")(make())
    with pytest.raises(DependencyError, match="'odd'"):
        await app.serve()


def test_an_observer_that_raises_does_not_keep_the_app_from_ending() -> None:
    app, seen = AioClock(), []

    def observe(run: object) -> None:
        seen.append(run)
        raise RuntimeError("on purpose")

    app._roster.runner.ledger.observers.append(observe)
    app.task(trigger=Once())(lambda: None)
    with simulate(app) as sim:
        sim.advance(seconds=1)
    assert len(seen) == 1  # and leaving the block did not wait for ever


@pytest.mark.parametrize("wrong", [[], None, "get_session"])
def test_only_functions_are_overridden(wrong: Any) -> None:
    with pytest.raises(DependencyError, match="overridden by functions, got original"):
        AioClock().override_dependencies(wrong, lambda: 1)
