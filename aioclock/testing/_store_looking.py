"""The contract's part on looking at what is on record."""

from aioclock.runs import RunError
from aioclock.stores import Node, Note, Pulse, RunQuery
from aioclock.testing._store_bench import ALL, LONG, ONE, TWO, Bench, ContractBase, end, tick

__all__ = ["NoteContract", "QueryContract"]


async def kinds(bench: Bench, after: int = 0) -> list[tuple[str, str | None]]:
    """Return the kind and the task of each entry of the sequence of events."""
    return [(note.kind, note.task_key) for note in await bench.store.notes(after=after, limit=ALL)]


class QueryContract(ContractBase):
    async def test_runs_that_were_claimed_last_come_first(self) -> None:
        async with self.bench() as bench:
            a, b = await bench.task("a"), await bench.task("b")
            ids = []
            for task, n in ((b, 1), (a, 9), (b, 2), (a, 10)):
                await bench.tell_apart()
                ids.append((await bench.start(task, n)).id)
            await bench.finish(end(await bench.run(ids[1])))
            assert [run.id for run in await bench.runs()] == ids[::-1]
            assert [run.id for run in await bench.runs(limit=3)] == ids[:0:-1]
            assert [run.id for run in await bench.runs(limit=1)] == ids[-1:]

    async def test_runs_are_found_by_their_task(self) -> None:
        async with self.bench() as bench:
            for key in ("a", "b", "c"):
                await bench.start(await bench.task(key))
                await bench.tell_apart()
            assert [run.task_key for run in await bench.runs(task_keys=("c", "a", "nobody"))] == ["c", "a"]
            assert [run.task_key for run in await bench.runs(task_keys=("a", "b", "c"), limit=1)] == ["c"]
            assert await bench.runs(task_keys=()) == []

    async def test_runs_are_found_by_their_state(self) -> None:
        async with self.bench() as bench:
            task = await bench.task()
            await bench.finish(end(await bench.start(task, 1), "failed"))
            await bench.finish(end(await bench.start(task, 2)))
            await bench.start(task, 3)
            await bench.wait(task, 4)
            await bench.skip(task, 5)
            for n, state in enumerate(("failed", "succeeded", "running", "waiting", "skipped"), 1):
                assert [run.tick for run in await bench.runs(states=(state,))] == [tick(task, n)]
            assert {run.state for run in await bench.runs(states=("waiting", "failed"))} == {"waiting", "failed"}
            assert await bench.runs(states=()) == []

    async def test_runs_are_found_by_their_tick(self) -> None:
        async with self.bench() as bench:
            task = await bench.task()
            for n in (1, 2, 3):
                await bench.start(task, n)
            since = tick(task, 2)
            assert {run.tick for run in await bench.runs(since=since)} == {since, tick(task, 3)}
            assert {run.tick for run in await bench.runs(since=since + 1)} == {tick(task, 3)}

    async def test_runs_are_found_by_all_of_it_together(self) -> None:
        async with self.bench() as bench:
            a, b = await bench.task("a"), await bench.task("b")
            runs = [await bench.start(task, n) for task in (a, b) for n in (1, 2, 3)]
            await bench.store.finish([end(runs[1]), end(runs[4])])
            query = RunQuery(task_keys=("b",), states=("succeeded", "failed"), since=tick(b, 2), limit=5)
            assert [run.id for run in await bench.store.runs(query)] == [runs[4].id]

    async def test_there_are_a_hundred_runs_at_a_time_unless_more_are_asked_for(self) -> None:
        async with self.bench() as bench:
            task = await bench.task()
            for n in range(1, 102):
                await bench.skip(task, n)
            assert len(await bench.store.runs(RunQuery())) == 100
            assert len(await bench.runs()) == 101


class NoteContract(ContractBase):
    async def test_what_is_done_to_tasks_is_noted(self) -> None:
        async with self.bench() as bench:
            await bench.task("task", "first")
            await bench.task("task", "first")
            await bench.task("task", "second")
            for paused in (True, False):
                await bench.change(paused=paused)
            for override in ("{}", ""):
                await bench.change(override=override)
            await bench.change(cancel=True)
            await bench.change(exhausted=True)
            await bench.store.restore([await bench.state()])
            expected = ["registered", "edited", "paused", "resumed", "rescheduled", "rescheduled"]
            expected += ["cancelled", "exhausted", "restored"]
            assert await kinds(bench) == [(kind, "task") for kind in expected]

    async def test_runs_that_went_wrong_are_noted(self) -> None:
        async with self.bench() as bench:
            task = await bench.task()
            [begun] = await bench.notes()
            error = RunError(type="E", message="no such order", traceback="")
            runs = []
            for n, outcome in enumerate(("succeeded", "failed", "timed_out", "cancelled"), 1):
                runs.append(await bench.start(task, n))
                await bench.finish(end(runs[-1], outcome, error=error))
            notes = await bench.store.notes(after=begun.sequence)
            assert [(note.kind, note.run_id) for note in notes] == [("failed", runs[1].id), ("timed_out", runs[2].id)]
            assert [(note.task_key, note.text) for note in notes] == [("task", "no such order")] * 2

    async def test_what_becomes_of_runs_whose_process_has_gone_is_noted(self) -> None:
        async with self.bench() as bench:
            task = await bench.task()
            runs = [
                await bench.start(task, n, lease=bench.lease, on_lost=on_lost)
                for n, on_lost in ((1, "rerun"), (2, "fail"))
            ]
            await bench.expire()
            await bench.reap()
            notes = [(note.kind, note.run_id, note.task_key) for note in await bench.notes()]
            assert notes[1:] == [("rerun", runs[0].id, "task"), ("lost", runs[1].id, "task")]

    async def test_processes_that_come_and_go_are_noted(self) -> None:
        async with self.bench() as bench:
            for node in (ONE, TWO, ONE):
                await bench.store.pulse(Pulse(node=Node(id=node, label="host:1"), lease=LONG))
            await bench.store.leave(ONE)
            notes = [(note.kind, note.node) for note in await bench.notes()]
            assert notes == [("joined", ONE), ("joined", TWO), ("left", ONE)]
            assert [note.text for note in await bench.notes()][:2] == ["host:1"] * 2

    async def test_who_changed_a_task_and_why_is_noted(self) -> None:
        async with self.bench() as bench:
            await bench.task()
            await bench.change(paused=True, note="repairs", by="me@host")
            registered, paused = await bench.notes()
            assert registered.node == "test"
            assert (paused.node, paused.text) == ("me@host", "repairs")

    async def test_what_changes_nothing_is_not_noted(self) -> None:
        async with self.bench() as bench:
            await bench.task()
            await bench.change()
            await bench.store.change([])
            told = end(await bench.start(await bench.task()))
            await bench.finish(told)
            await bench.finish(told)
            await bench.reap()
            assert await kinds(bench) == [("registered", "task")]

    async def test_notes_are_read_on_from_where_one_was(self) -> None:
        async with self.bench() as bench:
            before = await bench.now()
            for key in ("a", "b", "c", "d"):
                await bench.task(key)
            notes = await bench.notes()
            assert [note.task_key for note in notes] == [None, "a", "b", "c", "d"]
            assert all(before <= note.at for note in notes[1:])
            sequences = [note.sequence for note in notes]
            assert sequences == sorted(set(sequences))
            assert sequences[0] > 0
            assert await bench.store.notes(after=sequences[1], limit=2) == notes[2:4]
            assert await bench.store.notes(limit=2) == notes[:2]
            assert await bench.store.notes(after=sequences[-1]) == []

    async def test_an_empty_store_has_nothing_to_show(self) -> None:
        async with self.bench() as bench:
            nothing: list[Note] = []
            assert await bench.notes() == nothing
            assert await bench.runs() == []
