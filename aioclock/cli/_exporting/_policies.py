"""What becomes of a task's policies when another scheduler keeps the time.

`aioclock trigger` keeps those of the run itself: timeout, retries, executor. Those between runs are the target's.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from itertools import pairwise

from aioclock.cli._exporting._plan import Plan
from aioclock.cli._exporting._refusal import Refusal
from aioclock.policies import Jitter, Overlap
from aioclock.policies._overlap import DEFAULT_LIMIT

__all__ = ["jitter_of", "overlap_of", "require_no_grace", "require_no_jitter", "require_no_pause"]

MOST_TICKS = 1_000
"""How many are looked at to find the shortest time between two."""


def require_no_pause(plan: Plan) -> None:
    """Raise a refusal if the task is to be paused after failures."""
    if plan.policies.pause_after_failures is not None:
        raise Refusal("pause_after_failures: each run is a process of its own, so nobody counts failures in a row")


def require_no_grace(plan: Plan, target: str) -> None:
    """Raise a refusal if late runs are to be skipped."""
    if plan.policies.grace is not None:
        raise Refusal(f"grace={plan.policies.grace:g}: {target} doesn't skip a run for being late")


def require_no_jitter(plan: Plan, target: str) -> None:
    """Raise a refusal if runs are to be held back."""
    if plan.policies.jitter is not None and plan.policies.jitter.seconds:
        raise Refusal(
            f"jitter={plan.policies.jitter.seconds:g}: {target} has no random delay; systemd has, or give the task "
            "jitter=0"
        )


def jitter_of(plan: Plan, now: datetime) -> Jitter | None:
    """Return the jitter of the task, which is shorter than the time between two ticks; None if there is none.

    Raises:
        Refusal: it is longer, so here it would be cut, and elsewhere it would not.
    """
    jitter = plan.policies.jitter
    if jitter is None or not jitter.seconds:
        return None
    ticks: list[datetime] = []
    tick = plan.trigger.first_tick(now)
    while tick is not None and len(ticks) < MOST_TICKS:
        ticks.append(tick)
        tick = plan.trigger.next_after(tick, now)
    shortest = min((later - tick for tick, later in pairwise(ticks)), default=None)
    if shortest is not None and timedelta(seconds=jitter.seconds) >= shortest:
        raise Refusal(
            f"jitter={jitter.seconds:g}: it reaches the next tick, which may come after {shortest.total_seconds():g} s"
        )
    return jitter


def overlap_of(plan: Plan, words: Mapping[str, str], target: str) -> str:
    """Return the target's word for the task's overlap policy.

    Args:
        words: By the policies that the target has.

    Raises:
        Refusal: it has none.
    """
    overlap = plan.policies.overlap or Overlap()
    if overlap.policy not in words:
        known = " or ".join(map(repr, words))
        raise Refusal(f"overlap={overlap.policy!r}: {target} has only {known}")
    if overlap.limit not in (None, DEFAULT_LIMIT):
        raise Refusal(f"overlap={overlap.policy!r}: {target} can't hold its limit of {overlap.limit}; leave it out")
    return words[overlap.policy]
