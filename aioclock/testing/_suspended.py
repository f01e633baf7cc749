"""Running an event loop inside a running one."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["outer_loop_suspended"]


@contextmanager
def outer_loop_suspended() -> Iterator[None]:
    """Let another event loop run in this thread within the block, as if the running one were not.

    The running loop does nothing meanwhile: it is in the middle of the very call that enters this block.
    """
    outer = asyncio._get_running_loop()
    if outer is None:
        yield
        return
    task = asyncio.current_task(outer)
    # These hooks are what the chapter "Extending" of asyncio's documentation offers to authors of event loops. Their
    # order matters: from 3.14 on a thread knows one task, that of its running loop.
    if task is not None:
        asyncio._leave_task(outer, task)
    asyncio._set_running_loop(None)
    try:
        yield
    finally:
        asyncio._set_running_loop(outer)
        if task is not None:
            asyncio._enter_task(outer, task)
