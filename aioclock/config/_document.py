"""A configuration file as it was parsed: its values, the lines they stand in, and what is wrong with them."""

from dataclasses import dataclass, field
from typing import Any, TypeAlias

from aioclock.exceptions import ConfigurationError

__all__ = ["Document", "Path", "Variable"]

Path: TypeAlias = tuple[str | int, ...]
"""Keys and indices that lead from the top of the file to a value."""


@dataclass(frozen=True, slots=True)
class Variable:
    """What a text with `${NAME}` in it says in the file.

    Attributes:
        source: The text as it stands in the file.
        alone: Whether it is one `${NAME}` and nothing else.
        hidden: Whether something of it came out of the environment, and so must never be shown.
        missing: Whether a variable is not set.
    """

    source: str
    alone: bool
    hidden: bool
    missing: bool


@dataclass(slots=True)
class Document:
    """One file.

    Attributes:
        name: The file as the user named it.
        value: What it holds: dicts, lists and scalars.
        lines: The line of each value, counted from 1; of a value in a mapping, that of its key.
    """

    name: str
    value: Any = None
    lines: dict[Path, int] = field(default_factory=dict)
    variables: dict[Path, Variable] = field(default_factory=dict)
    cause: Exception | None = None
    """The first error that a module of the user's raised while it was imported."""
    _problems: list[tuple[int, Path, str]] = field(default_factory=list)

    def line(self, path: Path) -> int:
        """Return the line of the value at *path*, or of the nearest value around it whose line is known."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)

    def refuse(self, path: Path, message: str, *, shows_value: bool = True, line: int | None = None) -> None:
        """Note that the value at *path* can't be used.

        Args:
            shows_value: Whether *message* holds some of the value, or of what is within; if that came from the
                environment, the message is replaced.
        """
        within = [variable for place, variable in self.variables.items() if _touch(place, path)]
        if any(variable.missing for variable in within) and shows_value:
            return  # that is noted already, and nobody knows what it would have been
        hidden = [variable.source for variable in within if variable.hidden]
        if hidden and shows_value:
            message = f"what {hidden[0]!r} stands for can't be used here; it may be a secret and is not shown"
            if path not in self.variables:  # something around it
                message = f"something here can't be used; as {hidden[0]!r} may be a secret, no more of it is shown"
        self._problems.append((self.line(path) if line is None else line, path, message))

    def source(self, path: Path) -> str:
        """Return the text at *path* as it stands in the file, for messages."""
        variable = self.variables.get(path)
        return self.at(path) if variable is None else variable.source

    def at(self, path: Path) -> Any:
        """Return the value at *path*."""
        value = self.value
        for step in path:
            value = value[step]
        return value

    @property
    def sound(self) -> bool:
        """Whether nothing is wrong so far."""
        return not self._problems

    def require_sound(self) -> None:
        """Raise all that is wrong, in the order of the lines.

        Raises:
            ConfigurationError: something is.
        """
        if self._problems:
            problems = sorted(dict.fromkeys(self._problems), key=lambda problem: problem[0])
            raise ConfigurationError(*(self._worded(*problem) for problem in problems)) from self.cause

    def _worded(self, line: int, path: Path, message: str) -> str:
        place = ".".join(map(str, path))
        return f"{self.name}:{line}: {place}: {message}" if place else f"{self.name}:{line}: {message}"


def _touch(one: Path, other: Path) -> bool:
    """Tell whether one of two values is within the other, or is the other."""
    shared = min(len(one), len(other))
    return one[:shared] == other[:shared]
