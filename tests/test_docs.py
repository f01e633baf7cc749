"""What the docs show runs: every Python block of the pages, the README and the docstrings, just as it stands.

A block that defines tests is handed to pytest, as a reader would do; any other is executed like a module that is
imported, so what stands under `if __name__ == "__main__":` is compiled but not run.
"""

import ast
import re
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parent.parent
SOURCES = [*sorted((ROOT / "docs").rglob("*.md")), ROOT / "README.md", *sorted((ROOT / "aioclock").rglob("*.py"))]
FENCE = re.compile(r"^(?P<indent> *)```python\b[^\n]*\n(?P<code>.*?)^(?P=indent)```$", re.MULTILINE | re.DOTALL)
UNSEEN_FENCE = re.compile(r"^ *```+ *(py|pycon|python3|Python|\{[^}]*py)\b", re.MULTILINE)
TIME_LIMIT_S = 20


def blocks(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the line number of each Python block in *path*, and its code."""
    text = path.read_text(encoding="utf-8")
    for match in FENCE.finditer(text):
        yield text.count("\n", 0, match.start("code")) + 1, textwrap.dedent(match["code"])


def cases() -> Iterator[object]:
    for path in SOURCES:
        for line, code in blocks(path):
            yield pytest.param(path, line, code, id=f"{path.relative_to(ROOT)}:{line}")


def defines_tests(code: str) -> bool:
    functions = (node for node in ast.parse(code).body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
    return any(function.name.startswith("test_") for function in functions)


def execute(path: Path, line: int, code: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # A real module, for pickle, dataclasses and pydantic look their names up in sys.modules.
    module = ModuleType("docs_example")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    # The empty lines in front make a traceback point into the page itself.
    exec(compile("\n" * (line - 1) + code, path, "exec", dont_inherit=True), module.__dict__)


def run_pytest(code: str, directory: Path) -> None:
    """Run *code* as a test file in an empty project, with pytest's own defaults."""
    (directory / "pytest.ini").write_text("[pytest]\nasyncio_default_fixture_loop_scope = function\n", encoding="utf-8")
    file = directory / "test_example.py"
    file.write_text(code, encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "-W", "error", "-p", "no:cacheprovider", str(file)]
    done = subprocess.run(command, cwd=directory, capture_output=True, text=True, timeout=TIME_LIMIT_S, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.timeout(TIME_LIMIT_S)
@pytest.mark.parametrize(("path", "line", "code"), list(cases()))
def test_a_block_runs_as_it_stands(
    path: Path, line: int, code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    if defines_tests(code):
        run_pytest(code, tmp_path)
    else:
        execute(path, line, code, monkeypatch)


@pytest.mark.parametrize("path", [pytest.param(path, id=str(path.relative_to(ROOT))) for path in SOURCES])
def test_python_blocks_are_fenced_so_that_they_are_found(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert not UNSEEN_FENCE.search(text)
    assert len(list(blocks(path))) == len(re.findall(r"^ *```python\b", text, re.MULTILINE))


@pytest.mark.parametrize(
    "code", ["raise ValueError", "def test_it():\n    assert False\n", "import warnings\nwarnings.warn('x')"]
)
def test_a_broken_block_is_noticed(code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        f"Text.\n\n- an item\n\n    ```python\n{textwrap.indent(code, '    ')}\n    ```\n", encoding="utf-8"
    )
    [(line, found)] = blocks(page)
    assert line == 6
    with pytest.raises((AssertionError, ValueError, UserWarning)):
        test_a_block_runs_as_it_stands(page, line, found, tmp_path, monkeypatch)
