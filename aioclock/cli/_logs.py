"""Log lines: readable ones on a terminal, JSON elsewhere."""

import logging
import os
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from aioclock.cli._settings import settings

if TYPE_CHECKING:
    from aioclock.cli._options import LogFormat, LogLevel

__all__ = ["configure_logging"]


def configure_logging(log_format: "LogFormat | None", level: "LogLevel | None") -> None:
    """Send all logs to stderr, unless the app, when it was imported, has seen to them; what is None is a setting."""
    log_format = log_format or settings().log_format
    if log_format == "auto":
        log_format = "text" if sys.stderr.isatty() else "json"
    handler = _json_handler() if log_format == "json" else _text_handler()
    logging.basicConfig(handlers=[handler], level=(level or settings().log_level).upper())


def _text_handler() -> logging.Handler:
    class Formatter(logging.Formatter):
        def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's name
            line = super().formatMessage(record)
            colour = _COLOURS.get(record.levelno) if _in_colours() else None
            return line if colour is None else f"\x1b[{colour}m{line}\x1b[0m"

    handler = logging.StreamHandler()
    handler.setFormatter(Formatter("%(asctime)s %(levelname)-8s %(name)s: %(message)s"))
    return handler


_COLOURS = {logging.DEBUG: 2, logging.WARNING: 33, logging.ERROR: 31, logging.CRITICAL: 31}


def _in_colours() -> bool:
    return sys.stderr.isatty() and not os.environ.get("NO_COLOR")


def _json_handler() -> logging.Handler:
    from pythonjsonlogger.json import JsonFormatter

    class Formatter(JsonFormatter):
        def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:  # noqa: N802 - logging's name
            return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")

    handler = logging.StreamHandler()
    handler.setFormatter(
        Formatter(
            "%(asctime)s %(levelname)s %(name)s %(message)s",
            rename_fields={"asctime": "time", "levelname": "level", "name": "logger", "exc_info": "exception"},
            json_ensure_ascii=False,
        )
    )
    return handler
