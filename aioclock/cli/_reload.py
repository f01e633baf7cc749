"""Serving anew whenever a source file changes."""

import logging
import os
import shlex
import signal
import sys
from pathlib import Path

from watchfiles import PythonFilter, run_process

from aioclock.cli._errors import CommandError
from aioclock.cli._options import CONFIG_FILES

__all__ = ["serve_with_reload"]

PATIENCE_S = 10
"""How long a serving may take to shut down before it is killed for the next one."""


def serve_with_reload(folders: list[Path]) -> None:
    """Run this very command in a process of its own, and anew after each change in *folders*, until Ctrl+C.

    Raises:
        CommandError: one of the folders does not exist.
    """
    for folder in folders:
        if not folder.exists():
            raise CommandError(f"there is no folder {str(folder)!r} to watch")
    logging.getLogger("watchfiles").setLevel(logging.CRITICAL)
    os.environ["AIOCLOCK_RELOAD"] = "false"  # for the process that serves
    # The background jobs of a shell script ignore SIGINT, and so would the process that is asked to stop by it.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    run_process(
        *folders,
        target=shlex.join(_without_reload([sys.executable, *sys.argv])),
        target_type="command",
        watch_filter=PythonFilter(extra_extensions=CONFIG_FILES),
        callback=lambda changes: _tell({Path(path).name for _, path in changes}),
        sigint_timeout=PATIENCE_S,
    )


def _without_reload(command: list[str]) -> list[str]:
    kept, skip = list[str](), False
    for part in command:
        if not skip and part != "--reload" and not part.startswith("--reload-dir"):
            kept.append(part)
        skip = part == "--reload-dir"
    return kept


def _tell(names: set[str]) -> None:
    sys.stderr.write(f"aioclock: {', '.join(sorted(names))} changed, serving anew\n")
