"""What a user installs: the whole library, its types, and nothing else."""

import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

import aioclock

ROOT = Path(__file__).parent.parent
MODULES = {
    path.relative_to(ROOT).as_posix() for path in (ROOT / "aioclock").rglob("*.*") if path.suffix in (".lua", ".py")
}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build both distributions with the backend itself: no environment, no network, about a second."""
    target = tmp_path_factory.mktemp("dist")
    subprocess.run([sys.executable, "-m", "hatchling", "build", "--directory", str(target)], cwd=ROOT, check=True)
    return target


@pytest.fixture(scope="module")
def wheel(built: Path) -> Iterator[zipfile.ZipFile]:
    with zipfile.ZipFile(built / f"aioclock-{aioclock.__version__}-py3-none-any.whl") as archive:
        yield archive


def test_the_wheel_holds_every_module_and_the_type_marker(wheel: zipfile.ZipFile) -> None:
    assert MODULES | {"aioclock/py.typed"} <= set(wheel.namelist())


def test_the_wheel_holds_nothing_but_the_library(wheel: zipfile.ZipFile) -> None:
    tops = {name.split("/")[0] for name in wheel.namelist()}
    assert tops == {"aioclock", f"aioclock-{aioclock.__version__}.dist-info"}


def test_the_wheel_announces_the_pytest_plugin_and_the_licence(wheel: zipfile.ZipFile) -> None:
    info = f"aioclock-{aioclock.__version__}.dist-info"
    assert "aioclock = aioclock.testing.plugin" in wheel.read(f"{info}/entry_points.txt").decode()
    assert "MIT License" in wheel.read(f"{info}/licenses/LICENSE").decode()


def test_the_sdist_can_build_the_wheel_and_run_the_tests(built: Path) -> None:
    with tarfile.open(built / f"aioclock-{aioclock.__version__}.tar.gz") as archive:
        names = {name.split("/", 1)[1] for name in archive.getnames()}
    assert MODULES | {"aioclock/py.typed", "pyproject.toml", "LICENSE", "README.md", "tests/test_packaging.py"} <= names
