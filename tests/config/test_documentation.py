"""The examples of the guide and of examples/ are loaded and served, and what the guide shows is what is told."""

import asyncio
import os
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent

import pytest

from aioclock import AioClock
from aioclock.config._command import Command
from aioclock.exceptions import ConfigurationError
from aioclock.testing import simulate

ROOT = Path(__file__).parent.parent.parent
FENCE = re.compile(
    r'^(?P<indent> *)```\w+ title="(?P<title>[^"]+)"\n(?P<text>.*?)^(?P=indent)```$', re.MULTILINE | re.DOTALL
)
BLOCKS = [
    (match["title"], dedent(match["text"]))
    for match in FENCE.finditer((ROOT / "docs" / "configuration.md").read_text(encoding="utf-8"))
]
GUIDE = [block for block in BLOCKS if block[0].startswith("aioclock.")]

needs_posix = pytest.mark.skipif(sys.platform == "win32", reason="the commands are those of POSIX")


@pytest.fixture(autouse=True)
def reader(project: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A reader who has what the guide speaks of."""
    (project / "shop.py").unlink()
    (project / "shop").mkdir()
    (project / "shop" / "__init__.py").write_text(dict(BLOCKS)["shop.py"])
    (project / "shop" / "errors.py").write_text("class Unavailable(Exception): ...\n")
    (project / "data").mkdir()
    (project / "data" / "orders.sql").write_text("12345")
    for tool, does in {"pg_dump": "echo dumped", "upload": 'cat; echo "$1"', "du": "echo 4K"}.items():
        (project / tool).write_text(f"#!/bin/sh\n{does}\n")
        (project / tool).chmod(0o755)
    monkeypatch.setenv("PATH", f"{project}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("UPLOAD_TOKEN", "hunter2")
    yield
    for name in [name for name in sys.modules if name.partition(".")[0] == "shop"]:
        del sys.modules[name]


def served(app: AioClock) -> dict[str, set[str]]:
    """Serve *app* for eight virtual days; return the outcomes of each task."""
    with simulate(app, start="2026-01-01T00:00:00+00:00") as sim:
        sim.advance(days=8)
        return {key: {str(run.outcome) for run in sim.runs(key)} for key in app.tasks}


@needs_posix
@pytest.mark.parametrize(("title", "text"), GUIDE, ids=[f"{n}-{title}" for n, (title, _) in enumerate(GUIDE)])
def test_every_example_of_the_guide_is_served(title: str, text: str) -> None:
    Path(title).write_text(text)
    app = AioClock.from_config(title)
    assert app.tasks
    assert set(map(frozenset, served(app).values())) == {frozenset({"succeeded"})}


def test_the_three_formats_of_the_guide_say_the_same() -> None:
    apps = []
    for title, text in GUIDE[:3]:
        Path(title).write_text(text)
        tasks = AioClock.from_config(title).tasks.values()
        apps.append([(task.key, task.trigger, task.policies) for task in tasks])
    assert [Path(title).suffix for title, _ in GUIDE[:3]] == [".yaml", ".toml", ".json"]
    assert apps[0] == apps[1] == apps[2]
    assert len(apps[0]) == 3


@needs_posix
def test_commands_of_the_guide_give_what_it_says() -> None:
    results = {}
    for title, text in GUIDE:
        if "command:" in text and title.endswith(".yaml"):
            Path(title).write_text(text)
            app = AioClock.from_config(title)
            for key, task in app.tasks.items():
                if isinstance(task.func, Command):
                    results[key] = asyncio.run(app.run_now(key)).strip()
    assert results == {"etl.backup": "dumped", "usage": "5", "upload": "hunter2\ns3://backups/orders"}


def test_the_mistakes_of_the_guide_are_told_as_it_shows() -> None:
    Path("broken.yaml").write_text(dict(BLOCKS)["broken.yaml"])
    with pytest.raises(ConfigurationError) as caught:
        AioClock.from_config("broken.yaml")
    assert str(caught.value) == dict(BLOCKS)["ConfigurationError"].strip()


@needs_posix
def test_the_example_is_served(project: Path) -> None:
    shutil.copytree(ROOT / "examples" / "configured", project / "example")
    app = AioClock.from_config("example/aioclock.yaml")
    with simulate(app, start="2026-01-05T02:29:00+00:00") as sim:
        sim.advance(hours=1)
        assert {str(run.outcome) for run in sim.runs()} == {"succeeded"}
        assert len(sim.runs("greet")) == 3601
        assert [len(sim.runs(key)) for key in ("nightly.report", "nightly.disk-usage")] == [1, 1]


@needs_posix
def test_the_example_of_a_store_is_served(project: Path) -> None:
    shutil.copytree(ROOT / "examples" / "configured", project / "example")
    app = AioClock.from_config("example/shared.yaml")
    assert app.health.store == "sqlite:///clock.db"
    with simulate(app, start="2026-01-05T02:29:00+00:00") as sim:
        sim.advance(hours=1)
        assert {str(run.outcome) for run in sim.runs()} == {"succeeded"}
        assert len(sim.runs("greet")) == 720
        assert [len(sim.runs(key)) for key in ("report", "disk-usage")] == [1, 1]
    assert not (project / "clock.db").exists(), "what is simulated must not be where real processes look"
