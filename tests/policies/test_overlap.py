"""What an overlap policy allows, and which ones are refused."""

import pytest

from aioclock.exceptions import TaskDeclarationError
from aioclock.policies import Overlap


@pytest.mark.parametrize(
    ("overlap", "most_going", "most_waiting"),
    [
        (Overlap(), 1, 0),
        (Overlap("skip"), 1, 0),
        (Overlap("allow"), 100, 0),
        (Overlap("allow", limit=3), 3, 0),
        (Overlap("queue"), 1, 100),
        (Overlap("queue", limit=3), 1, 3),
        (Overlap("cancel"), 1, 1),
    ],
)
def test_a_policy_says_how_many_runs_go_and_how_many_ticks_wait(
    overlap: Overlap, most_going: int, most_waiting: int
) -> None:
    assert (overlap.most_going, overlap.most_waiting) == (most_going, most_waiting)


@pytest.mark.parametrize(("policy", "limit"), [("skip", None), ("cancel", None), ("allow", 100), ("queue", 100)])
def test_only_policies_that_need_a_limit_get_one(policy: str, limit: int | None) -> None:
    assert Overlap(policy).limit == limit  # type: ignore[arg-type] # a plain string


def test_the_default_limit_is_the_same_as_the_written_one() -> None:
    assert Overlap("allow") == Overlap("allow", limit=100)
    assert hash(Overlap("allow")) == hash(Overlap("allow", limit=100))
    assert Overlap("allow") != Overlap("allow", limit=99)


@pytest.mark.parametrize("policy", ["skip", "cancel"])
@pytest.mark.parametrize("limit", [1, 0, "3"])
def test_a_limit_without_meaning_is_refused(policy: str, limit: object) -> None:
    with pytest.raises(TaskDeclarationError) as refusal:
        Overlap(policy, limit=limit)  # type: ignore[arg-type] # bad on purpose
    assert str(refusal.value) == (
        f"limit must be left out for overlap {policy!r}, got {limit!r}; only 'allow' and 'queue' have one"
    )


@pytest.mark.parametrize("policy", ["allow", "queue"])
@pytest.mark.parametrize("limit", [0, -1, 1.0, "3", True, float("inf")])
def test_a_limit_is_a_whole_number_of_at_least_one(policy: str, limit: object) -> None:
    with pytest.raises(TaskDeclarationError) as refusal:
        Overlap(policy, limit=limit)  # type: ignore[arg-type] # bad on purpose
    assert str(refusal.value) == f"limit must be a whole number, 1 or more, got {limit!r}"


def test_a_policy_that_is_nearly_right_is_refused_with_the_right_one() -> None:
    with pytest.raises(TaskDeclarationError) as refusal:
        Overlap("que")  # type: ignore[arg-type] # bad on purpose
    assert str(refusal.value) == (
        "overlap must be 'skip', 'allow', 'queue' or 'cancel', got 'que'; did you mean 'queue'?"
    )


@pytest.mark.parametrize("policy", [None, 3, True, ["skip"], "", b"skip"])
def test_anything_else_is_refused_with_the_choices(policy: object) -> None:
    with pytest.raises(TaskDeclarationError) as refusal:
        Overlap(policy)  # type: ignore[arg-type] # bad on purpose
    assert str(refusal.value) == f"overlap must be 'skip', 'allow', 'queue' or 'cancel', got {policy!r}"


def test_the_limit_is_given_by_name() -> None:
    with pytest.raises(TypeError, match="positional"):
        Overlap("allow", 3)  # type: ignore[call-arg] # bad on purpose
