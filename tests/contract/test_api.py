"""`aioclock.api`: look at an app, run something by hand."""

import asyncio
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from aioclock import AioClock, At, Cron, Depends, Every, Forever, Group, Once, OnShutDown, OnStartUp, OrTrigger
from aioclock.api import TaskMetadata, get_metadata_of_all_tasks, run_specific_task, run_with_injected_deps
from aioclock.exceptions import TaskIdNotFound, TaskTimeoutError
from aioclock.testing import simulate

pytestmark = pytest.mark.filterwarnings("ignore:On(StartUp|ShutDown):DeprecationWarning")


def source() -> str:
    return "real"


async def metadata_of(app: AioClock, name: str) -> TaskMetadata:
    [found] = [metadata for metadata in await get_metadata_of_all_tasks(app) if metadata.task_name == name]
    return found


async def run_named(app: AioClock, name: str) -> object:
    async with asyncio.timeout(5):
        return await run_specific_task((await metadata_of(app, name)).id, app)


# run_with_injected_deps


async def test_a_decorated_function_runs_with_its_dependencies_and_returns_its_result() -> None:
    app = AioClock()

    @app.task(trigger=Every(hours=1))
    async def work(value: str = Depends(source)) -> str:
        return value.upper()

    @app.task(trigger=Every(hours=1))
    def sync_work(value: str = Depends(source)) -> tuple[str, threading.Thread]:
        return value.title(), threading.current_thread()

    assert await run_with_injected_deps(work) == "REAL"
    value, thread = await run_with_injected_deps(sync_work)
    assert value == "Real"
    assert thread is not threading.main_thread()


async def test_a_run_by_hand_uses_the_overrides_of_the_app_it_belongs_to() -> None:
    app, group = AioClock(), Group()

    @app.task(trigger=Every(hours=1))
    async def work(value: str = Depends(source)) -> str:
        return value

    @group.task(trigger=Every(hours=1))
    async def in_group(value: str = Depends(source)) -> str:
        return value

    app.include_group(group)
    with app.override_dependencies(source, lambda: "override"):
        assert await run_with_injected_deps(work) == "override"
        assert await run_with_injected_deps(in_group) == "override"
    assert await run_with_injected_deps(work) == "real"


async def test_a_run_by_hand_raises_what_the_function_raises() -> None:
    app = AioClock()

    @app.task(trigger=Every(hours=1))
    async def work() -> None:
        raise LookupError("nothing there")

    with pytest.raises(LookupError, match="nothing there"):
        await run_with_injected_deps(work)


async def test_a_function_without_dependencies_runs_too() -> None:
    app = AioClock()

    @app.task(trigger=Every(hours=1))
    async def work() -> int:
        return 5

    assert await run_with_injected_deps(work) == 5


# run_specific_task


@pytest.mark.parametrize("sync", [False, True], ids=["async", "sync"])
async def test_a_task_runs_by_its_id_and_returns_its_result(sync: bool) -> None:
    app = AioClock()

    async def work(value: str = Depends(source)) -> str:
        return value

    def sync_work(value: str = Depends(source)) -> str:
        return value

    app.task(trigger=Every(hours=1), name="work")(sync_work if sync else work)
    assert await run_named(app, "work") == "real"


async def test_a_task_of_a_group_runs_by_its_id() -> None:
    app, group = AioClock(), Group()
    group.task(trigger=Every(hours=1), name="work")(lambda: "done")
    app.include_group(group)
    assert await run_named(app, "work") == "done"


async def test_start_up_and_shut_down_tasks_run_by_their_id_too() -> None:
    app = AioClock()
    app.task(trigger=OnStartUp(), name="up")(lambda: "up")
    app.task(trigger=OnShutDown(), name="down")(lambda: "down")
    assert [await run_named(app, name) for name in ("up", "down")] == ["up", "down"]


async def test_an_unknown_id_is_named_in_the_error() -> None:
    app, other, unknown = AioClock(), AioClock(), uuid4()
    other.task(trigger=Once(), name="work")(lambda: None)
    for task_id in (unknown, (await metadata_of(other, "work")).id):
        with pytest.raises(TaskIdNotFound, match=str(task_id)):
            await run_specific_task(task_id, app)


async def test_a_run_by_id_honours_the_timeout_and_names_task_and_seconds() -> None:
    app = AioClock()
    app.task(trigger=Every(hours=1), timeout=0.01, name="endless")(asyncio.Event().wait)
    with pytest.raises(TaskTimeoutError, match=r"endless.*0\.01"):
        await run_named(app, "endless")


async def test_a_run_by_id_raises_what_the_task_raises() -> None:
    app = AioClock()

    @app.task(trigger=Every(hours=1), name="broken")
    async def broken() -> None:
        raise LookupError("nothing there")

    with pytest.raises(LookupError, match="nothing there"):
        await run_named(app, "broken")


async def test_cancelling_a_run_by_hand_cancels_the_task() -> None:
    app, order = AioClock(), []

    @app.task(trigger=Every(hours=1), name="work")
    async def work() -> None:
        order.append("started")
        try:
            await asyncio.sleep(30)
        finally:
            order.append("cancelled")

    running = asyncio.create_task(run_named(app, "work"))
    await asyncio.sleep(0.01)
    running.cancel()
    await asyncio.wait({running}, timeout=3)
    assert running.cancelled()
    assert order == ["started", "cancelled"]


def test_a_run_by_hand_does_not_disturb_the_schedule() -> None:
    app, ran = AioClock(), []

    @app.task(trigger=Every(seconds=10, max_loop_count=2), name="work")
    async def work() -> None:
        ran.append(asyncio.get_running_loop().time())

    with simulate(app, start="2026-01-01T00:00:00+00:00") as sim:
        sim.advance(seconds=5)
        sim.run(run_named(app, "work"))
        sim.advance(seconds=60)
    assert [round(moment - ran[0]) for moment in ran] == [0, 5, 15]


# get_metadata_of_all_tasks


async def test_metadata_tells_id_trigger_and_name_of_every_task() -> None:
    app, group = AioClock(), Group()
    triggers: dict[str, Any] = {
        "up": OnStartUp(),
        "down": OnShutDown(),
        "once": Once(),
        "forever": Forever(),
        "every": Every(seconds=5),
        "at": At(tz="UTC", hour=3),
        "cron": Cron(cron="@daily", tz="UTC"),
        "or": OrTrigger(triggers=[Once(), Every(seconds=5)]),
    }
    for name, trigger in triggers.items():
        app.task(trigger=trigger, name=name)(lambda: None)
    group.task(trigger=Every(minutes=1), name="grouped")(lambda: None)
    app.include_group(group)
    found = await get_metadata_of_all_tasks(app)
    assert {metadata.task_name for metadata in found} == {*triggers, "grouped"}
    assert all(isinstance(metadata, TaskMetadata) and isinstance(metadata.id, UUID) for metadata in found)
    assert len({metadata.id for metadata in found}) == len(found)
    for metadata in found:
        if metadata.task_name in triggers:
            assert type(metadata.trigger) is type(triggers[metadata.task_name])
            assert metadata.trigger == triggers[metadata.task_name]


async def test_the_name_of_a_task_is_that_of_its_function() -> None:
    app = AioClock()

    @app.task(trigger=Every(hours=1))
    async def send_report() -> None: ...

    [metadata] = await get_metadata_of_all_tasks(app)
    assert "send_report" in metadata.task_name


async def test_one_function_registered_twice_is_two_tasks() -> None:
    app, calls = AioClock(), []

    @app.task(trigger=Every(hours=1))
    @app.task(trigger=Every(hours=2))
    async def work() -> None:
        calls.append(1)

    first, second = await get_metadata_of_all_tasks(app)
    assert first.id != second.id


async def test_metadata_is_ready_for_json() -> None:
    app = AioClock()
    app.task(trigger=Every(seconds=5), name="work")(lambda: None)
    [metadata] = await get_metadata_of_all_tasks(app)
    dumped = metadata.model_dump(mode="json")
    assert set(dumped) == {"id", "trigger", "task_name"}
    assert dumped["id"] == str(metadata.id)
    assert dumped["trigger"]["type_"] == "EVERY"


async def test_no_next_time_is_expected_while_the_app_does_not_serve() -> None:
    app = AioClock()
    app.task(trigger=Every(seconds=5), name="work")(lambda: None)
    assert (await metadata_of(app, "work")).trigger.expected_trigger_time is None


@pytest.mark.parametrize(
    ("trigger", "expected"),
    [
        (Every(minutes=10), ["00:10:00", "00:20:00"]),
        (Cron(cron="*/15 * * * *", tz="Europe/Berlin"), ["00:15:00", "00:15:00"]),
        (At(tz="Europe/Berlin", hour=1, minute=12), ["00:12:00", "00:12:00"]),
        (OrTrigger(triggers=[Every(minutes=7), Every(minutes=9)]), ["00:07:00", "00:14:00"]),
    ],
    ids=lambda value: type(value).__name__,
)
def test_the_expected_time_is_that_of_the_next_tick_while_serving(trigger: Any, expected: list[str]) -> None:
    app = AioClock()
    app.task(trigger=trigger, name="work")(lambda: None)
    found = []
    with simulate(app, start="2026-01-01T00:00:00+00:00") as sim:
        for seconds in (60, 540):  # looked at after one minute, and after ten
            sim.advance(seconds=seconds + 1)
            moment = sim.run(metadata_of(app, "work")).trigger.expected_trigger_time
            assert moment is not None
            assert moment.tzinfo is not None
            found.append(moment.astimezone(UTC))
    assert [moment.time().isoformat() for moment in found] == expected
    assert found[0] - datetime(2026, 1, 1, tzinfo=UTC) < timedelta(hours=1)


PROGRAM = """
import asyncio
from aioclock import AioClock, Every, Group, OnStartUp
from aioclock.api import get_metadata_of_all_tasks

app, group = AioClock(), Group()

@app.task(trigger=Every(seconds=1))
async def one() -> None: ...

@group.task(trigger=Every(seconds=2))
@app.task(trigger=Every(seconds=3), name="named")
def two() -> None: ...

app.include_group(group)

for number in range(3):
    app.task(trigger=Every(hours=1))(one)

if __name__ == "__main__":
    for metadata in asyncio.run(get_metadata_of_all_tasks(app)):
        print(metadata.task_name, metadata.id)
"""


def test_the_same_code_gives_the_same_ids_after_a_restart(tmp_path: Any) -> None:
    # Real processes: within one, an id could be stable by chance (a hash seed, an address, a counter).
    script = tmp_path / "jobs.py"
    script.write_text(PROGRAM)
    answers = {
        subprocess.run(
            [sys.executable, "-W", "error", *command],
            capture_output=True,
            text=True,
            check=True,
            cwd=tmp_path,
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path)},
        ).stdout
        for seed, command in (
            ("1", [str(script)]),
            ("2", ["-c", "import asyncio, jobs, runpy; runpy.run_path('jobs.py', run_name='__main__')"]),
            # A script and its import agree.
            (
                "3",
                [
                    "-c",
                    "import asyncio, jobs\n"
                    "for m in asyncio.run(jobs.get_metadata_of_all_tasks(jobs.app)): print(m.task_name, m.id)",
                ],
            ),
        )
    }
    [answer] = answers
    ids = [line.split()[-1] for line in answer.splitlines()]
    assert len(set(ids)) == len(ids) == 6
