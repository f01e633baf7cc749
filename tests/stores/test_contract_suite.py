"""The contract is worth something: stores that break its rules do not pass."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

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
