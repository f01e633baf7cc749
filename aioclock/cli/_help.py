"""Help texts."""

from collections.abc import Callable
from inspect import cleandoc
from typing import Any

__all__ = ["paragraphs"]


def paragraphs(function: Callable[..., Any]) -> str:
    """Return the docstring of *function* without the line breaks that it has for the width of the source."""
    text = cleandoc(function.__doc__ or "")
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in text.split("\n\n"))
