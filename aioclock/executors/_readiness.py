"""Whether this process is a worker, and ready."""

import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

__all__ = ["PROCESS_NAME", "UNGUARDED_MAIN", "begin", "leave_unready_worker"]

PROCESS_NAME = "aioclock worker"
UNGUARDED_MAIN = 79
"""Exit code of a worker that found itself running the main script's program instead of importing it."""

begin: "list[Connection]" = []
"""Where to announce each call; empty until this process is a worker that is ready."""


def leave_unready_worker() -> None:
    """End this process if it is a worker that is still importing the main script.

    Whoever gets here then is a main script that runs its program when it is imported. The worker would never be ready,
    and all of the app would run twice.
    """
    module = sys.modules.get("multiprocessing.process")
    if module is not None and not begin and module.current_process().name == PROCESS_NAME:
        os._exit(UNGUARDED_MAIN)
