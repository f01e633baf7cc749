"""The contract's part on how tasks become known."""

from aioclock.stores import Registration, TaskState
from aioclock.stores._words import EXHAUSTED
from aioclock.testing._store_bench import ContractBase, ask, end

__all__ = ["RegistrationContract"]


class RegistrationContract(ContractBase):
    async def test_a_new_task_begins_now(self) -> None:
        async with self.bench() as bench:
            before = await bench.now()
            task = await bench.task("task", "every day")
            assert before <= task.anchor <= await bench.now()
            assert task == TaskState(
                key="task",
                anchor=task.anchor,
                cursor=task.anchor - 1,
                fingerprint="every day",
                changed_at=task.anchor,
            )
            assert await bench.state() == task

    async def test_a_task_that_is_known_stays_as_it_is(self) -> None:
        async with self.bench() as bench:
            task = await bench.task()
            await bench.finish(end(await bench.start(task)))
            await bench.change(paused=True, note="repairs")
            before = await bench.state()
            await bench.tell_apart()
            assert await bench.task() == before
            assert await bench.state() == before

    async def test_an_edited_schedule_begins_anew(self) -> None:
        async with self.bench() as bench:
            await bench.task("task", "first")
            await bench.change(override='{"trigger": "every"}', paused=True, note="repairs")
            before = await bench.state()
            await bench.tell_apart()
            task = await bench.task("task", "second")
            assert task.anchor > before.anchor
            assert task.cursor == task.anchor - 1
            assert task.generation == before.generation + 1
            assert (task.override, task.fingerprint, task.fired) == (None, "second", 0)
            assert (task.paused, task.note) == (True, "repairs")
            assert task.changed_at >= task.anchor
            assert await bench.state() == task

    async def test_an_edit_keeps_what_the_runs_have_left(self) -> None:
        async with self.bench() as bench:
            task = await bench.task("task", "first")
            await bench.finish(end(await bench.start(task, 1)))
            await bench.finish(end(await bench.start(task, 2), "failed"))
            before = await bench.state()
            task = await bench.task("task", "second")
            assert (task.fence, task.failures, task.last_success) == (2, 1, before.last_success)
            assert before.last_success is not None
            assert (before.fired, task.fired) == (2, 0)

    async def test_an_edit_does_not_move_the_cursor_back(self) -> None:
        async with self.bench() as bench:
            ahead = ask(await bench.task("task", "first"), 1000)
            await bench.claim(ahead)
            assert (await bench.task("task", "second")).cursor == ahead.tick

    async def test_an_edit_revives_a_task_that_was_exhausted(self) -> None:
        async with self.bench() as bench:
            await bench.task("task", "first")
            assert (await bench.change(exhausted=True)).cursor == EXHAUSTED
            task = await bench.task("task", "second")
            assert task.cursor == task.anchor - 1

    async def test_going_back_to_an_earlier_schedule_is_an_edit(self) -> None:
        async with self.bench() as bench:
            generations = [(await bench.task("task", text)).generation for text in ("first", "second", "first")]
            assert generations == [0, 1, 2]

    async def test_tasks_are_registered_in_the_order_given(self) -> None:
        async with self.bench() as bench:
            await bench.task("b", "old")
            given = [Registration(key=key, fingerprint="new") for key in ("c", "b", "a")]
            tasks = await bench.store.register(given, by="test")
            assert [(task.key, task.generation) for task in tasks] == [("c", 0), ("b", 1), ("a", 0)]

    async def test_tasks_are_told_in_the_order_of_code_points(self) -> None:
        async with self.bench() as bench:
            for key in ("b", "a_", "Z", "é", "a", "é!", "🙂", "\uffee", "10", "9"):
                await bench.task(key)
            keys = [task.key for task in await bench.store.tasks()]
            assert keys == sorted(keys)
            assert len(keys) == 10

    async def test_only_the_tasks_asked_for_are_told(self) -> None:
        async with self.bench() as bench:
            for key in ("a", "b", "c"):
                await bench.task(key)
            assert [task.key for task in await bench.store.tasks(["c", "nobody", "a"])] == ["a", "c"]
            assert await bench.store.tasks([]) == []

    async def test_an_empty_store_knows_no_task(self) -> None:
        async with self.bench() as bench:
            assert await bench.store.tasks() == []
            assert await bench.store.register([], by="test") == []

    async def test_a_hundred_tasks_are_registered_at_once(self) -> None:
        async with self.bench() as bench:
            given = [Registration(key=f"task {n:03}", fingerprint="f") for n in range(100)]
            registered = await bench.store.register(given, by="test")
            assert registered == await bench.store.tasks()
