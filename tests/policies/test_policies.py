"""All policies together: how they are read, refused and merged."""

from functools import reduce
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aioclock.exceptions import TaskDeclarationError
from aioclock.policies import NO_POLICIES, Jitter, Overlap, Policies, PolicyArgs, Retry

ARGS: Any = st.fixed_dictionaries(
    {},
    optional={
        "timeout": st.none() | st.floats(min_value=0.1, max_value=9),
        "overlap": st.none() | st.sampled_from(["skip", "allow", "queue", "cancel", Overlap("queue", limit=2)]),
        "retry": st.none() | st.builds(Retry, attempts=st.integers(min_value=1, max_value=3)),
        "grace": st.none() | st.integers(min_value=1, max_value=3),
        "jitter": st.none() | st.integers(min_value=0, max_value=3) | st.just(Jitter(2, stable=True)),
        "pause_after_failures": st.none() | st.integers(min_value=1, max_value=3),
        "executor": st.none() | st.sampled_from(["loop", "thread", "process"]),
    },
)
NAMES = sorted(PolicyArgs.__annotations__)


def some(args: PolicyArgs) -> Policies:
    return Policies.of("task 'x'", args)


SOME = st.builds(some, ARGS)


def test_every_policy_is_kept_in_its_full_form() -> None:
    retry = Retry(attempts=2)
    policies = some(
        {
            "timeout": 5,
            "overlap": "queue",
            "retry": retry,
            "grace": 2,
            "jitter": 3,
            "pause_after_failures": 4,
            "executor": "thread",
        }
    )
    assert policies == Policies(
        timeout=5.0,
        overlap=Overlap("queue", limit=100),
        retry=retry,
        grace=2.0,
        jitter=Jitter(3.0),
        pause_after_failures=4,
        executor="thread",
    )


def test_full_forms_are_kept_as_they_are() -> None:
    overlap, jitter = Overlap("allow", limit=2), Jitter(3, stable=True)
    policies = some({"overlap": overlap, "jitter": jitter})
    assert policies.overlap is overlap
    assert policies.jitter is jitter


def test_arguments_and_fields_have_the_same_names() -> None:
    assert sorted(Policies.__slots__) == NAMES


@pytest.mark.parametrize("args", [{}, dict.fromkeys(NAMES)])
def test_nothing_given_is_the_shared_nothing(args: PolicyArgs) -> None:
    assert some(args) is NO_POLICIES


@given(ARGS)
def test_none_is_as_good_as_left_out(args: dict[str, Any]) -> None:
    without: Any = {name: value for name, value in args.items() if value is not None}
    assert some(args) == some(without)  # type: ignore[arg-type] # hypothesis builds plain dicts


REFUSED: list[tuple[str, Any, str]] = [
    *(
        ("timeout", value, f"timeout must be a positive number of seconds, got {value!r}; None means no timeout")
        for value in (0, -1, float("nan"), float("inf"), True, "5", 10**400)
    ),
    *(
        (
            "grace",
            value,
            f"grace must be a positive number of seconds, got {value!r}; with 0 every tick would be skipped",
        )
        for value in (0, 0.0, -1, float("nan"), float("inf"), True, "5")
    ),
    *(
        ("pause_after_failures", value, f"pause_after_failures must be a whole number, 1 or more, got {value!r}")
        for value in (0, -1, 2.0, True, "3")
    ),
    *(
        ("retry", value, f"retry must be a Retry such as Retry(attempts=3), got {value!r}")
        for value in (3, True, Retry, {"attempts": 3})
    ),
    *(
        ("jitter", value, f"jitter must be a number of seconds, 0 or more, got {value!r}")
        for value in (-1, float("nan"), True, "5")
    ),
    (
        "overlap",
        "que",
        "overlap must be 'skip', 'allow', 'queue' or 'cancel', got 'que'; did you mean 'queue'?",
    ),
    ("overlap", False, "overlap must be 'skip', 'allow', 'queue' or 'cancel', got False"),
    ("executor", "threads", "executor must be 'loop', 'thread' or 'process', got 'threads'; did you mean 'thread'?"),
    ("executor", True, "executor must be 'loop', 'thread' or 'process', got True"),
]


@pytest.mark.parametrize("owner", ["task 'x'", "Group", "AioClock"])
@pytest.mark.parametrize(("name", "value", "message"), REFUSED)
def test_a_bad_value_is_refused_naming_its_owner(owner: str, name: str, value: Any, message: str) -> None:
    with pytest.raises(TaskDeclarationError) as refusal:
        Policies.of(owner, {name: value})  # type: ignore[misc] # bad on purpose
    assert str(refusal.value) == f"{owner}: {message}"
    assert refusal.value.__cause__ is None
    assert refusal.value.__suppress_context__


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [
        ("timout", "; did you mean 'timeout'?"),
        ("Retry", "; did you mean 'retry'?"),
        ("retries", "; did you mean 'retry'?"),
        ("zzz", ""),
    ],
)
@pytest.mark.parametrize("value", [5, None])
def test_an_unknown_argument_is_a_type_error_that_names_a_close_one(wrong: str, hint: str, value: Any) -> None:
    with pytest.raises(TypeError) as refusal:
        some({"timeout": 5, wrong: value})  # type: ignore[misc] # bad on purpose
    assert str(refusal.value) == f"task 'x': unexpected argument {wrong!r}{hint}"


def test_an_inner_policy_wins_and_an_outer_one_fills_the_gap() -> None:
    task = some({"timeout": 5, "overlap": "skip"})
    group = some({"timeout": 60, "grace": 30})
    assert task.over(group) == some({"timeout": 5, "overlap": "skip", "grace": 30})


def test_a_jitter_of_zero_is_a_policy_and_no_gap() -> None:
    assert some({"jitter": 0}).over(some({"jitter": 9})).jitter == Jitter(0)


@given(SOME, SOME)
def test_each_policy_comes_from_the_innermost_who_has_it(inner: Policies, outer: Policies) -> None:
    merged = inner.over(outer)
    for name in NAMES:
        mine, theirs = getattr(inner, name), getattr(outer, name)
        assert getattr(merged, name) == (theirs if mine is None else mine)


@given(SOME, SOME, SOME)
def test_merging_may_begin_at_either_end(a: Policies, b: Policies, c: Policies) -> None:
    assert a.over(b).over(c) == a.over(b.over(c)) == reduce(Policies.over, [a, b, c])


@given(SOME)
def test_no_policies_change_nothing(policies: Policies) -> None:
    assert policies.over(NO_POLICIES) is policies
    assert NO_POLICIES.over(policies) is policies
