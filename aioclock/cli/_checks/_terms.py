"""Policies that don't fit the schedule, or the function."""

import dis
from collections.abc import Iterator

from aioclock.cli._checks._problem import Problem
from aioclock.cli._checks._ticks import Outlook, Pace
from aioclock.cli._facts import place_of
from aioclock.policies import Overlap, Retry
from aioclock.provider import needs_injection
from aioclock.task import Task
from aioclock.utils import is_async_callable

__all__ = ["of_function", "of_terms"]

WAITS = frozenset({"GET_AWAITABLE", "GET_ANEXT", "GET_AITER", "BEFORE_ASYNC_WITH"})
"""What the code of a function contains that may wait."""

DEFAULT = Overlap()

MOST_ATTEMPTS = 10_000
"""How many are looked at; whoever asks for more means for ever."""


def of_terms(task: Task, outlook: Outlook) -> Iterator[Problem]:
    """Yield which policies of *task* don't fit when it is due."""
    pace = outlook.pace(task.trigger)
    if pace is not None:
        for code, text in (*_timeout(task, pace), *_retry(task, pace), *_grace(task, pace), *_jitter(task, pace)):
            yield Problem(code, task.key, text, place_of(task.func))


def _timeout(task: Task, pace: Pace) -> Iterator[tuple[str, str]]:
    timeout, overlap = task.policies.timeout, task.policies.overlap or DEFAULT
    consequence = {
        "skip": "runs that take long make it skip ticks",
        "queue": "runs that take long make ticks wait for them",
        "cancel": "the next tick cancels a run before that",
    }.get(overlap.policy)
    if timeout is not None and timeout > pace.shortest_s and consequence:
        yield (
            "AC231",
            (
                f"a timeout of {_s(timeout)} is longer than the {_s(pace.shortest_s)} between two ticks: "
                f"{consequence}; shorten it, or choose overlap='allow'"
            ),
        )


def _retry(task: Task, pace: Pace) -> Iterator[tuple[str, str]]:
    retry = task.policies.retry
    if retry is None or retry.outlive_tick:
        return
    fitting = _fitting(retry, pace.longest_s)
    if fitting < retry.attempts:
        yield (
            "AC232",
            (
                f"of {retry.attempts} attempts only {fitting} can ever be made: the next tick comes after "
                f"{_s(pace.longest_s)} at most and ends the waits; shorten the delay, or set outlive_tick=True"
            ),
        )


def _fitting(retry: Retry, gap_s: float) -> int:
    """Return how many attempts there can be before the next tick if each fails at once."""
    waited_s = 0.0
    for attempt in range(1, min(retry.attempts, MOST_ATTEMPTS)):
        waited_s += retry.wait_after(attempt)
        if waited_s >= gap_s:
            return attempt
    return retry.attempts


def _grace(task: Task, pace: Pace) -> Iterator[tuple[str, str]]:
    grace, overlap = task.policies.grace, task.policies.overlap or DEFAULT
    if grace is not None and grace >= pace.longest_s and overlap.policy in ("skip", "allow"):
        yield (
            "AC233",
            (
                f"a grace of {_s(grace)} never matters: ticks are {_s(pace.longest_s)} apart at most, and of those "
                "that passed only the latest gets a run; leave it out, or shorten it"
            ),
        )


def _jitter(task: Task, pace: Pace) -> Iterator[tuple[str, str]]:
    jitter = task.policies.jitter
    if jitter is not None and jitter.seconds > pace.shortest_s:
        yield (
            "AC234",
            (
                f"a jitter of {_s(jitter.seconds)} is longer than the {_s(pace.shortest_s)} between two ticks, "
                "and no run is held back beyond the next tick; shorten it"
            ),
        )


def of_function(task: Task) -> Iterator[Problem]:
    """Yield what is wrong with where and how the function of *task* runs."""
    for code, text in (*_blocking(task), *_restless(task)):
        yield Problem(code, task.key, text, place_of(task.func))


def _blocking(task: Task) -> Iterator[tuple[str, str]]:
    if task.executor != "loop" or is_async_callable(task.func):
        return
    if task.timeout is not None:
        yield (
            "AC235",
            (
                "its timeout can't strike, for nothing can interrupt a sync function on the event loop; "
                "leave executor='loop' out, or make it async"
            ),
        )
    if task.origin is not None and task.origin.policies.executor != "loop":
        yield (
            "AC236",
            (
                "executor='loop' comes from its group or app, and while a sync function runs there, nothing else does; "
                "say executor='thread' here, or 'loop' if it is quick"
            ),
        )


def _restless(task: Task) -> Iterator[tuple[str, str]]:
    pause = task.trigger.pause_after_run
    if pause is None or pause or task.executor != "loop" or needs_injection(task.func, owner="") or _may_wait(task):
        return
    yield (
        "AC237",
        (
            "it runs without a pause and never waits for anything, so it keeps a processor busy; "
            "await something, or use Every"
        ),
    )


def _may_wait(task: Task) -> bool:
    code = getattr(task.func, "__code__", None)
    return code is None or any(instruction.opname in WAITS for instruction in dis.get_instructions(code))


def _s(seconds: float) -> str:
    return f"{seconds:g} s"
