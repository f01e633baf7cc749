"""Every value of a file is known to stand in the line in which it stands."""

import json
import tomllib
from collections.abc import Iterator
from itertools import count
from typing import Any

import yaml
from hypothesis import given
from hypothesis import strategies as st

from aioclock.config._document import Document, Path
from aioclock.config._positions import json_lines, toml_lines
from aioclock.config._yaml_values import parse

KEYS = st.sampled_from(["a", "b-c", "name", "x.y", "it's", 'a "b"', "ключ", "#", "[", "7", "a\\b"])
SHAPES: st.SearchStrategy[Any] = st.recursive(
    st.none(), lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4), max_leaves=20
)
"""Lists and mappings; each None becomes a text of its own, by which its line is found."""


def marked(shape: Any, numbers: Iterator[int] | None = None) -> Any:
    numbers = numbers or count()
    if isinstance(shape, dict):
        return {key: marked(item, numbers) for key, item in shape.items()}
    if isinstance(shape, list):
        return [marked(item, numbers) for item in shape]
    return f"[{{#'{next(numbers)}'}}],="


def leaves(value: Any, path: Path = ()) -> Iterator[tuple[Path, str]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else None
    if items is None:
        yield path, value
        return
    for step, item in items:
        yield from leaves(item, (*path, step))


def is_right(lines: dict[Path, int], text: str, value: Any) -> bool:
    rows = text.split("\n")
    return all(json.dumps(leaf, ensure_ascii=False) in rows[lines[path] - 1] for path, leaf in leaves(value))


@given(st.dictionaries(KEYS, SHAPES, min_size=1, max_size=4), st.sampled_from([None, 0, 2, "\t"]))
def test_json(shape: Any, indent: Any) -> None:
    value = marked(shape)
    text = json.dumps(value, indent=indent, ensure_ascii=False)
    lines, repeated = json_lines(text)
    assert is_right(lines, text, value)
    assert repeated == []


@given(st.dictionaries(KEYS, SHAPES, min_size=1, max_size=4), st.sampled_from([None, 2]))
def test_yaml_in_the_style_of_json(shape: Any, indent: Any) -> None:
    value = marked(shape)
    text = json.dumps(value, indent=indent, ensure_ascii=False)
    document = Document("x")
    parse(text, document)
    assert document.value == value
    assert is_right(document.lines, text, value)


@given(st.dictionaries(KEYS, SHAPES, min_size=1, max_size=4))
def test_yaml_in_blocks(shape: Any) -> None:
    value = marked(shape)
    text = yaml.safe_dump(value, default_style='"', width=10_000, allow_unicode=True)
    document = Document("x")
    parse(text, document)
    assert document.value == value
    assert is_right(document.lines, text, value)


# TOML: a writer that chooses among the ways to write the same.


def toml_key(key: str, draw: Any) -> str:
    if key.replace("-", "").isalnum() and key.isascii() and draw(st.booleans()):
        return key
    if "'" not in key and draw(st.booleans()):
        return f"'{key}'"
    return json.dumps(key, ensure_ascii=False)


def toml_value(value: Any, draw: Any) -> str:
    if isinstance(value, list):
        gap = draw(st.sampled_from(["", "\n", "\n  # ]}, \"'\n"]))
        items = [gap + toml_value(item, draw) + draw(st.sampled_from(["", " ", "\n"])) for item in value]
        return f"[{','.join(items)}{',' if items and draw(st.booleans()) else ''}{gap}]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{toml_key(key, draw)} = {toml_value(item, draw)}" for key, item in value.items()) + "}"
    return json.dumps(value, ensure_ascii=False)


def toml_table(table: dict[str, Any], head: str, draw: Any) -> Iterator[str]:
    tables = {
        key: item
        for key, item in table.items()
        if (isinstance(item, dict) or (isinstance(item, list) and item and all(isinstance(x, dict) for x in item)))
        and draw(st.booleans())
    }
    for key, item in table.items():
        if key in tables:
            continue
        yield from draw(st.sampled_from([[], ["# 'a' = [", ""], ["\t"]]))
        if isinstance(item, dict) and len(item) == 1 and draw(st.booleans()):
            [(inner, value)] = item.items()
            yield f"{toml_key(key, draw)} . {toml_key(inner, draw)} = {toml_value(value, draw)}"
        else:
            yield f"{toml_key(key, draw)} = {toml_value(item, draw)}  # }} ] \" '''"
    for key, item in tables.items():
        name = f"{head}{toml_key(key, draw)}"
        for one in item if isinstance(item, list) else [item]:
            yield f"[[ {name} ]]" if isinstance(item, list) else f"[{name}] # x"
            yield from toml_table(one, f"{name}.", draw)


@given(st.dictionaries(KEYS, SHAPES, min_size=1, max_size=4), st.data())
def test_toml(shape: Any, data: st.DataObject) -> None:
    value = marked(shape)
    newline = data.draw(st.sampled_from(["\n", "\r\n"]))
    text = "\n".join(toml_table(value, "", data.draw)).replace("\n", newline)
    assert tomllib.loads(text) == value
    assert is_right(toml_lines(text), text.replace("\r\n", "\n"), value)


def test_toml_texts_of_several_lines_hide_what_is_in_them() -> None:
    text = '''a = """
b = 1
\\""" ]
"""""
c = \'\'\'
[d]
x''\'\'\'
e = [ """
]""", \'\'\'
}\'\'\', 1 ]
f = 2026-01-01 10:30:00  # a comment
g = { h = 1.5, i.j = [ 1 ] }
'''
    assert tomllib.loads(text)["a"].endswith(']\n""')
    lines = toml_lines(text)
    assert {path: line for path, line in lines.items() if len(path) == 1} == {
        ("a",): 1, ("c",): 5, ("e",): 8, ("f",): 11, ("g",): 12,
    }  # fmt: skip
    assert (lines["e", 0], lines["e", 1], lines["e", 2]) == (8, 9, 10)
    assert lines["g", "i", "j", 0] == 12


def test_toml_tables_below_arrays_of_tables_belong_to_the_last_one() -> None:
    text = "[[a]]\n[a.b]\nc = 1\n[[a]]\n[[a.d]]\n[[a.d]]\ne = 2\n[a.d.f]\ng = 3\n"
    lines = toml_lines(text)
    assert lines["a", 0, "b", "c"] == 3
    assert lines["a", 1] == 4
    assert lines["a", 1, "d", 1, "e"] == 7
    assert lines["a", 1, "d", 1, "f", "g"] == 9


def test_json_escapes_and_repeated_keys() -> None:
    text = '{\n\t"a\\/b":\t1,\n\t"c": {"d\\"{": [\n 2,\n\t[]]},\n "a/b": 3\n}'
    lines, repeated = json_lines(text)
    assert lines["a/b",] == 6
    assert lines["c", 'd"{', 1] == 5
    assert repeated == [(("a/b",), 6)]
