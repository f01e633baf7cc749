"""The event loop by itself: what its clock shows, and what it refuses to wait for."""

import asyncio
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from aioclock.clock import current_clock
from aioclock.testing import VirtualEventLoop, VirtualTimeError, _loop, _selector

START = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def loop() -> Iterator[VirtualEventLoop]:
    with asyncio.Runner(loop_factory=lambda: VirtualEventLoop(START)) as runner:
        yield runner.get_loop()


def test_sleeping_for_ten_years_takes_no_real_time(loop: VirtualEventLoop) -> None:
    real = time.monotonic()
    loop.run_until_complete(asyncio.sleep(10 * 365 * 86400))
    assert loop.time() == 10 * 365 * 86400
    assert time.monotonic() - real < 5


def test_the_clock_shows_the_start_plus_the_loop_time(loop: VirtualEventLoop) -> None:
    async def look() -> datetime:
        await asyncio.sleep(90.5)
        return current_clock().now()

    assert loop.run_until_complete(look()) == START + timedelta(seconds=90.5)


def test_without_a_start_the_clock_shows_a_fixed_one() -> None:
    loop = VirtualEventLoop()
    assert loop.clock.now() == datetime(2025, 1, 1, tzinfo=UTC)
    loop.close()


def test_sleep_until_returns_at_the_deadline_and_not_before(loop: VirtualEventLoop) -> None:
    deadline = START + timedelta(days=400, microseconds=1)
    loop.run_until_complete(loop.clock.sleep_until(deadline))
    assert loop.clock.now() == deadline


def test_sleep_until_a_past_moment_returns_at_once(loop: VirtualEventLoop) -> None:
    loop.run_until_complete(loop.clock.sleep_until(START - timedelta(days=1)))
    assert loop.time() == 0


def test_a_timeout_is_virtual(loop: VirtualEventLoop) -> None:
    async def too_long() -> None:
        async with asyncio.timeout(3600):
            await asyncio.sleep(7200)

    with pytest.raises(TimeoutError):
        loop.run_until_complete(too_long())
    assert loop.time() == 3600


def test_timers_fire_in_order_and_at_their_time(loop: VirtualEventLoop) -> None:
    seen: list[tuple[str, float]] = []
    for name, delay_s in [("c", 3.0), ("a", 1.0), ("b", 2.0)]:
        loop.call_later(delay_s, lambda name=name: seen.append((name, loop.time())))
    loop.run_to(10)
    assert seen == [("a", 1.0), ("b", 2.0), ("c", 3.0)]
    assert loop.time() == 10


def test_a_timer_at_the_end_of_the_way_still_fires(loop: VirtualEventLoop) -> None:
    seen: list[float] = []
    loop.call_at(3 * 0.1, lambda: seen.append(loop.time()))  # 0.30000000000000004
    loop.run_to(0.3)
    assert len(seen) == 1
    assert loop.clock.now() == START + timedelta(seconds=0.3)


def test_a_timer_beyond_the_end_of_the_way_waits(loop: VirtualEventLoop) -> None:
    seen: list[float] = []
    loop.call_at(10.001, lambda: seen.append(loop.time()))
    loop.run_to(10)
    assert seen == []


def test_short_timers_do_not_spin_after_years(loop: VirtualEventLoop) -> None:
    async def tick() -> None:
        for _ in range(1000):
            await asyncio.sleep(0.001)

    loop.run_to(86400 * 365 * 30)
    loop.run_until_complete(tick())
    assert loop.time() - 86400 * 365 * 30 == pytest.approx(1, abs=1e-3)


def test_waiting_for_what_can_not_happen_is_an_error(loop: VirtualEventLoop) -> None:
    with pytest.raises(VirtualTimeError, match="nothing can happen any more"):
        loop.run_until_complete(asyncio.Event().wait())


def test_a_coroutine_that_waits_beside_an_endless_one_is_given_up(
    loop: VirtualEventLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def for_ever() -> None:
        while True:  # noqa: ASYNC110 - it waits for nothing, that is the point
            await asyncio.sleep(1)

    monkeypatch.setattr(_loop, "MAX_JUMPS", 1000)
    endless = loop.create_task(for_ever())
    with pytest.raises(VirtualTimeError, match="still not finished after 1000 jumps, at 2026-01-01T00:16:"):
        loop.run_until_complete(asyncio.Event().wait())
    endless.cancel()


def test_a_loop_that_is_never_idle_is_an_error(loop: VirtualEventLoop, monkeypatch: pytest.MonkeyPatch) -> None:
    async def spin() -> None:
        while True:  # noqa: ASYNC110 - it spins, that is the point
            await asyncio.sleep(0)

    monkeypatch.setattr(_selector, "MAX_TURNS", 1000)
    with pytest.raises(VirtualTimeError, match="never idle"):
        loop.run_until_complete(spin())


def test_many_turns_at_different_instants_are_no_spin(loop: VirtualEventLoop, monkeypatch: pytest.MonkeyPatch) -> None:
    async def work() -> None:
        for _ in range(1000):
            await asyncio.sleep(0)
            await asyncio.sleep(1)

    monkeypatch.setattr(_selector, "MAX_TURNS", 1000)
    loop.run_until_complete(work())


def test_the_loop_runs_to_the_end_although_nothing_is_left(loop: VirtualEventLoop) -> None:
    loop.run_to(5)
    loop.run_to(5)
    assert loop.time() == 5
