"""`aioclock show`: everything about one task."""

import json
from pathlib import Path

import pytest

from aioclock import AioClock, Depends, Every, Group
from aioclock.cli._descent import dependencies_of, names_of, origins_of, path_of
from commands import aioclock, terminal

SHOP = '''
from aioclock import AioClock, Cron, Depends, Every, Group, OrTrigger, Retry

app = AioClock(timeout=60, grace=900)
nightly = Group(retry=Retry(attempts=3), overlap="queue")
outer = Group(jitter=5)


def settings() -> str:
    return "live"


def connect(name: str = Depends(settings)) -> str:
    return name


def fake_settings() -> str:
    return "test"


@nightly.task(trigger=Cron(cron="30 2 * * *", tz="Europe/Berlin"), name="back up", timeout=600)
def back_up(database: str = Depends(connect)) -> None:
    """Copy all that must not be lost.

    And more.
    """


@app.task(trigger=OrTrigger(triggers=[Every(hours=6), Cron(cron="*/5 2 * * *", tz="Europe/Berlin")]))
async def poll(missing) -> None: ...


outer.include_group(nightly)
app.include_group(outer)
app.override_dependencies(settings, fake_settings)
'''


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    (tmp_path / "shop.py").write_text(SHOP, encoding="utf-8")
    return tmp_path


def test_everything_for_people(shop: Path) -> None:
    done = aioclock("show", "shop:app", "back up", folder=shop)
    assert (done.returncode, done.stderr) == (0, "")
    facts, _, ticks = done.stdout.partition("\n\n")
    lines = [line.rstrip() for line in facts.splitlines()]
    assert lines.pop(4).startswith("id             ")
    assert lines == [
        "task           back up",
        "summary        Copy all that must not be lost.",
        "function       shop:back_up",
        "defined at     shop.py:21",
        "trigger        every day at 02:30, Europe/Berlin",
        "               Cron(cron='30 2 * * *', tz='Europe/Berlin')",
        "clock changes  fixed: a time that the clock skips comes right after the gap, "
        "one that it repeats the first time only",
        "runs in        a worker thread",
        "groups         shop:outer > shop:nightly",
        "policies       timeout 600 s (task)",
        "               overlap queue (limit 100) (shop:nightly)",
        "               retry 3 attempts (shop:nightly)",
        "               grace 900 s (app)",
        "               jitter up to 5 s (shop:outer)",
        "depends on     database: shop:connect",
        "                 name: shop:fake_settings, for shop:settings",
    ]
    assert len(ticks.splitlines()) >= 6
    assert ticks.splitlines()[0].split() == ["local", "UTC", "in", "zone"]


def test_json_for_programs(shop: Path) -> None:
    listed = {
        task["key"]: task for task in json.loads(aioclock("list", "shop:app", "--json", folder=shop).stdout)["tasks"]
    }
    done = aioclock("show", "shop:app", "back_up", "--json", folder=shop)
    shown = json.loads(done.stdout)
    assert {name: shown[name] for name in listed["back up"]} == listed["back up"]
    own = {name: value for name, value in shown.items() if name not in listed["back up"]}
    ticks = own.pop("next_ticks")
    assert own == {
        "summary": "Copy all that must not be lost.",
        "trigger_fields": {"type_": "CRON", "max_loop_count": None, "tz": "Europe/Berlin", "cron": "30 2 * * *"},
        "store": None,
        "shared": None,
        "groups": ["shop:outer", "shop:nightly"],
        "policies_from": {
            "timeout": "task",
            "overlap": "shop:nightly",
            "retry": "shop:nightly",
            "grace": "app",
            "jitter": "shop:outer",
        },
        "dependencies": [
            {"parameter": "database", "function": "shop:connect", "stands_for": None, "depth": 0},
            {"parameter": "name", "function": "shop:fake_settings", "stands_for": "shop:settings", "depth": 1},
        ],
        "dependency_problem": None,
    }
    assert sum(tick["fires"] for tick in ticks) == 5
    assert ticks[0].keys() == {"task", "at", "local", "zone", "in_s", "fires", "clock_changes"}


def test_one_argument_is_the_key_where_the_app_is_set(shop: Path) -> None:
    done = aioclock("show", "poll", folder=shop, env={"AIOCLOCK_APP": "shop:app"})
    assert done.returncode == 0
    assert "OrTrigger(triggers=[Every(hours=6), Cron(cron='*/5 2 * * *', tz='Europe/Berlin')])" in done.stdout
    assert "wildcard: a time that the clock skips is dropped, one that it repeats comes twice" in done.stdout
    assert "runs in        the event loop" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("shop:app", "back upp"), "no task of the app answers to 'back upp'; did you mean 'back up', 'back_up'?"),
        (("shop:app",), "shop:app"),
        ((), "which task?"),
    ],
)
def test_bad_arguments_end_with_code_2(shop: Path, arguments: tuple[str, ...], message: str) -> None:
    done = aioclock("show", *arguments, folder=shop)
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr


def test_a_trigger_that_json_has_no_place_for(tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text(
        "from asyncio import Queue\n"
        "from typing import Any, Literal\n"
        "from aioclock import AioClock\n"
        "from aioclock.triggers import BaseTrigger\n"
        "class Message(BaseTrigger[Literal['MESSAGE']]):\n"
        "    type_: Literal['MESSAGE'] = 'MESSAGE'\n"
        "    source: Any\n"
        "    async def trigger_next(self) -> None: await self.source.get()\n"
        "app = AioClock()\n"
        "@app.task(trigger=Message(source=Queue()))\n"
        "async def answer(): ...\n",
        encoding="utf-8",
    )
    done = aioclock("show", "shop:app", "answer", "--json", folder=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    shown = json.loads(done.stdout)
    assert shown["trigger_fields"]["source"].startswith("<Queue")
    assert (shown["trigger"], shown["next_ticks"]) == ("Message", [])
    assert shown["remarks"][0]["kind"] == "unknown"
    text = aioclock("show", "shop:app", "answer", folder=tmp_path).stdout
    assert "remarks     its trigger waits by itself, for what nobody can know" in text


def test_a_terminal_shows_the_names_of_facts_in_bold(shop: Path) -> None:
    code, screen = terminal("show", "shop:app", "back up", folder=shop, columns=80)
    assert code == 0
    assert screen.buffer[0][0].bold
    assert not screen.buffer[0][15].bold


# Where it comes from


async def job() -> None: ...


def test_a_group_in_no_variable_has_no_name() -> None:
    app, group = AioClock(timeout=5), Group(grace=3)
    group.task(trigger=Every(hours=1), name="job")(job)
    app.include_group(group)
    task = app.tasks["job"]
    assert path_of(app, task) == [group]
    assert names_of([group], task) == ["a group"]
    assert origins_of(app, task) == {"timeout": "app", "grace": "a group"}


def test_groups_of_a_configuration_file_have_the_names_that_it_gives(tmp_path: Path) -> None:
    task = {"name": "job", "call": "os:getpid", "trigger": {"type_": "EVERY", "hours": 1}}
    groups = [{"name": "etl", "timeout": 4, "groups": [{"grace": 3, "tasks": [task]}]}]
    (tmp_path / "shop.json").write_text(json.dumps({"groups": groups}), encoding="utf-8")
    facts = json.loads(aioclock("show", "shop.json", "etl.job", "--json", folder=tmp_path).stdout)
    assert facts["groups"] == ["shop.json", "etl", "a group"]
    assert facts["policies_from"] == {"timeout": "etl", "grace": "a group"}


def test_the_inner_one_has_the_last_word() -> None:
    app, group = AioClock(timeout=5), Group(timeout=4)
    group.task(trigger=Every(hours=1), name="both", timeout=3)(job)
    group.task(trigger=Every(hours=1), name="group only")(job)
    app.include_group(group)
    app.task(trigger=Every(hours=1), name="app only")(job)
    assert path_of(app, app.tasks["app only"]) == []
    owners = [origins_of(app, app.tasks[key])["timeout"] for key in ("both", "group only", "app only")]
    assert owners == ["task", "a group", "app"]


def test_a_parameter_that_nothing_fills_is_told(shop: Path) -> None:
    text = aioclock("show", "shop:app", "poll", folder=shop).stdout
    assert "depends on     task 'shop:poll': parameter 'missing'" in text


def depends() -> None: ...


async def with_effect(_: None = Depends(depends)) -> None: ...


def test_tasks_without_dependencies_have_none() -> None:
    app = AioClock()
    app.task(trigger=Every(hours=1), name="without")(job)
    app.task(trigger=Every(hours=1), name="with")(with_effect)
    assert dependencies_of(app.tasks["without"]) == ([], None)
    found, problem = dependencies_of(app.tasks["with"])
    assert ([dependency.parameter for dependency in found], problem) == (["_"], None)


def test_parameters_that_can_not_be_understood_are_told() -> None:
    app = AioClock()

    async def odd(value: "Nowhere") -> None: ...  # type: ignore[name-defined]  # noqa: F821 - on purpose

    app.task(trigger=Every(hours=1), name="odd")(odd)
    found, problem = dependencies_of(app.tasks["odd"])
    assert found == []
    assert "odd" in str(problem)


SHARING = """
from aioclock import AioClock, Every, Forever

app = AioClock(store="sqlite:///clock.db", scope="cluster")


@app.task(trigger=Every(hours=1), name="sync", catch_up="all")
@app.task(trigger=Forever(), name="consume")
@app.task(trigger=Every(hours=1), name="warm", scope="node")
async def job(): ...
"""


@pytest.mark.parametrize(
    ("key", "shared", "words"),
    [
        ("sync", "ticks", "each tick runs in one of the processes that share it"),
        ("consume", "held", "one of the processes that share it has the whole task, while it lives"),
        ("warm", "node", "each process runs every tick by itself"),
    ],
)
def test_how_processes_share_a_task(tmp_path: Path, key: str, shared: str, words: str) -> None:
    (tmp_path / "shop.py").write_text(SHARING, encoding="utf-8")
    lines = [" ".join(line.split()) for line in aioclock("show", "shop:app", key, folder=tmp_path).stdout.splitlines()]
    place = lines.index("store sqlite:///clock.db")
    assert lines[place + 1] == words
    told = json.loads(aioclock("show", "shop:app", key, "--json", folder=tmp_path).stdout)
    assert (told["store"], told["shared"]) == ("sqlite:///clock.db", shared)
    if key == "sync":
        assert told["policies_from"] == {"scope": "app", "catch_up": "task"}
        assert "catch_up all (limit 100) (task)" in lines
    assert not (tmp_path / "clock.db").exists()
