"""Runs are freed when they end: what only the garbage collector can free makes it work beside the tasks."""

import asyncio
import gc
from collections.abc import Callable
from typing import Any

import pytest

from aioclock import AioClock, Depends, Every


async def plain() -> None: ...


def sync() -> None: ...


async def number() -> int:
    return 1


async def injected(value: int = Depends(number)) -> None: ...


async def failing() -> None:
    raise ValueError


def unreachable_after(runs: int, func: Callable[..., Any], **policies: Any) -> int:
    app = AioClock()
    app.task(trigger=Every(seconds=0.0001, max_loop_count=runs), **policies)(func)
    gc.collect()
    gc.disable()
    try:
        asyncio.run(app.serve())  # the real event loop: that of virtual time has other objects
        return gc.collect()
    finally:
        gc.enable()


@pytest.mark.parametrize(
    ("func", "policies"),
    [
        pytest.param(plain, {}, id="async"),
        pytest.param(sync, {}, id="sync"),
        pytest.param(injected, {}, id="dependency"),
        pytest.param(failing, {}, id="failing"),
        pytest.param(plain, {"timeout": 10}, id="timeout"),
        pytest.param(plain, {"jitter": 0.0001}, id="jitter"),
    ],
)
def test_runs_leave_nothing_to_the_garbage_collector(func: Callable[..., Any], policies: dict[str, Any]) -> None:
    unreachable_after(1, func, **policies)  # what is imported and cached with the first run
    assert unreachable_after(50, func, **policies) - unreachable_after(5, func, **policies) < 10
