"""What commands print: tables for people, JSON for programs."""

import json
import os
import sys
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["as_json_value", "as_text", "print_error", "print_json", "stdout", "takes_any_letter"]

WIDE = 1000
"""Columns of what is no terminal: nothing is wrapped or cut there, for a program or a file gets it."""


def stdout() -> "Console":
    """Return where tables go: in colours and to its width on a terminal, plain and unwrapped elsewhere."""
    from rich.console import Console  # a help text needs none

    console = Console(highlight=False, markup=False, emoji=False)
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = WIDE
    return console


def print_json(value: Any) -> None:
    """Print one JSON document; datetimes are ISO 8601."""
    text = json.dumps(value, indent=2, ensure_ascii=not takes_any_letter(), default=_plain)
    sys.stdout.write(f"{text}\n")


def as_json_value(value: Any) -> Any:
    """Return *value* if JSON can hold it, else its `repr`."""
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        return as_text(value, repr)
    return value


def as_text(value: Any, of: Callable[[Any], str] = str) -> str:
    """Return what *of*, `str` or `repr`, makes of a value of the user's, whose class may have it wrong."""
    try:
        return of(value)
    except Exception as error:
        return f"<{type(value).__qualname__}, which can't be shown: {type(error).__name__}>"


def takes_any_letter() -> bool:
    """Tell whether stdout can show every letter; what it can't would be replaced by an escape of Python's."""
    return (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"


def _plain(value: Any) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} has no place in JSON")


def print_error(message: str, details: str | None = None) -> None:
    """Print to stderr what is wrong."""
    if details:
        sys.stderr.write(details.rstrip("\n") + "\n")
    sys.stderr.write(f"aioclock: error: {message}\n")
