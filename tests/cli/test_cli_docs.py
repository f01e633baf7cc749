"""What the pages show of the command is what it prints.

A block with a title, such as ```` ```python title="shop.py" ````, is a file of the page's folder. In a block of the
language `console` each line that begins with `$ ` is run there, and what follows it is what it prints on stdout and
stderr together. A line `...` stands for any lines, and `...` within a line for any characters.
"""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from commands import COMMAND, environment

ROOT = Path(__file__).parent.parent.parent
PAGES = [*sorted((ROOT / "docs").rglob("*.md")), ROOT / "README.md"]
FILE = re.compile(r"^ *```\w+ title=\"(?P<name>[^\"]+)\"\n(?P<text>.*?)^ *```$", re.MULTILINE | re.DOTALL)
SESSION = re.compile(r"^```console\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)


def commands_of(page: str) -> Iterator[tuple[str, str]]:
    """Yield each `aioclock` command that *page* shows, and what it is said to print."""
    for session in SESSION.finditer(page):
        for part in re.split(r"^\$ ", session["text"], flags=re.MULTILINE)[1:]:
            command, _, printed = part.partition("\n")
            if re.search(r"\baioclock\b", command):
                yield command, printed


CASES = [
    pytest.param(page, command, printed, id=f"{page.relative_to(ROOT)}: {command}")
    for page in PAGES
    for command, printed in commands_of(page.read_text(encoding="utf-8"))
]


def pattern_of(printed: str) -> str:
    return "".join(map(line_pattern, printed.rstrip("\n").splitlines()))


def line_pattern(line: str) -> str:
    return r"(?:.*\n)*?" if line.strip() == "..." else re.escape(line).replace(r"\.\.\.", ".*?") + r"\n"


@pytest.mark.parametrize(("page", "command", "printed"), CASES)
def test_a_command_prints_what_the_page_shows(page: Path, command: str, printed: str, tmp_path: Path) -> None:
    for file in FILE.finditer(page.read_text(encoding="utf-8")):
        path = tmp_path / file["name"]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(file["text"], encoding="utf-8")
    done = subprocess.run(
        ["sh", "-c", command],
        cwd=tmp_path,
        env=environment(PYTHONUNBUFFERED="1", PATH=f"{COMMAND.parent}:/usr/bin:/bin"),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )
    lines = "".join(f"{line.rstrip()}\n" for line in done.stdout.rstrip("\n").splitlines())
    assert re.fullmatch(pattern_of(printed), lines), f"{command} printed:\n{done.stdout}"


def test_there_are_commands_to_try() -> None:
    assert len(CASES) > 5
