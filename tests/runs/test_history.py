"""What is remembered of runs: the newest, a bounded number of each task, in whatever mix of outcomes."""

import asyncio
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from math import nan
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aioclock import AioClock, Every, Once, Outcome, Retry, current_run
from aioclock._engine.history import History
from aioclock.exceptions import RunSkippedError, TaskDeclarationError, TaskIdNotFound
from aioclock.runs import Run, RunError, RunFacts
from aioclock.testing import simulate

START = datetime(2026, 1, 1, tzinfo=UTC)


def offset(moment: datetime | None) -> float:
    assert moment is not None
    return round((moment - START).total_seconds(), 3)


# The ring, against a deque

times = st.floats(0, 2e9)
successes = st.tuples(times, times, times, st.none() | times)
others = st.builds(
    RunFacts,
    task_key=st.just("work"),
    scheduled=times,
    outcome=st.sampled_from([str(outcome) for outcome in Outcome]),
    noted=times,
    started=st.none() | times,
    reason=st.none() | st.just("overlap"),
    error=st.none() | st.just(RunError(type="E", message="m", traceback="t")),
    missed=st.integers(0, 3),
    kind=st.sampled_from(["schedule", "manual"]),
    attempt=st.integers(0, 3),
)


@given(size=st.integers(1, 6), runs=st.lists(successes | others, max_size=30))
def test_the_last_runs_come_back_newest_first_whatever_their_mix(size: int, runs: list[Any]) -> None:
    history, model = History(size), deque[RunFacts](maxlen=size)
    for run in runs:
        if isinstance(run, RunFacts):
            history.add(run)
            model.append(run)
        else:
            scheduled, started, finished, previous = run
            history.add_success(scheduled, started, finished, nan if previous is None else previous)
            model.append(RunFacts("work", scheduled, "succeeded", finished, started, previous_success=previous))
        assert list(history.newest_first("work")) == list(reversed(model))


@given(size=st.integers(1, 5), runs=st.lists(st.booleans(), max_size=40))
def test_no_more_is_kept_than_was_asked_for(size: int, runs: list[bool]) -> None:
    history = History(size)
    for number, ordinary in enumerate(runs):
        if ordinary:
            history.add_success(number, number, number, nan)
        else:
            history.add(RunFacts("work", number, "failed", number))
        assert len(history._times) <= size * 4
        assert len(history._others or ()) <= size


def test_an_empty_history_has_no_runs() -> None:
    assert list(History(3).newest_first("work")) == []


def test_looking_while_it_grows_neither_fails_nor_repeats() -> None:
    history = History(3)
    for number in range(3):
        history.add_success(number, number, number, nan)
    looking = history.newest_first("work")
    assert next(looking).scheduled == 2
    assert [facts.scheduled for facts in looking] == [1, 0]


# app.runs()


def a_mixed_app(*, history: int = 100) -> AioClock:
    """Return an app whose tasks succeed every 2 s, fail every 3 s, and are skipped at every second tick of 4 s."""
    app = AioClock(history=history)

    async def succeed() -> None: ...

    async def fail() -> None:
        raise LookupError("no")

    async def overrun() -> None:
        await asyncio.sleep(5)

    app.task(trigger=Every(seconds=2), name="good")(succeed)
    app.task(trigger=Every(seconds=3), name="bad")(fail)
    app.task(trigger=Every(seconds=4), name="slow")(overrun)
    return app


def noted(run: Run) -> float:
    return offset(run.finished_at) if run.finished_at is not None else offset(run.scheduled_at) + run.lateness_s


def test_runs_of_all_tasks_come_newest_first() -> None:
    app = a_mixed_app()
    with simulate(app, start=START) as sim:
        sim.advance(seconds=20.5)
        runs = app.runs()
        ends = [noted(run) for run in runs]
        assert ends == sorted(ends, reverse=True)
        assert {run.task_key for run in runs} == {"good", "bad", "slow"}
        assert sorted(map(repr, runs)) == sorted(map(repr, sim.runs()))


@pytest.mark.parametrize("failed", [Outcome.FAILED, "failed"])
def test_runs_are_told_by_task_and_by_outcome(failed: Outcome | str) -> None:
    app = a_mixed_app()
    with simulate(app, start=START) as sim:
        sim.advance(seconds=12.5)
        assert [offset(run.scheduled_at) for run in app.runs("bad")] == [12, 9, 6, 3]
        assert [offset(run.scheduled_at) for run in app.runs(outcome=failed)] == [12, 9, 6, 3]
        assert app.runs("good", failed) == []
        assert [offset(run.scheduled_at) for run in app.runs("slow", "skipped")] == [8]
        assert [offset(run.scheduled_at) for run in app.runs("slow", Outcome.SUCCEEDED)] == [4]


def test_a_run_that_goes_on_is_not_among_them() -> None:
    app = a_mixed_app()
    with simulate(app, start=START) as sim:
        sim.advance(seconds=7)
        assert app.runs("slow") == []


def test_a_task_is_told_by_key_id_or_function() -> None:
    app = AioClock()

    @app.task(trigger=Every(seconds=1))
    async def work() -> None: ...

    with simulate(app, start=START) as sim:
        sim.advance(seconds=3)
        [task] = app.tasks.values()
        assert app.runs(task.key) == app.runs(task.id) == app.runs(work) == app.runs("work") == app.runs()
        assert len(app.runs()) == 3


def test_a_function_of_several_tasks_means_the_runs_of_all() -> None:
    app = AioClock()

    async def work() -> None: ...

    app.task(trigger=Every(seconds=2), name="even")(work)
    app.task(trigger=Every(seconds=3), name="triple")(work)
    with simulate(app, start=START) as sim:
        sim.advance(seconds=4)
        assert [(run.task_key, offset(run.scheduled_at)) for run in app.runs(work)] == [
            ("even", 4),
            ("triple", 3),
            ("even", 2),
        ]


def test_a_limit_keeps_the_newest_and_counts_what_the_filter_lets_through() -> None:
    app = a_mixed_app()
    with simulate(app, start=START) as sim:
        sim.advance(seconds=300)
        assert len(app.runs()) == 100
        assert app.runs(limit=3) == app.runs(limit=50)[:3]
        assert [offset(run.scheduled_at) for run in app.runs(outcome="failed", limit=2)] == [300, 297]
        assert app.runs(limit=0) == []
        assert len(app.runs(limit=1_000)) == len(sim.runs()) - 50  # 150 of "good", of which 100 are remembered


@pytest.mark.parametrize("limit", [-1, 1.5, "3", True])
def test_a_limit_that_is_no_count_is_refused(limit: Any) -> None:
    with pytest.raises(ValueError, match="limit must be a whole number, 0 or more"):
        AioClock().runs(limit=limit)


@pytest.mark.parametrize("outcome", ["faild", "", "FAILED", 3])
def test_an_outcome_that_is_none_is_refused(outcome: Any) -> None:
    with pytest.raises(ValueError, match="outcome must be one of succeeded, failed"):
        AioClock().runs(outcome=outcome)


def test_an_unknown_task_is_refused() -> None:
    with pytest.raises(TaskIdNotFound, match="good"):
        a_mixed_app().runs("goood")


@pytest.mark.parametrize("history", [0, -1, 2.5, "5", None, True])
def test_a_history_that_is_no_number_of_runs_is_refused(history: Any) -> None:
    with pytest.raises(TaskDeclarationError, match="history must be a whole number"):
        AioClock(history=history)


@pytest.mark.parametrize("history", [1, 2, 7])
def test_a_history_is_bounded_for_each_task(history: int) -> None:
    app = a_mixed_app(history=history)
    with simulate(app, start=START) as sim:
        sim.advance(seconds=100)
        for key in ("good", "bad", "slow"):
            everything = sorted(sim.runs(key), key=noted)
            assert app.runs(key) == everything[::-1][:history]


def test_it_outlives_the_serving() -> None:
    app = a_mixed_app()
    with simulate(app, start=START) as sim:
        sim.advance(seconds=14)  # in the middle of a slow run
        before = app.runs()
    after = app.runs()
    assert after[-len(before) :] == before
    assert [(run.task_key, run.outcome) for run in after[: -len(before)]] == [("slow", "succeeded")]


async def test_a_second_serving_goes_on_with_it() -> None:
    app = AioClock()
    app.task(trigger=Once(), name="work")(lambda: None)
    await app.serve()
    await app.serve()
    newer, older = app.runs("work")
    assert newer.previous_success == older.scheduled_at
    assert older.previous_success is None


def test_a_removed_task_leaves_no_records_and_a_new_one_of_its_name_begins_afresh() -> None:
    app = a_mixed_app()
    with simulate(app, start=START) as sim:
        sim.advance(seconds=9.5)
        assert app.runs("good")
        app.remove_task("good")
        assert {run.task_key for run in app.runs()} == {"bad", "slow"}
        with pytest.raises(TaskIdNotFound):
            app.runs("good")

        async def work() -> None: ...

        app.add_task(work, trigger=Every(seconds=1), name="good")
        assert app.runs("good") == []
        sim.advance(seconds=1)
        [run] = app.runs("good")
        assert run.previous_success is None


# What a record says of the success before


@given(st.lists(st.booleans(), min_size=1, max_size=12))
def test_each_run_knows_the_latest_success_before_it(successes: list[bool]) -> None:
    app, seen = AioClock(), []

    async def work() -> None:
        run = current_run()
        seen.append(run.previous_success)
        if not successes[len(seen) - 1]:
            raise LookupError("no")

    app.task(trigger=Every(seconds=1, max_loop_count=len(successes)), name="work")(work)
    with simulate(app, start=START) as sim:
        sim.advance(seconds=len(successes))
    expected: list[datetime | None] = []
    latest = None
    for run, succeeded in zip(reversed(app.runs()), successes, strict=True):
        expected.append(latest)
        assert run.previous_success == latest
        latest = run.scheduled_at if succeeded else latest
    assert seen == expected


def test_a_skipped_run_knows_the_latest_success_before_it_too() -> None:
    app = AioClock()
    app.task(trigger=Every(seconds=10), name="work")(lambda: None)
    with simulate(app, start=START) as sim:
        sim.advance(seconds=15)
        app.pause("work")
        sim.advance(seconds=10)
    skipped, succeeded = app.runs()
    assert (skipped.outcome, skipped.previous_success) == ("skipped", succeeded.scheduled_at)


def ends_of(work: Callable[[], Any], **policies: Any) -> list[tuple[float, float | None]]:
    app = AioClock()
    app.task(trigger=Every(seconds=10, max_loop_count=3), name="work", **policies)(work)
    with simulate(app, start=START) as sim:
        sim.advance(seconds=100)
        return [
            (offset(run.scheduled_at), None if run.previous_success is None else offset(run.previous_success))
            for run in sim.runs("work")
        ]


def test_a_run_that_overtakes_does_not_know_the_success_of_one_that_goes_on() -> None:
    takes_s = iter([25, 1, 1])

    async def work() -> None:
        await asyncio.sleep(next(takes_s))

    assert ends_of(work, overlap="allow") == [(10, None), (20, None), (30, 20)]


def test_a_success_at_a_later_attempt_counts() -> None:
    errors = iter([LookupError("no"), None, None, None])

    async def work() -> None:
        if (error := next(errors)) is not None:
            raise error

    assert ends_of(work, retry=Retry(attempts=2, delay=1)) == [(10, None), (20, 10), (30, 20)]


async def test_runs_by_hand_are_remembered_without_any_serving() -> None:
    app = AioClock()
    app.task(trigger=Every(hours=1), name="work")(lambda: 7)
    assert await app.run_now("work") == 7
    [run] = app.runs("work")
    assert (run.kind, run.outcome, run.attempt) == ("manual", "succeeded", 1)


async def test_a_skipped_run_by_hand_is_remembered_with_its_reason() -> None:
    app, done = AioClock(), asyncio.Event()
    app.task(trigger=Every(hours=1), name="work")(done.wait)
    first = asyncio.create_task(app.run_now("work"))
    await asyncio.sleep(0)
    with pytest.raises(RunSkippedError, match="overlap"):
        await app.run_now("work")
    done.set()
    assert await first is True
    succeeded, skipped = app.runs("work")
    assert (succeeded.outcome, skipped.outcome, skipped.reason) == ("succeeded", "skipped", "overlap")
