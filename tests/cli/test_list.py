"""`aioclock list`: what is said of each task."""

import functools
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from aioclock.cli._facts import place_of, policies_as_json, policies_in_words, summary_of
from aioclock.policies import CatchUp, Jitter, Overlap, Policies, Retry
from aioclock.task import Task
from aioclock.triggers import Every
from commands import aioclock, terminal

SHOP = """
import time
from functools import partial

from aioclock import AioClock, Cron, Every, Forever, Group, Retry

app = AioClock(timeout=60)
nightly = Group(retry=Retry(attempts=3, on=OSError))


@nightly.task(trigger=Cron(cron="0 9 * * 1-5", tz="Europe/Berlin"), name="back up", timeout=600)
def back_up() -> None: ...


@app.task(trigger=Forever())
async def consume() -> None: ...


app.task(trigger=Every(hours=1), name="nap")(partial(time.sleep, 1))
app.task(trigger=Cron(cron="0 9 * * * 0 2020", tz="UTC"), name="over")(consume)
app.include_group(nightly)
app.pause("nap", "off season")
"""


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    (tmp_path / "shop.py").write_text(SHOP, encoding="utf-8")
    return tmp_path


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.split("  ") if cell.strip()]


def test_a_line_for_each_task(shop: Path) -> None:
    done = aioclock("list", "shop:app", folder=shop)
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert len(lines) == 5
    assert cells(lines[0]) == ["task", "trigger", "next tick", "policies", "defined at"]
    task, trigger, tick, policies, place = cells(lines[4])
    assert (task, trigger) == ("back up", "every weekday at 09:00, Europe/Berlin")
    assert tick.split()[2] == "09:00"
    assert policies == "timeout 600 s, retry 3 attempts on OSError"
    assert place == "shop.py:11"
    assert cells(lines[1])[1] == "again as soon as the last run has ended"
    assert cells(lines[2])[3:] == ["timeout 60 s, paused"]  # and no place: time.sleep has no Python source
    assert cells(lines[3])[2].startswith("(no tick after ")


def test_json_for_programs(shop: Path) -> None:
    done = aioclock("list", "--json", folder=shop, env={"AIOCLOCK_APP": "shop:app"})
    found = json.loads(done.stdout)
    assert found.keys() == {"at", "store", "tasks"}
    tasks = {task["key"]: task for task in found["tasks"]}
    assert list(tasks) == ["shop:consume", "nap", "over", "back up"]
    back_up = tasks["back up"]
    assert back_up.pop("next_tick").endswith("+00:00")
    assert back_up.pop("next_tick_local")[10:19] == "T09:00:00"
    assert len(back_up.pop("id")) == 36
    assert back_up == {
        "key": "back up",
        "name": "back up",
        "function": "shop:back_up",
        "command": None,
        "trigger": "every weekday at 09:00, Europe/Berlin",
        "trigger_type": "Cron",
        "zone": "Europe/Berlin",
        "policies": {
            "timeout_s": 600.0,
            "retry": {
                "attempts": 3,
                "delay_s": 1.0,
                "factor": 2.0,
                "max_delay_s": 60.0,
                "jitter": 0.1,
                "on": ["OSError"],
                "outlive_tick": False,
            },
        },
        "executor": "thread",
        "paused": False,
        "defined_at": {"file": "shop.py", "line": 11},
        "remarks": [],
    }
    assert tasks["nap"]["defined_at"] is None
    assert tasks["nap"]["paused"]
    assert tasks["nap"]["remarks"] == [{"kind": "paused", "reason": "paused, its ticks are skipped: off season"}]
    assert (tasks["over"]["next_tick"], tasks["over"]["next_tick_local"]) == (None, None)
    assert tasks["shop:consume"]["zone"] is None


def test_a_narrow_terminal_loses_nothing(shop: Path) -> None:
    code, screen = terminal("list", "shop:app", folder=shop, columns=80)
    assert code == 0
    text = "".join("".join(screen.display).split())
    assert "Europe/Berlin" in text
    assert "shop.py:11" in text
    assert screen.buffer[0][0].bold


def test_an_app_without_tasks(tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text("from aioclock import AioClock\napp = AioClock()\n", encoding="utf-8")
    assert aioclock("list", "shop:app", folder=tmp_path).stdout == "the app has no tasks\n"
    assert json.loads(aioclock("list", "shop:app", "--json", folder=tmp_path).stdout)["tasks"] == []


@pytest.mark.parametrize("arguments", [(), ("shop:nothing",), ("nowhere:app",)])
def test_an_unknown_app_ends_with_code_2(shop: Path, arguments: tuple[str, ...]) -> None:
    done = aioclock("list", *arguments, folder=shop)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("aioclock: error: ")


def test_a_trigger_that_fails_is_told_beside_the_others_and_fails_the_command(tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text(
        "from typing import Literal\n"
        "from aioclock import AioClock, Every\n"
        "from aioclock.triggers import BaseTrigger\n"
        "class Broken(BaseTrigger[Literal['BROKEN']]):\n"
        "    type_: Literal['BROKEN'] = 'BROKEN'\n"
        "    def next_after(self, moment, anchor): raise RuntimeError('no bell')\n"
        "app = AioClock()\n"
        "async def job(): ...\n"
        "app.task(trigger=Broken(), name='broken')(job)\n"
        "app.task(trigger=Every(hours=1), name='fine')(job)\n",
        encoding="utf-8",
    )
    for arguments in (("list", "shop:app"), ("show", "shop:app", "broken")):
        done = aioclock(*arguments, folder=tmp_path)
        assert (done.returncode, done.stderr) == (1, "")
        assert "its trigger failed: RuntimeError: no bell" in done.stdout
    assert aioclock("show", "shop:app", "fine", folder=tmp_path).returncode == 0


def test_commands_of_a_configuration_file_stand_where_they_are_written(tmp_path: Path) -> None:
    (tmp_path / "clock.yaml").write_text(
        "tasks:\n  - name: greet\n    command: [echo, hello]\n    trigger: {type_: EVERY, hours: 1}\n", encoding="utf-8"
    )
    done = aioclock("list", "clock.yaml", "--json", folder=tmp_path)
    [task] = json.loads(done.stdout)["tasks"]
    assert (task["function"], task["defined_at"]["file"]) == (None, "clock.yaml")
    assert task["defined_at"]["line"] in (2, 3)
    assert "echo" in task["command"]


# Where a function is defined


def plain() -> None: ...


def decorator(func: Callable[[], Any]) -> Callable[[], Any]:
    @functools.wraps(func)
    def inner() -> Any:
        return func()

    return inner


@decorator
def decorated() -> None: ...


class Job:
    """What a job does."""

    def __init__(self) -> None: ...

    def __call__(self) -> None: ...

    def method(self) -> None: ...


def line_of(text: str) -> int:
    return Path(__file__).read_text(encoding="utf-8").splitlines().index(text) + 1


@pytest.mark.parametrize(
    ("func", "text"),
    [
        (plain, "def plain() -> None: ..."),
        (decorated, "@decorator"),
        (functools.partial(decorated), "@decorator"),
        (functools.partial(functools.partial(plain)), "def plain() -> None: ..."),
        (Job(), "    def __call__(self) -> None: ..."),
        (Job().method, "    def method(self) -> None: ..."),
        (functools.partial(Job().method), "    def method(self) -> None: ..."),
        (Job, "    def __init__(self) -> None: ..."),
    ],
)
def test_the_place_of_a_function_is_its_own_and_not_its_wrappers(func: Callable[..., Any], text: str) -> None:
    place = place_of(func)
    assert place is not None
    assert (place.file, place.line) == (Path(__file__).resolve(), line_of(text))


def test_what_has_no_source_has_no_place() -> None:
    namespace: dict[str, Any] = {}
    exec("def typed(): ...", namespace)
    for func in (time.sleep, functools.partial(time.sleep, 1), namespace["typed"], print):
        assert place_of(func) is None


def test_a_place_is_relative_to_the_current_folder_if_it_is_in_there(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    place = place_of(plain)
    assert place is not None
    monkeypatch.chdir(Path(__file__).parent.parent)
    assert str(place) == f"{Path('cli', 'test_list.py')}:{place.line}"
    monkeypatch.chdir(tmp_path)
    assert str(place) == f"{Path(__file__).resolve()}:{place.line}"


def test_the_summary_is_the_first_line_that_the_author_wrote() -> None:
    assert summary_of(functools.partial(test_what_has_no_source_has_no_place)) is None
    assert summary_of(functools.partial(Job())) == "What a job does."


def task_with(policies: Policies) -> Task:
    task = Task(print, Every(hours=1))
    task.policies = policies
    return task


def test_policies_are_told_in_words_and_numbers() -> None:
    policies = Policies(
        timeout=1.5,
        overlap=Overlap("queue", limit=5),
        retry=Retry(attempts=1, on=(OSError, ValueError)),
        grace=30.0,
        jitter=Jitter(10, stable=True),
        pause_after_failures=3,
        executor="process",
        scope="cluster",
        on_lost="rerun",
        catch_up=CatchUp("all", limit=10),
    )
    assert policies_in_words(task_with(policies)) == {
        "timeout": "1.5 s",
        "overlap": "queue (limit 5)",
        "retry": "1 attempt on OSError, ValueError",
        "grace": "30 s",
        "jitter": "up to 10 s (stable)",
        "pause_after_failures": "3 in a row",
        "executor": "process",
        "scope": "cluster",
        "on_lost": "rerun",
        "catch_up": "all (limit 10)",
    }
    plain = policies_as_json(task_with(policies))
    assert plain.keys() == {
        "timeout_s", "overlap", "retry", "grace_s", "jitter", "pause_after_failures", "executor", "scope", "on_lost",
        "catch_up",
    }  # fmt: skip
    assert plain["catch_up"] == {"policy": "all", "limit": 10}
    assert plain["overlap"] == {"policy": "queue", "limit": 5}
    assert plain["jitter"] == {"up_to_s": 10.0, "stable": True}
    assert plain["retry"]["on"] == ["OSError", "ValueError"]
    json.dumps(plain)
    assert policies_as_json(task_with(Policies())) == policies_in_words(task_with(Policies())) == {}


def test_of_an_app_with_a_store_its_name_and_the_policies_of_sharing_are_told(tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text(
        "from aioclock import AioClock, Every\n"
        "app = AioClock(store='sqlite:///clock.db', catch_up='none')\n"
        "@app.task(trigger=Every(hours=1), name='sync', on_lost='rerun')\n"
        "async def sync(): ...\n",
        encoding="utf-8",
    )
    assert "on_lost rerun, catch_up none" in aioclock("list", "shop:app", folder=tmp_path).stdout
    told = json.loads(aioclock("list", "shop:app", "--json", folder=tmp_path).stdout)
    assert told["store"] == "sqlite:///clock.db"
    assert told["tasks"][0]["policies"] == {"on_lost": "rerun", "catch_up": {"policy": "none", "limit": None}}
    assert not (tmp_path / "clock.db").exists()
