"""The contract's part on runs whose process has gone."""

from aioclock.stores import RunRecord, Verdict
from aioclock.stores._words import MOST_RERUNS
from aioclock.testing._store_bench import LONG, ONE, TWO, Bench, ContractBase, ask, end

__all__ = ["LeaveContract", "ReapContract"]


async def lapsed(bench: Bench, *keys: str, on_lost: str = "rerun") -> list[RunRecord]:
    """Return a run of each task whose lease has passed."""
    runs = [await bench.start(await bench.task(key), lease=bench.lease, on_lost=on_lost) for key in keys]
    await bench.expire()
    return runs


class ReapContract(ContractBase):
    async def test_no_run_is_reaped_before_its_lease_has_passed(self) -> None:
        async with self.bench() as bench:
            task = await bench.task()
            for n, on_lost in enumerate(("rerun", "fail"), 1):
                await bench.start(task, n, on_lost=on_lost)
            await bench.wait(task, 3)
            before = await bench.runs()
            await bench.expire()
            assert await bench.reap() == []
            assert await bench.runs() == before

    async def test_a_run_that_must_not_run_twice_is_lost(self) -> None:
        async with self.bench() as bench:
            [run] = await lapsed(bench, "task", on_lost="fail")
            before = await bench.now()
            [reaped] = await bench.reap()
            assert reaped.record == await bench.run(run.id)
            assert reaped.task == await bench.state()
            assert (reaped.record.state, reaped.record.reason) == ("lost", "lease")
            assert (reaped.record.fence, reaped.record.attempt) == (run.fence, 1)
            assert reaped.record.finished is not None
            assert before <= reaped.record.finished <= await bench.now()
            assert (reaped.task.failures, reaped.task.fence) == (1, run.fence)

    async def test_a_run_is_taken_over(self) -> None:
        async with self.bench() as bench:
            [run] = await lapsed(bench, "task")
            before = await bench.now()
            [reaped] = await bench.reap()
            record = reaped.record
            assert record == await bench.run(run.id)
            assert reaped.task == await bench.state()
            assert (record.state, record.owner, record.attempt) == ("running", TWO, 2)
            assert record.claim_id not in (run.claim_id, "")
            assert record.fence == reaped.task.fence == run.fence + 1
            assert before + LONG <= record.lease_until <= await bench.now() + LONG
            assert (record.tick, record.covers_from, record.created) == (run.tick, run.covers_from, run.created)
            assert (reaped.task.failures, reaped.task.fired) == (0, 1)

    async def test_a_run_that_was_taken_over_is_its_new_owners(self) -> None:
        async with self.bench() as bench:
            [run] = await lapsed(bench, "task")
            [reaped] = await bench.reap()
            claim = ask(reaped.task, tick=run.tick, id=reaped.record.claim_id, owner=TWO)
            answer = await bench.claim(claim)
            assert (answer.verdict, answer.fence, answer.attempt) == (Verdict.RUN, reaped.record.fence, 2)
            assert (await bench.finish(end(reaped.record))).accepted
            assert await bench.verdict(claim) == Verdict.TAKEN

    async def test_a_run_is_reaped_once(self) -> None:
        async with self.bench() as bench:
            await lapsed(bench, "a", on_lost="fail")
            await lapsed(bench, "b")
            assert len(await bench.reap(["a", "b"])) == 2
            assert await bench.reap(["a", "b"]) == []

    async def test_only_a_process_that_knows_the_task_takes_a_run_over(self) -> None:
        async with self.bench() as bench:
            [run] = await lapsed(bench, "task")
            assert await bench.reap([]) == []
            assert await bench.reap(["other"]) == []
            assert await bench.run(run.id) == run
            assert len(await bench.reap(["other", "task"])) == 1

    async def test_any_process_may_find_that_a_run_is_lost(self) -> None:
        async with self.bench() as bench:
            await lapsed(bench, "task", on_lost="fail")
            assert [reaped.record.state for reaped in await bench.reap([])] == ["lost"]

    async def test_a_run_that_loses_every_process_is_lost_in_the_end(self) -> None:
        async with self.bench() as bench:
            await lapsed(bench, "task")
            for attempt in range(2, MOST_RERUNS + 2):
                [reaped] = await bench.reap(lease=bench.lease)
                assert (reaped.record.state, reaped.record.attempt) == ("running", attempt)
                await bench.expire()
            [reaped] = await bench.reap()
            assert (reaped.record.state, reaped.task.failures) == ("lost", 1)

    async def test_a_run_that_waited_is_taken_over_and_goes_on_waiting(self) -> None:
        async with self.bench() as bench:
            task = await bench.task()
            first = await bench.start(task, 1)
            waiting = await bench.wait(task, 2, lease=bench.lease, on_lost="fail")
            await bench.expire()
            assert await bench.reap([]) == []
            [reaped] = await bench.reap()
            assert (reaped.record.state, reaped.record.attempt, reaped.record.owner) == ("waiting", 1, TWO)
            assert reaped.record.fence == reaped.task.fence == waiting.fence + 1
            claim = ask(task, tick=waiting.tick, id=reaped.record.claim_id, owner=TWO)
            assert await bench.verdict(claim) == Verdict.WAITING
            await bench.finish(end(first))
            assert await bench.verdict(claim) == Verdict.RUN

    async def test_the_oldest_ticks_are_reaped_first(self) -> None:
        async with self.bench() as bench:
            task, other = await bench.task(), await bench.task("other")
            ticks = [(other, 5), (task, 6), (other, 7), (task, 8)]
            runs = [await bench.start(of, tick=n, kind="manual", lease=bench.lease) for of, n in ticks[::-1]]
            await bench.expire()
            first = await bench.reap(limit=3)
            assert [reaped.record.tick for reaped in first] == [5, 6, 7]
            assert [reaped.record.id for reaped in await bench.reap(limit=3)] == [runs[0].id]

    async def test_runs_that_are_left_to_others_do_not_use_up_the_limit(self) -> None:
        async with self.bench() as bench:
            await lapsed(bench, "a", "b", "c", "d")
            assert [reaped.record.task_key for reaped in await bench.reap(["d"], limit=1)] == ["d"]


class LeaveContract(ContractBase):
    async def test_what_a_process_that_leaves_still_has_is_free_at_once(self) -> None:
        async with self.bench() as bench:
            task = await bench.task()
            mine = await bench.start(task, 1, owner=ONE)
            await bench.start(task, 2, owner=TWO)
            waiting = await bench.wait(task, 3, owner=ONE)
            await bench.store.leave(ONE)
            assert [reaped.record.id for reaped in await bench.reap()] == [mine.id, waiting.id]

    async def test_a_task_whose_holder_leaves_is_free_at_once(self) -> None:
        async with self.bench() as bench:
            await bench.task("task")
            await bench.task("other")
            await bench.pulse(ONE, holds=("task",))
            await bench.pulse(TWO, holds=("other",))
            await bench.store.leave(ONE)
            assert (await bench.state()).holder is None
            assert (await bench.state("other")).holder == TWO
            assert (await bench.pulse(TWO, holds=("task",))).held == {"task"}

    async def test_leaving_ends_no_run(self) -> None:
        async with self.bench() as bench:
            run = await bench.start(await bench.task())
            await bench.store.leave(ONE)
            assert (await bench.finish(end(run))).accepted

    async def test_leaving_twice_or_without_having_come_does_nothing(self) -> None:
        async with self.bench() as bench:
            await bench.pulse(ONE)
            for node in (ONE, ONE, TWO):
                await bench.store.leave(node)
            assert [note.kind for note in await bench.notes()] == ["joined", "left"]
