"""The contract's part on runs that somebody asks for by hand."""

from dataclasses import replace

from aioclock.stores import Verdict
from aioclock.testing._store_bench import ContractBase, ask, end, tick

__all__ = ["ManualContract"]


class ManualContract(ContractBase):
    async def test_a_manual_run_leaves_the_cursor_alone(self) -> None:
        async with self.bench() as bench:
            task = await bench.task()
            answer = await bench.claim(ask(task, 5, kind="manual"))
            assert (answer.verdict, answer.fence, answer.covers_from) == (Verdict.RUN, 1, task.cursor)
            assert answer.task == await bench.state() == replace(task, fence=1)

    async def test_a_manual_run_may_lie_before_the_cursor(self) -> None:
        async with self.bench() as bench:
            task = await bench.task()
            await bench.finish(end(await bench.start(task, 5)))
            assert await bench.verdict(ask(task, 4, kind="manual", floor=tick(task, 9))) == Verdict.RUN
            assert (await bench.state()).cursor == tick(task, 5)

    async def test_a_manual_run_and_one_of_the_schedule_may_have_the_same_tick(self) -> None:
        async with self.bench() as bench:
            task = await bench.task()
            kinds = ("schedule", "manual")
            runs = [await bench.start(task, 5, kind=kind) for kind in kinds]
            assert [run.kind for run in runs] == ["schedule", "manual"]
            assert runs[0].tick == runs[1].tick

    async def test_of_two_manual_runs_with_the_same_tick_the_second_is_taken(self) -> None:
        async with self.bench() as bench:
            task = await bench.task()
            run = await bench.start(task, 5, kind="manual")
            twin = ask(task, 5, kind="manual", most_running=9)
            assert await bench.verdict(twin) == Verdict.TAKEN
            await bench.finish(end(run))
            assert await bench.verdict(twin) == Verdict.TAKEN
            assert len(await bench.runs()) == 1
            assert (await bench.state()).fence == 1

    async def test_a_manual_run_does_not_look_at_the_generation(self) -> None:
        async with self.bench() as bench:
            task = await bench.task()
            assert await bench.verdict(ask(task, kind="manual", generation=7)) == Verdict.RUN

    async def test_a_paused_task_can_be_run_by_hand(self) -> None:
        async with self.bench() as bench:
            task = await bench.task()
            await bench.change(paused=True)
            assert await bench.verdict(ask(task, kind="manual")) == Verdict.RUN

    async def test_an_exhausted_task_can_be_run_by_hand(self) -> None:
        async with self.bench() as bench:
            task = await bench.task()
            await bench.finish(end(await bench.start(task)))
            assert await bench.verdict(ask(task, 2, kind="manual", most_fired=1)) == Verdict.RUN
            await bench.change(exhausted=True)
            assert await bench.verdict(ask(task, 3, kind="manual", most_running=2)) == Verdict.RUN

    async def test_a_manual_run_counts_among_those_that_are_running(self) -> None:
        async with self.bench() as bench:
            task = await bench.task()
            await bench.start(task, 1, kind="manual")
            answer = await bench.claim(ask(task, 1))
            assert (answer.verdict, answer.reason) == (Verdict.SKIPPED, "overlap")

    async def test_a_manual_run_waits_like_any_other(self) -> None:
        async with self.bench() as bench:
            task = await bench.task()
            first = await bench.start(task, 1)
            claim = ask(task, 2, kind="manual", most_waiting=1)
            assert await bench.verdict(claim) == Verdict.WAITING
            await bench.finish(end(first))
            assert await bench.verdict(claim) == Verdict.RUN

    async def test_a_manual_run_may_be_skipped(self) -> None:
        async with self.bench() as bench:
            claim = ask(await bench.task(), kind="manual", skip="stopping")
            answer = await bench.claim(claim)
            assert (answer.verdict, answer.reason) == (Verdict.SKIPPED, "stopping")
            assert (await bench.run(claim.id)).kind == "manual"

    async def test_a_repeated_manual_claim_gets_the_same_answer(self) -> None:
        async with self.bench() as bench:
            claim = ask(await bench.task(), kind="manual")
            assert await bench.claim(claim) == await bench.claim(claim)
            assert len(await bench.runs()) == 1
