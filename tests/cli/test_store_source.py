"""Which store a command is about, and what it says if there is none."""

import asyncio
import json
import socket
from pathlib import Path

import pytest

from aioclock.cli._errors import CommandError
from aioclock.cli._stores._source import Source, worked_in
from aioclock.exceptions import StoreError
from aioclock.stores import MemoryStore
from commands import aioclock
from stored import SHOP, STORE, Past, fill

COMMANDS = [
    ["history"], ["stats"], ["pause"], ["resume"], ["store", "check"], ["store", "prune", "--older-than", "1d"],
    ["state", "export"],
]  # fmt: skip


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    (tmp_path / "shop.py").write_text(SHOP, encoding="utf-8")
    (tmp_path / "alone.py").write_text("from aioclock import AioClock\napp = AioClock()\n", encoding="utf-8")
    (tmp_path / "memory.py").write_text("from aioclock import AioClock\napp = AioClock(store='memory://')\n")
    fill(tmp_path, [Past()])
    return tmp_path


def keys_of(command: list[str]) -> list[str]:
    return ["report"] if command[0] in ("pause", "resume") else []


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_takes_an_app_or_a_store_by_argument_or_setting(shop: Path, command: list[str]) -> None:
    key = keys_of(command)
    for arguments, env in (
        (["shop:app", *key], {}),
        (["--store", STORE, *key], {}),
        (key, {"AIOCLOCK_STORE": STORE}),
        (key, {"AIOCLOCK_APP": "shop:app"}),
        (["--store", STORE, *key], {"AIOCLOCK_APP": "nowhere:app"}),
        (["shop:app", *key], {"AIOCLOCK_STORE": "sqlite:///other.db"}),
    ):
        done = aioclock(*command, *arguments, folder=shop, env=env)
        assert (done.returncode, done.stderr) == (0, ""), (arguments, env)
    assert not (shop / "other.db").exists()


def test_a_factory_gives_the_app(shop: Path) -> None:
    (shop / "made.py").write_text("from shop import app\n\n\ndef make():\n    return app\n", encoding="utf-8")
    done = aioclock("history", "made:make", "--factory", "--json", folder=shop)
    assert [run["task_key"] for run in json.loads(done.stdout)["runs"]] == ["report"]


def test_a_store_in_pyproject_toml(shop: Path) -> None:
    (shop / "pyproject.toml").write_text(f'[tool.aioclock]\nstore = "{STORE}"\n', encoding="utf-8")
    assert "report" in aioclock("history", folder=shop).stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["alone:app"], "the app has no store, so nothing outlasts its process; give it one: "
                        "AioClock(store='sqlite:///clock.db'), or name one: --store URL"),
        (["memory:app"], "the store memory:// is in the memory of the process that serves; no command can look there"),
        (["shop:app", "--store", STORE],
         "both an app and a store are named, 'shop:app' and --store; one of them is enough"),
        (["--store", "clock.db"], "'clock.db' is no URL of a store; it looks like sqlite:///clock.db, "
                                  "postgresql+asyncpg://host/db, mysql+aiomysql://host/db, redis://host/0 or memory://"),
    ],
)  # fmt: skip
def test_what_is_no_store_is_said_in_one_line(shop: Path, arguments: list[str], message: str) -> None:
    done = aioclock("history", *arguments, folder=shop)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"aioclock: error: {message}\n")


def test_no_store_at_all(shop: Path) -> None:
    done = aioclock("stats", folder=shop)
    assert (done.returncode, done.stderr) == (
        2,
        "aioclock: error: which store? name the app that has it, like module:app, or the store itself: "
        "--store sqlite:///clock.db\n",
    )


def test_a_file_that_does_not_exist_is_not_made_by_a_look(shop: Path) -> None:
    done = aioclock("history", "--store", "sqlite:///klock.db", folder=shop)
    file = shop / "klock.db"
    assert (done.returncode, done.stderr) == (
        2,
        f"aioclock: error: the store sqlite:///klock.db: there is no file {str(file)!r}; nothing has served with it\n",
    )
    assert not file.exists()


def test_a_file_that_is_no_store(shop: Path) -> None:
    (shop / "text.db").write_text("not a database, for sure\n" * 100, encoding="utf-8")
    done = aioclock("history", "--store", "sqlite:///text.db", folder=shop)
    assert (done.returncode, done.stderr) == (
        1, "aioclock: error: the store sqlite:///text.db: file is not a database\n"
    )  # fmt: skip


def test_a_store_that_can_not_be_reached(shop: Path) -> None:
    with socket.socket() as taken:  # bound and not listening: nothing else can answer there
        taken.bind(("127.0.0.1", 0))
        address = f"redis://127.0.0.1:{taken.getsockname()[1]}/0"
        done = aioclock("history", "--store", address, folder=shop)
    assert done.returncode == 1
    assert done.stderr.startswith("aioclock: error: ")
    assert address in done.stderr
    assert done.stderr.count("\n") == 1


class Silent(MemoryStore):
    """A store that never answers, or only with an error that is none of ours."""

    name = "silent://"

    def __init__(self, error: Exception | None = None) -> None:
        super().__init__()
        self._error = error

    async def open(self) -> None:
        if self._error is not None:
            raise self._error
        await asyncio.sleep(3600)


@pytest.mark.parametrize(
    ("store", "message"),
    [
        (Silent(), "the store silent:// has not answered within 0.01 s"),
        (Silent(OSError("no\nroute")), "no route"),
        (Silent(StoreError("too old")), "too old"),
        (Silent(OSError()), "OSError"),
    ],
    ids=["silent", "error of the system", "error of a store", "error without words"],
)
def test_a_store_that_does_not_open(store: Silent, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aioclock.cli._stores._source.PATIENCE_S", 0.01)
    with pytest.raises(CommandError) as caught:
        worked_in(Source(store, None), lambda store: store.tasks())
    assert (str(caught.value), caught.value.code) == (message, 1)
