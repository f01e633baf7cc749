"""The contract's part on what processes tell every second, and on tasks that one of them has to itself."""

from uuid import uuid4

from aioclock.stores import PulseAnswer, Verdict
from aioclock.stores._words import EXHAUSTED
from aioclock.testing._store_bench import ONE, TWO, ContractBase, ask, end

__all__ = ["HoldContract", "PulseContract"]


class PulseContract(ContractBase):
    async def test_a_pulse_tells_the_time(self) -> None:
        async with self.bench() as bench:
            first = await bench.pulse()
            await bench.tell_apart()
            second = await bench.pulse()
            assert 0 < first.now < second.now
            assert first == PulseAnswer(now=first.now)

    async def test_a_pulse_renews_leases(self) -> None:
        async with self.bench() as bench:
            task = await bench.task()
            running = await bench.start(task, 1, lease=bench.lease)
            waiting = await bench.wait(task, 2, lease=bench.lease)
            answer = await bench.pulse(claims=(running.claim_id, waiting.claim_id))
            assert answer.lost == set()
            await bench.expire()
            assert await bench.reap() == []
            assert (await bench.run(running.id)).lease_until > running.lease_until

    async def test_a_lease_that_has_passed_is_renewed_if_nobody_took_the_run(self) -> None:
        async with self.bench() as bench:
            run = await bench.start(await bench.task(), lease=bench.lease)
            await bench.expire()
            assert (await bench.pulse(claims=(run.claim_id,))).lost == set()
            assert await bench.reap() == []

    async def test_a_pulse_renews_no_other_leases(self) -> None:
        async with self.bench() as bench:
            task = await bench.task()
            mine, other = [await bench.start(task, n, lease=bench.lease) for n in (1, 2)]
            await bench.pulse(claims=(mine.claim_id,))
            await bench.expire()
            assert [reaped.record.id for reaped in await bench.reap()] == [other.id]

    async def test_a_pulse_tells_which_claims_are_lost(self) -> None:
        async with self.bench() as bench:
            task = await bench.task()
            kept, ended, taken = [await bench.start(task, n, on_lost="rerun") for n in (1, 2, 3)]
            skipped = await bench.skip(task, 4)
            await bench.finish(end(ended))
            await bench.pulse(claims=(taken.claim_id,), lease=bench.lease)
            await bench.expire()
            [reaped] = await bench.reap()
            unknown = uuid4().hex
            lost = {ended.claim_id, taken.claim_id, skipped.claim_id, unknown}
            answer = await bench.pulse(claims=(*lost, kept.claim_id, reaped.record.claim_id))
            assert answer.lost == lost

    async def test_a_lost_claim_is_not_renewed(self) -> None:
        async with self.bench() as bench:
            run = await bench.start(await bench.task(), on_lost="rerun", lease=bench.lease)
            await bench.expire()
            await bench.reap(lease=bench.lease)
            await bench.pulse(claims=(run.claim_id,))
            await bench.expire()
            assert len(await bench.reap()) == 1

    async def test_a_pulse_tells_whose_cancellation_was_asked(self) -> None:
        async with self.bench() as bench:
            run = await bench.start(await bench.task())
            other = await bench.start(await bench.task("other"))
            await bench.change(cancel=True)
            both = (run.claim_id, other.claim_id)
            assert (await bench.pulse(claims=both)).cancelled == {run.claim_id}
            assert (await bench.pulse(claims=both)).cancelled == {run.claim_id}
            await bench.finish(end(run, "cancelled"))
            answer = await bench.pulse(claims=both)
            assert answer == PulseAnswer(now=answer.now, lost=frozenset({run.claim_id}))

    async def test_a_pulse_tells_tasks_that_were_changed_since(self) -> None:
        async with self.bench() as bench:
            await bench.task("other")
            task = await bench.task()
            await bench.tell_apart()
            since = (await bench.pulse()).now
            assert (await bench.pulse(since=since)).changed == ()
            await bench.tell_apart()
            task = await bench.change(paused=True, note="repairs")
            assert (await bench.pulse(since=since)).changed == (task,)
            assert (await bench.pulse(since=task.changed_at - 1)).changed == (task,)
            assert (await bench.pulse(since=task.changed_at)).changed == ()

    async def test_whoever_does_not_ask_for_changes_is_told_none(self) -> None:
        async with self.bench() as bench:
            await bench.task()
            assert (await bench.pulse(since=0)).changed == ()
            assert len((await bench.pulse(since=1)).changed) == 1

    async def test_runs_are_no_changes(self) -> None:
        async with self.bench() as bench:
            task = await bench.task()
            await bench.finish(end(await bench.start(task, 1), "failed"))
            await bench.start(task, 2, kind="manual")
            await bench.pulse(holds=("task",))
            await bench.change(cancel=True)
            assert (await bench.state()).changed_at == task.changed_at

    async def test_a_pulse_may_be_of_hundreds_of_claims(self) -> None:
        async with self.bench() as bench:
            tasks = [await bench.task(f"task {n}") for n in range(10)]
            claims = [ask(task, n, most_running=99) for n in range(1, 31) for task in tasks]
            await bench.store.claim(claims)
            gone = frozenset(uuid4().hex for _ in range(300))
            answer = await bench.pulse(claims=(*(claim.id for claim in claims), *gone))
            assert answer.lost == gone


class HoldContract(ContractBase):
    async def test_a_task_that_is_free_can_be_held(self) -> None:
        async with self.bench() as bench:
            await bench.task()
            before = await bench.now()
            assert (await bench.pulse(ONE, holds=("task", "nobody"), lease=5_000_000)).held == {"task"}
            state = await bench.state()
            assert (state.holder, state.fence) == (ONE, 1)
            assert before + 5_000_000 <= state.held_until <= await bench.now() + 5_000_000

    async def test_a_holder_keeps_its_task_and_its_fence(self) -> None:
        async with self.bench() as bench:
            await bench.task()
            await bench.pulse(ONE, holds=("task",))
            await bench.start(await bench.state(), kind="manual")
            before = await bench.state()
            await bench.tell_apart()
            assert (await bench.pulse(ONE, holds=("task",))).held == {"task"}
            state = await bench.state()
            assert (state.holder, state.fence) == (ONE, before.fence)
            assert state.held_until > before.held_until

    async def test_a_task_that_another_holds_is_refused(self) -> None:
        async with self.bench() as bench:
            await bench.task("free")
            await bench.task()
            await bench.pulse(ONE, holds=("task",))
            before = await bench.state()
            assert (await bench.pulse(TWO, holds=("task", "free"))).held == {"free"}
            assert await bench.state() == before

    async def test_a_task_whose_holders_lease_has_passed_changes_hands(self) -> None:
        async with self.bench() as bench:
            await bench.task()
            await bench.pulse(ONE, holds=("task",), lease=bench.lease)
            await bench.expire()
            assert (await bench.pulse(TWO, holds=("task",))).held == {"task"}
            state = await bench.state()
            assert (state.holder, state.fence) == (TWO, 2)
            assert (await bench.pulse(ONE, holds=("task",))).held == set()

    async def test_a_holder_whose_lease_has_passed_may_keep_its_task(self) -> None:
        async with self.bench() as bench:
            await bench.task()
            await bench.pulse(ONE, holds=("task",), lease=bench.lease)
            await bench.expire()
            assert (await bench.pulse(ONE, holds=("task",))).held == {"task"}
            assert (await bench.state()).fence == 1

    async def test_a_pulse_that_does_not_name_a_task_leaves_its_hold_as_it_is(self) -> None:
        async with self.bench() as bench:
            await bench.task()
            await bench.pulse(ONE, holds=("task",))
            before = await bench.state()
            assert (await bench.pulse(ONE)).held == set()
            assert await bench.state() == before

    async def test_a_paused_task_can_be_held(self) -> None:
        async with self.bench() as bench:
            await bench.task()
            await bench.change(paused=True)
            assert (await bench.pulse(holds=("task",))).held == {"task"}

    async def test_an_exhausted_task_is_not_held(self) -> None:
        async with self.bench() as bench:
            await bench.task()
            await bench.pulse(holds=("task",))
            state = await bench.change(exhausted=True)
            assert (state.holder, state.cursor) == (None, EXHAUSTED)
            assert (await bench.pulse(holds=("task",))).held == set()
            assert await bench.state() == state

    async def test_a_hold_neither_claims_nor_counts_as_a_run(self) -> None:
        async with self.bench() as bench:
            task = await bench.task()
            await bench.pulse(TWO, holds=("task",))
            answer = await bench.claim(ask(task))
            assert (answer.verdict, answer.fence) == (Verdict.RUN, 2)
