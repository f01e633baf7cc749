"""The contract's part on many requests in one call."""

from aioclock.stores import Claim, Verdict
from aioclock.testing._store_bench import ContractBase, ask, end, tick

__all__ = ["BatchContract"]


class BatchContract(ContractBase):
    async def test_claims_are_answered_in_order(self) -> None:
        async with self.bench() as bench:
            b, a = await bench.task("b"), await bench.task("a")
            await bench.change("a", paused=True)
            unknown = Claim(id="f" * 32, task_key="nobody", tick=1, owner="1" * 32, lease=1)
            answers = await bench.store.claim([ask(b), unknown, ask(a), ask(b, 2), ask(b, 1)])
            assert [answer.verdict for answer in answers] == [
                Verdict.RUN,
                Verdict.STALE,
                Verdict.SKIPPED,
                Verdict.SKIPPED,
                Verdict.TAKEN,
            ]
            assert [answer.reason for answer in answers] == [None, None, "paused", "overlap", None]

    async def test_each_claim_of_a_task_finds_what_those_before_it_have_left(self) -> None:
        async with self.bench() as bench:
            task = await bench.task()
            asked = [
                ask(task, 1, most_running=2),
                ask(task, 3, floor=tick(task, 1), most_running=2),
                ask(task, 2),
                ask(task, 4, most_waiting=1),
                ask(task, 5, most_waiting=1),
            ]
            answers = await bench.store.claim(asked)
            assert [(answer.verdict, answer.fence) for answer in answers] == [
                (Verdict.RUN, 1),
                (Verdict.RUN, 2),
                (Verdict.TAKEN, 0),
                (Verdict.WAITING, 3),
                (Verdict.SKIPPED, 4),
            ]
            covered = [answer.covers_from for answer in answers if answer.fence]
            assert covered == [tick(task, n) for n in (0, 1, 3, 4)]
            assert answers[-1].task == await bench.state()

    async def test_a_claim_may_come_twice_in_one_call(self) -> None:
        async with self.bench() as bench:
            claim = ask(await bench.task())
            one, again = await bench.store.claim([claim, claim])
            assert one == again
            assert len(await bench.runs()) == 1

    async def test_a_run_is_replaced_in_the_call_that_made_it_wait(self) -> None:
        async with self.bench() as bench:
            task = await bench.task()
            asked = [ask(task, n, replaces=True) for n in (1, 2, 3)]
            answers = await bench.store.claim([*asked, asked[1]])
            assert [answer.verdict for answer in answers] == [
                Verdict.RUN,
                Verdict.WAITING,
                Verdict.WAITING,
                Verdict.SKIPPED,
            ]

    async def test_no_claims_get_no_answers(self) -> None:
        async with self.bench() as bench:
            assert await bench.store.claim([]) == []

    async def test_hundreds_of_tasks_may_be_claimed_and_ended_at_once(self) -> None:
        async with self.bench() as bench:
            tasks = [await bench.task(f"task {n:03}") for n in range(200)]
            answers = await bench.store.claim([ask(task) for task in tasks])
            assert {answer.verdict for answer in answers} == {Verdict.RUN}
            assert [answer.task.key for answer in answers if answer.task] == [task.key for task in tasks]
            runs = await bench.runs()
            assert len(runs) == 200
            assert all(answer.accepted for answer in await bench.store.finish([end(run) for run in runs]))
            assert {run.state for run in await bench.runs()} == {"succeeded"}
            assert all(task.last_success == task.cursor for task in await bench.store.tasks())
