"""The `aioclock` command. Its packages come with the extra `cli`."""

import os
import sys
from io import TextIOWrapper

__all__ = ["main"]

_PACKAGES = frozenset(
    {"cron_descriptor", "pydantic_settings", "pythonjsonlogger", "rich", "typer", "tzlocal", "watchfiles", "yaml"}
)


def main() -> None:
    """Run the command that the process was started with, and end the process with its exit code."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # closed, as by `>&-`
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115, PTH123 - until the end
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a task's name may have letters that the terminal has not
    try:
        from aioclock.cli._commands import call

        call()
    except KeyboardInterrupt:
        sys.exit(130)
    except ModuleNotFoundError as error:
        if error.name not in _PACKAGES:
            raise
        sys.exit(f"aioclock: error: the command needs {error.name!r}; install it: pip install 'aioclock[cli]'")
