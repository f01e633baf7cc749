"""What an export is made of, and what its units run."""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import blake2b
from typing import Protocol

from aioclock.cli._exporting._plan import Plan

__all__ = ["Exporter", "File", "Invocation", "Unit", "names_of", "one_line"]

LONGEST_NAME = 34
"""With what may stand around it that makes 52 characters, all that a Kubernetes CronJob may have."""

_LIKE_A_MARK = re.compile(r"(^|-)[0-9a-f]{8}$")


@dataclass(frozen=True, slots=True)
class File:
    """One file of a unit."""

    name: str
    content: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """What a target needs to run one task."""

    task: str
    files: tuple[File, ...]
    notes: tuple[str, ...] = ()
    """What does not hold there as it does here; also for people who only see the terminal."""


class Exporter(Protocol):
    """One target, with the options that the user gave it."""

    def unit(self, plan: Plan, name: str) -> Unit:
        """Return the unit called *name* of the task that *plan* is about.

        Raises:
            Refusal: the target can't do exactly what the task says.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Invocation:
    """How `aioclock trigger` is run."""

    command: tuple[str, ...]
    app: str
    factory: bool
    folder: str | None
    """The working directory; None for the target's own."""

    def argv(self, key: str) -> list[str]:
        """Return program and arguments for a run of the task *key*."""
        flags = ["--factory"] if self.factory else []
        dashes = ["--"] if self.app.startswith("-") or key.startswith("-") else []
        return [*self.command, "trigger", *flags, *dashes, self.app, key]


def one_line(text: str) -> str:
    """Return *text* so that it can stand in a comment: on one line, without control characters."""
    return "".join(character if character.isprintable() else " " for character in text)


def names_of(keys: Iterable[str]) -> dict[str, str]:
    """Return for each of an app's *keys* a name that any target takes and that no other key has.

    It depends on the key alone, unless two keys would share a name: then each gets letters that follow from it. In
    lower case, for there are file systems that don't tell cases apart.
    """
    plain = {key: re.sub(r"[^a-z0-9]+", "-", key.lower()).strip("-") for key in keys}
    short = {key: name[:LONGEST_NAME].strip("-") for key, name in plain.items()}
    count = Counter(short.values())
    return {
        key: f"aioclock-{name}"
        if name and name == plain[key] and count[name] == 1 and not _LIKE_A_MARK.search(name)
        else f"aioclock-{name or 'task'}-{_mark(key)}"
        for key, name in short.items()
    }


def _mark(key: str) -> str:
    return blake2b(key.encode("utf-8", "surrogatepass"), digest_size=4).hexdigest()
