"""A place in a configuration file: a value, and the way to say what is wrong with it."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from aioclock.config._document import Document, Path
from aioclock.config._variables import as_scalar
from aioclock.utils import did_you_mean

__all__ = ["Place"]

_SWITCHES = {"yes", "no", "on", "off", "y", "n"}


@dataclass(frozen=True, slots=True)
class Place:
    """One value of *document*."""

    document: Document
    path: Path = ()

    @property
    def value(self) -> Any:
        return self.document.at(self.path)

    @property
    def scalar(self) -> Any:
        """The value; if it is one `${NAME}` and nothing else, the number or the bool that this holds, if any."""
        value, variable = self.value, self.document.variables.get(self.path)
        return as_scalar(value) if variable is not None and variable.alone else value

    @property
    def hidden(self) -> bool:
        """Whether the text came out of the environment, at least in part."""
        variable = self.document.variables.get(self.path)
        return variable is not None and variable.hidden

    @property
    def line(self) -> int:
        return self.document.line(self.path)

    @property
    def source(self) -> str:
        """The text as it stands in the file: what messages may show."""
        return self.document.source(self.path)

    def refuse(self, message: str, *, shows_value: bool = True) -> None:
        """Note what is wrong; see `Document.refuse`."""
        self.document.refuse(
            self.path, message + (_hint(message, self.value) if shows_value else ""), shows_value=shows_value
        )

    def of(self, key: str | int) -> "Place":
        """Return the place of an item of this mapping or list."""
        return Place(self.document, (*self.path, key))

    def mapping(self, what: str) -> "Mapping[str, Place] | None":
        """Return the places of this mapping's values; None, and a complaint, if it is no mapping."""
        if isinstance(self.value, dict):
            return {key: self.of(key) for key in self.value}
        self.refuse(f"{what} must be a mapping, got {self.value!r}")
        return None

    def elements(self, what: str) -> "list[Place]":
        """Return the places of this list's items; none, and a complaint, if it is no list."""
        if isinstance(self.value, list):
            return [self.of(index) for index in range(len(self.value))]
        self.refuse(f"{what} must be a list, got {self.value!r}")
        return []

    def text(self, what: str) -> str | None:
        """Return this text; None, and a complaint, if it is something else, empty, or has a NUL character in it."""
        value = self.value
        if not isinstance(value, str):
            self.refuse(f"{what} must be text, got {value!r}{_quotes(value)}")
        elif "\0" in value:
            self.refuse(f"{what} must not contain the character NUL", shows_value=False)
        elif any("\ud800" <= letter <= "\udfff" for letter in value):
            self.refuse(f"{what} must not contain half a character (a lone surrogate)", shows_value=False)
        else:
            return value
        return None

    def refuse_unknown(self, known: Collection[str]) -> None:
        """Complain of each key of this mapping that is not among *known*."""
        for key in self.value:
            if key not in known:
                self.of(key).refuse(f"unknown key{did_you_mean(key, known) or _all(known)}", shows_value=False)


def _all(known: Collection[str]) -> str:
    return f"; the keys here are {', '.join(known)}" if known else ""


def _quotes(value: Any) -> str:
    return "" if value is None or isinstance(value, list | dict) else "; put it in quotes"


def _hint(message: str, value: Any) -> str:
    wants_bool = any(word in message for word in ("True or False", "True, False", "boolean"))
    if wants_bool and isinstance(value, str) and value.lower() in _SWITCHES:
        return "; write true or false"
    return ""
