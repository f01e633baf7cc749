"""A store that can't be reached, or whose answers get lost."""

from typing import Any

import pytest

from aioclock import AioClock, Every
from aioclock.events import ServingStarted, StoreRecovered, StoreUnreachable
from aioclock.exceptions import RunSkippedError, StoreError, StoreUnavailableError
from cluster import Cluster, Node, cluster, task
from faulty_store import FaultyStore

ways_to_fail = pytest.mark.parametrize("way", ["refused", "no answer", "lost answer", "lost in silence"])
lost_answers = pytest.mark.parametrize("way", ["lost answer", "lost in silence"])


def begin_outage(all_: Cluster, way: Any = "refused") -> None:
    for node in all_.nodes:
        node.store.outage = way


def end_outage(all_: Cluster) -> None:
    begin_outage(all_, None)


@pytest.mark.parametrize("way", ["refused", "no answer"])
def test_nothing_fires_during_an_outage(way: Any) -> None:
    with cluster() as all_:
        all_.start(2, task(Every(seconds=2)))
        all_.until(11)
        begin_outage(all_, way)
        all_.until(61)
        assert all_.calls[-1].tick == 10.0
        end_outage(all_)
        all_.until(81)
        assert all_.called("t")[-6:] == [70.0, 72.0, 74.0, 76.0, 78.0, 80.0]
        assert len(set(all_.called("t"))) == len(all_.calls)


@ways_to_fail
def test_an_outage_is_told_once_and_so_is_its_end(way: Any) -> None:
    with cluster() as all_:
        [node] = all_.start(1, task(Every(seconds=2), 1), latency_s=0.05)
        all_.until(11)
        begin_outage(all_, way)
        all_.until(61)
        assert len(node.saw(StoreUnreachable)) == 1
        assert node.app.health.store_error
        assert not node.app.health.ok
        end_outage(all_)
        all_.until(71)
        assert [type(event) for event in node.saw(StoreUnreachable, StoreRecovered)] == [
            StoreUnreachable,
            StoreRecovered,
        ]
        assert node.saw(StoreRecovered)[0].outage_s == pytest.approx(50, abs=8)
        assert node.app.health.ok


def test_one_failure_is_no_outage() -> None:
    with cluster() as all_:
        [node] = all_.start(1, task(Every(seconds=2)))
        for method in ("pulse", "claim", "finish", "reap", "tasks", "change"):
            node.store.fail_next(method, "refused")
        all_.until(21)
        assert len(all_.calls) == 10
        assert not node.saw(StoreUnreachable)


def test_running_work_goes_on_through_a_short_outage_and_is_recorded() -> None:
    with cluster(lease=30) as all_:
        all_.start(2, task(Every(seconds=60), 10))
        all_.until(65)
        begin_outage(all_)
        all_.until(75)
        assert all_.calls[0].ended == pytest.approx(70)
        assert [record.state for record in all_.records()] == ["running"]
        end_outage(all_)
        all_.until(85)
        assert [record.state for record in all_.records()] == ["succeeded"]
        assert (all_.records()[0].finished or 0) / 1e6 == pytest.approx(1767225600 + 70)


def test_work_that_ended_in_a_long_outage_is_recorded_if_nobody_has_taken_it_over() -> None:
    with cluster(lease=6) as all_:
        [node] = all_.start(1, task(Every(seconds=600), 4))
        all_.until(601)
        begin_outage(all_)
        all_.until(660)
        end_outage(all_)
        all_.until(680)
        [record] = all_.records()
        assert record.state in ("succeeded", "lost")  # whoever comes first: its end, or who looks for the dead
        assert [run.outcome for run in node.app.runs("t")][-1] == record.state


@pytest.mark.parametrize("way", ["refused", "no answer"])
@pytest.mark.parametrize("takes_s", [0.25, 50.0])
def test_a_stop_during_an_outage_comes_to_its_end(way: Any, takes_s: float) -> None:
    with cluster() as all_:
        nodes = all_.start(2, task(Every(seconds=2), takes_s))
        all_.until(9)
        begin_outage(all_, way)
        all_.until(20)
        for node in nodes:
            node.stop(timeout=10)
        all_.until(50)
        assert all(node.done for node in nodes)


@pytest.mark.parametrize("way", ["refused", "no answer"])
def test_a_stop_at_the_very_beginning_of_an_outage_comes_to_its_end(way: Any) -> None:
    with cluster() as all_:
        [node] = all_.start(1, task(Every(seconds=2), 1))
        all_.until(10.5)
        begin_outage(all_, way)
        node.stop(timeout=10)
        all_.until(40)
        assert node.done


def test_a_run_whose_end_never_gets_on_record_is_lost_here_as_it_is_there() -> None:
    with cluster() as all_:
        [node] = all_.start(1, task(Every(seconds=10), 1))
        all_.until(10.5)
        begin_outage(all_)
        node.stop(timeout=2)
        all_.until(60)
        [run] = node.app.runs()
        assert (run.outcome, run.error and run.error.type) == ("lost", "LeaseLostError")
        end_outage(all_)
        all_.start(1, task(Every(seconds=10), 1))
        all_.until(70)
        assert [record.state for record in all_.records()][:1] == ["lost"]


@pytest.mark.parametrize("way", ["refused", "no answer"])
def test_a_serving_does_not_begin_without_its_store(way: Any) -> None:
    with cluster(lease=30) as all_:
        node = all_.node(task(Every(seconds=2)), serve=False)
        node.store.outage = way
        node.serve()
        all_.until(9)
        assert not node.done
        all_.until(25)
        assert node.serving is not None
        with pytest.raises(StoreUnavailableError, match="could not be reached for 10 s"):
            node.serving.result()
        assert not node.saw(ServingStarted)
        assert not all_.calls
        assert not node.store.open_now


@pytest.mark.parametrize("method", ["pulse", "register", "change"])
@pytest.mark.parametrize("way", ["refused", "no answer"])
def test_a_serving_does_not_begin_with_a_store_that_only_lets_itself_be_opened(method: str, way: Any) -> None:
    with cluster(lease=30) as all_:
        node = all_.node(task(Every(seconds=2)), serve=False)
        node.app.pause("t", "before")
        node.store.fail_next(method, way, 500)
        node.serve()
        all_.until(25)
        assert node.serving is not None
        assert node.done
        with pytest.raises(StoreUnavailableError):
            node.serving.result()
        assert not node.saw(ServingStarted)
        node.store.faults.clear()
        node.serve()
        all_.until(31)
        assert all_.task("t").paused  # what was commanded is not forgotten


@pytest.mark.parametrize("method", ["open", "pulse"])
def test_a_stop_of_a_serving_that_waits_for_its_store_comes_to_its_end(method: str) -> None:
    with cluster(lease=30) as all_:
        node = all_.node(task(Every(seconds=2)), serve=False)
        node.store.fail_next(method, "no answer", 500)
        node.serve()
        all_.until(2)
        stopping = node.stop()
        all_.until(25)
        assert node.done
        assert stopping.done()
        assert node.serving is not None
        node.serving.exception()


def test_a_serving_begins_when_its_store_comes_up_in_time() -> None:
    with cluster(lease=30) as all_:
        node = all_.node(task(Every(seconds=2)), serve=False)
        node.store.outage = "refused"
        node.serve()
        all_.until(5)
        node.store.outage = None
        all_.until(20)
        assert all_.calls


def test_a_run_by_hand_during_an_outage_is_refused() -> None:
    with cluster() as all_:
        [node] = all_.start(1, task(Every(seconds=60)))
        all_.until(5)
        begin_outage(all_)
        all_.until(15)
        running = node.run_now("t")
        all_.until(16)
        with pytest.raises(RunSkippedError, match="unreachable"):
            running.result()


def test_commands_during_an_outage_are_told_after_it() -> None:
    with cluster() as all_:
        nodes = all_.start(2, task(Every(seconds=2)))
        all_.until(5)
        nodes[0].store.outage = "refused"
        all_.until(15)
        nodes[0].do(lambda app: app.pause("t", "from afar"))
        all_.until(25)
        assert nodes[1].app.paused == {}
        nodes[0].store.outage = None
        all_.until(35)
        assert nodes[1].app.paused == {"t": "from afar"}
        assert nodes[0].app.paused == {"t": "from afar"}


def test_commands_that_could_not_be_told_are_told_by_the_next_serving() -> None:
    with cluster() as all_:
        nodes = all_.start(2, task(Every(seconds=2)))
        all_.until(5)
        nodes[0].store.outage = "refused"
        all_.until(15)
        nodes[0].do(lambda app: app.pause("t", "from afar"))
        nodes[0].stop()
        all_.until(60)
        assert nodes[0].done
        nodes[0].store.outage = None
        nodes[0].serve()
        all_.until(65)
        assert nodes[1].app.paused == {"t": "from afar"}


def test_others_go_on_while_one_process_can_t_reach_the_store() -> None:
    with cluster(lease=6) as all_:
        nodes = all_.start(3, task(Every(seconds=2)))
        all_.until(5)
        nodes[0].store.outage = "no answer"
        all_.until(41)
        nodes[0].store.outage = None
        all_.until(61)
        assert all_.called("t") == [2.0 * n for n in range(1, 31)]


# Answers that get lost


@lost_answers
def test_a_claim_whose_answer_got_lost_starts_its_run_once(way: Any) -> None:
    with cluster(lease=30) as all_:
        nodes = all_.start(2, task(Every(seconds=60)))
        all_.until(59)
        for node in nodes:
            node.store.fail_next("claim", way)
        all_.until(100)
        assert all_.called("t") == [60.0]
        assert [(record.state, record.attempt) for record in all_.records()] == [("succeeded", 1)]


@lost_answers
def test_an_end_whose_answer_got_lost_is_one_end(way: Any) -> None:
    with cluster(lease=30) as all_:
        nodes = all_.start(2, task(Every(seconds=60), 1))
        all_.until(59)
        for node in nodes:
            node.store.fail_next("finish", way, 2)
        all_.until(119)
        assert [(record.state, record.attempt) for record in all_.records()] == [("succeeded", 1)]
        assert [run.outcome for node in nodes for run in node.app.runs("t")] == ["succeeded"]


def test_an_end_whose_answer_got_lost_is_not_called_lost_in_the_meantime(caplog: pytest.LogCaptureFixture) -> None:
    with cluster(lease=6) as all_:
        [node] = all_.start(1, task(Every(seconds=60), 1))
        all_.until(59)
        node.store.fail_next("finish", "lost in silence", 3)
        all_.until(119)
        assert [record.state for record in all_.records()] == ["succeeded"]
        assert "this process's no longer" not in caplog.text


@lost_answers
@pytest.mark.parametrize("method", ["pulse", "register", "reap", "leave", "change", "tasks"])
def test_lost_answers_to_anything_else_do_no_harm(method: str, way: Any) -> None:
    with cluster(lease=6) as all_:
        nodes = [all_.node(task(Every(seconds=2), 1, on_lost="rerun"), serve=False) for _ in range(2)]
        for node in nodes:
            node.store.fail_next(method, way, 2)
            node.serve()
        all_.until(20)
        nodes[0].do(lambda app: app.pause("t"))
        all_.until(26)
        nodes[1].do(lambda app: app.resume("t"))
        all_.until(41)
        nodes[0].stop()
        all_.until(61)
        called = all_.called("t")
        assert len(called) == len(set(called))
        assert called[-1] == pytest.approx(60.0, abs=1.99)
        assert {record.attempt for record in all_.records()} == {1}


def test_a_take_over_whose_answer_got_lost_is_made_good_after_another_lease() -> None:
    with cluster(lease=6) as all_:
        first = all_.node(task(Every(seconds=60), 20, on_lost="rerun"))
        all_.until(61)
        other = all_.node(task(Every(seconds=60), 20, on_lost="rerun"))
        all_.until(62)
        first.kill()
        other.store.faults += [("reap", "lost answer")] * 4
        all_.until(119)
        assert all_.records()[0].state == "succeeded"
        assert all_.calls[-1].run.attempt in (2, 3)


@pytest.mark.parametrize("latency_s", [0.5, 1.9])
def test_a_slow_store_changes_nothing_but_the_pace(latency_s: float) -> None:
    with cluster(lease=6) as all_:
        all_.start(3, task(Every(seconds=5), 1), latency_s=latency_s)
        all_.until(61)
        called = all_.called("t")
        assert len(called) == len(set(called))
        assert len(called) >= 8
        assert {record.state for record in all_.records()[:-2]} == {"succeeded"}


@pytest.mark.parametrize("error", [StoreError("not now"), KeyError("not now")], ids=["refused", "mistake"])
def test_a_store_that_refuses_signs_of_life_is_asked_again(caplog: pytest.LogCaptureFixture, error: Exception) -> None:
    class Stubborn(FaultyStore):
        refusals = 3

        async def pulse(self, pulse: Any) -> Any:
            if self.refusals and self.calls["pulse"] > 5:
                self.refusals -= 1
                raise error
            return await super().pulse(pulse)

    with cluster(lease=6) as all_:
        app = AioClock(store=(store := Stubborn(all_.store)), lease=6)
        node = Node("stubborn", app, store, all_)
        all_.nodes.append(node)
        task(Every(seconds=10), 9)(app, node)
        node.serve()
        all_.until(61)
        assert all_.ticks("t", state="succeeded") == [10.0, 20.0, 30.0, 40.0, 50.0]
        assert caplog.text.count("signs of life are not on record") == 3
