"""What becomes of the runs of processes that die, stand still or lose the store."""

from typing import Any

import pytest

from aioclock import Cron, Every, Outcome, Retry
from aioclock.events import RunFailed, RunLost, RunRetrying, RunStarted, RunSucceeded
from aioclock.stores import Registration
from cluster import Cluster, Node, cluster, task


def going_in(all_: Cluster) -> Node:
    """Return the process of the latest call."""
    return next(node for node in all_.nodes if node.name == all_.calls[-1].node)


def told(all_: Cluster, *kinds: Any) -> list[Any]:
    return [event for node in all_.nodes for event in node.saw(*kinds)]


def test_a_run_of_a_dead_process_is_lost_where_it_must_not_be_repeated() -> None:
    with cluster(lease=6) as all_:
        all_.start(3, task(Every(seconds=60), 20))
        all_.until(65)
        going_in(all_).kill()
        all_.until(75)
        assert all_.called("t") == [60.0]
        [record] = all_.records()
        assert (record.state, record.reason, record.attempt) == ("lost", "lease", 1)
        [event] = told(all_, RunLost)
        assert event.run.outcome is Outcome.LOST
        assert all_.task("t").failures == 1
        all_.until(125)
        assert all_.called("t") == [60.0, 120.0]


def test_a_run_of_a_dead_process_is_run_again_where_that_is_wanted() -> None:
    with cluster(lease=6) as all_:
        all_.start(3, task(Every(seconds=60), 20, on_lost="rerun"))
        all_.until(65)
        going_in(all_).kill()
        all_.until(100)
        first, second = all_.calls
        assert (first.tick, second.tick) == (60.0, 60.0)
        assert second.node != first.node
        assert second.run.attempt == 2
        assert second.run.fence is not None
        assert first.run.fence is not None
        assert second.run.fence > first.run.fence
        assert second.began <= 65 + 6 + 2  # the lease, and how often somebody looks
        [record] = all_.records()
        assert (record.state, record.attempt, record.fence) == ("succeeded", 2, second.run.fence)
        assert not told(all_, RunLost)


def test_a_run_that_kills_every_process_does_not_go_round_for_ever() -> None:
    with cluster(lease=4) as all_:
        all_.node(task(Every(seconds=600), 100, on_lost="rerun"))
        all_.until(601)
        for _ in range(8):
            if all_.calls[-1].ended is None:
                going_in(all_).kill()
            all_.node(task(Every(seconds=600), 100, on_lost="rerun"))
            all_.advance(10)
        assert [call.run.attempt for call in all_.calls] == [1, 2, 3, 4, 5, 6]
        [record] = all_.records()
        assert (record.state, record.attempt) == ("lost", 6)
        assert len(told(all_, RunLost)) == 1


def test_what_waits_in_a_dead_process_is_run_by_another_one() -> None:
    with cluster(lease=6) as all_:
        all_.node(task(Every(seconds=10), 14, overlap="queue"))
        all_.until(21)
        other = all_.node(task(Every(seconds=10), 14, overlap="queue"))
        assert [record.state for record in all_.records()] == ["running", "waiting"]
        all_.nodes[0].kill()
        all_.until(60)
        assert all_.called("t")[:3] == [10.0, 20.0, 30.0]
        assert all_.calls[1].node == other.name
        assert all_.calls[1].run.attempt == 1
        assert [record.state for record in all_.records()][:2] == ["lost", "succeeded"]
        assert all_.most_at_once("t") <= 2  # the dead one's call never came to its end


def test_a_run_of_many_leases_stays_its_process_s() -> None:
    with cluster(lease=2) as all_:
        all_.start(2, task(Every(seconds=300), 200))
        all_.until(510)
        [call] = all_.calls
        assert call.ended == pytest.approx(500)
        assert [record.state for record in all_.records()] == ["succeeded"]


def test_a_process_that_stood_still_gives_its_run_up() -> None:
    with cluster(lease=6) as all_:
        all_.start(2, task(Every(seconds=60), 30, on_lost="rerun"))
        all_.until(65)
        first = going_in(all_)
        first.freeze()
        all_.until(80)
        first.thaw()
        all_.until(82)
        assert all_.calls[0].cancelled
        assert [event.run.outcome for event in first.saw(RunLost)] == ["lost"]
        all_.until(110)
        [record] = all_.records()
        assert (record.state, record.attempt, record.owner) == ("succeeded", 2, all_.calls[1].run.owner)
        assert len(told(all_, RunSucceeded)) == 1


def test_the_end_that_a_process_tells_too_late_is_refused() -> None:
    with cluster(lease=6) as all_:
        all_.start(2, task(Every(seconds=60), 8, on_lost="rerun"))
        all_.until(65)
        first = going_in(all_)
        first.freeze()
        all_.until(76)
        first.thaw()  # the run is over when it goes on
        all_.until(100)
        assert all_.calls[0].ended is not None
        [record] = all_.records()
        assert (record.state, record.attempt, record.owner) == ("succeeded", 2, all_.calls[1].run.owner)
        assert len(told(all_, RunSucceeded)) == 1
        assert [run.outcome for run in first.app.runs("t")] == ["lost"]


def test_a_process_that_stood_still_before_it_began_begins_nothing_that_is_another_s() -> None:
    with cluster(lease=6) as all_:
        declare = task(Cron(cron="* * * * *", tz="UTC"), 5, on_lost="rerun")
        first = all_.node(declare, latency_s=0.4)
        all_.node(declare, latency_s=1.5)
        all_.until(60.5)  # the claim is made, its answer on the way
        assert [record.state for record in all_.records()] == ["running"]
        assert not all_.calls
        first.freeze()
        all_.until(90)
        first.thaw()
        all_.until(100)
        assert [call.node for call in all_.calls] == ["node 1"]


def test_a_run_that_lost_its_lease_counts_as_no_failure_where_it_went() -> None:
    with cluster(lease=6) as all_:
        all_.start(2, task(Every(seconds=60), 30, on_lost="rerun", pause_after_failures=1))
        all_.until(65)
        going_in(all_).store.outage = "no answer"
        all_.until(110)
        for node in all_.nodes:
            node.store.outage = None
        all_.until(125)
        assert not any(node.app.paused for node in all_.nodes)
        assert all_.called("t")[-1] == 120.0


def test_lost_runs_count_as_failures_of_the_task() -> None:
    with cluster(lease=6) as all_:
        all_.start(3, task(Every(seconds=60), 30, pause_after_failures=1))
        all_.until(65)
        going_in(all_).kill()
        all_.until(125)
        assert [node.app.paused for node in all_.nodes if node.alive] == [{"t": "paused after 1 failure"}] * 2
        assert all_.called("t") == [60.0]


def test_a_process_takes_over_its_own_run_after_an_outage() -> None:
    with cluster(lease=6) as all_:
        node = all_.node(task(Every(seconds=60), 20, on_lost="rerun"))
        all_.until(65)
        node.store.outage = "refused"
        all_.until(80)
        assert all_.calls[0].cancelled
        node.store.outage = None
        all_.until(119)
        assert [call.run.attempt for call in all_.calls] == [1, 2]
        assert [record.state for record in all_.records()] == ["succeeded"]


def test_a_take_over_that_waited_for_the_store_begins_on_a_lease_that_holds() -> None:
    with cluster(lease=6) as all_:
        first = all_.node(task(Every(seconds=60), 20, on_lost="rerun"))
        all_.until(61)
        other = all_.node(task(Every(seconds=60), 20, on_lost="rerun"))
        all_.until(62)
        other.store.outage = "refused"
        all_.until(70)  # it is asking what is left, and goes on asking
        first.kill()
        all_.until(95)
        other.store.outage = None
        all_.until(140)
        assert [call.run.attempt for call in all_.calls_of("t")][:2] == [1, 2]
        assert not all_.calls[1].cancelled
        assert all_.records()[0].state == "succeeded"


def test_previous_success_of_a_run_that_was_taken_over_is_that_of_the_task() -> None:
    with cluster(lease=6) as all_:
        all_.node(task(Every(seconds=60), 20, on_lost="rerun"))
        all_.until(125)
        all_.node(task(Every(seconds=60), 20, on_lost="rerun"))
        all_.until(126)
        all_.nodes[0].kill()
        all_.until(140)
        assert all_.calls[-1].run.attempt == 2
        assert all_.calls[-1].run.previous_success == all_.calls[0].run.scheduled_at


def test_attempts_go_on_within_one_run() -> None:
    retry = Retry(attempts=3, delay=1, jitter=0)
    with cluster() as all_:
        all_.start(2, task(Every(seconds=60), fails=lambda call: call.run.attempt < 3, retry=retry))
        all_.until(119)
        assert [call.run.attempt for call in all_.calls] == [1, 2, 3]
        assert len({call.node for call in all_.calls}) == 1
        [record] = all_.records()
        assert (record.state, record.attempt) == ("succeeded", 3)
        assert len(told(all_, RunStarted)) == 1
        assert len(told(all_, RunRetrying)) == 2


def test_a_run_that_outlives_its_timeout_is_on_record_as_such() -> None:
    with cluster() as all_:
        all_.start(2, task(Every(seconds=60), 20, timeout=5))
        all_.until(119)
        [record] = all_.records()
        assert record.state == "timed_out"
        assert record.error is not None
        assert record.error.type.endswith("TaskTimeoutError")


def test_the_error_of_a_run_is_on_record() -> None:
    with cluster() as all_:
        all_.start(2, task(Every(seconds=60), fails=True))
        all_.until(119)
        [record] = all_.records()
        assert record.error is not None
        assert (record.state, record.error.message) == ("failed", "as told")
        assert len(told(all_, RunFailed)) == 1


def test_a_task_that_was_forgotten_by_the_store_is_made_known_again() -> None:
    with cluster() as all_:
        all_.start(2, task(Every(seconds=10)))
        all_.until(21)
        all_.run(all_.store.restore([], replace=True))
        all_.until(61)
        assert len(all_.calls) >= 5
        assert all_.task("t").fired >= 3


def test_a_run_of_a_task_that_nobody_serves_is_left_alone_until_somebody_does() -> None:
    with cluster(lease=6) as all_:
        first = all_.node(task(Every(seconds=60), 20, on_lost="rerun"))
        all_.until(61)
        first.kill()
        all_.run(all_.store.register([Registration(key="other", fingerprint="f")], by="me"))
        all_.until(100)
        assert [record.state for record in all_.records()] == ["running"]
        all_.node(task(Every(seconds=60), 20, on_lost="rerun"))
        all_.until(119)
        assert [record.state for record in all_.records()] == ["running"]
        all_.until(123)
        assert all_.records()[0].state == "succeeded"


def test_a_run_that_was_taken_over_stands_for_no_tick_that_was_answered() -> None:
    with cluster(lease=6) as all_:
        declare = task(Every(seconds=10), 4, on_lost="rerun")
        late, other = all_.start(2, declare)
        all_.until(25)
        late.freeze()
        all_.until(35)
        other.kill()
        all_.until(42)
        late.thaw()  # it knows of no answer to the tick at 30
        all_.until(43)
        late.kill()
        all_.node(declare)
        all_.until(49)
        [record] = [record for record in all_.records() if record.missed]
        assert record.state == "running"
        all_.until(59)
        assert [call.run.missed for call in all_.calls if call.tick == 40.0] == [0, 0]
        assert not any(record.missed for record in all_.records())


def test_a_lost_run_is_told_once_where_it_went() -> None:
    with cluster(lease=6) as all_:
        node = all_.node(task(Every(seconds=60), 20))
        all_.until(65)
        node.store.outage = "refused"
        all_.until(80)
        node.store.outage = None
        all_.until(100)
        assert [record.state for record in all_.records()] == ["lost"]
        assert len(node.saw(RunLost)) == 1
        assert [run.outcome for run in node.app.runs("t")] == ["lost"]


def test_a_run_that_nobody_heard_of_is_told_when_it_is_lost() -> None:
    with cluster(lease=6) as all_:
        node = all_.node(task(Every(seconds=60), 20))
        all_.until(59)
        node.store.fail_next("claim", "lost answer")
        node.store.fail_next("claim", "refused", 7)
        all_.until(90)
        assert [record.state for record in all_.records()] == ["lost"]
        assert not all_.calls
        assert len(node.saw(RunLost)) == 1
