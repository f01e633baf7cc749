"""YAML with the lines of its values. Plain words mean what they mean in JSON: `no` and `09:30` are texts."""

import re
from typing import Any

import yaml

from aioclock.config._document import Document, Path

__all__ = ["parse"]

MOST_VALUES = 100_000
MOST_DEEP = 100

_TAG = "tag:yaml.org,2002:"
_HINT = "; put the text in quotes"


class _CoreLoader(yaml.SafeLoader):
    """Reads plain words by YAML 1.2's core schema, as editors do.

    By YAML 1.1, PyYAML's own, `no` is false, 10:30 is 630 and 010 is 8.
    """

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012 - PyYAML looks for it there


for _name, _pattern, _first in (
    ("bool", r"^(?:true|True|TRUE|false|False|FALSE)$", "tTfF"),
    ("int", r"^(?:[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+)$", "-+0123456789"),
    ("float", r"^[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?$", "-+.0123456789"),
    ("float", r"^(?:[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$", "-+."),
    ("null", r"^(?:~|null|Null|NULL|)$", ["~", "n", "N", ""]),
    ("merge", r"^<<$", "<"),
):
    _CoreLoader.add_implicit_resolver(_TAG + _name, re.compile(_pattern), list(_first))


def parse(text: str, document: Document) -> None:
    """Fill *document* with the values of *text* and their lines.

    Raises:
        ConfigurationError: *text* is not YAML.
    """
    try:
        node = _CoreLoader(text).get_single_node()
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        document.refuse((), f"not YAML: the character U+{error.character:04X} is not allowed", line=line)
    except yaml.MarkedYAMLError as error:
        document.refuse((), f"not YAML: {_reason(error, text)}", line=_line_of(error))
    else:
        document.value = None if node is None else _Values(document).of(node, ())
    if document.value is None:
        document.require_sound()


def _line_of(error: yaml.MarkedYAMLError) -> int:
    mark = error.problem_mark or error.context_mark
    return 1 if mark is None else mark.line + 1


def _reason(error: yaml.MarkedYAMLError, text: str) -> str:
    context, problem = error.context or "", error.problem or ""
    lines = text.splitlines()
    line = lines[min(_line_of(error), len(lines)) - 1] if lines else ""
    hint = ""
    if "alias" in context or ("cannot start any token" in problem and "\\t" not in problem):
        hint = _HINT
    elif "${" in line and "flow" in context:
        hint = "; within [ ] and { } a text with ${...} must be in quotes"
    elif "\\t" in problem:
        hint = "; indent by spaces, not by tabs"
    elif "mapping values are not allowed" in problem:
        hint = "; put a text with a colon in quotes"
    return f"{problem}{f' ({context})' if context else ''}{hint}"


class _Values:
    """Makes values of nodes. PyYAML's own constructor would drop repeated keys without a word."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self._count = 0

    def of(self, node: yaml.Node, path: Path) -> Any:
        self._count_one(node, depth=len(path))
        self._document.lines.setdefault(path, node.start_mark.line + 1)
        if isinstance(node, yaml.MappingNode) and node.tag == _TAG + "map":
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode) and node.tag == _TAG + "seq":
            return [self.of(item, (*path, index)) for index, item in enumerate(node.value)]
        return self._scalar(node, path)

    def _count_one(self, node: yaml.Node, *, depth: int) -> None:
        # A few aliases of aliases make a short file as large as one likes, and an alias of itself endless.
        self._count += 1
        if self._count > MOST_VALUES or depth > MOST_DEEP:
            line = node.start_mark.line + 1
            self._document.refuse((), "the file is too large or refers to itself; look at its aliases", line=line)
            self._document.require_sound()

    def _scalar(self, node: yaml.Node, path: Path) -> Any:
        read = _SCALARS.get(node.tag.removeprefix(_TAG))
        if read is None or not isinstance(node, yaml.ScalarNode):
            tag = node.tag.replace(_TAG, "!!")
            self._document.refuse(path, f"the tag {tag!r} has no meaning here", line=node.start_mark.line + 1)
            return None
        try:
            return read(node.value)
        except ValueError:
            kind = node.tag.removeprefix(_TAG)
            self._document.refuse(path, f"{node.value[:80]!r} is no {kind}", line=node.start_mark.line + 1)
            return None

    def _mapping(self, node: yaml.MappingNode, path: Path) -> dict[str, Any]:
        values: dict[str, Any] = {}
        merged: list[tuple[yaml.Node, yaml.Node]] = []
        for key_node, value_node in node.value:
            if key_node.tag == _TAG + "merge":
                merged += self._merged(value_node, path)
                continue
            key = self._key(key_node, path)
            if key in values:
                line = key_node.start_mark.line + 1
                self._document.refuse((*path, str(key)), "the key stands here twice", line=line)
            elif key is not None:
                self._put(key, key_node, value_node, path, values)
        for key_node, value_node in merged:
            key = self._key(key_node, path)
            if key is not None and key not in values:
                self._put(key, key_node, value_node, path, values)
        return values

    def _put(self, key: str, key_node: yaml.Node, value_node: yaml.Node, path: Path, values: dict[str, Any]) -> None:
        self._document.lines[(*path, key)] = key_node.start_mark.line + 1
        values[key] = self.of(value_node, (*path, key))

    def _key(self, node: yaml.Node, path: Path) -> str | None:
        if isinstance(node, yaml.ScalarNode) and node.tag == _TAG + "str":
            return str(node.value)
        what = repr(node.value) if isinstance(node, yaml.ScalarNode) else "a list or a mapping"
        self._document.refuse(path, f"a key must be text, got {what}", line=node.start_mark.line + 1)
        return None

    def _merged(self, node: yaml.Node, path: Path, depth: int = 0) -> list[tuple[yaml.Node, yaml.Node]]:
        """Return what `<<` brings in: the pairs of one mapping or of several, the first one winning."""
        self._count_one(node, depth=depth)
        if isinstance(node, yaml.SequenceNode):
            return [pair for item in node.value for pair in self._merged(item, path, depth + 1)]
        if not isinstance(node, yaml.MappingNode):
            self._document.refuse(path, "<< takes a mapping or a list of mappings", line=node.start_mark.line + 1)
            return []
        pairs: list[tuple[yaml.Node, yaml.Node]] = []
        for key_node, value_node in node.value:
            if key_node.tag == _TAG + "merge":
                pairs += self._merged(value_node, path, depth + 1)
            else:
                pairs.insert(0, (key_node, value_node))
        return pairs


def _int(text: str) -> int:
    return int(text, 0) if text[:2] in ("0x", "0o") else int(text)


def _float(text: str) -> float:
    return float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))


def _bool(text: str) -> bool:
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    raise ValueError(text)


_SCALARS: dict[str, Any] = {"str": str, "int": _int, "float": _float, "bool": _bool, "null": lambda text: None}
