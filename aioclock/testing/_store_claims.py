"""The contract's part on ticks that become the claimant's (rules 1 and 5 of `Claim`)."""

from dataclasses import replace

from aioclock.stores import Claimed, RunRecord, Verdict
from aioclock.stores._words import EXHAUSTED
from aioclock.testing._store_bench import LONG, ONE, ContractBase, ask, end, tick

__all__ = ["ClaimContract"]


class ClaimContract(ContractBase):
    # The tick is the claimant's

    async def test_a_claimed_tick_runs(self) -> None:
        async with self.bench() as bench:
            task = await bench.task()
            claim = ask(task, 3)
            answer = await bench.claim(claim)
            after = replace(task, cursor=claim.tick, fence=1, fired=1)
            assert answer == Claimed(verdict=Verdict.RUN, fence=1, covers_from=task.cursor, task=after)
            assert await bench.state() == after

    async def test_a_run_is_on_record_as_it_was_claimed(self) -> None:
        async with self.bench() as bench:
            task = await bench.task()
            before = await bench.now()
            claim = ask(task, 3, kind="catch_up", missed=2, on_lost="rerun", lease=7_654_321)
            await bench.claim(claim)
            [run] = await bench.runs()
            assert before <= run.created <= await bench.now()
            assert run == RunRecord(
                id=claim.id,
                claim_id=claim.id,
                task_key="task",
                kind="catch_up",
                tick=claim.tick,
                fence=1,
                state="running",
                owner=ONE,
                lease_until=run.created + 7_654_321,
                on_lost="rerun",
                covers_from=task.cursor,
                missed=2,
                created=run.created,
            )

    async def test_a_run_covers_what_lies_between_it_and_the_one_before(self) -> None:
        async with self.bench() as bench:
            task = await bench.task()
            await bench.skip(task, 2)
            run = await bench.start(task, 5)
            assert run.covers_from == tick(task, 2)

    async def test_fences_rise_with_each_run(self) -> None:
        async with self.bench() as bench:
            task = await bench.task()
            runs = [
                await bench.start(task, 1),
                await bench.skip(task, 2),
                await bench.start(task, 2, kind="manual"),
                await bench.wait(task, 3),
            ]
            assert [run.fence for run in runs] == [1, 2, 3, 4]
            assert (await bench.state()).fence == 4

    async def test_a_run_knows_the_latest_success_before_it(self) -> None:
        async with self.bench() as bench:
            task = await bench.task()
            first = await bench.start(task, 1)
            await bench.finish(end(first))
            assert first.previous_success is None
            assert (await bench.start(task, 2)).previous_success == first.tick

    async def test_a_task_may_be_claimed_up_to_the_end_of_time(self) -> None:
        async with self.bench() as bench:
            task = await bench.task()
            claim = ask(task, tick=EXHAUSTED - 1)
            assert await bench.verdict(claim) == Verdict.RUN
            assert (await bench.state()).cursor == (await bench.run(claim.id)).tick == EXHAUSTED - 1

    # Rule 1: the claim is known

    async def test_a_repeated_claim_gets_the_same_answer(self) -> None:
        async with self.bench() as bench:
            task = await bench.task()
            claim = ask(task)
            assert await bench.claim(claim) == await bench.claim(claim)
            assert len(await bench.runs()) == 1
            assert (await bench.state()).fence == 1

    async def test_a_repeated_claim_holds_whatever_has_become_of_the_task(self) -> None:
        async with self.bench() as bench:
            task = await bench.task()
            claim = ask(task, most_fired=1, floor=task.cursor)
            await bench.claim(claim)
            await bench.change(paused=True, override='{"trigger": "other"}')
            answer = await bench.claim(claim)
            assert (answer.verdict, answer.fence, answer.covers_from) == (Verdict.RUN, 1, task.cursor)
            assert answer.task == await bench.state()

    async def test_a_repeated_claim_renews_the_lease(self) -> None:
        async with self.bench() as bench:
            claim = ask(await bench.task(), lease=bench.lease)
            await bench.claim(claim)
            await bench.claim(replace(claim, lease=LONG))
            await bench.expire()
            assert await bench.reap() == []

    async def test_a_repeated_claim_of_a_skipped_tick_is_told_so_again(self) -> None:
        async with self.bench() as bench:
            claim = ask(await bench.task(), skip="missed")
            answers = [await bench.claim(claim), await bench.claim(replace(claim, skip=None))]
            assert answers[0] == answers[1]
            assert (answers[0].verdict, answers[0].reason) == (Verdict.SKIPPED, "missed")

    async def test_a_claim_whose_run_has_ended_is_taken(self) -> None:
        async with self.bench() as bench:
            task = await bench.task()
            claim = ask(task)
            await bench.claim(claim)
            await bench.finish(end(await bench.run(claim.id)))
            assert await bench.verdict(claim) == Verdict.TAKEN

    async def test_a_claim_whose_run_was_taken_over_is_taken(self) -> None:
        async with self.bench() as bench:
            task = await bench.task()
            claim = ask(task, lease=bench.lease, on_lost="rerun")
            await bench.claim(claim)
            await bench.expire()
            [reaped] = await bench.reap()
            assert await bench.verdict(claim) == Verdict.TAKEN
            assert await bench.run(claim.id) == reaped.record

    # Rule 5: ticks that are put on record as skipped

    async def test_the_ticks_of_a_paused_task_are_skipped(self) -> None:
        async with self.bench() as bench:
            task = await bench.task()
            await bench.change(paused=True)
            claim = ask(task, skip="missed")
            answer = await bench.claim(claim)
            assert (answer.verdict, answer.reason) == (Verdict.SKIPPED, "paused")
            state = await bench.state()
            assert (state.cursor, state.fence, state.fired) == (claim.tick, 1, 0)
            assert answer.task == state

    async def test_a_skipped_tick_is_on_record_as_ended(self) -> None:
        async with self.bench() as bench:
            run = await bench.skip(await bench.task(), 1, "missed")
            assert (run.state, run.reason, run.started) == ("skipped", "missed", None)
            assert run.finished == run.created
            await bench.expire()
            assert await bench.reap() == []
