"""The layers of aioclock: imports point downwards only, and every module bears a name of its own."""

import ast
import sys
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

# From top to bottom; the parts of one level never import each other.
LEVELS = [
    {"aioclock"},  # aioclock/__init__.py: the public names
    {"cli"},  # on virtual time it simulates an app
    {"ext", "testing"},
    {"api"},
    {"app"},
    {"commands"},
    {"inquiries"},
    {"declarations"},
    {"config"},
    {"_engine"},
    {"group"},
    {"task"},
    {"provider", "stores", "executors"},
    {"policies", "triggers"},
    # The words that everyone shares, one module per level: each may use those to its right in design order.
    {"clock"},
    {"events"},
    {"runs"},
    {"exceptions"},
    {"custom_types"},
    {"utils"},
    {"logger"},
]
RANK = {part: rank for rank, level in enumerate(LEVELS) for part in level}

# Optional packages that an integration may import although they are not installed here.
INTEGRATIONS = {"fastapi", "opentelemetry", "prometheus_client", "redis", "sentry_sdk", "sqlalchemy", "structlog"}
TAKEN = (sys.stdlib_module_names | packages_distributions().keys() | INTEGRATIONS) - {"aioclock"}


def part_of(module: str) -> str:
    """Return the part of the design that *module* (dotted) belongs to, such as `triggers`."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else module


def imported(tree: ast.AST, modules: set[str]) -> Iterator[str]:
    """Yield every aioclock module that *tree* imports, wherever the statement stands."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level:
            yield "." * node.level + (node.module or "")
        elif isinstance(node, ast.ImportFrom):
            # `from aioclock import app` means the module aioclock.app, `from aioclock import Every` the package itself.
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            yield from (name if name in modules else str(node.module) for name in names)


def faults_of(sources: dict[str, str]) -> list[str]:
    """Return every breach in *sources*, a mapping of dotted module name to source text."""
    return [
        *(fault for module in sources for fault in naming_faults(module)),
        *(fault for module, source in sources.items() for fault in import_faults(module, source, set(sources))),
    ]


def naming_faults(module: str) -> Iterator[str]:
    if part_of(module) not in RANK:
        yield f"{module} belongs to no level"
    for name in module.split(".")[1:]:
        if name in TAKEN:
            yield f"{module} bears the name of another package"


def import_faults(module: str, source: str, modules: set[str]) -> Iterator[str]:
    here = part_of(module)
    for target in imported(ast.parse(source), modules):
        there = part_of(target)
        if target.startswith("."):
            yield f"{module} imports {target} relatively"
        elif target.split(".")[0] == "aioclock" and here != there and RANK.get(here, 0) >= RANK.get(there, 0):
            yield f"{module} imports {target}, which is not below it"


def dotted(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def test_imports_of_the_library_point_downwards() -> None:
    sources = {dotted(path): path.read_text(encoding="utf-8") for path in (ROOT / "aioclock").rglob("*.py")}
    assert len(sources) > 1
    assert faults_of(sources) == []


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("aioclock.runs", "import aioclock.app"),
        ("aioclock.runs", "from aioclock.app import AioClock"),
        ("aioclock.runs", "from aioclock import app"),
        ("aioclock.runs", "from aioclock import AioClock"),
        ("aioclock.runs", "import aioclock"),
        ("aioclock.runs", "from aioclock.events import Event"),
        ("aioclock.triggers._cron", "from aioclock.policies import retry"),
        ("aioclock.stores.memory", "import aioclock.executors"),
        ("aioclock.testing.plugin", "from aioclock.ext.fast import make_fastapi_router"),
        ("aioclock.task", "def late():\n    from aioclock.group import Group"),
        ("aioclock.task", "if TYPE_CHECKING:\n    from aioclock.group import Group"),
        ("aioclock.task", "from . import triggers"),
        ("aioclock.triggers._cron", "from ._base import BaseTrigger"),
        ("aioclock.stores.redis", ""),
        ("aioclock.logging", ""),
        ("aioclock.executors.asyncio.loop", ""),
        ("aioclock.pydantic", ""),
        ("aioclock.__main__", ""),
        ("aioclock.nowhere", ""),
    ],
)
def test_the_checker_sees_a_breach(module: str, source: str) -> None:
    assert faults_of({module: source, "aioclock.app": ""}) != []


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("aioclock", "from aioclock.app import AioClock\nfrom aioclock.testing import simulate"),
        ("aioclock.api", "import asyncio\nfrom pydantic import BaseModel\nfrom aioclock.app import AioClock"),
        ("aioclock.triggers._cron", "from aioclock.triggers._base import BaseTrigger"),
        ("aioclock.events", "from aioclock.runs import Run"),
        ("aioclock.ext.fast", "from aioclock import app, runs"),
    ],
)
def test_the_checker_lets_downward_imports_pass(module: str, source: str) -> None:
    assert faults_of({module: source, "aioclock.app": "", "aioclock.runs": ""}) == []
