"""Ticks that passed while nothing could run."""

from collections import Counter
from typing import Any

import pytest

from aioclock import AioClock, CatchUp, Cron, Every, Jitter
from aioclock.stores import RunRecord
from cluster import Cluster, Node, cluster, offset, task


def stopped_between(all_: Cluster, begin: float, end: float, declare: Any, *, count: int = 2) -> list[Node]:
    """Let all processes be down from *begin* to *end*, and return those that come after."""
    for node in all_.start(count, declare):
        all_.until(begin)
        node.stop()
    all_.until(end)
    return all_.start(count, declare)


def facts(records: list[RunRecord]) -> list[tuple[float, str, str, int]]:
    return [(offset(record.tick), record.kind, record.state, record.missed) for record in records]


def test_latest_is_one_run_for_all_that_passed() -> None:
    with cluster() as all_:
        stopped_between(all_, 21, 65, task(Every(seconds=10)))
        all_.until(71)
        assert facts(all_.records()) == [
            (10.0, "schedule", "succeeded", 0),
            (20.0, "schedule", "succeeded", 0),
            (60.0, "catch_up", "succeeded", 3),
            (70.0, "schedule", "succeeded", 0),
        ]
        assert all_.calls[2].run.kind == "catch_up"
        assert all_.calls[2].run.missed == 3


def test_none_leaves_one_record_that_tells_of_what_was_missed() -> None:
    with cluster() as all_:
        stopped_between(all_, 21, 65, task(Every(seconds=10), catch_up="none"))
        all_.until(71)
        assert facts(all_.records())[2:] == [
            (60.0, "catch_up", "skipped", 3),
            (70.0, "schedule", "succeeded", 0),
        ]
        assert all_.records()[2].reason == "missed"


def test_all_is_one_run_for_each() -> None:
    with cluster() as all_:
        stopped_between(all_, 21, 65, task(Every(seconds=10), 2, catch_up="all"))
        all_.until(89)
        assert facts(all_.records())[2:] == [
            *((tick, "catch_up", "succeeded", 0) for tick in (30.0, 40.0, 50.0, 60.0, 70.0)),
            (80.0, "schedule", "succeeded", 0),
        ]
        assert all_.called("t")[2:6] == [30.0, 40.0, 50.0, 60.0]
        assert all_.most_at_once("t") == 1


def test_of_more_than_the_limit_the_latest_run() -> None:
    with cluster() as all_:
        stopped_between(all_, 21, 3605, task(Every(seconds=10), catch_up=CatchUp("all", limit=3)))
        all_.until(3615)
        first, second, third = [record for record in all_.records() if record.kind == "catch_up"]
        assert facts([first, second, third]) == [
            (3580.0, "catch_up", "succeeded", 355),
            (3590.0, "catch_up", "succeeded", 0),
            (3600.0, "catch_up", "succeeded", 0),
        ]
        assert all_.called("t")[-1] == 3610.0


@pytest.mark.parametrize("policy", ["latest", "none", "all"])
def test_an_outage_is_caught_up_with_as_well(policy: Any) -> None:
    with cluster() as all_:
        nodes = all_.start(2, task(Every(seconds=10), catch_up=policy))
        all_.until(22)
        for node in nodes:
            node.store.outage = "refused"
        all_.until(65)
        assert all_.called("t") == [10.0, 20.0]
        for node in nodes:
            node.store.outage = None
        all_.until(91)
        wanted = {"latest": [60.0], "none": [], "all": [30.0, 40.0, 50.0, 60.0]}[policy]
        assert all_.called("t")[2:] == [*wanted, 70.0, 80.0, 90.0]
        assert_all_covered(all_, [10.0 * n for n in range(1, 10)])


def test_nothing_runs_after_an_outage_that_is_not_to_be_caught_up_with() -> None:
    with cluster() as all_:
        node = all_.node(task(Every(seconds=10), catch_up="none"))
        all_.until(29.9)
        node.store.outage = "no answer"  # a claim is on its way when that is noticed
        all_.until(105)
        node.store.outage = None
        all_.until(125)
        assert all_.called("t") == [10.0, 20.0, 110.0, 120.0]
        assert_all_covered(all_, [10.0 * n for n in range(1, 13)])


def test_a_tick_that_the_store_could_not_answer_in_time_is_skipped_for_its_grace() -> None:
    with cluster() as all_:
        node = all_.node(task(Every(seconds=100), grace=5))
        all_.until(99.9)
        node.store.outage = "no answer"
        all_.until(150)
        node.store.outage = None
        all_.until(201)
        assert all_.called("t") == [200.0]
        first = all_.records()[0]
        assert (first.state, first.reason) == ("skipped", "missed")


def assert_all_covered(all_: Cluster, ticks: list[float], key: str = "t") -> None:
    """Assert that each of *ticks* is answered by exactly one record: its own, or a later one that stands for it."""
    records = [record for record in all_.records(key) if record.kind != "manual"]
    spans = [(offset(record.covers_from), offset(record.tick)) for record in records]
    assert Counter(tick for tick in ticks for after, until in spans if after < tick <= until) == Counter(ticks)


def test_a_new_schedule_never_catches_up() -> None:
    with cluster() as all_:
        all_.start(2, task(Cron(cron="* * * * *", tz="UTC"), catch_up="all"))
        all_.until(59)
        assert not all_.records()


def test_a_schedule_that_was_edited_during_downtime_never_catches_up() -> None:
    with cluster() as all_:
        node = all_.node(task(Every(seconds=10), catch_up="all"))
        all_.until(21)
        node.stop()
        all_.until(65)
        all_.node(task(Every(seconds=12), catch_up="all"))
        all_.until(90)
        assert all_.called("t") == [10.0, 20.0, 77.0, 89.0]
        assert {call.run.kind for call in all_.calls} == {"schedule"}


def test_a_schedule_that_was_replaced_during_an_outage_holds_after_it() -> None:
    with cluster() as all_:
        nodes = all_.start(2, task(Every(seconds=10)))
        all_.until(21)
        nodes[0].store.outage = "refused"
        all_.until(25)
        nodes[1].do(lambda app: app.reschedule("t", Every(seconds=7)))
        nodes[1].do(lambda app: app.pause("t", "meanwhile"))
        all_.until(60)
        nodes[0].store.outage = None
        all_.until(70)
        assert nodes[0].app.paused == {"t": "meanwhile"}
        assert nodes[0].app.tasks["t"].trigger == Every(seconds=7)
        nodes[1].stop()
        nodes[0].do(lambda app: app.resume("t"))
        all_.until(90)
        assert all_.called("t")[2:] == [74.0, 81.0, 88.0]


def test_a_process_with_an_older_declaration_stops_firing() -> None:
    with cluster() as all_:
        old = all_.node(task(Every(seconds=10)))
        all_.until(21)
        new = all_.node(task(Every(seconds=7)))
        all_.until(71)
        assert {call.node for call in all_.calls if call.began > 23} == {"node 1"}
        assert all_.called("t")[2:] == [28.0, 35.0, 42.0, 49.0, 56.0, 63.0, 70.0]
        new.stop()
        all_.until(100)
        assert all_.called("t")[-1] == 70.0
        assert not old.done
        assert old.do(lambda app: app.next_ticks("t")) == []
        old.stop()
        all_.until(110)
        # A serving that would begin now would declare its schedule anew.
        assert old.do(lambda app: [offset(round(tick.timestamp() * 1e6)) for tick in app.next_ticks("t", 1)]) == [120.0]


def test_another_declaration_is_warned_of_once(caplog: pytest.LogCaptureFixture) -> None:
    def warnings() -> int:
        return caplog.text.count("another process declares another schedule for t")

    with cluster() as all_:
        all_.node(task(Every(seconds=10)))
        all_.until(21)
        new = all_.node(task(Every(seconds=7)))
        all_.until(31)
        assert warnings() == 1
        new.do(lambda app: app.reschedule("t", Every(seconds=5)))
        all_.advance(10)
        assert warnings() == 1
        all_.node(task(Every(seconds=8)))
        all_.advance(10)
        assert warnings() == 3  # the first two are both outdated now, each by a schedule that is new to it


@pytest.mark.parametrize("policy", ["latest", "none", "all"])
def test_what_was_not_yet_due_for_its_jitter_is_not_caught_up_with(policy: Any) -> None:
    jitter = Jitter(30)
    declare = task(Every(seconds=60), jitter=jitter, catch_up=policy)

    def due(tick: float) -> float:
        return tick + jitter.delay_s("t", 60, tick=round((1767225600 + tick) * 1e6))

    with cluster() as all_:
        all_.node(declare)
        all_.until(60.5)
        all_.node(declare)
        all_.until(100)
        assert [call.began for call in all_.calls] == pytest.approx([due(60)], abs=0.01)
        assert all_.calls[0].run.kind == "schedule"


def test_what_was_due_by_its_jitter_is_caught_up_with_at_once() -> None:
    with cluster() as all_:
        stopped_between(all_, 110, 170, task(Every(seconds=60), jitter=Jitter(40)))
        all_.until(171)
        assert facts(all_.records()) == [(60.0, "schedule", "succeeded", 0), (120.0, "catch_up", "succeeded", 0)]
        assert all_.calls[1].began == pytest.approx(170)


def test_no_more_is_called_missed_than_max_loop_count_would_have_let_run() -> None:
    with cluster() as all_:
        stopped_between(all_, 21, 3605, task(Every(seconds=10, max_loop_count=5)))
        all_.until(3700)
        assert [fact[1:] for fact in facts(all_.records())[2:4]] == [
            ("catch_up", "succeeded", 2),
            ("schedule", "succeeded", 0),
        ]


def test_no_more_is_called_missed_than_could_have_run_where_nothing_is_made_up_for() -> None:
    with cluster() as all_:
        nodes = stopped_between(all_, 21, 3605, task(Every(seconds=10, max_loop_count=5), catch_up="none"))
        all_.until(3609)
        assert facts(all_.records())[2:] == [(3600.0, "catch_up", "skipped", 3)]
        runs = [run for node in nodes for run in node.app.runs("t", outcome="skipped")]
        assert [run.missed for run in runs] == [3]


def test_no_more_is_called_missed_than_could_have_run_by_who_takes_the_run_over() -> None:
    with cluster(lease=6) as all_:
        stopped_between(all_, 31, 3605, task(Every(seconds=10, max_loop_count=5), 30, on_lost="rerun"))
        all_.until(3606)
        next(node for node in all_.nodes if node.name == all_.calls[-1].node).kill()
        all_.until(3640)
        assert all_.calls[-1].run.attempt == 2
        assert all_.calls[-1].run.missed == all_.calls[-2].run.missed > 0


def test_catching_up_stops_at_max_loop_count() -> None:
    with cluster() as all_:
        nodes = stopped_between(all_, 21, 105, task(Every(seconds=10, max_loop_count=5), catch_up="all"))
        all_.until(120)
        assert all_.called("t") == [10.0, 20.0, 30.0, 40.0, 50.0]
        assert all(node.done for node in nodes)


def test_catching_up_with_a_paused_task_runs_nothing() -> None:
    with cluster() as all_:
        node = all_.node(task(Every(seconds=10), catch_up="all"))
        all_.until(21)
        node.do(lambda app: app.pause("t"))
        all_.until(22)
        node.stop()
        all_.until(65)
        later = all_.node(task(Every(seconds=10), catch_up="all"))
        all_.until(66)
        assert all_.called("t") == [10.0, 20.0]
        later.do(lambda app: app.resume("t"))
        all_.until(81)
        assert all_.called("t") == [10.0, 20.0, 70.0, 80.0]
        assert_all_covered(all_, [10.0 * n for n in range(1, 9)])


def test_catching_up_survives_the_death_of_who_does_it() -> None:
    with cluster(lease=6) as all_:
        one, _ = stopped_between(all_, 21, 65, task(Every(seconds=10), 3, catch_up="all", on_lost="rerun"))
        all_.until(70)
        one.kill()
        all_.until(140)
        assert set(all_.called("t")) >= {10.0 * n for n in range(1, 14)}
        assert_all_covered(all_, [10.0 * n for n in range(1, 14)])


def test_catching_up_in_several_tasks_goes_on_side_by_side() -> None:
    def several(app: AioClock, node: Node) -> None:
        for name in ("one", "two", "three"):
            app.task(trigger=Every(seconds=10), name=name, catch_up="all")(node.job(3))

    with cluster() as all_:
        stopped_between(all_, 21, 65, several)
        all_.until(79)
        for name in ("one", "two", "three"):
            assert all_.called(name)[2:6] == [30.0, 40.0, 50.0, 60.0]


def test_a_reschedule_while_catching_up_ends_it() -> None:
    with cluster() as all_:
        one, _ = stopped_between(all_, 21, 65, task(Every(seconds=10), 3, catch_up="all"))
        all_.until(69)
        one.do(lambda app: app.reschedule("t", Every(seconds=20)))
        all_.until(130)
        assert all_.called("t")[-3:] == [89.0, 109.0, 129.0]
        assert 60.0 not in all_.called("t")
