"""Triggers outside a serving app: the awaitable interface, `OrTrigger` above all."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import pytest
from pydantic import TypeAdapter, ValidationError

from aioclock import At, Every, Forever, Once, OrTrigger
from aioclock.testing import VirtualEventLoop
from aioclock.triggers import BaseTrigger, LoopController, TriggerT

pytestmark = pytest.mark.filterwarnings("ignore:On(StartUp|ShutDown):DeprecationWarning")


class Queued(BaseTrigger[Literal["QUEUED"]]):
    """Due for each message, which it keeps."""

    type_: Literal["QUEUED"] = "QUEUED"
    queue: asyncio.Queue[str]
    got: tuple[str, ...] = ()

    async def trigger_next(self) -> None:
        self.got += (await self.queue.get(),)


class Moody(Queued):
    """Tells how long it waits; its method takes no moment, as in AioClock 0.3."""

    waits_s: float | None = None

    async def get_waiting_time_till_next_trigger(self) -> float | None:  # type: ignore[override]
        return self.waits_s


def elapsed() -> float:
    return asyncio.get_running_loop().time()


async def times_of(trigger: BaseTrigger[Any], most: int) -> list[float]:
    times: list[float] = []
    while trigger.should_trigger() and len(times) < most:
        await trigger.trigger_next()
        times.append(round(elapsed(), 6))
    return times


@pytest.mark.virtual_time
@pytest.mark.parametrize(
    ("trigger", "times"),
    [
        (Every(seconds=10, max_loop_count=3), [10, 20, 30]),
        (Every(seconds=10, first_run_strategy="immediate"), [0, 10, 20, 30]),
        (Once(), [0]),
        (Forever(), [0, 0, 0, 0]),
        (At(tz="UTC", hour=1, max_loop_count=2), [3600, 3600 + 86_400]),
        (OrTrigger(triggers=[Every(seconds=10), Every(seconds=15)]), [10, 15, 20, 30]),
        (OrTrigger(triggers=[Once(), Every(seconds=5, max_loop_count=1)]), [0, 5]),
    ],
)
async def test_a_trigger_awaited_by_itself_returns_at_its_ticks(trigger: BaseTrigger[Any], times: list[float]) -> None:
    assert await times_of(trigger, 4) == times


@pytest.mark.virtual_time
async def test_a_trigger_that_is_exhausted_returns_at_once_without_a_tick() -> None:
    once = Once()
    await once.trigger_next()
    await once.trigger_next()
    assert elapsed() == 0
    assert await once.get_waiting_time_till_next_trigger() is None


# OrTrigger, awaited


@pytest.mark.virtual_time
async def test_or_without_a_trigger_left_returns_at_once() -> None:
    trigger = OrTrigger(triggers=[Once(), Once()])
    assert len(await times_of(trigger, 9)) == 2
    assert not trigger.should_trigger()
    await trigger.trigger_next()
    assert elapsed() == 0


@pytest.mark.virtual_time
async def test_a_wait_that_lost_the_race_keeps_what_it_took_for_the_next_call() -> None:
    queued = Queued(queue=asyncio.Queue())
    trigger = OrTrigger(triggers=[queued, Every(seconds=10)])
    await trigger.trigger_next()
    assert elapsed() == 10
    queued.queue.put_nowait("message")
    await asyncio.sleep(1)
    assert await trigger.get_waiting_time_till_next_trigger() == 0
    await trigger.trigger_next()
    assert (elapsed(), queued.got, queued.queue.empty()) == (11, ("message",), True)


@pytest.mark.virtual_time
async def test_a_cancelled_or_takes_nothing_from_a_queue_any_more() -> None:
    queued = Queued(queue=asyncio.Queue())
    trigger = OrTrigger(triggers=[queued, Every(seconds=10)])
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(1):
            await trigger.trigger_next()
    queued.queue.put_nowait("message")
    await asyncio.sleep(60)
    assert (queued.got, queued.queue.qsize()) == ((), 1)
    assert len(asyncio.all_tasks()) == 1


@pytest.mark.virtual_time
async def test_or_at_its_own_count_stops_waiting_for_its_triggers() -> None:
    trigger = OrTrigger(triggers=[Every(seconds=10), Every(seconds=99)], max_loop_count=1)
    await trigger.trigger_next()
    await asyncio.sleep(0)
    assert not trigger.should_trigger()
    assert await trigger.get_waiting_time_till_next_trigger() is None
    assert len(asyncio.all_tasks()) == 1


@pytest.mark.virtual_time
async def test_an_error_of_one_trigger_comes_out_of_or_and_the_others_go_on() -> None:
    class Broken(LoopController[Literal["BROKEN"]]):
        type_: Literal["BROKEN"] = "BROKEN"

        async def trigger_next(self) -> None:
            self._increment_loop_counter()
            raise OSError("on purpose")

    trigger = OrTrigger(triggers=[Broken(max_loop_count=1), Every(seconds=10)])
    with pytest.raises(OSError, match="on purpose"):
        await trigger.trigger_next()
    await trigger.trigger_next()
    assert elapsed() == 10


async def test_or_waits_for_the_shortest_of_its_triggers_and_asks_old_ones_without_a_moment() -> None:
    queue = asyncio.Queue[str]()
    old, older = (Moody(queue=queue, waits_s=waits_s) for waits_s in (7.0, None))
    trigger = OrTrigger(triggers=[old, older, Every(seconds=10)])
    assert await trigger.get_waiting_time_till_next_trigger() == 7
    now = datetime(2026, 1, 1, tzinfo=UTC)
    assert (
        await OrTrigger(triggers=[Every(seconds=10), Every(seconds=20)]).get_waiting_time_till_next_trigger(now) == 10
    )


async def test_nobody_knows_when_a_trigger_that_only_waits_is_due() -> None:
    assert await Queued(queue=asyncio.Queue()).get_waiting_time_till_next_trigger() is None


# OrTrigger from data


def test_or_is_built_from_mappings_as_from_triggers() -> None:
    built = OrTrigger.model_validate({"triggers": [{"type_": "EVERY", "seconds": 5}, {"type_": "ONCE"}, Forever()]})
    assert built == OrTrigger(triggers=[Every(seconds=5), Once(), Forever()])


def test_or_reads_back_what_it_was_written_as() -> None:
    trigger = OrTrigger(triggers=[Every(hours=6), OrTrigger(triggers=[At(tz="UTC", hour=9)])], max_loop_count=3)
    adapter: TypeAdapter[Any] = TypeAdapter(TriggerT)
    assert adapter.validate_python(trigger.model_dump(mode="json")) == trigger


@pytest.mark.parametrize(
    ("child", "message"),
    [
        ({"type_": "EVERY", "seconds": -5}, r"seconds[\s\S]*-5"),
        ({"type_": "EVERY"}, "no unit is given"),
        ({"type_": "SOMETIMES"}, "SOMETIMES"),
        ({"seconds": 5}, "type_"),
        (5, "5"),
        ({"type_": "ON_START_UP"}, "OnStartUp belongs to the life of the app"),
        ({"type_": "OR", "triggers": []}, "triggers"),
    ],
)
def test_a_child_of_or_that_can_not_be_is_refused_with_field_and_value(child: Any, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        OrTrigger.model_validate({"triggers": [Once(), child]})


def test_the_interface_of_a_trigger_needs_no_more_than_the_clock_of_its_loop() -> None:
    async def waited() -> timedelta:
        before = asyncio.get_running_loop().clock.now()  # type: ignore[attr-defined]
        await Every(days=30).trigger_next()
        after: datetime = asyncio.get_running_loop().clock.now()  # type: ignore[attr-defined]
        return after - before

    with asyncio.Runner(loop_factory=VirtualEventLoop) as runner:
        assert runner.run(waited()) == timedelta(days=30)
