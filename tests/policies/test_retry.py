"""How long a retry waits, and which retries are refused."""

import asyncio
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aioclock.exceptions import TaskDeclarationError
from aioclock.policies import Retry

SECONDS = st.floats(min_value=0, max_value=1e300)
RETRIES = st.builds(Retry, delay=SECONDS, factor=st.floats(min_value=1, max_value=1e300), max_delay=SECONDS)


def test_a_wait_is_multiplied_after_each_attempt() -> None:
    retry = Retry(delay=0.5, factor=3)
    assert [retry.wait_after(attempt) for attempt in (1, 2, 3, 4)] == [0.5, 1.5, 4.5, 13.5]


def test_a_factor_of_one_keeps_the_wait() -> None:
    assert {Retry(delay=7, factor=1).wait_after(attempt) for attempt in range(1, 10)} == {7.0}


@given(retry=RETRIES, attempt=st.integers(min_value=1, max_value=10_000))
def test_no_wait_is_longer_than_the_longest(retry: Retry, attempt: int) -> None:
    assert 0 <= retry.wait_after(attempt) <= retry.max_delay


@given(retry=RETRIES)
def test_waits_never_get_shorter(retry: Retry) -> None:
    waits = [retry.wait_after(attempt) for attempt in [*range(1, 20), 100, 1000, 10_000]]
    assert all(earlier <= later for earlier, later in pairwise(waits))


@pytest.mark.parametrize(("delay", "wait_s"), [(1, 60.0), (1e-300, 60.0), (0, 0.0)])
@pytest.mark.parametrize("factor", [2, 2.5, 1e308])
def test_the_ten_thousandth_wait_is_no_overflow(delay: float, wait_s: float, factor: float) -> None:
    assert Retry(attempts=20_000, delay=delay, factor=factor).wait_after(10_000) == wait_s


@pytest.mark.parametrize(
    ("on", "kept"),
    [
        (OSError, (OSError,)),
        ((OSError, ValueError), (OSError, ValueError)),
        ([OSError, ValueError], (OSError, ValueError)),
        (ExceptionGroup, (ExceptionGroup,)),
    ],
)
def test_the_errors_are_kept_as_a_tuple(on: type[Exception], kept: tuple[type[Exception], ...]) -> None:
    assert Retry(on=on).on == kept


def test_equal_terms_are_equal() -> None:
    assert Retry(delay=1, on=OSError) == Retry(delay=1.0, on=(OSError,))
    assert hash(Retry(delay=1, on=OSError)) == hash(Retry(delay=1.0, on=(OSError,)))


@pytest.mark.parametrize("attempts", [0, -1, 1.5, 3.0, True, "3", None, float("inf")])
def test_attempts_are_a_whole_number_of_at_least_one(attempts: object) -> None:
    with pytest.raises(TaskDeclarationError) as refusal:
        Retry(attempts=attempts)  # type: ignore[arg-type] # bad on purpose
    assert str(refusal.value) == f"attempts must be a whole number, 1 or more, got {attempts!r}"


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("delay", "a number of seconds, 0 or more"),
        ("max_delay", "a number of seconds, 0 or more"),
        ("factor", "a number, 1 or more"),
        ("jitter", "a number, 0 or more"),
    ],
)
@pytest.mark.parametrize("value", [-1, float("nan"), float("inf"), -float("inf"), True, "1", None, 10**400])
def test_a_bad_number_is_refused_by_its_name(name: str, wanted: str, value: object) -> None:
    with pytest.raises(TaskDeclarationError) as refusal:
        Retry(**{name: value})  # type: ignore[arg-type] # bad on purpose
    assert str(refusal.value) == f"{name} must be {wanted}, got {value!r}"


def test_waits_that_get_shorter_are_refused() -> None:
    with pytest.raises(TaskDeclarationError, match=r"^factor must be a number, 1 or more, got 0\.99$"):
        Retry(factor=0.99)


@pytest.mark.parametrize("cls", [BaseException, asyncio.CancelledError, KeyboardInterrupt, SystemExit, GeneratorExit])
def test_what_ends_a_run_from_outside_is_not_retried(cls: type[BaseException]) -> None:
    for on in (cls, (OSError, cls)):
        with pytest.raises(TaskDeclarationError) as refusal:
            Retry(on=on)  # type: ignore[arg-type] # bad on purpose
        assert str(refusal.value) == (
            f"on must be subclasses of Exception, got {cls.__name__}; what ends a run from outside is never retried"
        )


@pytest.mark.parametrize("on", [None, "OSError", 3, OSError(), int, (OSError, int), {OSError}, list[int]])
def test_what_is_no_exception_class_is_refused(on: object) -> None:
    with pytest.raises(TaskDeclarationError) as refusal:
        Retry(on=on)  # type: ignore[arg-type] # bad on purpose
    assert str(refusal.value) == f"on must be exception classes such as (OSError, TimeoutError), got {on!r}"


@pytest.mark.parametrize("on", [(), []])
def test_a_retry_on_nothing_is_refused_with_the_way_to_say_so(on: object) -> None:
    with pytest.raises(TaskDeclarationError) as refusal:
        Retry(on=on)  # type: ignore[arg-type] # bad on purpose
    assert str(refusal.value) == f"on must name at least one exception class, got {on!r}; attempts=1 retries nothing"


@pytest.mark.parametrize("outlive_tick", [1, "no", None])
def test_outlive_tick_is_true_or_false(outlive_tick: object) -> None:
    with pytest.raises(TaskDeclarationError) as refusal:
        Retry(outlive_tick=outlive_tick)  # type: ignore[arg-type] # bad on purpose
    assert str(refusal.value) == f"outlive_tick must be True or False, got {outlive_tick!r}"


def test_everything_is_given_by_name() -> None:
    with pytest.raises(TypeError, match="positional"):
        Retry(3)  # type: ignore[call-arg] # bad on purpose
