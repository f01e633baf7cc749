"""What a file says is what the app does."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from aioclock import AioClock, At, Cron, Every, Jitter, Once, OrTrigger, Overlap, Retry
from aioclock.exceptions import ConfigurationError
from aioclock.policies import Policies
from aioclock.testing import simulate

Load = Callable[..., AioClock]

YAML = """
shutdown_timeout: 5
history: 7
handle_signals: false
lifespan: shop:life
timeout: 60
tasks:
  - name: send
    call: shop:send
    trigger: {type_: AT, hour: 9, minute: 30, tz: Europe/Berlin}
    retry:
      attempts: 2
      delay: 0.5
      on: [OSError, shop:ShopError]
groups:
  - name: etl
    timeout: 30
    overlap: {policy: queue, limit: 3}
    tasks:
      - name: count
        call: shop:count
        trigger:
          type_: OR
          triggers:
            - {type_: EVERY, hours: 6, first_run_strategy: immediate}
            - {type_: CRON, cron: "0 9 * * mon-fri", tz: UTC}
    groups:
      - jitter: {seconds: 3, stable: true}
        tasks:
          - {name: sort, call: "shop:Mails.sort", trigger: {type_: ONCE}, overlap: skip, executor: loop}
"""

TOML = """
shutdown_timeout = 5
history = 7
handle_signals = false
lifespan = "shop:life"
timeout = 60

[[tasks]]
name = "send"
call = "shop:send"
trigger = { type_ = "AT", hour = 9, minute = 30, tz = "Europe/Berlin" }
retry = { attempts = 2, delay = 0.5, on = ["OSError", "shop:ShopError"] }

[[groups]]
name = "etl"
timeout = 30
overlap = { policy = "queue", limit = 3 }

[[groups.tasks]]
name = "count"
call = "shop:count"

[groups.tasks.trigger]
type_ = "OR"

[[groups.tasks.trigger.triggers]]
type_ = "EVERY"
hours = 6
first_run_strategy = "immediate"

[[groups.tasks.trigger.triggers]]
type_ = "CRON"
cron = "0 9 * * mon-fri"
tz = "UTC"

[[groups.groups]]
jitter = { seconds = 3, stable = true }

[[groups.groups.tasks]]
name = "sort"
call = "shop:Mails.sort"
trigger = { type_ = "ONCE" }
overlap = "skip"
executor = "loop"
"""

JSON = """{
\t"$schema": "aioclock.schema.json",
\t"shutdown_timeout": 5, "history": 7, "handle_signals": false, "lifespan": "shop:life", "timeout": 60,
\t"tasks": [{
\t\t"name": "send", "call": "shop:send",
\t\t"trigger": {"type_": "AT", "hour": 9, "minute": 30, "tz": "Europe\\/Berlin"},
\t\t"retry": {"attempts": 2, "delay": 0.5, "on": ["OSError", "shop:ShopError"]}
\t}],
\t"groups": [{
\t\t"name": "etl", "timeout": 30, "overlap": {"policy": "queue", "limit": 3},
\t\t"tasks": [{
\t\t\t"name": "count", "call": "shop:count",
\t\t\t"trigger": {"type_": "OR", "triggers": [
\t\t\t\t{"type_": "EVERY", "hours": 6, "first_run_strategy": "immediate"},
\t\t\t\t{"type_": "CRON", "cron": "0 9 * * mon-fri", "tz": "UTC"}
\t\t\t]}
\t\t}],
\t\t"groups": [{
\t\t\t"jitter": {"seconds": 3, "stable": true},
\t\t\t"tasks": [{"name": "sort", "call": "shop:Mails.sort", "trigger": {"type_": "ONCE"}, "overlap": "skip",
\t\t\t\t"executor": "loop"}]
\t\t}]
\t}]
}"""

FORMATS = pytest.mark.parametrize(
    ("name", "text"),
    [("a.yaml", YAML), ("a.yml", YAML), ("a.toml", TOML), ("a.json", JSON), ("A.JSON", "\ufeff" + JSON)],
)


@FORMATS
def test_every_format_describes_the_same_app(name: str, text: str, load: Load) -> None:
    app = load(text, name)
    shop = sys.modules["shop"]
    assert list(app.tasks) == ["send", "etl.count", "etl.sort"]
    send, count, sort = app.tasks.values()
    assert (send.func, count.func, sort.func) == (shop.send, shop.count, shop.Mails.sort)
    assert send.trigger == At(hour=9, minute=30, tz="Europe/Berlin")
    assert count.trigger == OrTrigger(
        triggers=[Every(hours=6, first_run_strategy="immediate"), Cron(cron="0 9 * * mon-fri", tz="UTC")]
    )
    assert sort.trigger == Once()
    assert send.policies == Policies(timeout=60, retry=Retry(attempts=2, delay=0.5, on=(OSError, shop.ShopError)))
    assert count.policies == Policies(timeout=30, overlap=Overlap("queue", limit=3))
    assert sort.policies == Policies(
        timeout=30, overlap=Overlap("skip"), jitter=Jitter(3, stable=True), executor="loop"
    )


@FORMATS
def test_the_app_is_served_like_any_other(name: str, text: str, load: Load) -> None:
    app = load(text, name)
    with simulate(app, start="2026-01-05T00:00:00+00:00") as sim:
        sim.advance(hours=12)
        runs = [run.task_key for run in sim.runs() if run.outcome == "succeeded"]
    assert sorted(runs) == ["etl.count"] * 4 + ["etl.sort", "send"]
    assert sys.modules["shop"].calls[0] == "open"
    assert sys.modules["shop"].calls[-1] == "close"


def test_the_settings_reach_the_app(load: Load) -> None:
    given = {}

    class Mine(AioClock):
        def __init__(self, **arguments: object) -> None:
            given.update(arguments)
            super().__init__(**arguments)  # type: ignore[arg-type]

    Path("a.yaml").write_text("shutdown_timeout: null\nhandle_signals: null\nhistory: 3\ngrace: 9\n")
    app = Mine.from_config(Path("a.yaml"))
    assert type(app) is Mine
    assert given == {"shutdown_timeout": None, "handle_signals": None, "history": 3, "grace": 9}


def test_a_group_without_a_name_leaves_its_tasks_theirs(load: Load) -> None:
    app = load("groups: [{tasks: [{name: a, call: 'shop:send', trigger: {type_: ONCE}}]}]")
    assert list(app.tasks) == ["a"]


def test_aliases_and_merge_keys_of_yaml_are_understood(load: Load) -> None:
    app = load(
        """
        groups:
          - &defaults
            timeout: 5
            retry: &retry {attempts: 2}
          - <<: [*defaults, {grace: 3, timeout: 9}]
            retry: {<<: *retry, delay: 3, attempts: 4}
            tasks: [{name: a, call: "shop:send", trigger: {type_: ONCE}}]
        """
    )
    assert app.tasks["a"].policies == Policies(timeout=5, grace=3, retry=Retry(attempts=4, delay=3))


def test_plain_words_of_yaml_mean_what_they_mean_in_json(load: Load) -> None:
    app = load("tasks: [{name: no, call: 'shop:send', trigger: {type_: AT, hour: 010, minute: 0x1F, tz: UTC}}]")
    assert app.tasks["no"].trigger == At(hour=10, minute=31, tz="UTC")


def test_an_empty_mapping_is_an_app_without_tasks(load: Load) -> None:
    assert not load("{}").tasks


def test_deprecated_triggers_say_so(load: Load) -> None:
    with pytest.warns(DeprecationWarning, match="OnStartUp is deprecated"):
        app = load("tasks: [{name: a, call: 'shop:send', trigger: {type_: ON_START_UP}}]")
    assert str(app.tasks["a"].trigger.type_) == "ON_START_UP"


# Where things are looked for


def test_modules_are_looked_for_beside_the_file_first_and_then_in_the_current_folder(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    beside, here = project / "conf", project / "here"
    for folder in (beside, here):
        folder.mkdir()
        (folder / "which.py").write_text(f"def {folder.name}(): pass\n")
    (here / "only_here.py").write_text("def job(): pass\n")
    (beside / "a.yaml").write_text(
        "tasks:\n- {name: a, call: which:conf, trigger: {type_: ONCE}}\n"
        "- {name: b, call: only_here:job, trigger: {type_: ONCE}}\n"
    )
    monkeypatch.chdir(here)
    assert list(AioClock.from_config("../conf/a.yaml").tasks) == ["a", "b"]


def test_a_missing_file_is_named_with_one_that_is_there(project: Path) -> None:
    (project / "aioclock.yml").write_text("{}")
    with pytest.raises(ConfigurationError, match=r"there is no file 'aioclock.yaml'; did you mean 'aioclock.yml'\?"):
        AioClock.from_config("aioclock.yaml")
    with pytest.raises(ConfigurationError, match=r"there is no file 'nowhere/x\.json'"):
        AioClock.from_config(Path("nowhere/x.json"))


def test_a_folder_is_no_file(project: Path) -> None:
    (project / "a.yaml").mkdir()
    with pytest.raises(ConfigurationError, match=r"a\.yaml can't be read: Is a directory"):
        AioClock.from_config("a.yaml")


def test_an_unknown_format_is_refused() -> None:
    with pytest.raises(
        ConfigurationError, match=r"aioclock\.ini: a configuration file ends in \.yaml, \.yml, \.toml or \.json"
    ):
        AioClock.from_config("aioclock.ini")


def test_without_pyyaml_one_line_says_what_to_install(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "yaml", None)
    monkeypatch.delitem(sys.modules, "aioclock.config._yaml_values", raising=False)
    with pytest.raises(ConfigurationError) as caught:
        load("{}")
    assert str(caught.value) == "aioclock.yaml: reading YAML needs PyYAML; install it: pip install 'aioclock[cli]'"
    assert not load("{}", "a.json").tasks


def test_a_broken_pyyaml_is_not_taken_for_a_missing_one(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "aioclock.config._yaml_values", None)
    with pytest.raises(ModuleNotFoundError):
        load("{}")
