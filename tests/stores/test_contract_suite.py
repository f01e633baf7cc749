"""The contract is worth something: stores that break its rules do not pass."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from aioclock.stores import MemoryStore, Store
from aioclock.testing import StoreContract, VirtualEventLoop
from aioclock.testing.stores import store_machine
from broken_stores import BROKEN, CutsTexts, FoldsKeys, LooksBeforeItWrites

FAILURES = (AssertionError, ValueError)
"""A ValueError where one task or run was to be found, and there were none or several."""

FOUND_BY_RULES_ALONE = {CutsTexts, FoldsKeys, LooksBeforeItWrites}
"""The state machine tries neither odd texts nor races."""


def run_rule(store: type[Store], name: str) -> None:
    """Run one test of the contract on *store*."""

    class Contract(StoreContract):
        @asynccontextmanager
        async def open_store(self) -> AsyncIterator[Store]:
            yield store()

    with asyncio.Runner(loop_factory=VirtualEventLoop) as runner:
        runner.run(getattr(Contract(), name)())


def drive(store: type[Store]) -> None:
    """Drive *store* at random, the same way each time."""

    @asynccontextmanager
    async def open_store() -> AsyncIterator[Store]:
        yield store()

    run_state_machine_as_test(
        store_machine(open_store, loop_factory=VirtualEventLoop),
        settings=settings(
            max_examples=300,
            stateful_step_count=30,
            deadline=None,
            derandomize=True,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        ),
    )


@pytest.mark.parametrize(("store", "rule"), [pytest.param(*pair, id=pair[0].__name__) for pair in BROKEN.items()])
def test_a_store_that_breaks_a_rule_fails_its_test(store: type[Store], rule: str) -> None:
    with pytest.raises(FAILURES):
        run_rule(store, rule)
    run_rule(MemoryStore, rule)


@pytest.mark.parametrize(
    "store", [pytest.param(store, id=store.__name__) for store in BROKEN.keys() - FOUND_BY_RULES_ALONE]
)
def test_a_store_that_breaks_a_rule_is_found_at_random(store: type[Store]) -> None:
    with pytest.raises(FAILURES):
        drive(store)


PROJECT = """
from contextlib import asynccontextmanager

import pytest

from aioclock.stores import MemoryStore
from aioclock.testing import StoreContract


@pytest.fixture
def anyio_backend():
    return "asyncio"


class TestMyStore(StoreContract):
    {marks}
    lease_s = 0.05

    @pytest.fixture(autouse=True)
    def _somewhere(self, tmp_path):
        self.path = tmp_path

    @asynccontextmanager
    async def open_store(self):
        assert self.path.is_dir()
        yield MemoryStore()


class TestForgetful(TestMyStore):
    reopens = False


class TestBroken(TestMyStore):
    open_store = StoreContract.open_store
"""
RULES = ["test_a_claimed_tick_runs", "test_a_pulse_renews_leases", "test_it_remembers_what_was_there"]


@pytest.mark.parametrize(
    ("marks", "options"),
    [
        pytest.param("", ["-o", "asyncio_mode=auto"], id="pytest-asyncio, auto"),
        pytest.param("pytestmark = pytest.mark.asyncio", [], id="pytest-asyncio, strict"),
        pytest.param("pytestmark = pytest.mark.anyio", ["-p", "no:asyncio"], id="anyio"),
        pytest.param("pytestmark = pytest.mark.virtual_time", [], id="virtual time"),
    ],
)
def test_the_contract_runs_with_any_plugin_for_async_tests(marks: str, options: list[str], tmp_path: Path) -> None:
    (tmp_path / "pytest.ini").write_text("[pytest]")
    (tmp_path / "test_my_store.py").write_text(PROJECT.format(marks=marks))
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *options, "-k", " or ".join(RULES)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=50, check=False)
    assert "3 failed, 5 passed, 1 skipped" in done.stdout, done.stdout
    assert "TestBroken does not say how to open a store" in done.stdout


def test_the_other_helpers_need_no_test_tool() -> None:
    code = "import sys, aioclock.testing; assert not {'pytest', 'hypothesis', 'aioclock.stores'} & sys.modules.keys()"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=50)


def test_the_contract_needs_no_hypothesis() -> None:
    code = "import sys, aioclock.testing.stores; assert 'hypothesis' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=50)


def test_every_rule_has_a_name_of_its_own() -> None:
    parts = [part for part in StoreContract.__mro__ if part.__module__.startswith("aioclock.testing._store_")]
    names = [name for part in parts for name in vars(part) if name.startswith("test_")]
    assert len(names) == len(set(names)) > 150


def test_a_store_that_does_not_open_is_told_so() -> None:
    @asynccontextmanager
    async def open_store() -> AsyncIterator[Store]:
        raise OSError("no such host")
        yield MemoryStore()

    with pytest.raises(OSError, match="no such host"):
        store_machine(open_store)()
