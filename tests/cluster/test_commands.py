"""Overlap and commands, which count and act over all processes."""

import asyncio
from itertools import pairwise
from typing import Any

import pytest

from aioclock import AioClock, Cron, Every, Jitter, Outcome, Overlap
from aioclock.events import RunCancelled, RunSkipped, TaskPaused, TaskResumed
from aioclock.exceptions import RunCancelledError, RunSkippedError, TaskDeclarationError
from aioclock.stores import Change
from aioclock.triggers import BaseTrigger
from cluster import Cluster, Node, cluster, offset, task


def result(all_: Cluster, running: "asyncio.Task[Any]", within_s: float = 30) -> Any:
    """Return what *running* gives, its error included."""
    deadline = all_.now + within_s
    while not running.done() and all_.now < deadline:
        all_.advance(0.25)
    assert running.done()
    return running.exception() or running.result()


def others(all_: Cluster, name: str) -> list[Node]:
    return [node for node in all_.nodes if node.name != name]


# Overlap


def test_skip_lets_one_run_go_at_a_time() -> None:
    with cluster() as all_:
        all_.start(3, task(Every(seconds=2), 5))
        all_.until(41)
        assert all_.most_at_once("t") == 1
        assert all_.called("t") == [2.0 + 6 * n for n in range(7)]
        assert {record.reason for record in all_.records("t", state="skipped")} == {"overlap"}
        assert sorted(all_.ticks("t")) == [2.0 * n for n in range(1, 21)]


def test_allow_lets_a_limited_number_go_at_once() -> None:
    with cluster() as all_:
        all_.start(3, task(Every(seconds=2), 11, overlap=Overlap("allow", limit=3)))
        all_.until(61)
        assert all_.most_at_once("t") == 3
        assert sorted(all_.ticks("t")) == [2.0 * n for n in range(1, 31)]
        assert all_.ticks("t", state="skipped")


def test_queue_lets_ticks_wait_in_their_order() -> None:
    with cluster() as all_:
        all_.start(3, task(Every(seconds=10), 14, overlap=Overlap("queue", limit=2)))
        all_.until(121)
        assert all_.most_at_once("t") == 1
        assert all_.called("t") == sorted(all_.called("t"))
        assert len(all_.called("t")) >= 7
        gaps = [after.began - (before.ended or 0) for before, after in pairwise(all_.calls)]
        assert max(gaps) <= 1.01  # a beat: whoever waits elsewhere asks that often
        assert all_.ticks("t", state="skipped")
        assert sorted(all_.ticks("t")) == [10.0 * n for n in range(1, 13)]


def test_cancel_ends_the_run_of_another_process() -> None:
    with cluster() as all_:
        all_.start(3, task(Every(seconds=10), 15, overlap="cancel"))
        all_.until(55)
        assert all_.most_at_once("t") == 1
        assert all_.called("t") == [10.0, 20.0, 30.0, 40.0, 50.0]
        assert all(call.cancelled for call in all_.calls[:-1])
        assert all(call.began - call.tick <= 2 for call in all_.calls)
        assert all_.ticks("t", state="cancelled") == [10.0, 20.0, 30.0, 40.0]


# By hand


def test_a_run_by_hand_is_on_record_for_all() -> None:
    with cluster() as all_:
        nodes = all_.start(2, task(Every(hours=1), 1))
        all_.until(5)
        assert result(all_, nodes[0].run_now("t")) == 1
        [run] = all_.run(nodes[1].app.history("t"), within=nodes[1])
        assert (run.kind, run.outcome) == ("manual", "succeeded")
        assert (run.scheduled_at.timestamp() * 1e6) == all_.records()[0].tick


def test_a_run_by_hand_honours_overlap_over_all_processes() -> None:
    with cluster() as all_:
        nodes = all_.start(2, task(Every(hours=1), 5))
        all_.until(5)
        first = nodes[0].run_now("t")
        all_.advance(1)
        refused = result(all_, nodes[1].run_now("t"))
        assert isinstance(refused, RunSkippedError)
        assert refused.reason == "overlap"
        assert result(all_, first) == 5


def test_a_run_by_hand_waits_for_its_turn_over_all_processes() -> None:
    with cluster() as all_:
        nodes = all_.start(2, task(Every(hours=1), 5, overlap="queue"))
        all_.until(5)
        first = nodes[0].run_now("t")
        all_.advance(1)
        second = nodes[1].run_now("t")
        assert result(all_, first) == 5
        assert result(all_, second) == 5
        assert all_.most_at_once("t") == 1
        assert len(all_.calls) == 2


def test_runs_by_hand_at_one_instant_in_several_processes_all_run_where_they_may() -> None:
    with cluster() as all_:
        nodes = all_.start(3, task(Every(hours=1), 1, overlap="allow"))
        all_.until(5)
        running = [node.run_now("t") for node in nodes]
        assert [result(all_, each) for each in running] == [1, 1, 1]
        assert len({record.tick for record in all_.records()}) == 3


def test_a_wait_that_is_cancelled_cancels_the_run_or_withdraws_it() -> None:
    with cluster() as all_:
        nodes = all_.start(2, task(Every(hours=1), 5, overlap="queue"))
        all_.until(5)
        first, second = nodes[0].run_now("t"), nodes[1].run_now("t")
        all_.advance(2)
        second.cancel()
        all_.advance(1)
        first.cancel()
        all_.advance(2)
        states = [(record.state, record.reason) for record in all_.records()]
        assert sorted(states, key=str) == [("cancelled", None), ("skipped", "withdrawn")]


@pytest.mark.parametrize("latency_s", [0.0, 0.1])
def test_cancel_ends_runs_in_all_processes_soon(latency_s: float) -> None:
    with cluster() as all_:
        nodes = all_.start(3, task(Every(seconds=10), 300, overlap="allow"), latency_s=latency_s)
        all_.until(45)
        assert sum(call.ended is None for call in all_.calls) == 4
        nodes[1].do(lambda app: app.cancel("t"))
        all_.advance(2)
        assert sum(call.ended is None for call in all_.calls) == 0
        assert {call.cancelled for call in all_.calls} == {True}
        all_.until(51)
        assert sum(call.ended is None for call in all_.calls) == 1  # the schedule goes on


def test_a_run_by_hand_that_another_process_cancels_says_so() -> None:
    with cluster() as all_:
        nodes = all_.start(2, task(Every(hours=1), 50))
        all_.until(5)
        running = nodes[0].run_now("t")
        all_.advance(2)
        assert nodes[1].do(lambda app: app.cancel("t")) == 0  # how many it has itself
        assert isinstance(result(all_, running, 3), RunCancelledError)


# Pausing


def test_a_pause_holds_for_all_processes_and_so_does_its_end() -> None:
    with cluster() as all_:
        nodes = all_.start(3, task(Every(seconds=2)))
        all_.until(5)
        nodes[0].do(lambda app: app.pause("t", "by me"))
        all_.until(7)
        assert [node.app.paused for node in nodes] == [{"t": "by me"}] * 3
        all_.until(13)
        assert all_.called("t") == [2.0, 4.0]
        assert {record.reason for record in all_.records(state="skipped")} == {"paused"}
        nodes[2].do(lambda app: app.resume("t"))
        all_.until(15)
        assert [node.app.paused for node in nodes] == [{}] * 3
        all_.until(17)
        assert all_.called("t") == [2.0, 4.0, 14.0, 16.0]
        assert sorted(all_.ticks("t")) == [2.0 * n for n in range(1, 9)]
        for node in nodes:
            assert [type(event) for event in node.saw(TaskPaused, TaskResumed)] == [TaskPaused, TaskResumed]


def test_a_pause_outlasts_all_servings() -> None:
    with cluster() as all_:
        node = all_.node(task(Every(seconds=2)))
        all_.until(5)
        node.do(lambda app: app.pause("t", "for good"))
        all_.until(6.5)
        node.stop()
        all_.until(10)
        later = all_.node(task(Every(seconds=2)))
        all_.until(15)
        assert all_.called("t") == [2.0, 4.0]
        assert later.app.paused == {"t": "for good"}


def test_an_app_hears_when_it_serves_again_that_its_task_was_resumed_elsewhere() -> None:
    with cluster() as all_:
        one, other = all_.start(2, task(Every(seconds=2)))
        all_.until(5)
        one.do(lambda app: app.pause("t"))
        all_.until(7)
        one.stop()
        all_.until(9)
        other.do(lambda app: app.resume("t"))
        all_.until(11)
        one.serve()
        all_.until(12)
        assert one.app.paused == {}


def test_what_is_commanded_before_a_serving_is_told_when_it_begins() -> None:
    with cluster() as all_:
        one = all_.node(task(Every(seconds=2)))
        all_.until(3)
        other = all_.node(task(Every(seconds=2)), serve=False)
        other.app.pause("t", "before")
        other.serve()
        all_.until(9)
        assert one.app.paused == {"t": "before"}
        assert all_.called("t") == [2.0]


def test_a_resumption_before_a_serving_counts_more_than_what_the_store_says() -> None:
    with cluster() as all_:
        one = all_.node(task(Every(seconds=2)))
        all_.until(1)
        one.do(lambda app: app.pause("t"))
        all_.until(3)
        one.stop()
        all_.until(5)
        one.app.resume("t")
        one.serve()
        all_.until(11)
        assert one.app.paused == {}
        assert [type(event) for event in one.saw(TaskPaused, TaskResumed)] == [TaskPaused, TaskResumed]
        assert all_.called("t")[-2:] == [8.0, 10.0]


def test_commands_of_one_moment_leave_all_processes_in_the_last_state() -> None:
    with cluster() as all_:
        nodes = all_.start(2, task(Every(seconds=2)))
        all_.until(1)

        def flip(app: AioClock) -> None:
            app.pause("t", "one")
            app.resume("t")
            app.pause("t", "two")

        nodes[0].do(flip)
        all_.until(5)
        assert [node.app.paused for node in nodes] == [{"t": "two"}] * 2


def test_a_command_may_come_from_between_two_steps_of_virtual_time() -> None:
    with cluster() as all_:
        nodes = all_.start(2, task(Every(seconds=2)))
        all_.until(3)
        nodes[0].app.pause("t")
        all_.until(5)
        assert nodes[1].app.paused == {"t": None}
        nodes[1].app.resume("t")
        nodes[1].app.reschedule("t", Every(seconds=10))
        all_.until(27)
        assert all_.called("t") == [2.0, 15.0, 25.0]


def test_a_pause_stands_that_follows_at_once_on_the_adding_of_a_task() -> None:
    with cluster() as all_:
        nodes = all_.start(2, task(Every(seconds=20)), latency_s=0.2)
        all_.until(3)

        def add(app: AioClock) -> None:
            app.add_task(print, trigger=Every(seconds=1), name="new")
            app.pause("new", "at once")

        nodes[0].do(add)
        all_.until(10)
        assert nodes[0].app.paused == {"new": "at once"}
        assert all_.task("new").paused
        assert not all_.records("new", state="succeeded")


def test_failures_count_over_all_processes() -> None:
    with cluster() as all_:
        nodes = all_.start(3, task(Every(seconds=2), fails=True, pause_after_failures=5))
        all_.until(31)
        assert all_.called("t") == [2.0, 4.0, 6.0, 8.0, 10.0]
        assert len({call.node for call in all_.calls}) >= 1
        assert [node.app.paused for node in nodes] == [{"t": "paused after 5 failures in a row"}] * 3


def test_a_success_in_any_process_breaks_the_row_of_failures() -> None:
    with cluster() as all_:
        all_.start(3, task(Every(seconds=2), fails=lambda call: call.tick % 6 != 0, pause_after_failures=3))
        all_.until(31)
        assert len(all_.called("t")) == 15


# Other schedules


@pytest.mark.parametrize("latency_s", [0.0, 0.3])
def test_another_trigger_holds_for_all_processes(latency_s: float) -> None:
    with cluster() as all_:
        nodes = all_.start(3, task(Every(seconds=2)), latency_s=latency_s)
        all_.until(5)
        nodes[0].do(lambda app: app.reschedule("t", Every(seconds=7)))
        all_.until(39)
        anchor = offset(all_.task("t").anchor)
        later = [tick for tick in all_.called("t") if tick > 7]
        assert later == pytest.approx([anchor + 7 * n for n in range(1, 5)])
        assert [node.app.tasks["t"].trigger for node in nodes] == [Every(seconds=7)] * 3


def test_another_trigger_holds_for_processes_that_join_later() -> None:
    with cluster() as all_:
        first = all_.node(task(Every(seconds=2)))
        all_.until(5)
        first.do(lambda app: app.reschedule("t", Cron(cron="* * * * * */10", tz="UTC")))
        all_.until(7)
        first.stop()
        all_.node(task(Every(seconds=2)))
        all_.until(31)
        assert all_.called("t") == [2.0, 4.0, 10.0, 20.0, 30.0]


def test_another_trigger_counts_its_runs_anew() -> None:
    with cluster() as all_:
        nodes = all_.start(
            2,
            task(Every(seconds=2, max_loop_count=2)),
        )
        nodes.append(all_.node(task(Every(seconds=2, max_loop_count=2))))
        all_.until(3)
        nodes[1].do(lambda app: app.reschedule("t", Every(seconds=5, max_loop_count=3)))
        all_.until(60)
        assert all_.called("t") == [2.0, 8.0, 13.0, 18.0]
        assert all(node.done for node in nodes)


def test_a_trigger_of_the_user_s_own_can_t_be_put_into_the_store() -> None:
    class Mine(Every):
        pass

    app = AioClock(store="memory://")
    app.task(trigger=Every(seconds=2), name="t")(print)
    with pytest.raises(TaskDeclarationError, match="can't be kept in a store"):
        app.reschedule("t", Mine(seconds=3))


@pytest.mark.parametrize("way", ["lost answer", "no answer", "lost in silence"])
def test_a_change_whose_answer_got_lost_holds_where_it_was_made_as_well(way: Any) -> None:
    with cluster() as all_:
        nodes = all_.start(2, task(Every(seconds=2)))
        all_.until(5)
        nodes[0].store.fail_next("change", way, 2)
        nodes[0].do(lambda app: app.reschedule("t", Every(seconds=7)))
        all_.until(12)
        nodes[1].stop()
        all_.until(40)
        anchor = offset(all_.task("t").anchor)
        later = [tick for tick in all_.called("t") if tick > anchor]
        assert later == pytest.approx([anchor + 7 * n for n in range(1, len(later) + 1)])
        assert len(later) >= 3


def test_a_trigger_in_the_store_that_can_t_be_read_stops_the_task_and_nothing_else() -> None:
    def two(app: AioClock, node: Node) -> None:
        app.task(trigger=Every(seconds=2), name="t")(node.job())
        app.task(trigger=Every(seconds=2), name="other")(node.job())

    with cluster() as all_:
        nodes = all_.start(2, two)
        all_.until(5)
        all_.run(all_.store.change([Change(key="t", override='{"type_":"OF_THE_FUTURE"}')]))
        all_.until(7)
        nodes.append(all_.node(two))
        all_.until(11)
        assert all_.called("t") == [2.0, 4.0]
        assert all_.called("other") == [2.0, 4.0, 6.0, 8.0, 10.0]
        nodes[0].do(lambda app: app.reschedule("t", Every(seconds=3)))
        all_.until(18)
        assert all_.called("t") == [2.0, 4.0, 14.0, 17.0]


# Tasks that come and go


def test_a_task_that_is_added_while_serving_is_shared() -> None:
    with cluster() as all_:
        nodes = all_.start(2, task(Every(seconds=30)))
        all_.until(3)
        for node in nodes:
            node.do(lambda app, node=node: app.add_task(node.job(), trigger=Every(seconds=2), name="new"))  # type: ignore[misc]
        all_.until(10)
        assert all_.called("new") == [5.0, 7.0, 9.0]


@pytest.mark.parametrize("trigger", [Every(seconds=2), Every(seconds=2, mode="fixed_delay")], ids=["ticks", "held"])
def test_a_task_that_the_lifespan_adds_is_shared(trigger: BaseTrigger[Any]) -> None:
    from contextlib import asynccontextmanager

    with cluster() as all_:

        @asynccontextmanager
        async def lifespan(app: AioClock) -> Any:
            app.add_task(all_.nodes[0].job(), trigger=trigger, name="new")
            await asyncio.sleep(0.5)
            yield

        all_.node(task(Every(seconds=30)), lifespan=lifespan)
        all_.until(7)
        assert len(all_.called("new")) in (2, 3)


def test_a_task_of_scope_node_that_is_added_while_serving_begins_once() -> None:
    with cluster() as all_:
        node = all_.node(task(Every(seconds=30)), latency_s=0.2)
        all_.until(3)
        trigger = Every(seconds=5, first_run_strategy="immediate")
        node.do(lambda app: app.add_task(node.job(), trigger=trigger, name="new", scope="node"))
        all_.until(9)
        assert all_.called("new") == pytest.approx([3.0, 8.0], abs=0.2)


def test_a_task_that_is_removed_from_one_process_goes_on_in_the_others() -> None:
    with cluster() as all_:
        nodes = all_.start(2, task(Every(seconds=2)))
        all_.until(5)
        nodes[0].do(lambda app: app.remove_task("t"))
        all_.until(11)
        assert all_.called("t") == [2.0, 4.0, 6.0, 8.0, 10.0]
        assert {call.node for call in all_.calls if call.tick > 5} == {"node 1"}


def test_a_pause_during_jitter_skips_the_tick() -> None:
    with cluster() as all_:
        nodes = all_.start(2, task(Every(seconds=10), jitter=Jitter(9)))
        all_.until(10.001)
        nodes[0].do(lambda app: app.pause("t"))
        all_.until(29)
        assert not all_.calls
        assert {event.run.reason for node in nodes for event in node.saw(RunSkipped)} <= {"paused"}


def test_events_of_runs_are_told_where_the_run_went() -> None:
    with cluster() as all_:
        nodes = all_.start(2, task(Every(seconds=10), 30, overlap="cancel"))
        all_.until(35)
        told = {event.run.key: node.name for node in nodes for event in node.saw(RunCancelled)}
        ran = {call.run.key: call.node for call in all_.calls if call.cancelled}
        assert told == ran
        assert all(run.outcome is Outcome.CANCELLED for node in nodes for run in node.app.runs(outcome="cancelled"))


def test_another_trigger_of_a_task_of_scope_node_begins_once() -> None:
    with cluster() as all_:
        nodes = all_.start(2, task(Every(seconds=30), scope="node"), latency_s=0.2)
        all_.until(3)
        nodes[0].do(lambda app: app.reschedule("t", Every(seconds=5, first_run_strategy="immediate")))
        all_.until(7)
        assert sorted(call.node for call in all_.calls) == ["node 0", "node 1"]


def test_a_pause_of_a_new_task_is_not_forgotten_by_a_stop_that_follows() -> None:
    with cluster() as all_:
        nodes = all_.start(1, task(Every(seconds=20)), latency_s=0.4)
        all_.until(3)
        nodes[0].store.fail_next("register", "no answer", 3)

        def add(app: AioClock) -> None:
            app.add_task(print, trigger=Every(seconds=1), name="new")
            app.pause("new", "at once")

        nodes[0].do(add)
        all_.until(4)
        nodes[0].stop()
        all_.until(30)
        assert nodes[0].done
        nodes[0].serve()
        all_.until(40)
        assert all_.task("new").paused


def test_a_pause_skips_what_waits_in_all_processes() -> None:
    with cluster() as all_:
        nodes = all_.start(3, task(Every(seconds=5), 14, overlap=Overlap("queue", limit=5)))
        all_.until(16)
        assert [record.state for record in all_.records()] == ["running", "waiting", "waiting"]
        nodes[0].do(lambda app: app.pause("t"))
        all_.until(60)
        assert all_.called("t") == [5.0]
        assert {(record.state, record.reason) for record in all_.records()[1:]} == {("skipped", "paused")}


def test_a_pause_skips_what_waits_to_be_caught_up_with() -> None:
    declare = task(Every(seconds=10), 4, catch_up="all")
    with cluster() as all_:
        all_.node(declare)
        all_.until(21)
        all_.nodes[0].stop()
        all_.until(65)
        nodes = all_.start(2, declare)
        all_.until(67)
        assert [record.state for record in all_.records()][2:] == ["running", "waiting"]
        nodes[0].do(lambda app: app.pause("t"))
        all_.until(90)
        assert all_.called("t") == [10.0, 20.0, 30.0]
        assert {(record.state, record.reason) for record in all_.records()[3:]} == {("skipped", "paused")}


def test_what_waits_in_a_dead_process_is_skipped_where_the_task_is_paused() -> None:
    declare = task(Every(seconds=10), 14, overlap="queue")
    with cluster(lease=6) as all_:
        all_.node(declare)
        all_.until(21)
        other = all_.node(declare)
        all_.until(22)
        all_.nodes[0].kill()
        other.do(lambda app: app.pause("t"))
        all_.until(60)
        assert all_.called("t") == [10.0]
        assert (all_.records()[1].state, all_.records()[1].reason) == ("skipped", "paused")
