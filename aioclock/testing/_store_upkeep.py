"""The contract's part on what is done with a store as a whole."""

from dataclasses import replace

import pytest

from aioclock.stores import Store, TaskState, Verdict
from aioclock.stores._words import EXHAUSTED
from aioclock.testing._store_bench import ONE, TWO, ContractBase, ask, end, tick

__all__ = ["PruneContract", "ReopenContract", "RestoreContract"]


class PruneContract(ContractBase):
    async def test_runs_that_ended_before_are_deleted(self) -> None:
        async with self.bench() as bench:
            task = await bench.task()
            runs = [await bench.start(task, n) for n in (1, 2, 3)]
            moment = runs[0].created + 1_000
            for run, at in zip(runs, (moment - 1, moment, moment + 1), strict=True):
                await bench.finish(end(run, finished=at))
            assert await bench.store.prune(before=moment) == 1
            assert {run.id for run in await bench.runs()} == {runs[1].id, runs[2].id}
            assert await bench.store.prune(before=moment) == 0

    async def test_tasks_and_open_runs_stay(self) -> None:
        async with self.bench() as bench:
            task = await bench.task()
            running, ended = await bench.start(task, 1), await bench.start(task, 2)
            waiting = await bench.wait(task, 3)
            skipped = await bench.skip(task, 4)
            await bench.finish(end(ended, "failed"))
            before = await bench.store.tasks()
            await bench.tell_apart()
            assert await bench.store.prune(before=max(await bench.now(), ended.created + 10)) == 2
            assert await bench.store.tasks() == before
            runs = {run.id: run.state for run in await bench.runs()}
            assert runs == {running.id: "running", waiting.id: "waiting"}
            assert skipped.id not in runs
            assert (await bench.finish(end(running))).accepted

    async def test_a_tick_whose_run_was_deleted_is_not_claimed_again(self) -> None:
        async with self.bench() as bench:
            task = await bench.task()
            run = await bench.start(task, 2)
            told = end(run)
            await bench.finish(told)
            assert await bench.store.prune(before=told.finished + 1) == 1
            for claim in (ask(task, 2), ask(task, 2, id=run.id), ask(task, 1), ask(task, 2, kind="catch_up")):
                assert await bench.verdict(claim) == Verdict.TAKEN
            assert not (await bench.finish(told)).accepted
            assert await bench.runs() == []

    async def test_a_manual_run_that_was_deleted_may_be_asked_for_again(self) -> None:
        async with self.bench() as bench:
            told = end(await bench.start(await bench.task(), 2, kind="manual"))
            await bench.finish(told)
            await bench.store.prune(before=told.finished + 1)
            assert (await bench.start(await bench.state(), 2, kind="manual")).fence == 2

    async def test_processes_that_were_not_seen_since_are_forgotten(self) -> None:
        async with self.bench() as bench:
            for node in (ONE, TWO):
                await bench.pulse(node)
            await bench.tell_apart()
            await bench.store.prune(before=(await bench.pulse(ONE)).now)
            for node in (ONE, TWO):
                await bench.pulse(node)
            assert [(note.kind, note.node) for note in await bench.notes()] == [("joined", TWO)]

    async def test_old_notes_are_deleted(self) -> None:
        async with self.bench() as bench:
            await bench.task("old")
            await bench.tell_apart()
            [old] = await bench.notes()
            task = await bench.task("new")
            await bench.store.prune(before=task.anchor)
            [new] = await bench.notes()
            assert new.task_key == "new"
            assert new.sequence > old.sequence

    async def test_numbers_of_notes_do_not_come_again(self) -> None:
        async with self.bench() as bench:
            await bench.task("old")
            [old] = await bench.notes()
            await bench.tell_apart()
            await bench.store.prune(before=(await bench.now()) + 1)
            assert await bench.notes() == []
            await bench.task("new")
            [new] = await bench.notes()
            assert new.sequence > old.sequence


class RestoreContract(ContractBase):
    async def test_a_task_that_is_unknown_is_written_as_given(self) -> None:
        async with self.bench() as bench:
            given = TaskState(
                key="task",
                anchor=1_700_000_000_000_000,
                cursor=1_700_000_000_000_001,
                fence=7,
                generation=3,
                fired=5,
                paused=True,
                note="why",
                override="{}",
                fingerprint="f",
                last_success=1_600_000_000_000_000,
                failures=2,
                holder=ONE,
                held_until=EXHAUSTED,
                changed_at=1,
            )
            before = await bench.now()
            await bench.store.restore([given])
            state = await bench.state()
            assert before <= state.changed_at <= await bench.now()
            assert state == replace(given, holder=None, held_until=state.held_until, changed_at=state.changed_at)
            assert await bench.task("task", "f") == state

    async def test_nothing_moves_back(self) -> None:
        async with self.bench() as bench:
            task = await bench.task()
            old = await bench.change(paused=True, override="{}")
            await bench.start(old, 2, kind="manual")
            await bench.skip(old, 3)
            known = await bench.change(paused=False)
            await bench.store.restore([replace(task, paused=True, note="why")])
            state = await bench.state()
            assert (state.cursor, state.fence) == (known.cursor, known.fence)
            assert state.generation > known.generation
            assert (state.paused, state.note, state.override, state.anchor) == (True, "why", None, task.anchor)
            assert await bench.verdict(ask(known, 9)) == Verdict.STALE
            assert await bench.verdict(ask(state, 3)) == Verdict.TAKEN

    async def test_what_is_ahead_moves_ahead(self) -> None:
        async with self.bench() as bench:
            task = await bench.task()
            await bench.store.restore([replace(task, cursor=tick(task, 9), fence=9, generation=9)])
            state = await bench.state()
            assert (state.cursor, state.fence) == (tick(task, 9), 9)
            assert state.generation > 9

    async def test_an_exhausted_task_stays_exhausted(self) -> None:
        async with self.bench() as bench:
            task = await bench.task()
            await bench.change(exhausted=True)
            await bench.store.restore([task])
            assert (await bench.state()).cursor == EXHAUSTED

    async def test_nobody_holds_a_task_that_was_restored(self) -> None:
        async with self.bench() as bench:
            await bench.task()
            await bench.pulse(ONE, holds=("task",))
            await bench.store.restore([await bench.state()])
            assert (await bench.state()).holder is None

    async def test_a_task_that_was_restored_counts_as_changed(self) -> None:
        async with self.bench() as bench:
            task = await bench.task()
            await bench.tell_apart()
            await bench.store.restore([task])
            assert (await bench.pulse(since=task.changed_at)).changed == (await bench.state(),)

    async def test_other_tasks_stay(self) -> None:
        async with self.bench() as bench:
            task, other = await bench.task(), await bench.task("other")
            run = await bench.start(other)
            await bench.store.restore([task])
            await bench.store.restore([])
            assert [state.key for state in await bench.store.tasks()] == ["other", "task"]
            assert await bench.run(run.id) == run

    async def test_other_tasks_are_forgotten_if_all_is_replaced(self) -> None:
        async with self.bench() as bench:
            task, other = await bench.task(), await bench.task("other")
            kept, gone = await bench.start(task), await bench.start(other, lease=bench.lease)
            await bench.store.restore([task, replace(task, key="new")], replace=True)
            assert [state.key for state in await bench.store.tasks()] == ["new", "task"]
            assert [run.id for run in await bench.runs()] == [kept.id]
            assert not (await bench.finish(end(gone))).accepted
            assert (await bench.pulse(claims=(kept.claim_id, gone.claim_id))).lost == {gone.claim_id}
            assert await bench.verdict(ask(other, id=gone.claim_id)) == Verdict.STALE
            await bench.expire()
            assert await bench.reap(["other"]) == []

    async def test_a_task_that_was_forgotten_may_come_again(self) -> None:
        async with self.bench() as bench:
            task = await bench.task()
            await bench.start(task, tick=task.anchor)
            await bench.store.restore([], replace=True)
            assert await bench.store.tasks() == []
            await bench.tell_apart()
            again = await bench.task()
            assert (again.fence, again.cursor) == (0, again.anchor - 1)
            assert await bench.verdict(ask(again, 1)) == Verdict.RUN


class ReopenContract(ContractBase):
    async def test_it_is_a_store(self) -> None:
        async with self.open_store() as store:
            assert isinstance(store, Store)
            assert store.name

    async def test_it_may_be_opened_by_who_has_it_open(self) -> None:
        async with self.two() as (one, two):
            task = await one.task()
            await two.store.open()
            assert await two.store.tasks() == [task]

    async def test_closing_twice_does_nothing(self) -> None:
        async with self.bench() as bench:
            await bench.store.close()
            await bench.store.close()
            await bench.store.open()

    async def test_it_remembers_what_was_there_when_it_was_closed(self) -> None:
        if not self.reopens:
            pytest.skip("this store forgets when it is closed")
        async with self.bench() as bench:
            task = await bench.task()
            run = await bench.start(task, 1)
            await bench.finish(end(await bench.start(task, 2, kind="manual"), "failed"))
            await bench.wait(task, 2)
            await bench.pulse(ONE, holds=("task",))
            before = await bench.store.tasks(), await bench.runs(), await bench.notes()
            await bench.store.close()
            await bench.store.open()
            assert (await bench.store.tasks(), await bench.runs(), await bench.notes()) == before
            assert (await bench.finish(end(run))).accepted
            assert await bench.verdict(ask(task, 2)) == Verdict.TAKEN
