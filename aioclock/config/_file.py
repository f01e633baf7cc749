"""Reading a file of any of the formats."""

import json
import os
import re
import tomllib
from pathlib import Path as FilePath

from aioclock.config._document import Document
from aioclock.config._positions import json_lines, toml_lines
from aioclock.exceptions import ConfigurationError
from aioclock.utils import did_you_mean

__all__ = ["SUFFIXES", "read"]

SUFFIXES = (".yaml", ".yml", ".toml", ".json")


def read(path: "str | os.PathLike[str]") -> Document:
    """Return what the file at *path* holds.

    Raises:
        ConfigurationError: there is no such file, its format is unknown, or it breaks the rules of its format.
    """
    file = FilePath(path)
    document = Document(str(path))
    suffix = file.suffix.lower()
    if suffix not in SUFFIXES:
        raise ConfigurationError(
            f"{document.name}: a configuration file ends in {', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]}"
        )
    text = _decoded(_bytes_of(file), document)
    if suffix == ".json":
        _read_json(text, document)
    elif suffix == ".toml":
        _read_toml(text, document)
    else:
        _read_yaml(text, document)
    return document


def _bytes_of(file: FilePath) -> bytes:
    try:
        return file.read_bytes()
    except FileNotFoundError:
        folder = file.parent
        others = [other.name for other in folder.iterdir() if other.suffix in SUFFIXES] if folder.is_dir() else []
        raise ConfigurationError(f"there is no file {str(file)!r}{did_you_mean(file.name, others)}") from None
    except OSError as error:
        raise ConfigurationError(f"{file} can't be read: {error.strerror}") from error


def _decoded(content: bytes, document: Document) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ConfigurationError(f"{document.name}:{line}: the file must be UTF-8, and this line is not") from None


def _read_yaml(text: str, document: Document) -> None:
    try:
        from aioclock.config._yaml_values import parse
    except ModuleNotFoundError as error:
        if error.name != "yaml":
            raise
        raise ConfigurationError(
            f"{document.name}: reading YAML needs PyYAML; install it: pip install 'aioclock[cli]'"
        ) from None
    parse(text, document)


def _read_json(text: str, document: Document) -> None:
    try:
        document.value = json.loads(text, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        document.refuse((), f"not JSON: {_lowered(error.msg)} (column {error.colno})", line=error.lineno)
        document.require_sound()
    except ValueError as error:
        document.refuse((), f"not JSON: {error}", line=_line_of_odd_number(text))
        document.require_sound()
    document.lines, repeated = json_lines(text)
    for path, line in repeated:
        document.refuse(path, "the key stands here twice", line=line)


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def _line_of_odd_number(text: str) -> int:
    """Return the line of the first number that Python's parsers refuse without saying where."""
    text = re.sub(r'"(?:[^"\\\n]|\\.)*"', '""', text)
    found = re.search(r"\bNaN\b|\bInfinity\b|\d{4000}", text)
    return text.count("\n", 0, found.start()) + 1 if found else 1


def _read_toml(text: str, document: Document) -> None:
    try:
        document.value = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        message = str(error)
        found = re.search(r" \(at line (\d+), column \d+\)$| \(at end of document\)$", message)
        line = int(found[1]) if found and found[1] else text.count("\n") + 1
        document.refuse((), f"not TOML: {_lowered(message[: found.start()] if found else message)}", line=line)
        document.require_sound()
    except ValueError as error:
        document.refuse((), f"not TOML: {error}", line=_line_of_odd_number(text))
        document.require_sound()
    document.lines = toml_lines(text)


def _lowered(message: str) -> str:
    return message[:1].lower() + message[1:]
