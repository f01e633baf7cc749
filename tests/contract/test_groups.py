"""Groups carry tasks into apps, and defaults to tasks."""

import asyncio
import threading

import anyio
import pytest

from aioclock import AioClock, Depends, Every, Group, Once
from aioclock.api import get_metadata_of_all_tasks, run_specific_task, run_with_injected_deps
from aioclock.exceptions import TaskTimeoutError


async def serve(app: AioClock) -> None:
    async with asyncio.timeout(5):
        await app.serve()


async def names(app: AioClock) -> list[str]:
    return [metadata.task_name for metadata in await get_metadata_of_all_tasks(app)]


async def run_named(app: AioClock, name: str) -> object:
    [task_id] = [metadata.id for metadata in await get_metadata_of_all_tasks(app) if metadata.task_name == name]
    return await run_specific_task(task_id, app)


async def test_tasks_of_an_included_group_run() -> None:
    app, group, ran = AioClock(), Group(), []

    @group.task(trigger=Once())
    async def inside() -> None:
        ran.append("group")

    @app.task(trigger=Once())
    async def beside() -> None:
        ran.append("app")

    app.include_group(group)
    await serve(app)
    assert sorted(ran) == ["app", "group"]


async def test_a_task_added_after_its_group_was_included_runs_too() -> None:
    app, group, ran = AioClock(), Group(), []
    app.include_group(group)

    @group.task(trigger=Once())
    async def late() -> None:
        ran.append("late")

    await serve(app)
    assert ran == ["late"]


async def test_a_group_is_not_run_by_an_app_that_does_not_include_it() -> None:
    group, ran = Group(), []
    group.task(trigger=Once())(lambda: ran.append("never"))
    await serve(AioClock())
    assert ran == []


async def test_a_group_may_be_included_in_several_apps_served_at_once() -> None:
    group, ran = Group(), []

    @group.task(trigger=Every(seconds=0, max_loop_count=2))
    async def shared() -> None:
        ran.append("shared")

    apps = [AioClock(), AioClock()]
    for app in apps:
        app.include_group(group)
    await asyncio.gather(*(serve(app) for app in apps))
    assert len(ran) == 4


async def test_a_group_may_be_included_in_another_group() -> None:
    app, outer, inner, ran = AioClock(), Group(), Group(), []
    inner.task(trigger=Once(), name="inner")(lambda: ran.append("inner"))
    outer.task(trigger=Once(), name="outer")(lambda: ran.append("outer"))
    outer.include_group(inner)
    app.include_group(outer)
    await serve(app)
    assert sorted(ran) == ["inner", "outer"]
    assert sorted(await names(app)) == ["inner", "outer"]


async def test_a_group_that_would_contain_itself_is_refused() -> None:
    outer, inner = Group(), Group()
    outer.include_group(inner)
    for group in (inner, outer):
        with pytest.raises(Exception, match="itself") as refusal:
            group.include_group(outer)
        assert not isinstance(refusal.value, RecursionError)


async def test_the_decorator_of_a_group_returns_the_function_unchanged() -> None:
    group = Group()

    def work() -> str:
        return "done"

    assert group.task(trigger=Once())(work) is work
    assert work() == "done"


@pytest.mark.parametrize("sync", [False, True], ids=["async", "sync"])
async def test_the_timeout_of_a_group_reaches_its_tasks(sync: bool) -> None:
    app, group, let_go = AioClock(), Group(timeout=0.05), threading.Event()

    def blocking() -> None:
        let_go.wait(10)  # a thread can't be interrupted: it ends in its own time, and too late

    group.task(trigger=Every(hours=1), name="slow")(blocking if sync else asyncio.Event().wait)
    app.include_group(group)
    try:
        with pytest.raises(TaskTimeoutError, match=r"slow.*0\.05"):
            async with asyncio.timeout(3):
                await run_named(app, "slow")
    finally:
        let_go.set()


async def test_the_timeout_of_a_task_beats_that_of_its_group() -> None:
    app, group = AioClock(), Group(timeout=30)
    group.task(trigger=Every(hours=1), timeout=0.01, name="slow")(asyncio.Event().wait)
    app.include_group(group)
    with pytest.raises(TaskTimeoutError, match=r"0\.01"):
        async with asyncio.timeout(3):
            await run_named(app, "slow")


async def test_the_timeout_of_the_nearest_group_counts() -> None:
    app, outer, inner = AioClock(), Group(timeout=0.02), Group(timeout=0.01)
    plain = Group()
    inner.task(trigger=Every(hours=1), name="inner")(asyncio.Event().wait)
    plain.task(trigger=Every(hours=1), name="plain")(asyncio.Event().wait)
    outer.include_group(inner)
    outer.include_group(plain)
    app.include_group(outer)
    with pytest.raises(TaskTimeoutError, match=r"0\.01"):
        await run_named(app, "inner")
    with pytest.raises(TaskTimeoutError, match=r"0\.02"):
        async with asyncio.timeout(3):
            await run_named(app, "plain")


async def test_the_limiter_of_a_group_beats_that_of_the_app_which_beats_the_default() -> None:
    of_app, of_group = anyio.CapacityLimiter(1), anyio.CapacityLimiter(1)
    default = anyio.to_thread.current_default_thread_limiter()
    used: dict[str, tuple[float, ...]] = {}

    def note(name: str) -> None:
        used[name] = (of_group.borrowed_tokens, of_app.borrowed_tokens, default.borrowed_tokens)

    limited, plain, bare = Group(limiter=of_group), Group(), Group()
    limited.task(trigger=Once())(lambda: note("limited"))
    plain.task(trigger=Once())(lambda: note("plain"))
    bare.task(trigger=Once())(lambda: note("bare"))
    with_limiter, without = AioClock(limiter=of_app), AioClock()
    with_limiter.include_group(limited)
    with_limiter.include_group(plain)
    without.include_group(bare)
    # One thread at a time, so that only the limiter in question can be in use.
    for name, app in (("limited", with_limiter), ("plain", with_limiter), ("bare", without)):
        await run_one(app, name)
    assert used == {"limited": (1, 0, 0), "plain": (0, 1, 0), "bare": (0, 0, 1)}


async def run_one(app: AioClock, name: str) -> None:
    order = {"limited": 0, "plain": 1, "bare": 0}
    await run_specific_task((await get_metadata_of_all_tasks(app))[order[name]].id, app)


async def test_a_limiter_of_one_lets_sync_tasks_of_a_group_run_one_after_the_other() -> None:
    app, group = AioClock(), Group(limiter=anyio.CapacityLimiter(1))
    running, most = 0, 0

    def work() -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        threading.Event().wait(0.02)
        running -= 1

    for number in range(3):
        group.task(trigger=Once(), name=f"work {number}")(work)
    app.include_group(group)
    await serve(app)
    assert most == 1


def source() -> str:
    return "real"


async def test_an_override_reaches_the_group_in_the_app_that_made_it_only() -> None:
    group, got = Group(), []

    @group.task(trigger=Once())
    async def read(value: str = Depends(source)) -> None:
        got.append(value)

    overriding, plain = AioClock(), AioClock()
    for app in (overriding, plain):
        app.include_group(group)
    overriding.override_dependencies(source, lambda: "override")
    await serve(plain)
    await serve(overriding)
    assert got == ["real", "override"]


async def test_a_task_of_a_group_without_an_app_can_be_run_with_its_dependencies() -> None:
    @Group().task(trigger=Once())
    async def read(value: str = Depends(source)) -> str:
        return value

    assert await run_with_injected_deps(read) == "real"
