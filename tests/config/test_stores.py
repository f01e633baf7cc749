"""A store, and what processes that share it keep to, in a configuration file."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from aioclock import AioClock
from aioclock.policies import CatchUp, Policies

Load = Callable[..., AioClock]
Problems = Callable[..., tuple[str, ...]]

YAML = """
store: sqlite:///clock.db
lease: 5
on_lost: rerun
catch_up: none
tasks:
  - {name: a, call: "shop:send", trigger: {type_: AT, hour: 9, tz: UTC}, catch_up: {policy: all, limit: 10}}
groups:
  - name: etl
    scope: node
    catch_up: all
    tasks:
      - {name: b, call: "shop:send", trigger: {type_: AT, hour: 9, tz: UTC}, on_lost: fail}
      - {name: c, call: "shop:send", trigger: {type_: AT, hour: 9, tz: UTC}, scope: cluster}
"""

TOML = """
store = "sqlite:///clock.db"
lease = 5
on_lost = "rerun"
catch_up = "none"

[[tasks]]
name = "a"
call = "shop:send"
trigger = { type_ = "AT", hour = 9, tz = "UTC" }
catch_up = { policy = "all", limit = 10 }

[[groups]]
name = "etl"
scope = "node"
catch_up = "all"

[[groups.tasks]]
name = "b"
call = "shop:send"
trigger = { type_ = "AT", hour = 9, tz = "UTC" }
on_lost = "fail"

[[groups.tasks]]
name = "c"
call = "shop:send"
trigger = { type_ = "AT", hour = 9, tz = "UTC" }
scope = "cluster"
"""

TASK = "name: a, call: 'shop:send'"
ONCE = "trigger: {type_: ONCE}"


@pytest.mark.parametrize(("text", "name"), [(YAML, "clock.yaml"), (TOML, "clock.toml")], ids=["yaml", "toml"])
def test_the_store_is_the_apps_and_its_policies_are_those_of_all_levels(text: str, name: str, load: Load) -> None:
    app = load(text, name)
    assert app.health.store == "sqlite:///clock.db"
    assert app._membership is not None
    assert app._membership.lease_s == 5.0
    assert {key: task.policies for key, task in app.tasks.items()} == {
        "a": Policies(on_lost="rerun", catch_up=CatchUp("all", limit=10)),
        "etl.b": Policies(scope="node", on_lost="fail", catch_up=CatchUp("all")),
        "etl.c": Policies(scope="cluster", on_lost="rerun", catch_up=CatchUp("all")),
    }


def test_nothing_is_connected_by_loading(load: Load, project: Path) -> None:
    load(YAML)
    assert not (project / "clock.db").exists()


def test_without_a_store_there_is_none(load: Load) -> None:
    assert load("store: null").health.store is None


def test_the_url_may_come_from_the_environment(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLOCK_STORE", "sqlite:///secret.db?durability=full")
    monkeypatch.setenv("LEASE", "2.5")
    app = load("store: ${CLOCK_STORE}\nlease: ${LEASE}")
    assert app.health.store == "sqlite:///secret.db"
    assert app._membership is not None
    assert app._membership.lease_s == 2.5


def test_what_the_environment_holds_is_never_shown(problems: Problems, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLOCK_STORE", "hunter2")
    [problem] = problems("store: ${CLOCK_STORE}")
    assert problem.startswith("1: store: what '${CLOCK_STORE}' stands for can't be used here")
    assert "hunter2" not in problem
    assert problems("store: ${NOT_SET}") == (
        "1: store: the environment variable NOT_SET is not set; set it, or write ${NOT_SET:-default}",
    )


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("history: 5\nstore: clock.db", "2: store: 'clock.db' is no URL of a store; it looks like sqlite:///clock.db"),
        ("store: sqlit:///clock.db", "1: store: no store has the scheme 'sqlit'; did you mean 'sqlite'"),
        ("store: sqlite://clock.db", "1: store: sqlite://clock.db needs a third slash before the file"),
        ("store: 5", "1: store: store must be text, got 5; put it in quotes"),
        ("store: memory://\nlease: 0.1", "2: lease: lease must be a number of seconds from 0.5 to 86400, got 0.1"),
        ("store: memory://\nscope: cluser", "2: scope: scope must be 'cluster' or 'node', got 'cluser'; did you mean"),
        ("store: memory://\non_lost: lose", "2: on_lost: on_lost must be 'rerun' or 'fail', got 'lose'"),
        ("store: memory://\ncatch_up: {policy: al}", "2: catch_up.policy: catch_up must be 'latest', 'none' or 'all'"),
        ("store: memory://\ncatch_up: {policy: all, limit: 0}",
         "2: catch_up.limit: limit must be a whole number, 1 or more, got 0"),
        ("store: memory://\ncatch_up: {limit: 5}", "2: catch_up: limit must be left out for catch_up 'latest', got 5"),
        ("store: memory://\ncatch_up: {limitt: 5}", "2: catch_up.limitt: unknown key; did you mean 'limit'?"),
        ("scope: node",
         "1: scope: scope means nothing without a store; name one at the top: store: sqlite:///clock.db"),
        ("groups:\n- on_lost: rerun", "2: groups.0.on_lost: on_lost means nothing without a store"),
        (f"tasks:\n- {{{TASK}, {ONCE},\n   catch_up: all}}",
         "3: tasks.0.catch_up: catch_up means nothing without a store"),
        (f"store: memory://\ntasks:\n- {{{TASK},\n   trigger: {{type_: OR, triggers: "
         "[{type_: EVERY, hours: 1, max_loop_count: 3}]}}",
         "3: task 'a': max_loop_count of a trigger within an OrTrigger can't be counted over all processes"),
    ],
)  # fmt: skip
def test_mistakes_are_told_with_their_lines(text: str, complaint: str, problems: Problems) -> None:
    [problem] = problems(text)
    assert re.match(re.escape(complaint), problem), problem


def test_a_store_whose_package_is_missing(problems: Problems, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(address: object) -> object:
        if isinstance(address, str):
            raise ImportError("a store in Redis needs redis-py; install it: pip install 'aioclock[redis]'")
        return address

    monkeypatch.setattr("aioclock.stores.store_at", refuse)
    assert problems("store: redis://localhost/0") == (
        "1: store: a store in Redis needs redis-py; install it: pip install 'aioclock[redis]'",
    )
