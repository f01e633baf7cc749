"""FastAPI: look at the tasks of an app and run them over HTTP."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

from pydantic import BaseModel
from pydantic_core import to_json

from aioclock.api import TaskMetadata, get_metadata_of_all_tasks, run_specific_task
from aioclock.app import AioClock
from aioclock.exceptions import (
    RunCancelledError,
    RunSkippedError,
    TaskDeclarationError,
    TaskIdNotFound,
    TaskTimeoutError,
)
from aioclock.logger import logger

try:
    from fastapi import APIRouter, HTTPException, Response
except ImportError as error:
    message = "aioclock.ext.fast needs FastAPI, which the extra aioclock[fastapi] brings"
    raise ImportError(message, name="fastapi") from error

__all__ = ["make_fastapi_router"]


class _Refusal(BaseModel):
    """What an error answers; for the OpenAPI document."""

    detail: str


class _Health(BaseModel):
    """How the app does."""

    ok: bool
    serving: bool
    store: str | None
    store_error: str | None


_REFUSALS: dict[int | str, dict[str, Any]] = {
    404: {"model": _Refusal, "description": "No task has this id"},
    500: {"model": _Refusal, "description": "The task raised an error or was cancelled"},
    503: {"model": _Refusal, "description": "The app is stopping, or can't reach its store, and starts nothing new"},
    504: {"model": _Refusal, "description": "The task outlived its timeout and was cancelled"},
}


def make_fastapi_router(aioclock: AioClock, router: APIRouter | None = None) -> APIRouter:
    """Add three routes to *router* (a new one if left out) and return it.

    - `GET /tasks`: all tasks, as a list of `{"id", "trigger", "task_name"}`. What has no JSON form in a trigger of
      your own is shown as the name of its type.
    - `POST /task/{task_id}`: runs the task now, within its timeout, and answers with its result as JSON; `null` if the
      result has no JSON form. It answers 404 for an unknown id, 422 for something that is no UUID, 503 if the app is
      stopping, 504 if the task outlived its timeout, and 500 if it failed; why it failed is told to the log, not to
      the client.

    - `GET /tasks/health`: `{"ok", "serving", "store", "store_error"}`, with the status 503 while the app does not serve
      or can't reach its store.

    Whoever reaches the routes may run every task: pass a router whose dependencies check that.

    ```python
    from fastapi import FastAPI

    from aioclock import AioClock
    from aioclock.ext.fast import make_fastapi_router

    clock = AioClock()
    app = FastAPI()
    app.include_router(make_fastapi_router(clock))
    ```

    Raises:
        TaskDeclarationError: *aioclock* is no `AioClock`.
    """
    if not isinstance(aioclock, AioClock):
        raise TaskDeclarationError(f"the router shows the tasks of an AioClock, got {aioclock!r}")
    routes = APIRouter() if router is None else router

    @routes.get("/tasks", response_model=list[TaskMetadata])
    async def get_tasks() -> Response:
        """List all tasks with their triggers."""
        tasks = await get_metadata_of_all_tasks(aioclock)
        return _json_response(to_json(tasks, fallback=_type_name, inf_nan_mode="null"))

    @routes.get("/tasks/health", response_model=_Health, responses={503: {"model": _Health}})
    async def get_health(response: Response) -> _Health:
        """Tell whether the app serves and can reach its store; 503 if not."""
        health = aioclock.health
        response.status_code = 200 if health.ok else 503
        return _Health(ok=health.ok, serving=health.serving, store=health.store, store_error=health.store_error)

    @routes.post("/task/{task_id}", response_model=None, responses=_REFUSALS)
    async def run_task(task_id: UUID) -> Response:
        """Run a task now and return its result."""
        return _json_response(_result_as_json(await _run(task_id, aioclock), task_id))

    return routes


async def _run(task_id: UUID, aioclock: AioClock) -> Any:
    try:
        return await run_specific_task(task_id, aioclock)
    except Exception as error:
        raise _as_http_error(error, task_id) from error


def _as_http_error(error: Exception, task_id: UUID) -> HTTPException:
    # A task may itself run other tasks by their ids; an error about one of those is a failure of this one.
    if isinstance(error, TaskIdNotFound) and error.task_id == task_id:
        return HTTPException(404, "Task not found")
    if isinstance(error, RunSkippedError) and error.reason in ("stopping", "unreachable"):
        return HTTPException(503, str(error))
    if isinstance(error, RunCancelledError):
        return HTTPException(500, "Task was cancelled")
    if isinstance(error, TaskTimeoutError):
        logger.error("%s", error, extra={"task_id": str(task_id)})
        return HTTPException(504, str(error))
    logger.error("task %s, run over HTTP, failed", task_id, exc_info=error, extra={"task_id": str(task_id)})
    # Only the type: the message may hold what is none of the client's business.
    return HTTPException(500, f"Task failed with {type(error).__name__}; the log says why")


def _result_as_json(result: object, task_id: UUID) -> bytes:
    # Not FastAPI's jsonable_encoder: of an unknown object it would send all attributes, secrets included.
    try:
        if isinstance(result, Iterator):
            raise TypeError("an iterator may have no end")
        return to_json(result, inf_nan_mode="null")
    except Exception as error:
        facts = {"task_id": str(task_id), "type": type(result).__name__}
        logger.warning("the result of task %s has no JSON form, null is sent: %s", task_id, error, extra=facts)
        return b"null"


def _type_name(value: object) -> str:
    return f"<{type(value).__name__}>"


def _json_response(content: bytes) -> Response:
    return Response(content, media_type="application/json")
