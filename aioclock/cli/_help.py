"""Help texts."""

import sys
from collections.abc import Callable
from inspect import cleandoc
from typing import Any, Literal

__all__ = ["markup_mode", "paragraphs"]


def markup_mode() -> Literal["rich"] | None:
    """Return how help is drawn: by Rich on a terminal, plain elsewhere, where importing Rich would be half the time."""
    return "rich" if sys.stdout.isatty() else None


def paragraphs(function: Callable[..., Any]) -> str:
    """Return the docstring of *function* without the line breaks that it has for the width of the source."""
    text = cleandoc(function.__doc__ or "")
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in text.split("\n\n"))
