"""`${NAME}` in texts: values that stand in the environment and not in the file."""

import re
from collections.abc import Mapping
from typing import Any

from aioclock.config._document import Document, Path, Variable

__all__ = ["as_scalar", "fill_in"]

_REFERENCE = re.compile(r"(?P<escape>\$\$\{)|\$\{(?:(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?::-(?P<default>[^}]*))?\})?")
_NUMBER = re.compile(r"[-+]?(?P<whole>\d{1,15})(?P<rest>\.\d*)?(?:[eE][-+]?\d{1,3})?|[-+]?\.\d+")


def fill_in(document: Document, environment: Mapping[str, str]) -> None:
    """Replace every `${NAME}` in the texts of *document*, and note where there was one.

    `${NAME:-default}` stands for the default if the variable is not set or empty, `$${` for `${` itself.
    """
    document.value = _filled(document, document.value, (), environment)


def _filled(document: Document, value: Any, path: Path, environment: Mapping[str, str]) -> Any:
    if isinstance(value, dict):
        return {key: _filled(document, item, (*path, key), environment) for key, item in value.items()}
    if isinstance(value, list):
        return [_filled(document, item, (*path, index), environment) for index, item in enumerate(value)]
    if isinstance(value, str) and "${" in value:
        return _text(document, value, path, environment)
    return value


def _text(document: Document, text: str, path: Path, environment: Mapping[str, str]) -> str:
    parts: list[str] = []
    hidden = missing = False
    references = list(_REFERENCE.finditer(text))
    end = 0
    for reference in references:
        parts.append(text[end : reference.start()])
        end = reference.end()
        if reference["escape"]:
            parts.append("${")
            continue
        found = _value_of(document, reference, path, environment)
        hidden = hidden or (found is not None and environment.get(reference["name"]) == found)
        missing = missing or found is None
        parts.append(found or "")
    parts.append(text[end:])
    if any(not reference["escape"] for reference in references):
        alone = len(references) == 1 and references[0][0] == text
        document.variables[path] = Variable(text, alone=alone, hidden=hidden, missing=missing)
    return "".join(parts)


def _value_of(document: Document, reference: "re.Match[str]", path: Path, environment: Mapping[str, str]) -> str | None:
    name, default = reference["name"], reference["default"]
    if name is None:
        document.refuse(
            path,
            "after ${ comes the name of a variable and }, as in ${NAME}; write $${ for ${ itself",
            shows_value=False,
        )
        return None
    value = environment.get(name)
    if default is not None:
        return value or default
    if value is None:
        document.refuse(
            path,
            f"the environment variable {name} is not set; set it, or write ${{{name}:-default}}",
            shows_value=False,
        )
    return value


def as_scalar(text: str) -> Any:
    """Return the number or the bool that *text* shows, or *text* itself."""
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    if (found := _NUMBER.fullmatch(text)) is None:
        return text
    return int(text) if found["whole"] == text.lstrip("+-") else float(text)
