"""What an app with a store may be told, and what it refuses."""

from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any, Literal

import pytest

from aioclock import AioClock, CatchUp, Every, Group, current_run
from aioclock.exceptions import ServingError, TaskDeclarationError
from aioclock.stores import MemoryStore
from aioclock.testing import simulate
from aioclock.triggers import BaseTrigger
from cluster import Node, cluster

store_policies = pytest.mark.parametrize(
    ("name", "value"), [("scope", "node"), ("on_lost", "rerun"), ("catch_up", "all")]
)


def stored(app: AioClock, key: str) -> Any:
    return app._roster.entries[key].in_store


def test_policies_of_a_task_come_before_those_of_its_group_and_its_app() -> None:
    app = AioClock(store=MemoryStore(), scope="node", on_lost="rerun", catch_up="none")
    group = Group(scope="cluster", catch_up=CatchUp("all", limit=7))
    group.task(trigger=Every(seconds=5), name="of group")(print)
    group.task(trigger=Every(seconds=5), name="own", catch_up="latest", on_lost="fail", scope="node")(print)
    app.include_group(group)
    app.task(trigger=Every(seconds=5), name="of app")(print)
    facts = {key: (stored(app, key).scope, stored(app, key).on_lost, stored(app, key).catch_up) for key in app.tasks}
    assert facts == {
        "of group": ("cluster", "rerun", CatchUp("all", limit=7)),
        "own": ("node", "fail", CatchUp("latest")),
        "of app": ("node", "rerun", CatchUp("none")),
    }


def test_without_any_policy_a_task_is_shared_and_neither_rerun_nor_caught_up_with_twice() -> None:
    app = AioClock(store=MemoryStore())
    app.task(trigger=Every(seconds=5), name="t")(print)
    t = stored(app, "t")
    assert (t.scope, t.on_lost, t.catch_up) == ("cluster", "fail", CatchUp("latest"))


@store_policies
def test_policies_of_stores_are_refused_without_one(name: str, value: Any) -> None:
    settings: dict[str, Any] = {name: value}
    with pytest.raises(TaskDeclarationError, match=f"{name} means nothing without a store"):
        AioClock(**settings)
    app = AioClock()
    with pytest.raises(TaskDeclarationError, match=f"{name} means nothing without a store"):
        app.task(trigger=Every(seconds=5), **settings)(print)
    group = Group(**settings)
    group.task(trigger=Every(seconds=5))(print)
    with pytest.raises(TaskDeclarationError, match=f"{name} means nothing without a store"):
        app.include_group(group)


@store_policies
def test_policies_of_stores_have_few_values(name: str, value: Any) -> None:
    settings: dict[str, Any] = {name: "nonsense"}
    with pytest.raises(TaskDeclarationError, match=name):
        AioClock(store=MemoryStore(), **settings)


@pytest.mark.parametrize("lease", [0, 0.4, -1, 86_401, float("nan"), float("inf"), "30", None, True])
def test_a_lease_is_between_half_a_second_and_a_day(lease: Any) -> None:
    with pytest.raises(TaskDeclarationError, match=r"lease must be a number of seconds from 0\.5 to 86400"):
        AioClock(store=MemoryStore(), lease=lease)


@pytest.mark.parametrize("lease", [0.5, 86_400])
def test_the_shortest_and_the_longest_lease_work(lease: float) -> None:
    with cluster(lease=lease) as all_:
        all_.start(2, lambda app, node: app.task(trigger=Every(seconds=3), name="t")(node.job(2)))
        all_.until(31)
        assert all_.called("t") == [3.0 * n for n in range(1, 11)]
        assert set(all_.ticks("t", state="succeeded")) >= {3.0 * n for n in range(1, 10)}


def test_a_run_has_no_transaction_without_an_sql_store() -> None:
    errors: list[str] = []

    def declare(app: AioClock, node: Node) -> None:
        async def work() -> None:
            with suppress(ServingError):
                try:
                    async with current_run().transaction():
                        pass
                except ServingError as error:
                    errors.append(str(error))
                    raise

        app.task(trigger=Every(seconds=2), name="t")(work)
        app.task(trigger=Every(seconds=2), name="of node", scope="node")(work)

    with cluster() as all_:
        all_.node(declare)
        all_.until(3)
        assert sorted(errors) == [
            "the run of 'of node' has no transaction: that needs AioClock(store=...) with an SQL database "
            "and a task of scope 'cluster' whose ticks are a second or more apart",
            "transaction() needs a store in an SQL database, and memory:// is none; "
            "run.key and run.fence serve with everything else",
        ]


def test_an_app_in_a_simulation_writes_to_no_real_store(tmp_path: Any) -> None:
    app = AioClock(store=f"sqlite:///{tmp_path}/clock.db")
    app.task(trigger=Every(hours=1), name="t")(lambda: None)
    app.pause("t")
    with simulate(app) as sim:
        sim.advance(hours=3)
        assert [run.reason for run in sim.runs("t")] == ["paused"] * 3
        app.resume("t")
        sim.advance(hours=3)
        assert [run.outcome for run in sim.runs("t")][3:] == ["succeeded"] * 3
    assert not list(tmp_path.iterdir())


class Failing(BaseTrigger[Literal["FAILING"]]):
    """A trigger of a user's, which can't say what comes after its second tick."""

    type_: Literal["FAILING"] = "FAILING"

    def next_after(self, moment: datetime, anchor: datetime) -> datetime | None:
        passed = (moment - anchor).total_seconds()
        if 20 <= passed < 40:
            raise LookupError("no idea")
        return anchor + timedelta(seconds=(passed // 10 + 1) * 10)


def test_a_trigger_that_fails_concerns_no_other_task() -> None:
    def declare(app: AioClock, node: Node) -> None:
        app.task(trigger=Failing(), name="failing")(node.job())
        app.task(trigger=Every(seconds=10), name="t")(node.job())

    with cluster() as all_:
        all_.start(2, declare)
        all_.until(61)
        assert all_.called("t") == [10.0 * n for n in range(1, 7)]
        assert all_.called("failing")[:1] == [10.0]
        later = all_.node(declare)
        all_.until(81)
        assert all_.called("t") == [10.0 * n for n in range(1, 9)]
        assert not later.done
