"""The lines of values in JSON and TOML, whose parsers don't tell.

The text has been parsed before, so it is known to be right; what is found here are places only, never values.
"""

import json
import re
import tomllib
from bisect import bisect_right

from aioclock.config._document import Path

__all__ = ["json_lines", "toml_lines"]

_JSON_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\],:]|[^\s{}\[\],:"]+', re.DOTALL)
_TOML_SPACE = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_TOML_BLANK = re.compile(r"[ \t]*")
_TOML_KEY = re.compile(r"\"(?:[^\"\\\n]|\\.)*\"|'[^'\n]*'|[A-Za-z0-9_-]+")
_TOML_TEXT = re.compile(
    r'"""(?:[^"\\]|\\.|"(?!""))*"{3,5}' + r"|'''(?:[^']|'(?!''))*'{3,5}" + r"|\"(?:[^\"\\\n]|\\.)*\"|'[^'\n]*'",
    re.DOTALL,
)
_TOML_PLAIN = re.compile(r"[^,\]}\n#]*")


class _Lines:
    """Tells the line of an offset."""

    def __init__(self, text: str) -> None:
        self._starts = [0, *(match.end() for match in re.finditer("\n", text))]

    def at(self, offset: int) -> int:
        return bisect_right(self._starts, offset)


def json_lines(text: str) -> tuple[dict[Path, int], list[tuple[Path, int]]]:
    """Return the line of each value, in an object that of its key, and the keys that an object repeats."""
    scan = _Json(text)
    scan.value(())
    return scan.lines, scan.repeated


class _Json:
    def __init__(self, text: str) -> None:
        self._tokens = _JSON_TOKEN.finditer(text)
        self._line = _Lines(text)
        self.lines: dict[Path, int] = {}
        self.repeated: list[tuple[Path, int]] = []

    def value(self, path: Path) -> None:
        self._after(next(self._tokens), path)

    def _after(self, token: "re.Match[str]", path: Path) -> None:
        self.lines.setdefault(path, self._line.at(token.start()))
        if token[0] == "{":
            self._mapping(path)
        elif token[0] == "[":
            self._sequence(path)

    def _mapping(self, path: Path) -> None:
        seen: set[str] = set()
        while (token := next(self._tokens))[0] != "}":
            if token[0] == ",":
                continue
            key, line = json.loads(token[0], strict=False), self._line.at(token.start())
            if key in seen:
                self.repeated.append(((*path, key), line))
            seen.add(key)
            self.lines[(*path, key)] = line
            next(self._tokens)  # the colon
            self.value((*path, key))

    def _sequence(self, path: Path) -> None:
        index = 0
        while (token := next(self._tokens))[0] != "]":
            if token[0] != ",":
                self._after(token, (*path, index))
                index += 1


def toml_lines(text: str) -> dict[Path, int]:
    """Return the line of each value: that of its key, or of the header of its table."""
    scan = _Toml(text.replace("\r\n", "\n"))
    scan.document()
    return scan.lines


class _Toml:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._line = _Lines(text)
        self._sizes: dict[Path, int] = {}
        """How many tables each array of tables has so far."""
        self.lines: dict[Path, int] = {(): 1}

    def document(self) -> None:
        table: Path = ()
        self._skip(_TOML_SPACE)
        while self._at < len(self._text):
            if self._text.startswith("[", self._at):
                table = self._header()
            else:
                self._entry(table)
            self._skip(_TOML_SPACE)

    def _skip(self, pattern: "re.Pattern[str]") -> str:
        found = pattern.match(self._text, self._at)
        if found is None:
            return ""
        self._at = found.end()
        return found[0]

    def _header(self) -> Path:
        brackets, line = (2 if self._text.startswith("[[", self._at) else 1), self._line.at(self._at)
        self._at += brackets
        *around, name = self._key()
        path: Path = ()
        for part in around:
            path = self._latest((*path, part))
            self.lines.setdefault(path, line)
        path = (*path, name)
        self.lines.setdefault(path, line)
        if brackets == 2:
            self._sizes[path] = self._sizes.get(path, 0) + 1
            path = self._latest(path)
            self.lines[path] = line
        self._at += brackets
        return path

    def _latest(self, path: Path) -> Path:
        return (*path, self._sizes[path] - 1) if path in self._sizes else path

    def _key(self) -> list[str]:
        parts = []
        while True:
            self._skip(_TOML_BLANK)
            parts.append(_plain(self._skip(_TOML_KEY)))
            self._skip(_TOML_BLANK)
            if not self._text.startswith(".", self._at):
                return parts
            self._at += 1

    def _entry(self, table: Path) -> None:
        line = self._line.at(self._at)
        path = table
        for part in self._key():
            path = (*path, part)
            self.lines.setdefault(path, line)
        self._at += 1  # the equals sign
        self._skip(_TOML_BLANK)
        self._value(path)

    def _value(self, path: Path) -> None:
        first = self._text[self._at]
        if first in "\"'":
            self._skip(_TOML_TEXT)
        elif first == "[":
            self._array(path)
        elif first == "{":
            self._inline_table(path)
        else:
            self._skip(_TOML_PLAIN)

    def _array(self, path: Path) -> None:
        self._at += 1
        index = 0
        while not self._closed("]"):
            self.lines[(*path, index)] = self._line.at(self._at)
            self._value((*path, index))
            index += 1

    def _inline_table(self, path: Path) -> None:
        self._at += 1
        while not self._closed("}"):
            self._entry(path)

    def _closed(self, bracket: str) -> bool:
        """Step over what separates items, and over *bracket* if they end here."""
        self._skip(_TOML_SPACE)
        if self._text.startswith(",", self._at):
            self._at += 1
            self._skip(_TOML_SPACE)
        closed = self._text.startswith(bracket, self._at)
        self._at += closed
        return closed


def _plain(key: str) -> str:
    if key.startswith('"'):
        return str(next(iter(tomllib.loads(f"{key} = 0"))))
    return key.strip("'")
