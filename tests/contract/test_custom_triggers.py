"""Triggers that users write: in the old style of three awaitable methods, or in the new one of a pure method."""

import asyncio
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ConfigDict

from aioclock import AioClock, Every, Once, OrTrigger
from aioclock.api import get_metadata_of_all_tasks
from aioclock.testing import simulate
from aioclock.triggers import BaseTrigger, LoopController

START = "2026-01-01T00:00:00+00:00"


class Sleeping(BaseTrigger[Literal["SLEEPING"]]):
    """Sleeps by itself, for ever."""

    type_: Literal["SLEEPING"] = "SLEEPING"
    seconds: float

    async def trigger_next(self) -> None:
        await asyncio.sleep(self.seconds)

    def should_trigger(self) -> bool:
        return True

    async def get_waiting_time_till_next_trigger(self) -> float | None:
        return self.seconds


class Limited(LoopController[Literal["LIMITED"]]):
    """Sleeps by itself and counts."""

    type_: Literal["LIMITED"] = "LIMITED"
    seconds: float = 1

    async def trigger_next(self) -> None:
        await asyncio.sleep(self.seconds)
        self._increment_loop_counter()

    async def get_waiting_time_till_next_trigger(self) -> float | None:
        return self.seconds if self.should_trigger() else None


class Queued(BaseTrigger[Literal["QUEUED"]]):
    """Fires for each message of the user's own queue."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    type_: Literal["QUEUED"] = "QUEUED"
    queue: asyncio.Queue[str]

    async def trigger_next(self) -> None:
        await self.queue.get()

    def should_trigger(self) -> bool:
        return True

    async def get_waiting_time_till_next_trigger(self) -> float | None:
        return None


class Failing(Sleeping):
    """Raises as often as *failures* says, then works."""

    failures: int
    calls: list[float]

    async def trigger_next(self) -> None:
        self.calls.append(asyncio.get_running_loop().time())
        if len(self.calls) <= self.failures:
            raise RuntimeError("the trigger is broken")
        await super().trigger_next()


class Doubling(BaseTrigger[Literal["DOUBLING"]]):
    """New style: due 1, 2, 4, 8 … seconds after the schedule began."""

    type_: Literal["DOUBLING"] = "DOUBLING"
    times: int = 1_000

    def next_after(self, moment: datetime, anchor: datetime) -> datetime | None:
        delays = (timedelta(seconds=2**number) for number in range(min(self.times, 40)))
        return next((anchor + delay for delay in delays if anchor + delay > moment), None)


class Clocked:
    """Notes when it is called, in virtual seconds."""

    def __init__(self, takes_s: float = 0) -> None:
        self.starts: list[float] = []
        self.takes_s = takes_s

    async def __call__(self) -> None:
        self.starts.append(round(asyncio.get_running_loop().time(), 6))
        await asyncio.sleep(self.takes_s)


def calls_of(trigger: BaseTrigger[Any], *, seconds: float, takes_s: float = 0) -> list[float]:
    app, work = AioClock(), Clocked(takes_s)
    app.task(trigger=trigger, name="work")(work)
    with simulate(app, start=START) as sim:
        sim.advance(seconds=seconds)
        return list(work.starts)


def test_a_trigger_that_sleeps_by_itself_fires_each_time_it_returns() -> None:
    assert calls_of(Sleeping(seconds=3), seconds=10) == [3, 6, 9]


def test_a_trigger_that_sleeps_by_itself_sleeps_again_after_the_run() -> None:
    assert calls_of(Sleeping(seconds=3), seconds=16, takes_s=2) == [3, 8, 13]


def test_a_counting_trigger_stops_after_max_loop_count() -> None:
    assert calls_of(Limited(max_loop_count=2), seconds=100) == [1, 2]


async def test_serving_returns_when_a_trigger_should_not_trigger_any_more() -> None:
    app, work = AioClock(), Clocked()
    app.task(trigger=Limited(seconds=0, max_loop_count=3), name="work")(work)
    async with asyncio.timeout(5):
        await app.serve()
    assert len(work.starts) == 3


def test_a_trigger_that_never_should_never_does() -> None:
    class Never(Sleeping):
        def should_trigger(self) -> bool:
            return False

    assert calls_of(Never(seconds=1), seconds=10) == []


def test_custom_triggers_run_beside_built_in_ones() -> None:
    app, custom, built_in = AioClock(), Clocked(), Clocked()
    app.task(trigger=Sleeping(seconds=3), name="custom")(custom)
    app.task(trigger=Every(seconds=2), name="built in")(built_in)
    with simulate(app, start=START) as sim:
        sim.advance(seconds=7)
    assert (custom.starts[:2], built_in.starts[:3]) == ([3, 6], [2, 4, 6])


def test_a_message_in_the_users_own_queue_fires_the_task() -> None:
    async def put(queue: asyncio.Queue[str], *messages: str) -> None:
        for message in messages:
            queue.put_nowait(message)

    app, work, queue = AioClock(), Clocked(), asyncio.Queue[str]()
    app.task(trigger=Queued(queue=queue), name="work")(work)
    with simulate(app, start=START) as sim:
        sim.advance(seconds=5)
        assert work.starts == []
        sim.run(put(queue, "first"))
        sim.advance(seconds=5)
        sim.run(put(queue, "second", "third"))
        sim.advance(seconds=5)
    assert work.starts == [5, 10, 10]
    assert queue.empty()


def test_no_message_is_lost_while_a_run_is_going() -> None:
    async def put(queue: asyncio.Queue[str]) -> None:
        queue.put_nowait("message")

    app, work, queue = AioClock(), Clocked(takes_s=10), asyncio.Queue[str]()
    app.task(trigger=Queued(queue=queue), name="work")(work)
    with simulate(app, start=START) as sim:
        for _ in range(3):
            sim.run(put(queue))
            sim.advance(seconds=1)
        sim.advance(seconds=60)
    assert work.starts == [0, 10, 20]


@pytest.mark.parametrize("custom_first", [True, False])
def test_a_custom_trigger_and_built_in_ones_fire_inside_or(custom_first: bool) -> None:
    children: list[Any] = [Sleeping(seconds=5), Every(seconds=4, max_loop_count=2), Once()]
    children = children if custom_first else children[::-1]
    assert calls_of(OrTrigger(triggers=children), seconds=11) == [0, 4, 5, 8, 10]


def test_or_over_custom_triggers_counts_their_ticks_against_its_own_limit() -> None:
    trigger = OrTrigger(triggers=[Sleeping(seconds=2), Sleeping(seconds=5)], max_loop_count=3)
    assert calls_of(trigger, seconds=60) == [2, 4, 5]


def test_a_queue_inside_or_loses_no_message_when_another_trigger_wins() -> None:
    async def put(queue: asyncio.Queue[str]) -> None:
        queue.put_nowait("message")

    app, work, queue = AioClock(), Clocked(), asyncio.Queue[str]()
    app.task(trigger=OrTrigger(triggers=[Queued(queue=queue), Every(seconds=10)]), name="work")(work)
    with simulate(app, start=START) as sim:
        sim.advance(seconds=10)
        sim.run(put(queue))
        sim.advance(seconds=5)
    assert work.starts == [10, 10]


@pytest.mark.parametrize(("limit", "expected"), [(None, [10, 15]), (1, [10])])
def test_a_message_that_comes_during_a_run_inside_or_waits_for_its_end_and_for_what_the_limit_allows(
    limit: int | None, expected: list[float]
) -> None:
    async def put(queue: asyncio.Queue[str]) -> None:
        queue.put_nowait("message")

    app, work, queue = AioClock(), Clocked(takes_s=5), asyncio.Queue[str]()
    either = OrTrigger(triggers=[Queued(queue=queue), Every(seconds=10)], max_loop_count=limit)
    app.task(trigger=either, name="work")(work)
    with simulate(app, start=START) as sim:
        sim.advance(seconds=12)
        sim.run(put(queue))
        sim.advance(seconds=7)
    assert work.starts == expected


def test_one_trigger_object_given_to_two_tasks_counts_for_each_alone() -> None:
    app, first, second, trigger = AioClock(), Clocked(), Clocked(), Limited(max_loop_count=2)
    app.task(trigger=trigger, name="first")(first)
    app.task(trigger=trigger, name="second")(second)
    with simulate(app, start=START) as sim:
        sim.advance(seconds=10)
    assert (first.starts, second.starts) == ([1, 2], [1, 2])


def test_a_counting_trigger_starts_afresh_in_each_serving() -> None:
    app, work = AioClock(), Clocked()
    app.task(trigger=Limited(max_loop_count=2), name="work")(work)
    for _ in range(2):
        work.starts.clear()
        with simulate(app, start=START) as sim:
            sim.advance(seconds=10)
        assert work.starts == [1, 2]


def test_a_waiting_trigger_is_cancelled_when_the_app_stops() -> None:
    order: list[str] = []

    class Noting(Sleeping):
        async def trigger_next(self) -> None:
            try:
                await asyncio.sleep(self.seconds)
            finally:
                order.append("cancelled")

    assert calls_of(Noting(seconds=1_000), seconds=10) == []
    assert order == ["cancelled"]


def test_a_trigger_that_raises_is_asked_again_after_a_tenth_of_a_second_doubling_to_half_a_minute() -> None:
    trigger = Failing(seconds=1, failures=1_000, calls=[])
    calls_of(trigger, seconds=200)
    gaps = [round(later - sooner, 3) for sooner, later in pairwise(trigger.calls)]
    assert gaps[:12] == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 30, 30, 30]


def test_a_trigger_that_raised_goes_on_when_it_works_again(caplog: pytest.LogCaptureFixture) -> None:
    assert calls_of(Failing(seconds=1, failures=2, calls=[]), seconds=3.5) == [1.3, 2.3, 3.3]
    raised = [record for record in caplog.records if record.exc_info and "work" in record.getMessage()]
    assert len(raised) == 2
    assert "the trigger is broken" in caplog.text


def test_a_trigger_whose_should_trigger_raises_does_not_stop_the_others() -> None:
    class Undecided(Sleeping):
        def should_trigger(self) -> bool:
            raise RuntimeError("undecided")

    app, other = AioClock(), Clocked()
    app.task(trigger=Undecided(seconds=1), name="undecided")(Clocked())
    app.task(trigger=Every(seconds=2, max_loop_count=2), name="other")(other)
    with simulate(app, start=START) as sim:
        sim.advance(seconds=10)
    assert other.starts == [2, 4]


async def test_a_trigger_that_returns_without_waiting_leaves_room_for_others() -> None:
    # Like Forever with a run that takes no time: that is as often as possible, but not instead of everybody else.
    class Eager(Sleeping):
        async def trigger_next(self) -> None: ...

    app, eager, others = AioClock(), Clocked(), 0
    had_its_turns = asyncio.Event()
    app.task(trigger=Eager(seconds=0), name="eager")(eager)

    @app.task(trigger=Every(seconds=0.01))
    async def other() -> None:
        nonlocal others
        others += 1
        if others == 3:
            had_its_turns.set()

    serving = asyncio.create_task(app.serve())
    async with asyncio.timeout(5):
        await had_its_turns.wait()
    serving.cancel()
    await asyncio.wait({serving}, timeout=5)
    assert serving.cancelled()
    assert len(eager.starts) > 3


def test_the_expected_time_of_a_custom_trigger_is_now_plus_its_waiting_time() -> None:
    app = AioClock()
    app.task(trigger=Sleeping(seconds=90), name="work")(Clocked())
    with simulate(app, start=START) as sim:
        [metadata] = sim.run(get_metadata_of_all_tasks(app))
    assert metadata.trigger.expected_trigger_time == datetime(2026, 1, 1, 0, 1, 30, tzinfo=UTC)


async def test_a_custom_trigger_may_stand_alone() -> None:
    trigger = Limited(seconds=0, max_loop_count=2)
    waits = []
    while trigger.should_trigger():
        waits.append(await trigger.get_waiting_time_till_next_trigger())
        await trigger.trigger_next()
    assert waits == [0, 0]
    assert await trigger.get_waiting_time_till_next_trigger() is None


# The new style


def test_a_pure_trigger_needs_one_method_only() -> None:
    assert calls_of(Doubling(), seconds=20) == [1, 2, 4, 8, 16]


def test_a_pure_trigger_is_exhausted_when_it_answers_none() -> None:
    assert calls_of(Doubling(times=3), seconds=1_000) == [1, 2, 4]


def test_a_pure_trigger_works_inside_or() -> None:
    assert calls_of(OrTrigger(triggers=[Doubling(times=4), Every(seconds=3)]), seconds=10) == [1, 2, 3, 4, 6, 8, 9]


def test_a_pure_trigger_that_raises_is_asked_again_and_stops_nobody() -> None:
    class Broken(Doubling):
        def next_after(self, moment: datetime, anchor: datetime) -> datetime | None:
            if moment > anchor + timedelta(seconds=1):
                raise RuntimeError("broken")
            return super().next_after(moment, anchor)

    app, other = AioClock(), Clocked()
    app.task(trigger=Broken(), name="broken")(Clocked())
    app.task(trigger=Every(seconds=20, max_loop_count=2), name="other")(other)
    with simulate(app, start=START) as sim:
        sim.advance(seconds=60)
    assert other.starts == [20, 40]


def test_a_pure_trigger_that_does_not_move_on_can_not_spin_the_event_loop() -> None:
    class Stuck(Doubling):
        def next_after(self, moment: datetime, anchor: datetime) -> datetime | None:
            return anchor + timedelta(seconds=1)

    app, stuck, other = AioClock(), Clocked(), Clocked()
    app.task(trigger=Stuck(), name="stuck")(stuck)
    app.task(trigger=Every(seconds=20, max_loop_count=2), name="other")(other)
    with simulate(app, start=START) as sim:
        sim.advance(seconds=60)
    assert other.starts == [20, 40]
    assert len(stuck.starts) < 20


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(1, 500), min_size=1, max_size=8, unique=True))
def test_a_pure_trigger_fires_at_exactly_the_instants_it_answers(offsets: list[int]) -> None:
    class Listed(BaseTrigger[Literal["LISTED"]]):
        type_: Literal["LISTED"] = "LISTED"

        def next_after(self, moment: datetime, anchor: datetime) -> datetime | None:
            return min((t for s in offsets if (t := anchor + timedelta(seconds=s)) > moment), default=None)

    assert calls_of(Listed(), seconds=501) == sorted(offsets)


async def test_a_pure_trigger_answers_the_old_methods_too() -> None:
    trigger = Doubling(times=1)
    assert trigger.should_trigger()
    assert await trigger.get_waiting_time_till_next_trigger() == 1


async def test_a_trigger_that_implements_nothing_is_refused_by_name() -> None:
    class Empty(BaseTrigger[Literal["EMPTY"]]):
        type_: Literal["EMPTY"] = "EMPTY"

    async def declare_and_serve() -> None:
        app = AioClock()
        app.task(trigger=Empty(), name="work")(Clocked())
        async with asyncio.timeout(3):
            await app.serve()

    with pytest.raises(Exception, match="Empty") as refusal:
        await declare_and_serve()
    assert not isinstance(refusal.value, TimeoutError)
