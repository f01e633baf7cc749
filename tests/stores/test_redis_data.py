"""What the store in Redis keeps is exact, and goes when it is pruned."""

from collections.abc import AsyncIterator
from dataclasses import replace
from uuid import uuid4

import pytest

from aioclock.runs import RunError
from aioclock.stores import Change, Claim, Finish, Node, Pulse, Registration, RunQuery, TaskState, Verdict
from aioclock.stores._redis import RedisStore
from aioclock.stores._words import EXHAUSTED
from redis_server import RedisServer, needs_redis

pytestmark = needs_redis
HOUR = 3600_000_000
FAR = 253_402_300_799_999_999  # the last microsecond of the year 9999, beyond what a double can tell apart


@pytest.fixture
async def store(redis_server: RedisServer) -> AsyncIterator[RedisStore]:
    store = RedisStore(redis_server.url, prefix=uuid4().hex)
    await store.open()
    yield store
    await store.close()


async def register(store: RedisStore, *keys: str) -> list[TaskState]:
    return await store.register([Registration(key=key, fingerprint="f") for key in keys], by="test")


def claim(task: TaskState, tick: int, **fields: object) -> Claim:
    given = {"id": uuid4().hex, "task_key": task.key, "tick": tick, "owner": "1" * 32, "lease": HOUR}
    return Claim(**{**given, "generation": task.generation, **fields})  # type: ignore[arg-type] # of any type


def end(claim: Claim, fence: int, **fields: object) -> Finish:
    given = {"claim_id": claim.id, "task_key": claim.task_key, "fence": fence, "outcome": "succeeded", "finished": 1}
    return Finish(**{**given, **fields})  # type: ignore[arg-type] # of any type


async def test_an_exhausted_task_is_exact_and_begins_anew(store: RedisStore) -> None:
    [task] = await register(store, "task")
    [exhausted] = await store.change([Change(key="task", exhausted=True)])
    assert exhausted is not None
    assert exhausted.cursor == EXHAUSTED
    verdicts = [await store.claim([claim(task, tick)]) for tick in (FAR, EXHAUSTED - 1, EXHAUSTED)]
    assert [answer.verdict for [answer] in verdicts] == [Verdict.TAKEN] * 3
    [anew] = await store.change([Change(key="task", override="{}")])
    assert anew is not None
    assert anew.cursor == anew.anchor - 1


async def test_ticks_of_far_centuries_are_told_apart(store: RedisStore) -> None:
    [task] = await register(store, "task")
    for n in range(3):
        [first] = await store.claim([claim(task, FAR + n, floor=FAR + n - 1 if n else None, most_running=9)])
        assert first.verdict == Verdict.RUN
    [again] = await store.claim([claim(task, FAR + 2)])
    [behind] = await store.claim([claim(task, FAR + 9, floor=FAR + 3)])
    assert (again.verdict, behind.verdict) == (Verdict.TAKEN, Verdict.BEHIND)
    assert [run.tick for run in await store.runs(RunQuery(since=FAR + 1))] == [FAR + 2, FAR + 1]
    [state] = await store.tasks()
    assert (state.cursor, state.fence, state.fired) == (FAR + 2, 3, 3)


async def test_of_ticks_that_a_double_confuses_the_earlier_one_waits_less(store: RedisStore) -> None:
    [task] = await register(store, "task")
    running, *waiting = [claim(task, FAR + n, most_waiting=9) for n in range(4)]
    manual = claim(task, FAR + 1, kind="manual", most_waiting=9)
    answers = await store.claim([running, *waiting, manual])
    assert [answer.verdict for answer in answers] == [Verdict.RUN, *[Verdict.WAITING] * 4]
    await store.finish([end(running, answers[0].fence)])
    for asked, expected in [(waiting[1], "waiting"), (manual, "waiting"), (waiting[0], "run"), (manual, "waiting")]:
        [answer] = await store.claim([asked])
        assert answer.verdict == expected


async def test_what_is_restored_is_exact(store: RedisStore) -> None:
    given = TaskState(
        key="task",
        anchor=-5,
        cursor=EXHAUSTED,
        fence=12_345_678,
        generation=3,
        fired=4,
        paused=True,
        note="",
        override="{}",
        fingerprint="",
        last_success=FAR,
        failures=7,
    )
    await store.restore([given])
    [kept] = await store.tasks()
    assert kept == replace(given, changed_at=kept.changed_at)
    await store.restore([replace(given, cursor=-1, last_success=None)])
    [kept] = await store.tasks()
    assert (kept.cursor, kept.last_success, kept.generation) == (EXHAUSTED, None, 4)


@pytest.mark.parametrize(
    "key", ["täglich", "日次 レポート", "🕰️", "a:b\n{c}\r\n", "nul\0", "lone \udc80", " ", "*", "+"]
)
async def test_texts_come_back_as_they_were(store: RedisStore, key: str) -> None:
    [task] = await register(store, key)
    asked = claim(task, task.anchor, owner=key, missed=3)
    [answer] = await store.claim([asked])
    error = RunError(type=key, message=key, traceback="")
    assert answer.task is not None
    await store.finish([end(asked, answer.fence, outcome="failed", reason=key, error=error, output=key)])
    [state] = await store.change([Change(key=key, paused=True, note=key, by=key)])
    [run] = await store.runs(RunQuery(task_keys=(key,)))
    assert (run.task_key, run.owner, run.reason, run.error, run.output) == (key, key, key, error, key)
    assert await store.tasks([key]) == [state]
    [*_, failed, paused] = await store.notes()
    assert (failed.kind, failed.task_key, failed.text, failed.node) == ("failed", key, key, key)
    assert (paused.kind, paused.task_key, paused.text, paused.node) == ("paused", key, key, key)


async def test_empty_texts_are_not_missing_ones(store: RedisStore) -> None:
    [task] = await register(store, "")
    empty, missing = claim(task, task.anchor, skip=""), claim(task, task.anchor + 1, kind="manual")
    first, second = await store.claim([empty, missing])
    await store.finish([end(missing, second.fence, outcome="succeeded", output="")])
    newer, older = await store.runs(RunQuery())
    assert (first.reason, older.reason, older.output) == ("", "", None)
    assert (second.reason, newer.reason, newer.output, newer.error) == (None, None, "", None)


async def test_thousands_fit_into_one_call(store: RedisStore) -> None:
    names = [f"task {n:05}" for n in range(3000)]
    states = await register(store, *names)
    assert [state.key for state in states] == names
    assert await store.tasks() == states
    claims = [claim(state, state.anchor) for state in states]
    answers = await store.claim(claims)
    assert {answer.verdict for answer in answers} == {Verdict.RUN}
    ids = tuple(asked.id for asked in claims)
    pulse = await store.pulse(Pulse(node=Node(id="1" * 32), lease=HOUR, claims=ids, holds=tuple(names), since=1))
    assert (len(pulse.lost), len(pulse.held), len(pulse.changed)) == (0, 3000, 3000)
    assert len(await store.runs(RunQuery(limit=2500, states=("running",)))) == 2500
    accepted = await store.finish([end(asked, answer.fence) for asked, answer in zip(claims, answers, strict=True)])
    assert all(answer.accepted for answer in accepted)
    assert await store.check() == []
    assert await store.prune(before=2) == 3000
    await store.restore((await store.tasks())[:10], replace=True)
    assert len(await store.tasks()) == 10


async def test_runs_that_are_few_among_many_are_found(store: RedisStore) -> None:
    seldom, often = await register(store, "seldom", "often")
    await store.claim([claim(seldom, seldom.anchor)])
    await store.claim([claim(often, often.anchor + n, skip="missed") for n in range(2500)])
    for query in (
        RunQuery(task_keys=("seldom",)),
        RunQuery(task_keys=("seldom", "nobody's")),
        RunQuery(states=("running", "waiting")),
    ):
        [run] = await store.runs(query)
        assert run.task_key == "seldom"
    ticks = [run.tick for run in await store.runs(RunQuery(limit=2000, states=("skipped",)))]
    assert ticks == sorted(ticks, reverse=True)
    assert len(ticks) == 2000
    assert await store.runs(RunQuery(limit=0)) == []


async def test_nothing_of_a_run_outlasts_it(store: RedisStore, redis_server: RedisServer) -> None:
    tasks = await register(store, "a", "b")
    before = stored(store, redis_server)
    numbered = list(enumerate(tasks * 3))
    lost = [claim(task, task.anchor + n, lease=-HOUR, on_lost="rerun", most_running=9) for n, task in numbered]
    manual = [claim(task, n, kind="manual", most_waiting=9) for n, task in numbered]
    skipped = [claim(task, task.anchor + n + 9) for n, task in numbered]
    await store.claim([*lost, *manual, *skipped])
    for record in [reaped.record for reaped in await store.reap(owner="2" * 32, keys=["a", "b"], lease=-HOUR)]:
        assert record.attempt == 2
    await store.reap(owner="2" * 32, keys=["a", "b"], lease=HOUR)
    await store.change([Change(key=task.key, cancel=True) for task in tasks])
    going = await store.runs(RunQuery(states=("running",)))
    assert len({run.claim_id for run in going} - {run.id for run in going}) == 6
    assert await store.check() == []
    await store.finish(
        [
            Finish(
                claim_id=run.claim_id, task_key=run.task_key, fence=run.fence, outcome="failed", finished=run.created
            )
            for run in going
        ]
    )
    await store.pulse(Pulse(node=Node(id="1" * 32), lease=HOUR))
    assert await store.prune(before=FAR) == 18
    assert stored(store, redis_server) == before
    assert await store.notes() == []


def stored(store: RedisStore, server: RedisServer) -> set[str]:
    """Return the names of all keys of *store*."""
    prefix = store.name.partition("=")[2]
    lines = server.ask(f"KEYS {prefix}*").splitlines()
    return {line for line in lines if line.startswith(prefix)}


async def test_a_check_finds_what_does_not_fit(store: RedisStore, redis_server: RedisServer) -> None:
    prefix = store.name.partition("=")[2]
    [task, other] = await register(store, "task", "other")
    gone, going = claim(task, task.anchor), claim(other, other.anchor)
    ended, waiting = claim(task, task.anchor + 1, skip="missed"), claim(other, other.anchor + 1, most_waiting=1)
    orphan = claim(task, task.anchor + 2, skip="missed")
    await store.claim([gone, ended, going, waiting, orphan])
    assert await store.check() == []
    redis_server.ask(f"DEL {prefix}:run:{gone.id}")
    redis_server.ask(f"ZREM {prefix}:finished {ended.id}")
    redis_server.ask(f"SREM {prefix}:running:other {going.id}")
    redis_server.ask(f"DEL {prefix}:waiting:other")
    faults = await store.check()
    assert [fault.split()[1] for fault in faults] == [waiting.id, going.id, ended.id, gone.id]
    redis_server.ask(f"DEL {prefix}:task:task")
    assert any("belongs to a task that is gone: task" in fault for fault in await store.check())
    # What others do to the keys keeps nobody from going on.
    assert await store.reap(owner="2" * 32, keys=["task", "other"], lease=HOUR) == []
    assert len(await store.runs(RunQuery())) == 4
