"""The contract's part on runs of one task that overlap, wait and replace each other."""

from dataclasses import replace

from aioclock.stores import Verdict
from aioclock.testing._store_bench import LONG, ContractBase, ask, end, tick

__all__ = ["OverlapContract"]


class OverlapContract(ContractBase):
    async def test_a_tick_during_a_run_is_skipped(self) -> None:
        async with self.bench() as bench:
            task = await bench.task()
            await bench.start(task, 1)
            claim = ask(task, 2)
            answer = await bench.claim(claim)
            assert (answer.verdict, answer.reason, answer.fence) == (Verdict.SKIPPED, "overlap", 2)
            assert (await bench.run(claim.id)).state == "skipped"
            assert (await bench.state()).cursor == claim.tick

    async def test_a_tick_after_a_run_is_run(self) -> None:
        async with self.bench() as bench:
            task = await bench.task()
            await bench.finish(end(await bench.start(task, 1)))
            assert await bench.verdict(ask(task, 2)) == Verdict.RUN

    async def test_runs_of_other_tasks_do_not_count(self) -> None:
        async with self.bench() as bench:
            await bench.start(await bench.task("other"), 1)
            assert await bench.verdict(ask(await bench.task("task"), 1)) == Verdict.RUN

    async def test_as_many_run_at_once_as_the_claim_lets(self) -> None:
        async with self.bench() as bench:
            task = await bench.task()
            verdicts = [await bench.verdict(ask(task, n, most_running=2)) for n in (1, 2, 3)]
            assert verdicts == [Verdict.RUN, Verdict.RUN, Verdict.SKIPPED]

    async def test_as_many_wait_as_the_claim_lets(self) -> None:
        async with self.bench() as bench:
            task = await bench.task()
            verdicts = [await bench.verdict(ask(task, n, most_waiting=2)) for n in (1, 2, 3, 4)]
            assert verdicts == [Verdict.RUN, Verdict.WAITING, Verdict.WAITING, Verdict.SKIPPED]
            assert (await bench.state()).fired == 3

    async def test_a_run_that_waits_starts_when_the_other_has_ended(self) -> None:
        async with self.bench() as bench:
            task = await bench.task()
            first = await bench.start(task, 1)
            claim = ask(task, 2, most_waiting=1)
            answers = [await bench.claim(claim), await bench.claim(claim)]
            assert [answer.verdict for answer in answers] == [Verdict.WAITING, Verdict.WAITING]
            await bench.finish(end(first))
            started = await bench.claim(claim)
            assert (started.verdict, started.fence) == (Verdict.RUN, answers[0].fence)
            assert (started.covers_from, started.attempt) == (first.tick, 1)
            assert (await bench.run(claim.id)).state == "running"
            assert (await bench.state()).fired == 2

    async def test_runs_that_wait_start_in_the_order_of_their_ticks(self) -> None:
        async with self.bench() as bench:
            task = await bench.task()
            first = await bench.start(task, 1)
            two, three = ask(task, 2, most_waiting=9), ask(task, 3, most_waiting=9)
            await bench.store.claim([two, three])
            await bench.finish(end(first))
            assert await bench.verdict(three) == Verdict.WAITING
            assert await bench.verdict(two) == Verdict.RUN
            assert await bench.verdict(three) == Verdict.WAITING
            await bench.finish(end(await bench.run(two.id)))
            assert await bench.verdict(three) == Verdict.RUN

    async def test_of_those_that_wait_the_lowest_tick_is_the_oldest(self) -> None:
        async with self.bench() as bench:
            task = await bench.task()
            first = await bench.start(task, 5)
            claimed_first = ask(task, 9, most_waiting=9)
            lower = ask(task, 7, kind="manual", most_waiting=9)
            await bench.store.claim([claimed_first, lower])
            await bench.finish(end(first))
            assert await bench.verdict(claimed_first) == Verdict.WAITING
            assert await bench.verdict(lower) == Verdict.RUN

    async def test_of_those_that_wait_with_one_tick_the_lower_fence_is_the_oldest(self) -> None:
        async with self.bench() as bench:
            task = await bench.task()
            first = await bench.start(task, 1)
            scheduled = ask(task, 2, most_waiting=9)
            manual = ask(task, 2, kind="manual", most_waiting=9)
            await bench.store.claim([scheduled, manual])
            await bench.finish(end(first))
            assert await bench.verdict(manual) == Verdict.WAITING
            assert await bench.verdict(scheduled) == Verdict.RUN

    async def test_a_new_tick_does_not_overtake_one_that_waits(self) -> None:
        async with self.bench() as bench:
            task = await bench.task()
            first = await bench.start(task, 1)
            await bench.wait(task, 2)
            await bench.finish(end(first))
            assert await bench.verdict(ask(task, 3, most_waiting=9)) == Verdict.WAITING
            assert await bench.verdict(ask(task, 4)) == Verdict.SKIPPED

    async def test_several_that_wait_start_as_room_allows(self) -> None:
        async with self.bench() as bench:
            task = await bench.task()
            running = [await bench.start(task, n, most_running=2) for n in (1, 2)]
            waiting = [ask(task, n, most_running=2, most_waiting=9) for n in (3, 4, 5)]
            await bench.store.claim(waiting)
            await bench.store.finish([end(run) for run in running])
            answers = await bench.store.claim(waiting)
            assert [answer.verdict for answer in answers] == [Verdict.RUN, Verdict.RUN, Verdict.WAITING]

    async def test_waiting_renews_the_lease(self) -> None:
        async with self.bench() as bench:
            task = await bench.task()
            await bench.start(task, 1)
            claim = ask(task, 2, most_waiting=1, lease=bench.lease)
            await bench.claim(claim)
            await bench.claim(replace(claim, lease=LONG))
            await bench.expire()
            assert await bench.reap() == []

    async def test_a_run_whose_lease_has_passed_counts_until_it_is_reaped(self) -> None:
        async with self.bench() as bench:
            task = await bench.task()
            await bench.start(task, 1, lease=bench.lease)
            await bench.expire()
            assert await bench.verdict(ask(task, 2)) == Verdict.SKIPPED
            await bench.reap()
            assert await bench.verdict(ask(task, 3)) == Verdict.RUN

    async def test_a_run_that_waits_can_be_given_up(self) -> None:
        async with self.bench() as bench:
            task = await bench.task()
            await bench.start(task, 1)
            run = await bench.wait(task, 2)
            assert (await bench.finish(end(run, "skipped", started=None, reason="withdrawn"))).accepted
            answer = await bench.claim(ask(task, 2, id=run.claim_id))
            assert (answer.verdict, answer.reason) == (Verdict.SKIPPED, "withdrawn")

    # One that replaces the others

    async def test_a_run_that_replaces_others_waits_until_they_have_ended(self) -> None:
        async with self.bench() as bench:
            task = await bench.task()
            first = await bench.start(task, 1)
            claim = ask(task, 2, replaces=True)
            assert await bench.verdict(claim) == Verdict.WAITING
            assert (await bench.run(first.id)).cancel_requested
            assert (await bench.pulse(claims=(first.claim_id, claim.id))).cancelled == {first.claim_id}
            await bench.finish(end(first, "cancelled"))
            assert await bench.verdict(claim) == Verdict.RUN
            assert not (await bench.run(claim.id)).cancel_requested

    async def test_a_run_that_replaces_others_takes_the_place_of_those_that_wait(self) -> None:
        async with self.bench() as bench:
            task = await bench.task()
            await bench.start(task, 1)
            waiting = [ask(task, n, most_waiting=9) for n in (2, 3)]
            await bench.store.claim(waiting)
            claim = ask(task, 4, replaces=True)
            answer = await bench.claim(claim)
            assert (answer.verdict, answer.covers_from) == (Verdict.WAITING, tick(task, 3))
            answers = await bench.store.claim(waiting)
            assert {(answer.verdict, answer.reason) for answer in answers} == {(Verdict.SKIPPED, "overlap")}
            states = [run.state for run in await bench.runs()]
            assert states == ["waiting", "skipped", "skipped", "running"]

    async def test_a_run_that_replaces_others_runs_at_once_if_there_are_none(self) -> None:
        async with self.bench() as bench:
            assert await bench.verdict(ask(await bench.task(), replaces=True)) == Verdict.RUN

    async def test_a_run_that_need_not_wait_replaces_nothing(self) -> None:
        async with self.bench() as bench:
            task = await bench.task()
            first = await bench.start(task, 1)
            assert await bench.verdict(ask(task, 2, replaces=True, most_running=2)) == Verdict.RUN
            assert await bench.verdict(ask(task, 3, replaces=True, skip="missed")) == Verdict.SKIPPED
            await bench.change(paused=True)
            assert await bench.verdict(ask(task, 4, replaces=True)) == Verdict.SKIPPED
            assert await bench.run(first.id) == first

    async def test_a_run_that_replaces_others_leaves_other_tasks_alone(self) -> None:
        async with self.bench() as bench:
            other = await bench.start(await bench.task("other"))
            task = await bench.task()
            await bench.start(task, 1)
            await bench.claim(ask(task, 2, replaces=True))
            assert not (await bench.run(other.id)).cancel_requested
