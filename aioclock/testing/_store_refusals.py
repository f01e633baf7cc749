"""The contract's part on claims that are refused (rules 2 to 4 of `Claim`)."""

from dataclasses import replace

from aioclock.stores import Claimed, Verdict
from aioclock.testing._store_bench import ContractBase, ask, end, tick

__all__ = ["RefusalContract"]


class RefusalContract(ContractBase):
    # Rule 2: the task is not what the claimant thinks

    async def test_a_claim_of_an_unknown_task_is_stale(self) -> None:
        async with self.bench() as bench:
            claim = replace(ask(await bench.task()), task_key="nobody")
            assert await bench.claim(claim) == Claimed(verdict=Verdict.STALE)
            manual = replace(claim, kind="manual")
            assert await bench.claim(manual) == Claimed(verdict=Verdict.STALE)
            assert await bench.runs() == []

    async def test_a_claim_for_another_generation_is_stale(self) -> None:
        async with self.bench() as bench:
            old = await bench.task()
            task = await bench.change(override='{"trigger": "other"}')
            for generation in (old.generation, task.generation + 1):
                answer = await bench.claim(ask(task, generation=generation))
                assert answer == Claimed(verdict=Verdict.STALE, task=task)
            assert await bench.runs() == []
            assert await bench.state() == task

    # Rule 3: the cursor

    async def test_a_tick_that_another_claimed_is_taken(self) -> None:
        async with self.bench() as bench:
            task = await bench.task()
            await bench.start(task, 2)
            before = await bench.state()
            for n in (0, 1, 2):
                answer = await bench.claim(ask(task, n, most_running=9))
                assert answer == Claimed(verdict=Verdict.TAKEN, task=before)
            assert len(await bench.runs()) == 1
            assert await bench.state() == before

    async def test_catching_up_can_not_claim_a_tick_again(self) -> None:
        async with self.bench() as bench:
            task = await bench.task()
            await bench.finish(end(await bench.start(task, 1)))
            assert await bench.verdict(ask(task, 1, kind="catch_up")) == Verdict.TAKEN

    async def test_a_tick_is_taken_although_a_revived_task_begins_before_it(self) -> None:
        async with self.bench() as bench:
            ahead = await bench.start(await bench.task(), 1000)
            await bench.finish(end(ahead))
            await bench.change(exhausted=True)
            task = await bench.change(override='{"trigger": "other"}')
            assert task.cursor < ahead.tick
            assert await bench.verdict(ask(task, tick=ahead.tick)) == Verdict.TAKEN
            assert await bench.verdict(ask(task, tick=ahead.tick - 1)) == Verdict.RUN

    async def test_a_claim_is_behind_while_the_cursor_is_before_its_floor(self) -> None:
        async with self.bench() as bench:
            task = await bench.task()
            claim = ask(task, 2, floor=tick(task, 1))
            assert await bench.claim(claim) == Claimed(verdict=Verdict.BEHIND, task=task)
            assert await bench.runs() == []
            await bench.skip(task, 1)
            assert await bench.verdict(claim) == Verdict.RUN

    async def test_a_tick_that_is_taken_is_not_behind(self) -> None:
        async with self.bench() as bench:
            task = await bench.task()
            await bench.start(task, 2)
            assert await bench.verdict(ask(task, 2, floor=tick(task, 9))) == Verdict.TAKEN

    # Rule 4: how often it may run

    async def test_a_schedule_is_exhausted_once_it_has_had_its_runs(self) -> None:
        async with self.bench() as bench:
            task = await bench.task()
            assert await bench.verdict(ask(task, 1, most_fired=2, most_running=9)) == Verdict.RUN
            assert await bench.verdict(ask(task, 2, most_fired=2, most_running=9)) == Verdict.RUN
            answer = await bench.claim(ask(task, 3, most_fired=2, most_running=9))
            assert answer == Claimed(verdict=Verdict.EXHAUSTED, task=await bench.state())
            assert (await bench.state()).cursor == tick(task, 2)

    async def test_only_runs_of_the_schedule_count_towards_its_end(self) -> None:
        async with self.bench() as bench:
            task = await bench.task()
            await bench.skip(task, 1)
            await bench.start(task, 1, kind="manual")
            assert (await bench.state()).fired == 0
            await bench.wait(task, 2)
            await bench.skip(task, 3)
            assert (await bench.state()).fired == 1
            await bench.wait(task, 4, kind="catch_up")
            assert (await bench.state()).fired == 2

    async def test_a_schedule_that_is_behind_is_not_exhausted(self) -> None:
        async with self.bench() as bench:
            task = await bench.task()
            assert await bench.verdict(ask(task, 3, floor=tick(task, 1), most_fired=0)) == Verdict.BEHIND
            assert await bench.verdict(ask(task, 3, skip="missed", most_fired=0)) == Verdict.EXHAUSTED
