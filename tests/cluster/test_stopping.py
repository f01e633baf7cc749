"""Processes that come and go in order: what they have passes to others, and nothing is lost."""

import asyncio
from itertools import pairwise

import pytest

from aioclock import AioClock, Cron, Every, Forever, Jitter
from aioclock.events import RunLost
from cluster import Node, cluster, offset, task


def test_runs_finish_and_are_recorded_before_a_process_leaves() -> None:
    with cluster() as all_:
        [node] = all_.start(1, task(Every(seconds=60), 10))
        all_.until(65)
        node.stop()
        all_.until(69)
        assert not node.done
        all_.until(71)
        assert node.done
        assert [record.state for record in all_.records()] == ["succeeded"]


def test_runs_that_take_too_long_are_cancelled_and_recorded() -> None:
    with cluster() as all_:
        [node] = all_.start(1, task(Every(seconds=60), 100))
        all_.until(65)
        node.stop(timeout=3)
        all_.until(70)
        assert node.done
        assert [record.state for record in all_.records()] == ["cancelled"]


def test_what_waits_is_run_by_another_process_at_once() -> None:
    with cluster(lease=60) as all_:
        declare = task(Every(seconds=10), 14, overlap="queue")
        first = all_.node(declare)
        all_.until(21)
        all_.node(declare)
        all_.until(22)
        assert [record.state for record in all_.records()] == ["running", "waiting"]
        first.stop()
        all_.until(60)
        assert all_.called("t")[:3] == [10.0, 20.0, 30.0]
        assert all_.calls[1].node == "node 1"
        # It left at 24, and others look for what was left every quarter of a lease.
        assert all_.calls[1].began <= 24 + 60 / 4 + 1
        assert all(record.state in ("succeeded", "running", "waiting", "skipped") for record in all_.records())
        assert "cancelled" not in {record.state for record in all_.records()}


def test_a_tick_that_is_held_back_by_jitter_is_run_by_another_process() -> None:
    with cluster() as all_:
        nodes = all_.start(2, task(Every(seconds=60), jitter=Jitter(40)))
        all_.until(60.5)
        nodes[0].stop()
        all_.until(119)
        assert [(call.node, call.tick) for call in all_.calls] == [("node 1", 60.0)]


def test_a_tick_that_is_held_back_by_jitter_does_not_fire_after_the_end() -> None:
    with cluster() as all_:
        [node] = all_.start(1, task(Every(seconds=60), jitter=Jitter(40)))
        all_.until(60.5)
        node.stop()
        all_.until(119)  # what complains on the event loop fails this test
        assert not all_.calls
        assert node.done


def test_a_claim_on_its_way_is_answered_before_a_process_stops() -> None:
    with cluster() as all_:
        [node] = all_.start(1, task(Cron(cron="* * * * *", tz="UTC"), 1), latency_s=1.0)
        all_.until(60.7)
        node.stop()
        all_.until(70)
        assert node.done
        assert [record.state for record in all_.records()] == ["succeeded"]


def test_a_claim_that_comes_back_too_late_leaves_its_tick_to_others() -> None:
    with cluster(lease=60) as all_:
        declare = task(Cron(cron="* * * * *", tz="UTC"), 1, on_lost="rerun")
        first = all_.node(declare)
        all_.until(59)
        first.store.fail_next("claim", "lost in silence")
        all_.until(60.2)
        first.stop()
        all_.until(75)
        assert first.done
        assert not all_.calls
        all_.node(declare)
        all_.until(119)
        assert all_.called("t") == [60.0]


def test_a_process_that_stops_takes_nothing_over() -> None:
    with cluster(lease=6) as all_:
        dead = all_.node(task(Every(seconds=60), 30, on_lost="rerun"))
        all_.until(61)

        def two(app: AioClock, node: Node) -> None:
            task(Every(seconds=60), 30, on_lost="rerun")(app, node)
            app.task(trigger=Every(seconds=2), name="long")(node.job(25))

        stopping = all_.node(two)
        all_.until(65)
        dead.kill()
        stopping.stop()
        all_.until(85)
        assert not stopping.done  # its own run goes on
        assert len(all_.calls_of("t")) == 1
        all_.until(95)
        assert stopping.done
        all_.node(two)
        all_.until(119)
        assert [call.run.attempt for call in all_.calls_of("t")][1:2] in ([2], [3])


def test_nothing_is_lost_while_processes_come_and_go_every_few_seconds() -> None:
    with cluster() as all_:
        declare = task(Every(seconds=7), 0.5)
        nodes = all_.start(2, declare)
        for number in range(40):
            all_.until(4.3 * (number + 1))
            nodes[number].stop()
            nodes.append(all_.node(declare))
        all_.until(180)
        assert all_.called("t") == [7.0 * n for n in range(1, 26)]
        assert {record.state for record in all_.records()} == {"succeeded"}


def test_a_rare_task_survives_a_deploy_every_few_seconds() -> None:
    with cluster() as all_:
        declare = task(Every(seconds=60), 0.5)
        node = all_.node(declare)
        for number in range(100):
            all_.until(3.1 * (number + 1))
            node.stop()
            node = all_.node(declare)  # never two of them for long, and sometimes none
        all_.until(311)
        assert all_.called("t") == [60.0, 120.0, 180.0, 240.0, 300.0]


def test_a_rare_task_survives_deploys_with_a_gap_between_them() -> None:
    with cluster() as all_:
        declare = task(Every(seconds=30), 0.5)
        for number in range(60):
            node = all_.node(declare)
            all_.until(5 * number + 3.5)
            node.stop()
            all_.until(5 * number + 5)
        ticks = all_.called("t")
        assert ticks == [30.0 * n for n in range(1, 10)]
        assert sum(record.missed for record in all_.records()) == 0


def test_a_held_task_survives_a_deploy_every_few_seconds() -> None:
    with cluster(lease=30) as all_:
        declare = task(Forever(), 0.4)
        nodes = all_.start(2, declare)
        for number in range(20):
            all_.until(4.3 * (number + 1))
            nodes[number].stop()
            nodes.append(all_.node(declare))
        all_.until(100)
        assert all_.most_at_once("t") == 1
        began = [call.began for call in all_.calls]
        assert max(b - a for a, b in pairwise(began)) < 2.5


def test_all_processes_may_stop_at_once() -> None:
    with cluster() as all_:
        nodes = all_.start(4, task(Every(seconds=1), 3, overlap="allow"))
        all_.until(10.5)
        for node in nodes:
            node.stop()
        all_.until(15)
        assert all(node.done for node in nodes)
        assert {record.state for record in all_.records()} == {"succeeded"}
        assert not [event for node in nodes for event in node.saw(RunLost)]


def test_a_serving_that_is_cancelled_cancels_its_runs_and_gives_all_back() -> None:
    with cluster(lease=60) as all_:
        nodes = all_.start(2, task(Forever(), 0.4))
        all_.until(10)
        holder = next(node for node in nodes if node.name == all_.calls[-1].node)
        assert holder.serving is not None
        holder.serving.cancel()
        all_.until(12.5)
        assert holder.done
        assert all_.calls[-1].node != holder.name


def test_an_app_may_be_served_again_and_again() -> None:
    with cluster() as all_:
        [node] = all_.start(1, task(Every(seconds=10)))
        for number in range(1, 6):
            all_.until(10 * number + 2)
            node.stop()
            all_.until(10 * number + 4)
            assert node.done
            node.serve()
        all_.until(61)
        assert all_.called("t") == [10.0, 20.0, 30.0, 40.0, 50.0, 60.0]


@pytest.mark.parametrize("patience_s", [0, 5])
def test_a_run_that_ignores_its_cancellation_does_not_keep_the_process(patience_s: float) -> None:
    def declare(app: AioClock, node: Node) -> None:
        async def deaf() -> None:
            for _ in range(30):
                try:
                    await asyncio.sleep(1)
                except asyncio.CancelledError:
                    continue

        app.task(trigger=Every(seconds=60), name="t")(deaf)

    with cluster() as all_:
        [node] = all_.start(1, declare)
        all_.until(61)
        node.stop(timeout=patience_s)
        all_.until(80)
        assert node.done
        assert [record.state for record in all_.records()] == ["cancelled"]
        all_.until(100)


def test_sync_tasks_share_ticks_as_others_do() -> None:
    called: list[float] = []

    def declare(app: AioClock, node: Node) -> None:
        def in_a_thread() -> None:
            called.append(node.cluster.now)

        app.task(trigger=Every(seconds=10), name="t")(in_a_thread)

    with cluster() as all_:
        all_.start(3, declare)
        all_.until(31)
        assert called == pytest.approx([10.0, 20.0, 30.0])
        assert [record.state for record in all_.records()] == ["succeeded"] * 3


def test_the_anchor_is_that_of_whoever_was_first() -> None:
    with cluster() as all_:
        all_.until(3.25)
        all_.node(task(Every(seconds=10)))
        all_.until(9)
        all_.node(task(Every(seconds=10)))
        all_.until(40)
        assert offset(all_.task("t").anchor) == 3.25
        assert all_.called("t") == [13.25, 23.25, 33.25]
