"""How much later than its tick a run starts."""

import os
import random
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aioclock.exceptions import TaskDeclarationError
from aioclock.policies import Jitter

SECONDS = st.floats(min_value=0, max_value=1e9)
KEYS = st.text(max_size=20)


@given(seconds=SECONDS, stable=st.booleans(), key=KEYS)
def test_a_delay_is_never_longer_than_the_jitter(seconds: float, stable: bool, key: str) -> None:
    assert 0 <= Jitter(seconds, stable=stable).delay_s(key) <= seconds


@given(seconds=SECONDS, stable=st.booleans(), key=KEYS, most_s=st.floats(min_value=0, max_value=1e9))
def test_a_delay_is_never_longer_than_it_may_be(seconds: float, stable: bool, key: str, most_s: float) -> None:
    assert 0 <= Jitter(seconds, stable=stable).delay_s(key, most_s) <= min(seconds, most_s)


@pytest.mark.parametrize("stable", [False, True])
def test_a_run_that_is_late_already_is_not_delayed(stable: bool) -> None:
    assert Jitter(30, stable=stable).delay_s("reports", -5.0) == 0


def test_delays_use_the_whole_width() -> None:
    random.seed(7)
    delays = [Jitter(30).delay_s("reports", 10) for _ in range(1000)]
    assert min(delays) < 1
    assert max(delays) > 9
    assert sum(delays) / len(delays) == pytest.approx(5, abs=0.5)


def test_stable_delays_of_different_tasks_use_the_whole_width() -> None:
    delays = [Jitter(30, stable=True).delay_s(f"task {n}", 10) for n in range(1000)]
    assert len(set(delays)) == 1000
    assert min(delays) < 1
    assert max(delays) > 9
    assert sum(delays) / len(delays) == pytest.approx(5, abs=0.5)


def test_a_seed_makes_the_delays_repeatable() -> None:
    def three() -> list[float]:
        random.seed(1)
        return [Jitter(30).delay_s("reports") for _ in range(3)]

    assert three() == three()
    assert len(set(three())) == 3


def test_a_stable_delay_leaves_the_random_module_alone() -> None:
    random.seed(1)
    expected = random.random()
    random.seed(1)
    Jitter(30, stable=True).delay_s("reports")
    assert random.random() == expected


@pytest.mark.parametrize("seed", ["0", "1234"])
def test_a_stable_delay_is_the_same_in_every_process(seed: str) -> None:
    code = "from aioclock.policies import Jitter; print(repr(Jitter(30, stable=True).delay_s('reports:daily')))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONHASHSEED": seed},
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    assert float(done.stdout) == Jitter(30, stable=True).delay_s("reports:daily")


def test_a_stable_delay_is_the_same_in_every_release() -> None:
    assert Jitter(1, stable=True).delay_s("reports:daily") == 0.7516342716166794


@pytest.mark.parametrize("seconds", [-1, -0.001, float("nan"), float("inf"), True, "5", None, 10**400])
def test_a_width_that_is_no_number_of_seconds_is_refused(seconds: object) -> None:
    with pytest.raises(TaskDeclarationError) as refusal:
        Jitter(seconds)  # type: ignore[arg-type] # bad on purpose
    assert str(refusal.value) == f"jitter must be a number of seconds, 0 or more, got {seconds!r}"


@pytest.mark.parametrize("stable", [1, 0, "yes", None])
def test_stable_is_true_or_false(stable: object) -> None:
    with pytest.raises(TaskDeclarationError) as refusal:
        Jitter(5, stable=stable)  # type: ignore[arg-type] # bad on purpose
    assert str(refusal.value) == f"stable must be True or False, got {stable!r}"


def test_stable_is_given_by_name() -> None:
    with pytest.raises(TypeError, match="positional"):
        Jitter(5, True)  # type: ignore[call-arg] # bad on purpose
