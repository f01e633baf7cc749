"""Log lines: readable ones on a terminal, JSON elsewhere."""

import logging
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from aioclock.cli._settings import settings

if TYPE_CHECKING:
    from aioclock.cli._options import LogFormat, LogLevel

__all__ = ["configure_logging"]


def configure_logging(log_format: "LogFormat | None", level: "LogLevel | None") -> None:
    """Send all logs to stderr; what is None is as the settings say.

    Call it before the app is imported, so that an app that configures logging has the last word.
    """
    log_format = log_format or settings().log_format
    if log_format == "auto":
        log_format = "text" if sys.stderr.isatty() else "json"
    handler = _json_handler() if log_format == "json" else _text_handler()
    logging.basicConfig(handlers=[handler], level=(level or settings().log_level).upper())


def _text_handler() -> logging.Handler:
    if sys.stderr.isatty():
        from rich.console import Console
        from rich.logging import RichHandler

        return RichHandler(console=Console(stderr=True), show_path=False, log_time_format="%H:%M:%S")
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)-8s %(name)s: %(message)s"))
    return handler


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
