"""Options of the targets, checked before anything is looked at."""

import re

from pydantic import ValidationError

from aioclock.cli._errors import CommandError
from aioclock.cli._exporting._zones import local_zone
from aioclock.triggers import At

__all__ = ["checked_zone", "require", "require_user"]


def require(option: str, value: str, shape: str) -> None:
    """Check that *value* matches the regular expression *shape*."""
    if not re.fullmatch(shape, value):
        raise CommandError(f"{option} can't be {value!r}; it must match {shape}")


def require_user(user: str | None) -> None:
    """Check that *user*, if given, can be the name of one."""
    if user is not None:
        require("--user", user, r"[A-Za-z0-9_][A-Za-z0-9_.-]*\$?")


def checked_zone(name: str | None) -> str:
    """Return the zone *name*; None for that of this machine."""
    if name is None:
        return local_zone()
    try:
        return At(tz=name).tz
    except ValidationError as error:
        reason = error.errors()[0]["msg"].removeprefix("Value error, ")
        raise CommandError(f"--local-zone can't be {name!r}: {reason}") from error
