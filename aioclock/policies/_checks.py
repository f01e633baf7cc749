"""Checks of single arguments: each returns the value as it is kept, or words the refusal."""

from math import isfinite
from typing import Any

from aioclock.exceptions import TaskDeclarationError
from aioclock.utils import did_you_mean

__all__ = ["require_choice", "require_count", "require_flag", "require_number", "require_positive_seconds"]


def require_number(name: str, value: Any, *, least: float, unit: str = "") -> float:
    """Return *value* as a float that is finite and at least *least*."""
    if _is_finite(value) and value >= least:
        return float(value)
    raise TaskDeclarationError(f"{name} must be a number{unit and f' of {unit}'}, {least:g} or more, got {value!r}")


def require_positive_seconds(name: str, value: Any, *, hint: str) -> float:
    """Return *value* as a float that is finite and above 0; *hint* ends the refusal."""
    if _is_finite(value) and value > 0:
        return float(value)
    raise TaskDeclarationError(f"{name} must be a positive number of seconds, got {value!r}; {hint}")


def require_count(name: str, value: Any) -> int:
    """Return *value*, a whole number of at least 1."""
    if isinstance(value, int) and not isinstance(value, bool) and value >= 1:
        return value
    raise TaskDeclarationError(f"{name} must be a whole number, 1 or more, got {value!r}")


def require_flag(name: str, value: Any) -> bool:
    """Return *value*, True or False."""
    if isinstance(value, bool):
        return value
    raise TaskDeclarationError(f"{name} must be True or False, got {value!r}")


def require_choice(name: str, value: Any, choices: tuple[str, ...]) -> str:
    """Return *value*, one of *choices*."""
    if isinstance(value, str) and value in choices:
        return value
    *others, last = map(repr, choices)
    hint = did_you_mean(value, choices) if isinstance(value, str) else ""
    raise TaskDeclarationError(f"{name} must be {', '.join(others)} or {last}, got {value!r}{hint}")


def _is_finite(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    try:
        return isfinite(value)
    except OverflowError:
        return False  # an int that no float can hold could not be waited for either
