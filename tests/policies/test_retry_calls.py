"""Attempts and the waits between them, on virtual time."""

import asyncio
import gc
import random
import subprocess
import sys
import traceback
import weakref
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
import tenacity
from hypothesis import given
from hypothesis import strategies as st

from aioclock.policies import Retry
from aioclock.testing import VirtualEventLoop

PLAIN = Retry(attempts=4, delay=1, factor=2, jitter=0)


@pytest.fixture
def loop() -> Iterator[VirtualEventLoop]:
    with asyncio.Runner(loop_factory=VirtualEventLoop) as runner:
        yield runner.get_loop()


def always(wait_s: float) -> bool:
    return True


@dataclass
class Work:
    """Raises its errors one after the other, then returns; notes when it began and what was announced."""

    errors: list[BaseException] = field(default_factory=list)
    began: list[float] = field(default_factory=list)
    announced: list[tuple[str, float]] = field(default_factory=list)
    asked: list[float] = field(default_factory=list)
    fits: Callable[[float], bool] = always

    async def attempt(self) -> str:
        self.began.append(asyncio.get_running_loop().time())
        if len(self.began) <= len(self.errors):
            raise self.errors[len(self.began) - 1]
        return "done"

    def ask(self, wait_s: float) -> bool:
        self.asked.append(wait_s)
        return self.fits(wait_s)

    def announce(self, error: Exception, wait_s: float) -> None:
        self.announced.append((str(error), wait_s))

    async def under(self, retry: Retry) -> str:
        return await retry.call(self.attempt, fits=self.ask, before_wait=self.announce)


def failing(times: int, cls: type[BaseException] = ValueError) -> Work:
    return Work([cls(str(n)) for n in range(1, times + 1)])


def test_an_attempt_that_succeeds_is_the_only_one(loop: VirtualEventLoop) -> None:
    work = failing(0)
    assert loop.run_until_complete(work.under(PLAIN)) == "done"
    assert (work.began, work.asked, work.announced) == ([0.0], [], [])


def test_attempts_go_on_until_one_succeeds(loop: VirtualEventLoop) -> None:
    work = failing(3)
    assert loop.run_until_complete(work.under(PLAIN)) == "done"
    assert work.began == [0.0, 1.0, 3.0, 7.0]


def test_each_wait_is_asked_for_and_announced_with_the_error_before_it(loop: VirtualEventLoop) -> None:
    work = failing(2)
    loop.run_until_complete(work.under(PLAIN))
    assert work.asked == [1.0, 2.0]
    assert work.announced == [("1", 1.0), ("2", 2.0)]


def test_when_attempts_are_used_up_the_last_error_comes_out_itself(loop: VirtualEventLoop) -> None:
    work = failing(9)
    with pytest.raises(ValueError, match=r"^4$") as failure:
        loop.run_until_complete(work.under(PLAIN))
    assert failure.value is work.errors[3]
    assert work.began == [0.0, 1.0, 3.0, 7.0]
    assert len(work.announced) == 3


def test_one_attempt_means_no_retry(loop: VirtualEventLoop) -> None:
    work = failing(9)
    with pytest.raises(ValueError, match=r"^1$"):
        loop.run_until_complete(work.under(Retry(attempts=1)))
    assert (work.began, work.asked, work.announced) == ([0.0], [], [])


@pytest.mark.parametrize("failures_before", [0, 1, 2])
def test_another_error_comes_straight_out(loop: VirtualEventLoop, failures_before: int) -> None:
    work = failing(failures_before, OSError)
    work.errors.append(KeyError("other"))
    with pytest.raises(KeyError) as failure:
        loop.run_until_complete(work.under(Retry(attempts=9, on=OSError, jitter=0)))
    assert failure.value is work.errors[-1]
    assert len(work.began) == failures_before + 1
    assert len(work.announced) == failures_before


def test_a_subclass_of_a_named_error_is_retried(loop: VirtualEventLoop) -> None:
    work = failing(1, ConnectionResetError)
    assert loop.run_until_complete(work.under(Retry(on=(KeyError, OSError)))) == "done"


@pytest.mark.parametrize("failures_before", [0, 1])
def test_the_signal_by_which_tenacity_retries_is_an_error_like_any_other(
    loop: VirtualEventLoop, failures_before: int
) -> None:
    work = failing(failures_before, OSError)
    work.errors.append(tenacity.TryAgain())
    with pytest.raises(tenacity.TryAgain):
        loop.run_until_complete(work.under(Retry(attempts=9, on=OSError)))
    assert len(work.began) == failures_before + 1


@pytest.mark.parametrize("failures_before", [0, 1])
def test_a_cancellation_out_of_an_attempt_is_never_retried(loop: VirtualEventLoop, failures_before: int) -> None:
    work = failing(failures_before)
    work.errors.append(asyncio.CancelledError("enough"))
    with pytest.raises(asyncio.CancelledError, match="enough"):
        loop.run_until_complete(work.under(PLAIN))
    assert len(work.began) == failures_before + 1


def test_a_cancellation_during_a_wait_ends_the_call(loop: VirtualEventLoop) -> None:
    work = failing(9)
    call = loop.create_task(work.under(PLAIN))
    loop.call_at(1.5, call.cancel)
    with pytest.raises(asyncio.CancelledError):
        loop.run_until_complete(call)
    assert loop.time() == 1.5
    assert work.began == [0.0, 1.0]
    assert call.cancelled()


def test_a_timeout_around_the_call_ends_it_on_time(loop: VirtualEventLoop) -> None:
    work = failing(9)

    async def limited() -> str:
        async with asyncio.timeout(2.5):
            return await work.under(PLAIN)

    with pytest.raises(TimeoutError):
        loop.run_until_complete(limited())
    assert loop.time() == 2.5
    assert work.began == [0.0, 1.0]


def test_a_wait_that_does_not_fit_ends_the_call_with_the_last_error(loop: VirtualEventLoop) -> None:
    work = failing(9)
    work.fits = lambda wait_s: wait_s < 4
    with pytest.raises(ValueError, match=r"^3$"):
        loop.run_until_complete(work.under(PLAIN))
    assert work.began == [0.0, 1.0, 3.0]
    assert work.asked == [1.0, 2.0, 4.0]
    assert work.announced == [("1", 1.0), ("2", 2.0)]
    assert loop.time() == 3.0


@given(
    delay=st.floats(min_value=0, max_value=1e6),
    factor=st.floats(min_value=1, max_value=100),
    max_delay=st.floats(min_value=0, max_value=1e6),
    jitter=st.floats(min_value=0, max_value=3),
    seed=st.integers(min_value=0, max_value=1000),
)
def test_the_random_part_only_prolongs_and_by_its_fraction_at_most(
    delay: float, factor: float, max_delay: float, jitter: float, seed: int
) -> None:
    retry = Retry(attempts=5, delay=delay, factor=factor, max_delay=max_delay, jitter=jitter)
    work = failing(4)
    random.seed(seed)
    with asyncio.Runner(loop_factory=VirtualEventLoop) as runner:
        runner.run(work.under(retry))
    assert len(work.announced) == 4
    for number, (_, wait_s) in enumerate(work.announced, start=1):
        assert retry.wait_after(number) <= wait_s <= retry.wait_after(number) * (1 + jitter) <= max_delay * (1 + jitter)


def test_the_wait_that_was_announced_is_the_one_that_is_waited(loop: VirtualEventLoop) -> None:
    work = failing(1)
    loop.run_until_complete(work.under(Retry(delay=100, jitter=0.5, max_delay=100)))
    [(_, wait_s)] = work.announced
    assert work.asked == [wait_s]
    assert wait_s != 100
    assert work.began[1] == pytest.approx(wait_s, abs=1e-6)


def test_a_seed_makes_the_waits_repeatable(loop: VirtualEventLoop) -> None:
    def waits() -> list[float]:
        work = failing(2)
        random.seed(3)
        loop.run_until_complete(work.under(Retry()))
        return work.asked

    assert waits() == waits()


def test_calls_at_the_same_time_know_nothing_of_each_other(loop: VirtualEventLoop) -> None:
    works = [failing(n) for n in range(6)]
    retry = Retry(attempts=4, delay=1, factor=1, jitter=0)

    async def all_at_once() -> list[Any]:
        return await asyncio.gather(*(work.under(retry) for work in works), return_exceptions=True)

    results = loop.run_until_complete(all_at_once())
    assert results == ["done"] * 4 + [works[4].errors[3], works[5].errors[3]]
    assert [len(work.began) for work in works] == [1, 2, 3, 4, 4, 4]
    assert [len(work.announced) for work in works] == [0, 1, 2, 3, 3, 3]


def test_an_attempt_may_be_any_function_that_returns_an_awaitable(loop: VirtualEventLoop) -> None:
    work = failing(2)
    attempt: Callable[[], asyncio.Future[str]] = lambda: asyncio.ensure_future(work.attempt())  # noqa: E731 - no coroutine function is the point

    async def call() -> str:
        return await PLAIN.call(attempt, fits=work.ask, before_wait=work.announce)

    assert loop.run_until_complete(call()) == "done"


def test_an_exception_may_be_the_result(loop: VirtualEventLoop) -> None:
    async def attempt() -> ValueError:
        return ValueError("a value like any other")

    result = loop.run_until_complete(PLAIN.call(attempt, fits=always, before_wait=lambda error, wait_s: None))
    assert isinstance(result, ValueError)


@pytest.mark.parametrize("cls", [OSError, KeyError])
def test_the_traceback_leads_from_the_call_to_the_attempt_and_nowhere_else(
    loop: VirtualEventLoop, cls: type[Exception]
) -> None:
    work = Work([OSError("1"), cls("2")])
    with pytest.raises(cls) as failure:
        loop.run_until_complete(work.under(Retry(attempts=2, on=OSError)))
    error = failure.value
    assert (error.__cause__, error.__context__) == (None, None)
    names = [frame.name for frame in traceback.extract_tb(error.__traceback__)]
    assert names[names.index("under") :] == ["under", "call", "_outcome_of", "attempt"]


def test_an_error_is_freed_as_soon_as_nobody_holds_it(loop: VirtualEventLoop) -> None:
    class OwnError(Exception):  # a built-in one can't be referred to weakly
        pass

    freed: list[int] = []

    async def attempt() -> None:
        error = OwnError()
        weakref.finalize(error, freed.append, 1)
        try:
            raise error
        finally:
            del error

    async def call() -> None:
        try:
            await PLAIN.call(attempt, fits=always, before_wait=lambda error, wait_s: None)
        except OwnError:
            return

    gc.disable()
    try:
        loop.run_until_complete(call())
        assert len(freed) == 4
    finally:
        gc.enable()


def test_nothing_but_a_failure_imports_tenacity() -> None:
    code = """if True:
        import asyncio, sys
        from aioclock.policies import Retry

        async def fail():
            raise ValueError

        def attempt(func):
            return Retry(attempts=2, delay=0).call(func, fits=lambda wait_s: True, before_wait=lambda *_: None)

        asyncio.run(attempt(lambda: asyncio.sleep(0)))
        print("tenacity" in sys.modules)
        try:
            asyncio.run(attempt(fail))
        except ValueError:
            print("tenacity" in sys.modules)
    """
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=True)
    assert done.stdout.split() == ["False", "True"]
