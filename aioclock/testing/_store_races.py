"""The contract's part on processes that ask at the same time."""

import asyncio

from aioclock.stores import Verdict
from aioclock.testing._store_bench import ONE, TWO, ContractBase, ask, end, tick

__all__ = ["RaceContract"]


class RaceContract(ContractBase):
    async def test_a_process_sees_what_another_has_done(self) -> None:
        async with self.two() as (one, two):
            run = await one.start(await two.task())
            assert await two.run(run.id) == run
            assert (await two.finish(end(run))).accepted
            assert (await one.state()).last_success == run.tick

    async def test_processes_that_register_at_once_agree(self) -> None:
        async with self.two() as (one, two):
            tasks = await asyncio.gather(*(bench.task() for bench in (one, two) * 5))
            assert [task for task in tasks if task != tasks[0]] == []
            kinds = [note.kind for note in await one.notes()]
            assert kinds == ["registered"]

    async def test_processes_that_claim_a_tick_at_once_get_it_once(self) -> None:
        async with self.two() as (one, two):
            task = await one.task()
            for n in range(1, 11):
                claims = [(bench, ask(task, n, most_running=99)) for bench in (one, two, one, two)]
                verdicts = await asyncio.gather(*(bench.verdict(claim) for bench, claim in claims))
                assert sorted(verdicts) == [Verdict.RUN, *[Verdict.TAKEN] * 3]
            runs = await one.runs()
            assert sorted(run.tick for run in runs) == [tick(task, n) for n in range(1, 11)]
            assert sorted(run.fence for run in runs) == list(range(1, 11))

    async def test_processes_that_claim_other_ticks_at_once_get_fences_of_their_own(self) -> None:
        async with self.two() as (one, two):
            task = await one.task()
            claims = [((one, two)[n % 2], ask(task, n, most_running=99)) for n in range(1, 21)]
            answers = await asyncio.gather(*(bench.claim(claim) for bench, claim in claims))
            fences = sorted(answer.fence for answer in answers if answer.verdict == Verdict.RUN)
            assert fences == list(range(1, len(fences) + 1))
            state = await one.state()
            assert (state.cursor, state.fence, state.fired) == (tick(task, 20), len(fences), len(fences))

    async def test_a_claim_that_is_repeated_before_it_is_answered_counts_once(self) -> None:
        async with self.two() as (one, two):
            claim = ask(await one.task())
            answers = await asyncio.gather(*(bench.claim(claim) for bench in (one, two) * 3))
            assert {(answer.verdict, answer.fence) for answer in answers} == {(Verdict.RUN, 1)}
            assert len(await one.runs()) == 1

    async def test_processes_that_claim_at_once_keep_to_the_limit(self) -> None:
        async with self.two() as (one, two):
            task = await one.task()
            claims = [((one, two)[n % 2], ask(task, n, kind="manual", most_waiting=2)) for n in range(10)]
            verdicts = await asyncio.gather(*(bench.verdict(claim) for bench, claim in claims))
            assert sorted(verdicts) == ["run", *["skipped"] * 7, "waiting", "waiting"]

    async def test_claims_of_many_tasks_in_opposite_orders_do_not_block_each_other(self) -> None:
        async with self.two() as (one, two):
            tasks = [await one.task(f"task {n:02}") for n in range(50)]
            for n in range(1, 4):
                orders = [(one, tasks), (two, tasks[::-1]), (one, tasks[25:] + tasks[:25]), (two, tasks)]
                calls = [bench.store.claim([ask(task, n, most_running=9) for task in order]) for bench, order in orders]
                answers = [answer for call in await asyncio.gather(*calls) for answer in call]
                assert sum(answer.verdict == Verdict.RUN for answer in answers) == 50
                assert sum(answer.verdict == Verdict.TAKEN for answer in answers) == 150

    async def test_of_ends_that_are_told_at_once_one_is_accepted(self) -> None:
        async with self.two() as (one, two):
            task = await one.task()
            for n in range(1, 6):
                run = await one.start(task, n)
                ends = [
                    (one, end(run, "failed")),
                    (two, end(run)),
                    (one, end(run, "cancelled")),
                    (two, end(run, "lost")),
                ]
                answers = await asyncio.gather(*(bench.finish(told) for bench, told in ends))
                assert [answer.accepted for answer in answers].count(True) == 1

    async def test_an_end_that_is_told_twice_at_once_counts_once(self) -> None:
        async with self.two() as (one, two):
            told = end(await one.start(await one.task()), "failed")
            answers = await asyncio.gather(*(bench.finish(told) for bench in (one, two) * 3))
            assert all(answer.accepted for answer in answers)
            assert (await one.state()).failures == 1

    async def test_processes_that_reap_at_once_take_each_run_over_once(self) -> None:
        async with self.two() as (one, two):
            task = await one.task()
            runs = [await one.start(task, n, lease=one.lease, on_lost="rerun") for n in range(1, 11)]
            await one.expire()
            answers = await asyncio.gather(*(bench.reap() for bench in (one, two) * 2))
            reaped = [found.record for answer in answers for found in answer]
            assert sorted(record.tick for record in reaped) == [run.tick for run in runs]
            assert sorted(record.fence for record in reaped) == list(range(11, 21))
            assert {record.attempt for record in reaped} == {2}

    async def test_a_run_is_either_ended_or_taken_over(self) -> None:
        async with self.two() as (one, two):
            task = await one.task()
            runs = [await one.start(task, n, lease=one.lease, on_lost="rerun") for n in range(1, 11)]
            await one.expire()
            ends, reaped = await asyncio.gather(one.store.finish([end(run) for run in runs]), two.reap())
            assert sum(answer.accepted for answer in ends) + len(reaped) == 10
            states = [run.state for run in await one.runs()]
            assert states.count("running") == len(reaped)

    async def test_processes_that_want_a_task_at_once_do_not_both_hold_it(self) -> None:
        async with self.two() as (one, two):
            for n in range(5):
                await one.task(f"task {n}")
            keys = tuple(f"task {n}" for n in range(5))
            answers = await asyncio.gather(one.pulse(ONE, holds=keys), two.pulse(TWO, holds=keys[::-1]))
            assert answers[0].held | answers[1].held == set(keys)
            assert not answers[0].held & answers[1].held
            assert {task.fence for task in await one.store.tasks()} == {1}

    async def test_changes_that_are_made_at_once_are_all_made(self) -> None:
        async with self.two() as (one, two):
            await one.task()
            await asyncio.gather(*(bench.change(override=f"{n}") for n, bench in enumerate((one, two) * 4)))
            assert (await one.state()).generation == 8
            sequences = [note.sequence for note in await one.notes()]
            assert sequences == sorted(set(sequences))
            assert len(sequences) == 9
