"""A project folder with a module of functions, which configuration files name."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from aioclock import AioClock
from aioclock.exceptions import ConfigurationError

SHOP = """
from contextlib import asynccontextmanager

calls = []
number = 5


async def send():
    calls.append("send")
    return "sent"


def count():
    calls.append("count")
    return 42


def generate():
    yield


class Mails:
    @staticmethod
    def sort():
        calls.append("sort")


class ShopError(Exception):
    pass


@asynccontextmanager
async def life(app):
    calls.append("open")
    yield
    calls.append("close")
"""


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The current folder, with `shop.py` in it; what is imported from it is forgotten afterwards."""
    (tmp_path / "shop.py").write_text(SHOP, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", sys.path.copy())
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        if str(tmp_path) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


Load = Callable[..., AioClock]


@pytest.fixture
def load(project: Path) -> Load:
    """Write *text* to a file and load it."""

    def load(text: str, name: str = "aioclock.yaml") -> AioClock:
        (project / name).write_text(text, encoding="utf-8")
        return AioClock.from_config(name)

    return load


@pytest.fixture
def problems(load: Load) -> Callable[..., tuple[str, ...]]:
    """What is wrong with *text*, without the name of its file."""

    def problems(text: str, name: str = "aioclock.yaml") -> tuple[str, ...]:
        with pytest.raises(ConfigurationError) as caught:
            load(text, name)
        assert all(problem.startswith(name) for problem in caught.value.problems)
        assert str(caught.value).splitlines() == [
            line for problem in caught.value.problems for line in problem.splitlines()
        ]
        return tuple(problem.removeprefix(f"{name}:") for problem in caught.value.problems)

    return problems
