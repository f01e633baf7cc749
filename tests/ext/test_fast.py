"""The FastAPI routes: what they answer, and that serving inside a FastAPI lifespan ends in order."""

import asyncio
import itertools
import logging
import subprocess
import sys
import warnings
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from typing import Annotated, Any, Literal
from uuid import UUID, uuid4

import httpx
import pytest
from fastapi import APIRouter, FastAPI, Header, HTTPException
from fastapi import Depends as FastAPIDepends
from pydantic import BaseModel, Field

from aioclock import AioClock, Cron, Depends, Every, Group, Once, OnShutDown, OnStartUp, OrTrigger
from aioclock.api import get_metadata_of_all_tasks, run_specific_task
from aioclock.exceptions import TaskDeclarationError
from aioclock.ext.fast import make_fastapi_router
from aioclock.triggers import BaseTrigger

with warnings.catch_warnings():
    # Newer versions of Starlette prefer httpx2; both will do here.
    warnings.filterwarnings("ignore", message=".*httpx")
    from fastapi.testclient import TestClient

YEARLY = Cron(cron="0 0 1 1 *", tz="UTC", max_loop_count=1)
"""A trigger for tasks that are only run by hand."""


class Arrival(BaseTrigger[Literal["ARRIVAL"]]):
    """A user's trigger with a field that has no JSON form."""

    type_: Literal["ARRIVAL"] = "ARRIVAL"
    queue: asyncio.Queue[str] = Field(default_factory=asyncio.Queue)
    limit: float = float("inf")

    async def trigger_next(self) -> None:
        await self.queue.get()


class Report(BaseModel):
    lines: int
    made_at: datetime


class Connection:
    def __init__(self) -> None:
        self.password = "s3cret"


def client_of(clock: AioClock, router: APIRouter | None = None) -> httpx.AsyncClient:
    app = FastAPI()
    app.include_router(make_fastapi_router(clock, router))
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test")


async def post_only_task(clock: AioClock) -> httpx.Response:
    [task] = await get_metadata_of_all_tasks(clock)
    async with client_of(clock) as client:
        return await client.post(f"/task/{task.id}")


async def post_task_returning(result: object) -> httpx.Response:
    clock = AioClock()

    @clock.task(trigger=YEARLY)
    async def work() -> object:
        return result

    return await post_only_task(clock)


# GET /tasks


async def test_tasks_lists_id_trigger_and_name() -> None:
    clock, group = AioClock(), Group()

    @clock.task(trigger=Every(minutes=5))
    async def collect() -> None: ...

    @group.task(trigger=YEARLY, name="yearly report")
    def report() -> None: ...

    clock.include_group(group)
    async with client_of(clock) as client:
        response = await client.get("/tasks")
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/json"
    first, second = response.json()
    assert first.keys() == {"id", "trigger", "task_name"}
    assert UUID(first["id"]) == (await get_metadata_of_all_tasks(clock))[0].id
    assert first["task_name"] == "collect"
    assert (first["trigger"]["type_"], first["trigger"]["minutes"]) == ("EVERY", 5)
    assert second["task_name"] == "yearly report"
    assert second["trigger"] == {
        "type_": "CRON",
        "expected_trigger_time": None,
        "max_loop_count": 1,
        "tz": "UTC",
        "cron": "0 0 1 1 *",
    }


async def test_tasks_includes_start_up_and_shut_down_tasks() -> None:
    clock = AioClock()
    with pytest.warns(DeprecationWarning, match="lifespan"):
        triggers = [OnStartUp(), OnShutDown()]
    for trigger in triggers:
        clock.task(trigger=trigger)(lambda: None)
    async with client_of(clock) as client:
        tasks = (await client.get("/tasks")).json()
    assert [task["trigger"]["type_"] for task in tasks] == ["ON_START_UP", "ON_SHUT_DOWN"]


async def test_tasks_shows_the_triggers_of_an_or_trigger_in_full() -> None:
    clock = AioClock()
    clock.task(trigger=OrTrigger(triggers=[Every(seconds=3), YEARLY]))(lambda: None)
    async with client_of(clock) as client:
        [task] = (await client.get("/tasks")).json()
    every, cron = task["trigger"]["triggers"]
    assert (every["type_"], every["seconds"]) == ("EVERY", 3)
    assert (cron["type_"], cron["cron"]) == ("CRON", "0 0 1 1 *")


async def test_what_has_no_json_form_in_a_trigger_is_shown_as_its_type() -> None:
    clock = AioClock()
    clock.task(trigger=Arrival())(lambda: None)
    async with client_of(clock) as client:
        [task] = (await client.get("/tasks")).json()
    assert task["trigger"] == {"type_": "ARRIVAL", "expected_trigger_time": None, "queue": "<Queue>", "limit": None}


async def test_an_app_without_tasks_has_an_empty_list() -> None:
    async with client_of(AioClock()) as client:
        assert (await client.get("/tasks")).json() == []


# POST /task/{task_id}


@pytest.mark.parametrize(
    ("result", "answer"),
    [
        (None, None),
        ("done", "done"),
        ({"rows": [1, 2.5, True]}, {"rows": [1, 2.5, True]}),
        (Report(lines=3, made_at=datetime(2026, 1, 1, tzinfo=UTC)), {"lines": 3, "made_at": "2026-01-01T00:00:00Z"}),
        ([float("nan"), float("inf")], [None, None]),
        (UUID(int=1), "00000000-0000-0000-0000-000000000001"),
    ],
)
async def test_running_a_task_answers_with_its_result(result: object, answer: object) -> None:
    response = await post_task_returning(result)
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/json"
    assert response.json() == answer


def circle() -> list[Any]:
    items: list[Any] = []
    items.append(items)
    return items


@pytest.mark.parametrize("result", [Connection(), circle(), b"\xff", "\ud800", itertools.count(), lambda: None])
async def test_a_result_without_json_form_is_answered_by_null(result: object, caplog: pytest.LogCaptureFixture) -> None:
    response = await post_task_returning(result)
    assert (response.status_code, response.json()) == (200, None)
    assert type(result).__name__ in [getattr(record, "type", None) for record in caplog.records]


async def test_a_sync_task_runs_with_its_dependencies_and_overrides() -> None:
    clock = AioClock()

    def name() -> str:
        return "production"

    @clock.task(trigger=YEARLY)
    def greet(who: Annotated[str, Depends(name)]) -> str:
        return f"hello {who}"

    with clock.override_dependencies(name, lambda: "test"):
        assert (await post_only_task(clock)).json() == "hello test"


async def test_an_unknown_id_is_not_found() -> None:
    async with client_of(AioClock()) as client:
        response = await client.post(f"/task/{uuid4()}")
    assert (response.status_code, response.json()) == (404, {"detail": "Task not found"})


async def test_what_is_no_uuid_is_unprocessable() -> None:
    async with client_of(AioClock()) as client:
        response = await client.post("/task/nightly")
    assert response.status_code == 422
    assert response.json()["detail"][0]["loc"] == ["path", "task_id"]


async def test_a_task_that_outlives_its_timeout_is_a_gateway_timeout(caplog: pytest.LogCaptureFixture) -> None:
    clock = AioClock()

    @clock.task(trigger=YEARLY, timeout=0.001, name="slow")
    async def slow() -> None:
        await asyncio.Event().wait()

    response = await post_only_task(clock)
    assert response.status_code == 504
    assert response.json() == {"detail": "task 'slow' was cancelled after 0.001 s"}
    assert "slow" in caplog.text


@pytest.mark.parametrize("error", [RuntimeError("password is s3cret"), TimeoutError("s3cret")])
async def test_why_a_task_failed_is_told_to_the_log_only(error: Exception, caplog: pytest.LogCaptureFixture) -> None:
    clock = AioClock()

    @clock.task(trigger=YEARLY)
    async def fail() -> None:
        raise error

    response = await post_only_task(clock)
    assert response.status_code == 500
    assert response.json() == {"detail": f"Task failed with {type(error).__name__}; the log says why"}
    [record] = [record for record in caplog.records if record.name == "aioclock"]
    assert record.levelno == logging.ERROR
    assert "s3cret" in caplog.text
    assert "in fail" in caplog.text


async def test_a_task_that_runs_an_unknown_task_has_failed_and_is_not_unknown() -> None:
    clock = AioClock()

    @clock.task(trigger=YEARLY)
    async def chain() -> None:
        await run_specific_task(uuid4(), clock)

    response = await post_only_task(clock)
    assert response.status_code == 500
    assert "TaskIdNotFound" in response.text


async def test_a_task_that_cancels_itself_has_failed() -> None:
    clock = AioClock()

    @clock.task(trigger=YEARLY)
    async def give_up() -> None:
        raise asyncio.CancelledError

    response = await post_only_task(clock)
    assert (response.status_code, response.json()) == (500, {"detail": "Task was cancelled"})


async def test_cancelling_the_request_cancels_the_run() -> None:
    clock = AioClock()
    begun, ended = asyncio.Event(), asyncio.Event()

    @clock.task(trigger=YEARLY)
    async def work() -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    request = asyncio.create_task(post_only_task(clock))
    await begun.wait()
    request.cancel()
    with pytest.raises(asyncio.CancelledError):
        await request
    assert ended.is_set()


# The router


async def test_a_router_passed_in_is_used_and_returned() -> None:
    async def require_key(key: Annotated[str | None, Header(alias="x-key")] = None) -> None:
        if key != "open sesame":
            raise HTTPException(401)

    router = APIRouter(prefix="/clock", dependencies=[FastAPIDepends(require_key)])
    assert make_fastapi_router(AioClock(), router) is router
    app = FastAPI()
    app.include_router(router)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
        assert (await client.get("/tasks")).status_code == 404
        assert (await client.get("/clock/tasks")).status_code == 401
        assert (await client.post(f"/clock/task/{uuid4()}")).status_code == 401
        assert (await client.get("/clock/tasks", headers={"x-key": "open sesame"})).json() == []


async def test_two_apps_live_under_two_prefixes() -> None:
    app, clocks = FastAPI(), (AioClock(), AioClock())
    clocks[0].task(trigger=Once(), name="mine")(lambda: None)
    for place, clock in enumerate(clocks):
        app.include_router(make_fastapi_router(clock), prefix=f"/{place}")
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
        assert [len((await client.get(f"/{place}/tasks")).json()) for place in (0, 1)] == [1, 0]
        assert (await client.get("/openapi.json")).status_code == 200


async def test_an_app_that_is_stopping_starts_nothing_new() -> None:
    clock = AioClock()
    answered = asyncio.Event()

    @clock.task(trigger=Once())
    async def going() -> None:
        await answered.wait()

    clock.task(trigger=YEARLY, name="other")(lambda: None)
    other = clock.tasks["other"].id
    async with clock.running():
        stopping = asyncio.create_task(clock.stop())
        await asyncio.sleep(0)
        async with client_of(clock) as client:
            response = await client.post(f"/task/{other}")
        assert response.status_code == 503
        assert response.json()["detail"].startswith("run of 'other' was skipped: stopping")
        answered.set()
        await stopping


async def test_the_openapi_document_describes_both_routes() -> None:
    clock = AioClock()
    clock.task(trigger=OrTrigger(triggers=[Every(seconds=1), Arrival()]))(lambda: None)
    async with client_of(clock) as client:
        response = await client.get("/openapi.json")
        assert (await client.get("/tasks")).status_code == 200
    paths = response.json()["paths"]
    assert paths["/tasks"]["get"]["responses"]["200"]["content"]["application/json"]["schema"]["type"] == "array"
    assert paths["/task/{task_id}"]["post"]["responses"].keys() == {"200", "404", "422", "500", "503", "504"}


def test_a_router_for_something_else_is_refused() -> None:
    with pytest.raises(TaskDeclarationError, match="AioClock"):
        make_fastapi_router(FastAPI())  # type: ignore[arg-type]  # the mistake under test


@pytest.mark.parametrize("blocker", ["sys.modules['fastapi'] = None", "sys.meta_path.insert(0, Blocker())"])
def test_without_fastapi_the_error_names_the_extra(blocker: str) -> None:
    code = f"""
import sys

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("fastapi", "starlette"):
            raise ImportError(name)

{blocker}
import aioclock
try:
    import aioclock.ext.fast
except ImportError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=True)
    assert "aioclock[fastapi]" in done.stdout


# Serving inside a FastAPI lifespan

Ending = Callable[[AioClock, "asyncio.Task[None]"], Any]


async def cancel(clock: AioClock, task: "asyncio.Task[None]") -> None:
    task.cancel()


async def cancel_and_wait(clock: AioClock, task: "asyncio.Task[None]") -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def stop(clock: AioClock, task: "asyncio.Task[None]") -> None:
    await clock.stop()
    await task


@pytest.mark.parametrize("end", [cancel, cancel_and_wait, stop])
def test_serving_inside_a_lifespan_shuts_down_in_order(end: Ending, caplog: pytest.LogCaptureFixture) -> None:
    said: list[str] = []

    @asynccontextmanager
    async def clock_lifespan(app: AioClock) -> AsyncIterator[None]:
        said.append("hello")
        yield
        said.append("goodbye")

    clock = AioClock(lifespan=clock_lifespan)

    @clock.task(trigger=Every(hours=1, first_run_strategy="immediate"))
    async def greet() -> str:
        said.append("run")
        return "greeted"

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        task = asyncio.create_task(clock.serve())
        yield
        await end(clock, task)

    app = FastAPI(lifespan=lifespan)
    app.include_router(make_fastapi_router(clock))
    with TestClient(app) as client:
        [task] = client.get("/tasks").json()
        due = datetime.fromisoformat(task["trigger"]["expected_trigger_time"])
        assert due.utcoffset() is not None
        assert client.post(f"/task/{task['id']}").json() == "greeted"
    assert said == ["hello", "run", "run", "goodbye"]
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []
