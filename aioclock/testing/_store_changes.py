"""The contract's part on what people change of tasks."""

from dataclasses import replace

from aioclock.stores import Change, TaskState, Verdict
from aioclock.stores._words import EXHAUSTED
from aioclock.testing._store_bench import ContractBase, ask, end

__all__ = ["ChangeContract"]

OVERRIDE = '{"trigger": "every", "seconds": 5}'


class ChangeContract(ContractBase):
    async def test_a_task_is_paused_and_resumed(self) -> None:
        async with self.bench() as bench:
            task = await bench.task()
            await bench.tell_apart()
            paused = await bench.change(paused=True, note="repairs", by="me")
            assert paused.changed_at > task.changed_at
            assert paused == replace(task, paused=True, note="repairs", changed_at=paused.changed_at)
            assert await bench.state() == paused
            resumed = await bench.change(paused=False, note="done", by="me")
            assert resumed == replace(task, cursor=resumed.changed_at - 1, changed_at=resumed.changed_at)

    async def test_a_task_that_is_resumed_does_not_go_back(self) -> None:
        async with self.bench() as bench:
            task = await bench.task()
            far = task.anchor + 3_600_000_000
            await bench.start(task, tick=far)
            await bench.change(paused=True)
            assert (await bench.change(paused=False)).cursor == far
            await bench.change(exhausted=True, paused=True)
            assert (await bench.change(paused=False)).cursor == EXHAUSTED

    async def test_a_task_that_is_not_paused_is_resumed_in_vain(self) -> None:
        async with self.bench() as bench:
            task = await bench.task()
            await bench.tell_apart()
            assert (await bench.change(paused=False)).cursor == task.cursor

    async def test_a_pause_without_a_note_has_none(self) -> None:
        async with self.bench() as bench:
            await bench.task()
            await bench.change(paused=True, note="repairs")
            assert (await bench.change(paused=True)).note is None

    async def test_a_change_of_nothing_changes_nothing(self) -> None:
        async with self.bench() as bench:
            await bench.task()
            await bench.pulse(holds=("task",))
            before = await bench.change(paused=True, note="repairs", override=OVERRIDE)
            await bench.tell_apart()
            assert await bench.change() == await bench.change(note="no pause") == before
            assert await bench.state() == before

    async def test_another_schedule_begins_anew(self) -> None:
        async with self.bench() as bench:
            task = await bench.task()
            await bench.start(task, tick=task.anchor)
            await bench.tell_apart()
            changed = await bench.change(override=OVERRIDE, by="me")
            assert changed.anchor > task.anchor
            assert changed == TaskState(
                key="task",
                anchor=changed.anchor,
                cursor=changed.anchor - 1,
                fence=1,
                generation=1,
                override=OVERRIDE,
                fingerprint=task.fingerprint,
                changed_at=changed.changed_at,
            )
            assert changed.changed_at >= changed.anchor
            assert await bench.verdict(ask(task, 2)) == Verdict.STALE

    async def test_the_schedule_of_the_code_begins_anew_when_it_comes_back(self) -> None:
        async with self.bench() as bench:
            await bench.task()
            before = await bench.change(override=OVERRIDE)
            await bench.tell_apart()
            task = await bench.change(override="")
            assert (task.override, task.generation) == (None, 2)
            assert task.anchor > before.anchor
            assert task.cursor == task.anchor - 1

    async def test_an_override_outlasts_a_registration_of_the_same_schedule(self) -> None:
        async with self.bench() as bench:
            await bench.task()
            before = await bench.change(override=OVERRIDE)
            assert await bench.task() == before

    async def test_another_schedule_does_not_move_the_cursor_back(self) -> None:
        async with self.bench() as bench:
            ahead = await bench.start(await bench.task(), 1000)
            for override in (OVERRIDE, ""):
                assert (await bench.change(override=override)).cursor == ahead.tick

    async def test_an_exhausted_task_is_never_due(self) -> None:
        async with self.bench() as bench:
            task = await bench.task()
            await bench.tell_apart()
            state = await bench.change(exhausted=True)
            assert state.changed_at > task.changed_at
            assert state == replace(task, cursor=EXHAUSTED, changed_at=state.changed_at)
            assert await bench.verdict(ask(task, tick=EXHAUSTED - 1)) == Verdict.TAKEN
            assert await bench.runs() == []

    async def test_another_schedule_revives_a_task_that_was_exhausted(self) -> None:
        async with self.bench() as bench:
            await bench.task()
            await bench.change(exhausted=True)
            task = await bench.change(override=OVERRIDE)
            assert task.cursor == task.anchor - 1

    async def test_what_is_running_is_asked_to_end_and_what_waits_is_cancelled(self) -> None:
        async with self.bench() as bench:
            task = await bench.task()
            running, waiting = await bench.start(task, 1), await bench.wait(task, 2)
            await bench.change(cancel=True)
            asked, ended = await bench.run(running.id), await bench.run(waiting.id)
            assert asked == replace(running, cancel_requested=True)
            assert (ended.state, ended.started) == ("cancelled", None)
            assert ended.finished is not None
            assert await bench.verdict(ask(task, 2, id=waiting.claim_id)) == Verdict.TAKEN
            assert not (await bench.finish(end(waiting))).accepted
            assert (await bench.finish(end(running))).accepted

    async def test_a_cancellation_leaves_the_runs_that_come_later_alone(self) -> None:
        async with self.bench() as bench:
            task = await bench.task()
            await bench.finish(end(await bench.start(task, 1)))
            await bench.change(cancel=True)
            run = await bench.start(task, 2)
            assert (await bench.pulse(claims=(run.claim_id,))).cancelled == set()
            assert (await bench.state()).failures == 0

    async def test_changes_are_answered_in_order(self) -> None:
        async with self.bench() as bench:
            for key in ("a", "b"):
                await bench.task(key)
            given = [
                Change(key="b", paused=True, note="first"),
                Change(key="nobody", paused=True),
                Change(key="a", exhausted=True),
                Change(key="b", note="none", override=OVERRIDE),
            ]
            one, unknown, two, three = await bench.store.change(given)
            assert unknown is None
            assert one is not None
            assert (one.note, one.generation) == ("first", 0)
            assert two == await bench.state("a")
            assert three == await bench.state("b")
            assert three is not None
            assert (three.paused, three.note, three.generation) == (True, "first", 1)
            assert await bench.store.change([]) == []

    async def test_one_change_may_be_of_several_things(self) -> None:
        async with self.bench() as bench:
            run = await bench.start(await bench.task())
            state = await bench.change(paused=True, note="over", cancel=True, exhausted=True)
            assert (state.paused, state.note, state.cursor) == (True, "over", EXHAUSTED)
            assert (await bench.run(run.id)).cancel_requested
