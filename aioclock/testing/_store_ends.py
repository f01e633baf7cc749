"""The contract's part on the ends of runs."""

from aioclock.runs import RunError
from aioclock.stores import Finished
from aioclock.testing._store_bench import ContractBase, end

__all__ = ["EndContract"]


class EndContract(ContractBase):
    async def test_an_end_is_on_record(self) -> None:
        async with self.bench() as bench:
            run = await bench.start(await bench.task(), missed=9)
            error = RunError(type="ValueError", message="no such order", traceback="Traceback: ...")
            told = end(run, "failed", attempt=3, missed=1, reason="why", error=error, output="printed")
            assert await bench.finish(told) == Finished(accepted=True, failures=1)
            ended = await bench.run(run.id)
            assert (ended.state, ended.attempt, ended.missed) == ("failed", 3, 1)
            assert (ended.started, ended.finished) == (told.started, told.finished)
            assert (ended.reason, ended.error, ended.output) == ("why", error, "printed")
            assert (ended.fence, ended.owner, ended.tick) == (run.fence, run.owner, run.tick)
            assert (ended.created, ended.covers_from) == (run.created, run.covers_from)

    async def test_an_end_without_texts_is_on_record(self) -> None:
        async with self.bench() as bench:
            run = await bench.start(await bench.task())
            await bench.finish(end(run, "cancelled", started=None))
            ended = await bench.run(run.id)
            assert (ended.started, ended.reason, ended.error, ended.output) == (None, None, None, None)

    async def test_empty_texts_stay_empty(self) -> None:
        async with self.bench() as bench:
            run = await bench.start(await bench.task())
            error = RunError(type="E", message="", traceback="")
            await bench.finish(end(run, "failed", reason="", error=error, output=""))
            ended = await bench.run(run.id)
            assert (ended.reason, ended.error, ended.output) == ("", error, "")

    async def test_an_end_may_be_told_again(self) -> None:
        async with self.bench() as bench:
            told = end(await bench.start(await bench.task()), "failed")
            assert await bench.finish(told) == await bench.finish(told) == Finished(accepted=True, failures=1)
            assert (await bench.state()).failures == 1

    async def test_a_second_end_is_refused(self) -> None:
        async with self.bench() as bench:
            run = await bench.start(await bench.task())
            await bench.finish(end(run, "failed"))
            others = [
                end(run, "succeeded"),
                end(run, "failed", finished=run.created + 9),
                end(run, "failed", started=None),
                end(run, "failed", fence=run.fence + 1),
            ]
            for other in others:
                assert await bench.finish(other) == Finished(accepted=False, failures=1)
            assert (await bench.run(run.id)).state == "failed"
            assert (await bench.state()).last_success is None

    async def test_an_end_with_another_fence_is_refused(self) -> None:
        async with self.bench() as bench:
            run = await bench.start(await bench.task())
            for fence in (run.fence - 1, run.fence + 1):
                assert not (await bench.finish(end(run, fence=fence))).accepted
            assert await bench.run(run.id) == run

    async def test_an_end_of_an_unknown_claim_is_refused(self) -> None:
        async with self.bench() as bench:
            run = await bench.start(await bench.task())
            assert not (await bench.finish(end(run, claim_id="f" * 32))).accepted
            nobodys = end(run, claim_id="f" * 32, task_key="nobody")
            assert await bench.finish(nobodys) == Finished(accepted=False, failures=0)

    async def test_an_end_after_the_run_was_taken_over_is_refused(self) -> None:
        async with self.bench() as bench:
            run = await bench.start(await bench.task(), lease=bench.lease, on_lost="rerun")
            await bench.expire()
            [reaped] = await bench.reap()
            assert not (await bench.finish(end(run))).accepted
            assert not (await bench.finish(end(run, fence=reaped.record.fence))).accepted
            assert not (await bench.finish(end(reaped.record, fence=run.fence))).accepted
            assert (await bench.finish(end(reaped.record))).accepted

    async def test_an_end_after_the_run_was_lost_is_refused(self) -> None:
        async with self.bench() as bench:
            run = await bench.start(await bench.task(), lease=bench.lease)
            await bench.expire()
            await bench.reap()
            assert await bench.finish(end(run)) == Finished(accepted=False, failures=1)
            assert (await bench.run(run.id)).state == "lost"

    async def test_an_end_after_the_lease_has_passed_is_accepted_if_nobody_took_the_run(self) -> None:
        async with self.bench() as bench:
            run = await bench.start(await bench.task(), lease=bench.lease)
            await bench.expire()
            assert (await bench.finish(end(run))).accepted
            assert await bench.reap() == []

    async def test_an_end_is_accepted_although_the_schedule_was_edited(self) -> None:
        async with self.bench() as bench:
            run = await bench.start(await bench.task("task", "first"))
            await bench.task("task", "second")
            assert (await bench.finish(end(run))).accepted
            assert (await bench.state()).last_success == run.tick

    # What a task remembers of them

    async def test_the_latest_success_is_remembered(self) -> None:
        async with self.bench() as bench:
            task = await bench.task()
            for n, kind in enumerate(("schedule", "catch_up", "schedule"), 1):
                run = await bench.start(task, n, kind=kind)
                await bench.finish(end(run))
                assert (await bench.state()).last_success == run.tick

    async def test_the_latest_success_never_moves_back(self) -> None:
        async with self.bench() as bench:
            task = await bench.task()
            runs = [await bench.start(task, n) for n in (1, 2)]
            await bench.store.finish([end(runs[1]), end(runs[0])])
            assert (await bench.state()).last_success == runs[1].tick

    async def test_only_success_is_a_success(self) -> None:
        async with self.bench() as bench:
            task = await bench.task()
            for n, outcome in enumerate(("failed", "timed_out", "cancelled", "skipped"), 1):
                await bench.finish(end(await bench.start(task, n), outcome))
            assert (await bench.state()).last_success is None

    async def test_a_manual_success_is_no_success_of_the_schedule(self) -> None:
        async with self.bench() as bench:
            task = await bench.task()
            await bench.finish(end(await bench.start(task, kind="manual")))
            assert (await bench.state()).last_success is None

    async def test_failures_in_a_row_are_counted(self) -> None:
        async with self.bench() as bench:
            task = await bench.task()
            counts = []
            for n, outcome in enumerate(("failed", "timed_out", "cancelled", "lost", "skipped", "failed"), 1):
                counts.append((await bench.finish(end(await bench.start(task, n), outcome))).failures)
            assert counts == [1, 2, 2, 3, 3, 4]
            assert (await bench.state()).failures == 4

    async def test_success_ends_a_row_of_failures(self) -> None:
        async with self.bench() as bench:
            task = await bench.task()
            for n, kind in enumerate(("schedule", "manual", "catch_up"), 1):
                await bench.finish(end(await bench.start(task, 2 * n), "failed"))
                run = await bench.start(task, 2 * n + 1, kind=kind)
                assert await bench.finish(end(run)) == Finished(accepted=True, failures=0)
                assert (await bench.state()).failures == 0

    async def test_ends_are_answered_in_order(self) -> None:
        async with self.bench() as bench:
            task = await bench.task()
            one, two = [await bench.start(task, n) for n in (1, 2)]
            ends = [end(one, "failed"), end(two, fence=99), end(one, "failed"), end(two, "failed"), end(two)]
            answers = await bench.store.finish(ends)
            assert [(answer.accepted, answer.failures) for answer in answers] == [
                (True, 1),
                (False, 1),
                (True, 1),
                (True, 2),
                (False, 2),
            ]
            assert await bench.store.finish([]) == []
