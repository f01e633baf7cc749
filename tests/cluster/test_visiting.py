"""Processes that give commands or run tasks by hand without serving, and simulations of apps with a store."""

import asyncio
from pathlib import Path

import pytest

from aioclock import AioClock, Every, Forever
from aioclock.events import StoreRecovered, StoreUnreachable
from aioclock.exceptions import RunCancelledError, StoreUnavailableError
from aioclock.stores import MemoryStore
from aioclock.testing import simulate
from cluster import cluster, task


def test_a_command_of_a_process_that_never_serves_reaches_the_others() -> None:
    with cluster() as all_:
        all_.start(1, task(Every(seconds=2)))
        bystander = all_.node(task(Every(seconds=2)), serve=False)
        all_.until(5)
        bystander.do(lambda app: app.pause("t", "by hand"))
        all_.until(11)
        assert all_.task("t").paused
        assert all_.called("t") == [2.0, 4.0]
        bystander.do(lambda app: app.resume("t"))
        all_.until(15)
        assert all_.called("t") == [2.0, 4.0, 12.0, 14.0]
        assert bystander.store.open_now is False


def test_a_command_is_kept_while_the_store_is_out_of_reach() -> None:
    with cluster() as all_:
        node = all_.node(task(Every(seconds=2)), serve=False)
        node.store.outage = "refused"
        node.do(lambda app: app.pause("t"))
        all_.until(30)
        node.store.outage = None
        node.serve()
        all_.until(40)
        assert all_.task("t").paused
        assert all_.called("t") == []


def test_runs_by_hand_share_one_visit() -> None:
    with cluster() as all_:
        node = all_.node(task(Every(seconds=2), 1, overlap="allow"), serve=False)
        runs = [node.run_now("t") for _ in range(5)]
        all_.until(5)
        assert [run.result() for run in runs] == [1] * 5
        assert (node.store.calls["open"], node.store.open_now) == (1, False)
        assert {record.state for record in all_.records("t")} == {"succeeded"}


def test_a_serving_may_begin_and_end_during_a_run_by_hand() -> None:
    with cluster() as all_:
        node = all_.node(task(Every(seconds=2), 10, overlap="allow"), serve=False)
        by_hand = node.run_now("t")
        all_.until(1)
        node.serve()
        all_.until(4)
        node.stop(timeout=0)
        all_.until(20)
        assert isinstance(by_hand.exception(), RunCancelledError)
        manual = [record for record in all_.records("t") if record.kind == "manual"]
        assert [record.state for record in manual] == ["cancelled"]
        assert node.store.open_now is False


def test_an_old_version_that_runs_a_task_by_hand_edits_no_schedule() -> None:
    with cluster() as all_:
        all_.start(1, task(Every(seconds=2)))
        old = all_.node(task(Every(seconds=5)), serve=False)
        all_.until(3)
        run = old.run_now("t")
        all_.until(9)
        assert run.result() == 0.25
        assert all_.task("t").generation == 0
        assert [call.tick for call in all_.calls if call.node == "node 0"] == [2.0, 4.0, 6.0, 8.0]


def test_a_run_by_hand_fails_if_the_store_is_out_of_reach() -> None:
    with cluster() as all_:
        node = all_.node(task(Every(seconds=2)), serve=False)
        node.store.outage = "refused"
        run = node.run_now("t")
        all_.until(30)
        assert isinstance(run.exception(), StoreUnavailableError)
        assert all_.called("t") == []


def test_a_store_that_answers_to_a_part_only_is_out_of_reach_all_the_time() -> None:
    with cluster() as all_:
        [node] = all_.start(1, task(Every(seconds=2)), latency_s=0.05)
        all_.until(5)
        node.store.fail_next("pulse", "refused", times=8)
        all_.until(60)
        kinds = [type(event) for event in node.saw(StoreUnreachable, StoreRecovered)]
        assert kinds == [StoreUnreachable, StoreRecovered]


def test_a_simulation_touches_no_store_and_is_quick(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pulses = 0
    pulse = MemoryStore.pulse

    async def counted(self: MemoryStore, asked: object) -> object:
        nonlocal pulses
        pulses += 1
        return await pulse(self, asked)  # type: ignore[arg-type]

    monkeypatch.setattr(MemoryStore, "pulse", counted)
    app = AioClock(store=f"sqlite:///{tmp_path}/clock.db")

    @app.task(trigger=Every(hours=1), name="hourly")
    async def hourly() -> None: ...

    @app.task(trigger=Forever(), name="for ever")
    async def for_ever() -> None:
        await asyncio.sleep(3600)

    with simulate(app) as sim:
        sim.advance(days=30)
        assert len(sim.runs("hourly")) == 720
        assert len(sim.runs("for ever")) in (719, 720)
    assert pulses < 200
    assert list(tmp_path.iterdir()) == []


async def test_a_store_in_memory_forgets_the_oldest_runs() -> None:
    store = MemoryStore(keep=10)
    app = AioClock(store=store, overlap="allow")

    @app.task(trigger=Every(hours=1), name="t")
    async def work() -> None: ...

    async with app.running():
        for _ in range(50):
            await app.run_now("t")
        runs = await app.history(limit=1000)
    assert 10 <= len(runs) <= 14
    assert runs == sorted(runs, key=lambda run: run.scheduled_at, reverse=True)
