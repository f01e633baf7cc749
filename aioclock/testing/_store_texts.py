"""The contract's part on what texts may hold."""

from aioclock.runs import RunError
from aioclock.stores import Registration
from aioclock.testing._store_bench import ContractBase, ask, end

__all__ = ["TextContract"]

ODD = (
    'it\'s "quoted", 100 % {braced} [x] $1 :name ?\\ back\\n; DROP TABLE--\r\n\ttabs, '
    "🙂 日本語 e\u0301 \u202e\u2028 \x7f"
)

LOOKALIKES = [
    "job",
    "Job",
    "JOB",
    "job ",
    " job",
    "jób",
    "jo\u0301b",
    "job\t",
    "job\n",
    "ｊob",
    "straße",
    "strasse",
    "ı",
    "i",
]


class TextContract(ContractBase):
    async def test_keys_are_told_apart_to_the_letter(self) -> None:
        async with self.bench() as bench:
            given = [Registration(key=key, fingerprint=key) for key in LOOKALIKES]
            tasks = await bench.store.register(given, by="test")
            assert [(task.key, task.fingerprint) for task in tasks] == [(key, key) for key in LOOKALIKES]
            assert [task.key for task in await bench.store.tasks()] == sorted(LOOKALIKES)
            for task in tasks:
                assert [found.key for found in await bench.store.tasks([task.key])] == [task.key]
                run = await bench.start(task)
                assert [found.id for found in await bench.runs(task_keys=(task.key,))] == [run.id]

    async def test_keys_may_be_long_and_of_any_script(self) -> None:
        async with self.bench() as bench:
            for key in (ODD, "🙂" * 200, "x" * 200, "é" * 199 + "e"):
                task = await bench.task(key)
                assert task.key == key
                run = await bench.start(task)
                assert run.task_key == key
                assert (await bench.finish(end(run))).accepted
                assert (await bench.pulse(holds=(key,))).held == {key}
                assert (await bench.change(key, paused=True)).key == key
                assert (await bench.state(key)).last_success == run.tick

    async def test_long_keys_are_told_apart_at_their_ends(self) -> None:
        async with self.bench() as bench:
            keys = ["日" * 199 + end for end in "ab"]
            tasks = [await bench.task(key) for key in keys]
            runs = [await bench.start(task) for task in tasks]
            assert [run.fence for run in runs] == [1, 1]

    async def test_what_people_write_is_kept(self) -> None:
        async with self.bench() as bench:
            await bench.task("task", ODD)
            state = await bench.change(paused=True, note=ODD, override=ODD, by=ODD)
            assert (state.note, state.override, state.fingerprint) == (ODD, ODD, ODD)
            assert await bench.state() == state
            paused = [note for note in await bench.notes() if note.kind == "paused"]
            assert [(note.node, note.text) for note in paused] == [(ODD, ODD)]

    async def test_long_notes_and_schedules_are_kept(self) -> None:
        async with self.bench() as bench:
            await bench.task("task", "f" * 1000)
            long = "ü🙂" * 5_000
            state = await bench.change(paused=True, note=long, override=long)
            assert (state.note, state.override, state.fingerprint) == (long, long, "f" * 1000)
            assert await bench.state() == state

    async def test_what_a_run_leaves_is_kept(self) -> None:
        async with self.bench() as bench:
            run = await bench.start(await bench.task())
            error = RunError(type=ODD, message=ODD, traceback=ODD)
            await bench.finish(end(run, "failed", reason=ODD, error=error, output=ODD))
            ended = await bench.run(run.id)
            assert (ended.reason, ended.error, ended.output) == (ODD, error, ODD)

    async def test_long_errors_and_outputs_are_kept(self) -> None:
        async with self.bench() as bench:
            run = await bench.start(await bench.task())
            long = "ü🙂" * 10_000
            error = RunError(type="E", message=long, traceback=long)
            await bench.finish(end(run, "failed", error=error, output=long))
            ended = await bench.run(run.id)
            assert (ended.error, ended.output) == (error, long)

    async def test_a_reason_for_skipping_is_kept(self) -> None:
        async with self.bench() as bench:
            claim = ask(await bench.task(), skip=ODD)
            assert (await bench.claim(claim)).reason == ODD
            assert (await bench.run(claim.id)).reason == ODD

    async def test_no_text_keeps_a_run_from_ending(self) -> None:
        async with self.bench() as bench:
            task = await bench.task()
            for n, odd in enumerate(("before\x00after", "before\ud800after", "before\udfff\x00after"), 1):
                run = await bench.start(task, n)
                error = RunError(type="E", message=odd, traceback=odd)
                assert (await bench.finish(end(run, "failed", reason=odd, error=error, output=odd))).accepted
                ended = await bench.run(run.id)
                assert ended.error is not None
                for text in (ended.error.message, ended.error.traceback, ended.output or "", ended.reason or ""):
                    assert text.startswith("before")
                    assert text.endswith("after")
            assert len(await bench.notes()) == 4
