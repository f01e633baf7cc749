"""Tasks without ticks in common: one process at a time has them to itself."""

import asyncio
from itertools import pairwise
from typing import Any, Literal

import pytest

from aioclock import AioClock, Every, Forever
from aioclock.triggers import BaseTrigger
from cluster import Cluster, Node, cluster, task


class Arrivals(BaseTrigger[Literal["ARRIVALS"]]):
    """Waits by itself, as for a message."""

    type_: Literal["ARRIVALS"] = "ARRIVALS"

    async def trigger_next(self) -> None:
        await asyncio.sleep(0.7)


TRIGGERS = [Forever(), Every(seconds=1, mode="fixed_delay"), Every(seconds=0.5), Arrivals()]
NAMES = ["forever", "fixed delay", "sub-second", "awaitable"]

all_that_is_held = pytest.mark.parametrize("trigger", TRIGGERS, ids=NAMES)


def nodes_in_turn(all_: Cluster) -> list[str]:
    """Return which processes ran the task, one after the other."""
    turns: list[str] = []
    for call in all_.calls_of("t"):
        if turns[-1:] != [call.node]:
            turns.append(call.node)
    return turns


def longest_gap(all_: Cluster) -> float:
    began = [call.began for call in all_.calls_of("t")]
    return max(later - earlier for earlier, later in pairwise(began))


@all_that_is_held
def test_one_process_has_the_task_to_itself(trigger: BaseTrigger[Any]) -> None:
    with cluster() as all_:
        all_.start(3, task(trigger, 0.2))
        all_.until(60)
        assert len(nodes_in_turn(all_)) == 1
        assert all_.most_at_once("t") == 1
        assert len(all_.calls) > 30
        assert not all_.records()


@all_that_is_held
def test_it_is_taken_over_when_the_holder_is_dead(trigger: BaseTrigger[Any]) -> None:
    with cluster(lease=6) as all_:
        nodes = {node.name: node for node in all_.start(3, task(trigger, 0.2))}
        all_.until(20)
        [first] = nodes_in_turn(all_)
        nodes[first].kill()
        all_.until(40)
        assert len(nodes_in_turn(all_)) == 2
        assert longest_gap(all_) <= 6 + 1 + 2  # the lease, a beat, and a turn of the task's own


@all_that_is_held
def test_it_is_taken_over_at_once_when_the_holder_leaves(trigger: BaseTrigger[Any]) -> None:
    with cluster(lease=30) as all_:
        nodes = {node.name: node for node in all_.start(3, task(trigger, 0.2))}
        all_.until(20)
        [first] = nodes_in_turn(all_)
        nodes[first].stop()
        all_.until(40)
        assert len(nodes_in_turn(all_)) == 2
        assert all_.most_at_once("t") == 1
        assert longest_gap(all_) <= 3


@all_that_is_held
@pytest.mark.parametrize("takes_s", [0.2, 5.0])
def test_a_holder_that_loses_the_store_gives_it_up_before_another_gets_it(
    trigger: BaseTrigger[Any], takes_s: float
) -> None:
    with cluster(lease=6) as all_:
        nodes = {node.name: node for node in all_.start(2, task(trigger, takes_s))}
        all_.until(20)
        [first] = nodes_in_turn(all_)
        nodes[first].store.outage = "no answer"
        all_.until(60)
        nodes[first].store.outage = None
        all_.until(100)
        assert len(nodes_in_turn(all_)) == 2
        assert all_.most_at_once("t") == 1


@all_that_is_held
def test_a_holder_that_stood_still_begins_nothing_more(trigger: BaseTrigger[Any]) -> None:
    with cluster(lease=6) as all_:
        nodes = {node.name: node for node in all_.start(2, task(trigger, 0.2))}
        all_.until(20.05)
        [first] = nodes_in_turn(all_)
        nodes[first].freeze()
        all_.until(50.05)
        nodes[first].thaw()
        all_.until(70)
        assert not [call for call in all_.calls if call.node == first and call.began > 20.05]


@all_that_is_held
def test_it_comes_back_to_the_only_process_after_an_outage(trigger: BaseTrigger[Any]) -> None:
    with cluster(lease=6) as all_:
        node = all_.node(task(trigger, 0.2))
        all_.until(20)
        node.store.outage = "refused"
        all_.until(50)
        assert all_.calls[-1].began < 26
        node.store.outage = None
        all_.until(70)
        assert all_.calls[-1].began > 65
        assert all_.most_at_once("t") == 1


def test_the_end_of_its_schedule_is_that_in_all_processes() -> None:
    with cluster() as all_:
        nodes = all_.start(3, task(Every(seconds=0.5, max_loop_count=4)))
        all_.until(10)
        assert len(all_.calls) == 4
        assert all(node.done for node in nodes)


def test_a_pause_and_its_end_reach_the_holder() -> None:
    with cluster() as all_:
        nodes = all_.start(2, task(Forever(), 0.4))
        all_.until(10)
        [holder] = nodes_in_turn(all_)
        other = next(node for node in nodes if node.name != holder)
        other.do(lambda app: app.pause("t"))
        all_.until(13)
        count = len(all_.calls)
        all_.until(20)
        assert len(all_.calls) == count
        other.do(lambda app: app.resume("t"))
        all_.until(22)
        assert len(all_.calls) > count
        assert len(nodes_in_turn(all_)) == 1


def test_a_task_that_gets_ticks_by_another_trigger_is_shared_from_then_on() -> None:
    with cluster(lease=6) as all_:
        nodes = all_.start(2, task(Forever(), 0.4))
        all_.until(10)
        nodes[0].do(lambda app: app.reschedule("t", Every(seconds=8)))
        all_.until(11)
        began = len(all_.calls)
        all_.until(51)
        assert [call.tick for call in all_.calls[began:]] == [18.0, 26.0, 34.0, 42.0, 50.0]
        assert all(record.state == "succeeded" for record in all_.records())


def test_runs_go_on_when_the_task_is_not_held_any_more() -> None:
    with cluster(lease=6) as all_:
        node = all_.node(task(Forever(), 4))
        all_.until(10)
        node.do(lambda app: app.reschedule("t", Every(seconds=5)))
        all_.until(61)
        assert not [call for call in all_.calls if call.cancelled]
        assert set(all_.ticks("t", state="succeeded")) == {15.0 + 5 * n for n in range(9)}


def test_a_task_that_loses_its_ticks_by_another_trigger_is_held_from_then_on() -> None:
    with cluster(lease=6) as all_:
        nodes = all_.start(2, task(Every(seconds=5)))
        all_.until(11)
        nodes[1].do(lambda app: app.reschedule("t", Every(seconds=0.5)))
        all_.until(20)
        later = [call for call in all_.calls if call.began > 13]
        assert len(later) == pytest.approx(14, abs=1)
        assert len({call.node for call in later}) == 1


def test_a_task_whose_declaration_changed_is_held_by_the_newer_process() -> None:
    def new(app: AioClock, node: Node) -> None:
        app.task(trigger=Every(seconds=0.25), name="t")(node.job(0.1))

    with cluster(lease=6) as all_:
        all_.node(task(Every(seconds=0.5), 0.1))
        all_.until(10)
        all_.node(new)
        all_.until(30)
        assert nodes_in_turn(all_) == ["node 0", "node 1"]
        assert all_.most_at_once("t") == 1
