"""Ticks that all processes share: each gets one run, on one grid."""

from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import pytest

from aioclock import AioClock, At, Cron, Every, Jitter, Once, OnShutDown, OnStartUp, OrTrigger, Outcome
from aioclock.events import RunSucceeded
from aioclock.triggers import BaseTrigger
from cluster import START, Cluster, Node, cluster, task


def seconds(*numbers: float) -> list[float]:
    return list(numbers)


@pytest.mark.parametrize(
    ("trigger", "ticks"),
    [
        (Every(seconds=2), [2 * n for n in range(1, 31)]),
        (Every(seconds=7, first_run_strategy="immediate"), [7 * n for n in range(9)]),
        (Cron(cron="* * * * * */20", tz="UTC"), [20.0, 40.0, 60.0]),
        (At(hour=0, minute=0, second=30, tz="UTC"), [30.0]),
        (OrTrigger(triggers=[Every(seconds=20), Every(seconds=30)]), [20.0, 30.0, 40.0, 60.0]),
        (OrTrigger(triggers=[Every(seconds=25), Cron(cron="* * * * * */30", tz="UTC")]), [25.0, 30.0, 50.0, 60.0]),
        (Once(), [0.0]),
    ],
    ids=["every", "immediate", "cron", "at", "or", "or of both", "once"],
)
@pytest.mark.parametrize("latency_s", [0.0, 0.06])
def test_each_tick_runs_once_over_all_processes(
    trigger: BaseTrigger[Any], ticks: list[float], latency_s: float
) -> None:
    with cluster() as all_:
        all_.start(3, task(trigger), latency_s=latency_s)
        all_.until(61)
        began = all_.task("t").anchor / 1e6 - START.timestamp()
        grid = [tick + began if "EVERY" in repr(trigger.type_) or trigger == Once() else tick for tick in ticks]
        if not isinstance(trigger, OrTrigger):
            assert all_.called("t") == pytest.approx(grid)
        assert len(all_.called("t")) == len(ticks)
        assert all_.ticks("t", state="succeeded") == all_.called("t")


def test_processes_of_different_speed_share_one_grid() -> None:
    with cluster() as all_:
        for latency_s in (0.4, 0.0, 0.9):
            all_.node(task(Every(seconds=3)), latency_s=latency_s)
        all_.until(61)
        gaps = {round(later - earlier, 6) for earlier, later in pairwise(all_.called("t"))}
        assert gaps == {3.0}


def test_a_process_that_joins_later_keeps_to_the_grid() -> None:
    with cluster() as all_:
        first = all_.node(task(Every(seconds=10)))
        all_.until(33.3)
        all_.node(task(Every(seconds=10)))
        all_.until(35)
        first.stop()
        all_.until(61)
        assert all_.called("t") == seconds(10, 20, 30, 40, 50, 60)
        assert {call.run.kind for call in all_.calls} == {"schedule"}
        assert {call.node for call in all_.calls if call.tick > 35} == {"node 1"}


def test_ticks_are_reached_on_the_store_s_time_whatever_the_process_s_clock_shows() -> None:
    with cluster() as all_:
        for offset_s in (5.0, -5.0, 0.0):
            all_.node(task(Cron(cron="* * * * * */10", tz="UTC")), clock_offset_s=offset_s)
        all_.until(61)
        assert [call.began for call in all_.calls] == pytest.approx([10 * n for n in range(1, 7)], abs=1e-3)


def test_a_clock_that_jumps_fires_nothing_early_or_twice() -> None:
    with cluster() as all_:
        one, other = all_.start(2, task(Every(seconds=10)))
        all_.until(15)
        one.clock_offset_s = 3600.0
        other.clock_offset_s = -3600.0
        all_.until(35)
        one.clock_offset_s = 0.0
        all_.until(61)
        assert [call.began for call in all_.calls] == pytest.approx([10 * n for n in range(1, 7)], abs=1e-3)


def test_jitter_is_drawn_alike_in_all_processes() -> None:
    with cluster() as all_:
        jitter = Jitter(4)
        all_.start(3, task(Every(seconds=10), jitter=jitter))
        all_.until(61)
        delays = [jitter.delay_s("t", 10, tick=round((START.timestamp() + tick) * 1e6)) for tick in all_.called("t")]
        assert all_.called("t") == [10.0 * n for n in range(1, 6)] or len(all_.called("t")) == 6
        assert [call.began - call.tick for call in all_.calls] == pytest.approx(delays, abs=1e-4)
        assert len({round(delay, 3) for delay in delays}) == len(delays)


def test_once_runs_once_for_all_processes_that_ever_join() -> None:
    with cluster() as all_:
        one, other = all_.start(2, task(Once()))
        all_.until(5)
        assert one.done  # nothing else is to come
        assert other.done
        late = all_.node(task(Once()))
        all_.until(10)
        assert all_.called("t") == [0.0]
        assert late.done


@pytest.mark.parametrize(
    "trigger", [Every(seconds=2, max_loop_count=5), Cron(cron="* * * * * */2", tz="UTC", max_loop_count=5)]
)
def test_max_loop_count_counts_the_runs_of_all_processes(trigger: BaseTrigger[Any]) -> None:
    with cluster() as all_:
        nodes = all_.start(3, task(trigger))
        all_.until(5)
        nodes.append(all_.node(task(trigger)))
        all_.until(20)
        assert all_.called("t") == seconds(2, 4, 6, 8, 10)
        assert all(node.done for node in nodes)


def test_a_limit_within_an_or_trigger_can_t_be_shared() -> None:
    app = AioClock(store="memory://")
    with pytest.raises(ValueError, match="can't be counted over all processes"):
        app.task(trigger=OrTrigger(triggers=[Every(seconds=2, max_loop_count=1), Once()]))(print)


def test_scope_node_runs_each_tick_in_each_process() -> None:
    with cluster() as all_:
        all_.start(3, task(Every(seconds=10), scope="node"))
        all_.until(21)
        assert sorted((call.node, call.tick) for call in all_.calls) == [
            (f"node {number}", tick) for number in range(3) for tick in (10.0, 20.0)
        ]
        assert not all_.records()


@pytest.mark.filterwarnings("ignore:On.* is deprecated:DeprecationWarning")
def test_lifecycle_tasks_run_in_each_process() -> None:
    def declare(app: AioClock, node: Node) -> None:
        app.task(trigger=OnStartUp(), name="begin")(node.job())
        app.task(trigger=OnShutDown(), name="end")(node.job())
        app.task(trigger=Every(seconds=1), name="t")(node.job())

    with cluster() as all_:
        nodes = all_.start(3, declare)
        all_.until(2.5)
        for node in nodes:
            node.stop()
        all_.until(5)
        assert [call.node for call in all_.calls_of("begin")] == ["node 0", "node 1", "node 2"]
        assert sorted(call.node for call in all_.calls_of("end")) == ["node 0", "node 1", "node 2"]
        assert all_.called("t") == [1.0, 2.0]


def test_a_run_tells_its_owner_and_a_fence_that_rises() -> None:
    with cluster() as all_:
        all_.start(3, task(Every(seconds=2)))
        all_.until(21)
        fences = [call.run.fence for call in all_.calls]
        assert fences == sorted(set(fences))  # type: ignore[type-var]
        assert {call.run.owner for call in all_.calls} <= {record.owner for record in all_.records()}


def test_previous_success_is_that_of_all_processes() -> None:
    with cluster() as all_:
        one, other = all_.start(2, task(Every(seconds=2)))
        all_.until(5)
        one.stop()
        all_.until(9)
        all_.node(task(Every(seconds=2)))
        all_.until(9.5)
        other.stop()
        all_.until(13)
        previous = [call.run.previous_success for call in all_.calls]
        assert previous == [None, *(call.run.scheduled_at for call in all_.calls[:-1])]


def test_history_is_that_of_all_processes() -> None:
    with cluster() as all_:
        nodes = all_.start(3, task(Every(seconds=2)))
        all_.until(9)
        histories = [all_.run(node.app.history("t"), within=node) for node in nodes]
        assert histories[0] == histories[1] == histories[2]
        assert [(run.scheduled_at - START).total_seconds() for run in histories[0]] == [8.0, 6.0, 4.0, 2.0]
        since = datetime(2026, 1, 1, 0, 0, 6, tzinfo=UTC)
        some = all_.run(nodes[0].app.history(outcome=Outcome.SUCCEEDED, since=since, limit=1), within=nodes[0])
        assert [run.outcome for run in some] == ["succeeded"]
        assert [run.key for run in histories[0]] == [
            event.run.key for event in sorted(_told(all_, RunSucceeded), key=lambda event: event.run.key, reverse=True)
        ]


def _told(all_: Cluster, *kinds: Any) -> list[Any]:
    return [event for node in all_.nodes for event in node.saw(*kinds)]


def test_a_store_whose_clock_is_set_back_answers_no_tick_again() -> None:
    with cluster() as all_:
        all_.start(3, task(Every(seconds=10)))
        all_.until(31)
        all_.store.offset_s = -25.0
        all_.until(91)
        assert all_.called("t") == [10.0, 20.0, 30.0, 40.0, 50.0, 60.0]
        assert [call.began for call in all_.calls[3:]] == pytest.approx([65.0, 75.0, 85.0], abs=0.1)


def test_a_store_whose_clock_is_set_forward_leaves_no_tick_unanswered() -> None:
    with cluster() as all_:
        all_.start(3, task(Every(seconds=10)))
        all_.until(31)
        all_.store.offset_s = 25.0
        all_.until(46)
        assert all_.called("t") == [10.0, 20.0, 30.0, 60.0, 70.0]
        assert [call.run.missed for call in all_.calls] == [0, 0, 0, 2, 0]


@pytest.mark.parametrize("offset_s", [-25.0, 25.0])
def test_commands_are_heard_though_the_store_s_clock_was_set(offset_s: float) -> None:
    with cluster() as all_:
        nodes = all_.start(3, task(Every(seconds=10)))
        all_.until(31)
        nodes[0].do(lambda app: app.pause("t", "before"))
        all_.until(33)
        all_.store.offset_s = offset_s
        nodes[1].do(lambda app: app.resume("t"))
        all_.until(35)
        assert [node.app.paused for node in nodes] == [{}] * 3
        nodes[2].do(lambda app: app.pause("t", "after"))
        all_.until(37)
        assert [node.app.paused for node in nodes] == [{"t": "after"}] * 3
