"""The judge of the chaos tests finds each fault that they are about."""

from collections.abc import Iterable
from typing import Any

import pytest

from aioclock.stores import RunRecord, TaskState
from journal import Line, Phase
from oracle import Evidence, Findings, judge

SECOND = 1_000_000


def run(tick: int, *, after: int | None = None, task: str = "once", **facts: Any) -> RunRecord:
    """Return a run of the tick number *tick* that succeeded."""
    facts = {"state": "succeeded", "fence": tick, "finished": tick * SECOND, **facts}
    covers_from = tick - 1 if after is None else after
    return RunRecord(
        id=f"{task} {tick} {facts['fence']}",
        task_key=task,
        kind="schedule",
        tick=tick * SECOND,
        covers_from=covers_from * SECOND - (covers_from == 0),
        missed=tick - covers_from - 1,
        **facts,
    )


def line(phase: Phase, tick: int, *, task: str = "once", fence: int | None = None, **facts: Any) -> Line:
    fence = tick if fence is None else fence
    facts = {"pid": 1, "at_s": float(tick), "attempt": 1, **facts}
    return Line(phase=phase, task=task, tick=tick * SECOND, fence=fence, **facts)


def lines(*ticks: int, task: str = "once") -> list[Line]:
    """Return what a process writes that has runs of these ticks from beginning to end."""
    return [
        line(phase, tick, task=task, text="succeeded" if phase == "accepted" else "")
        for tick in ticks
        for phase in ("claimed", "started", "ended", "accepted")
    ]


def judged(
    runs: Iterable[RunRecord], journal: list[Line], *, effects: Iterable[tuple[int, int]] = (), task: str = "once"
) -> Findings:
    """Judge what happened until the third tick; without its words, for they are for people."""
    state = TaskState(key=task, anchor=0, cursor=3 * SECOND)
    return judge(
        Evidence(
            lines=journal,
            tasks={task: state},
            runs=list(runs),
            effects=[(tick * SECOND, fence) for tick, fence in effects],
            until=3 * SECOND,
            periods={task: SECOND},
        )
    )


def test_nothing_is_wrong_where_each_tick_has_its_run() -> None:
    found = judged([run(1), run(2), run(3)], lines(1, 2, 3))
    assert found == Findings(expected=3, covered=3)


def test_one_run_may_answer_several_ticks() -> None:
    assert judged([run(1), run(3, after=1)], lines(1, 3)) == Findings(expected=3, covered=3)


def test_a_tick_that_no_run_answers_is_lost() -> None:
    found = judged([run(1), run(3)], lines(1, 3))
    assert (found.covered, found.lost, len(found.faults)) == (2, 1, 1)


def test_a_tick_that_two_runs_answer_is_claimed_twice() -> None:
    found = judged([run(1), run(2), run(3, after=1)], lines(1, 2, 3))
    assert (found.covered, found.claimed_twice, len(found.faults)) == (2, 1, 1)


def test_a_tick_that_two_processes_were_given_is_claimed_twice() -> None:
    found = judged([run(1), run(2), run(3)], [*lines(1, 2, 3), line("claimed", 3, fence=4)])
    assert (found.claimed_twice, len(found.faults)) == (1, 1)


def test_a_run_that_starts_again_though_nobody_handed_it_out_is_started_twice() -> None:
    found = judged([run(1), run(2), run(3)], [*lines(1, 2, 3), line("started", 3)])
    assert (found.started_twice, len(found.faults)) == (1, 1)


def test_a_run_that_was_taken_over_may_start_again() -> None:
    after = [line("taken", 3, task="again", fence=4), line("started", 3, task="again", fence=4, attempt=2)]
    taken = run(3, task="again", fence=4, attempt=2)
    journal = [*lines(1, 2, task="again"), *lines(3, task="again")[:2], *after]
    found = judged([run(1, task="again"), run(2, task="again"), taken], journal, task="again")
    assert found == Findings(expected=3, covered=3, reruns=1)


def test_only_one_outcome_of_a_run_may_be_accepted() -> None:
    other = line("accepted", 3, fence=4, text="failed")
    found = judged([run(1), run(2), run(3)], [*lines(1, 2, 3), other])
    assert (found.accepted_twice, len(found.faults)) == (1, 1)


def test_what_was_accepted_is_on_record() -> None:
    found = judged([run(1), run(2), run(3, state="lost", reason="lease")], lines(1, 2, 3))
    assert len(found.faults) == 1


@pytest.mark.parametrize(
    "last",
    [
        run(3, state="running", finished=None),
        run(3, state="waiting", finished=None),
        run(3, state="cancelled"),
        run(3, state="skipped", reason="withdrawn"),
    ],
    ids=lambda last: last.state,
)
def test_a_run_comes_to_an_end_that_somebody_wants(last: RunRecord) -> None:
    assert len(judged([run(1), run(2), last], lines(1, 2)).faults) == 1


def test_a_run_before_its_tick_is_early() -> None:
    early = [line("claimed", 3, at_s=2.5), line("started", 3, at_s=2.5)]
    found = judged([run(1), run(2), run(3)], [*lines(1, 2), *early])
    assert (found.early, len(found.faults)) == (1, 1)


@pytest.mark.parametrize(
    ("rows", "wrong"),
    [
        ([(1, 1), (2, 2)], 0),
        ([(1, 1)], 1),
        ([(1, 1), (2, 2), (2, 2)], 1),
        ([(1, 1), (2, 1)], 1),
        ([(1, 1), (2, 2), (3, 3)], 1),
        ([(1, 1), (2, 2), (7, 7)], 1),
    ],
    ids=["exact", "missing", "doubled", "of an earlier fence", "of a lost run", "of no run"],
)
def test_each_success_has_its_effect_once_and_nothing_else_has_any(rows: list[tuple[int, int]], wrong: int) -> None:
    runs = [run(1, task="effect"), run(2, task="effect"), run(3, task="effect", state="lost", reason="lease")]
    found = judged(runs, lines(1, 2, task="effect"), effects=rows, task="effect")
    assert (found.wrong_effects, len(found.faults)) == (wrong, wrong)
