"""`aioclock store`: upgrade, prune and check."""

import json
import sqlite3
from pathlib import Path

import pytest

from commands import aioclock
from stored import SHOP, STORE, Past, fill

BARE = """
from aioclock import AioClock
from aioclock.stores import SQLiteStore


class Plain:
    \"\"\"A store that has nothing beyond what every store has.\"\"\"

    def __init__(self, inner):
        self._inner, self.name = inner, "plain"
        for name in ("open", "close", "register", "claim", "finish", "pulse", "reap", "leave", "change", "tasks",
                     "runs", "notes", "prune", "restore"):
            setattr(self, name, getattr(inner, name))


app = AioClock(store=Plain(SQLiteStore("sqlite:///clock.db")))
""".replace("aioclock.stores import SQLiteStore", "aioclock.stores._sqlite import SQLiteStore")


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    (tmp_path / "shop.py").write_text(SHOP, encoding="utf-8")
    (tmp_path / "bare.py").write_text(BARE, encoding="utf-8")
    fill(tmp_path, [Past(tick=1), Past(tick=2, took=1_000), Past(tick=3, outcome=None)])
    return tmp_path


def execute(folder: Path, sql: str) -> None:
    with sqlite3.connect(folder / "clock.db") as connection:
        connection.execute(sql)
    connection.close()


def test_prune_deletes_what_ended_long_ago_and_nothing_else(shop: Path) -> None:
    kept = aioclock("store", "prune", "shop:app", "--older-than", "1d", folder=shop)
    assert (kept.returncode, kept.stderr) == (0, "")
    assert kept.stdout.startswith("0 runs deleted that ended before ")
    execute(shop, "UPDATE aioclock_run SET finished = finished - 3 * 86400000000 WHERE finished IS NOT NULL")
    done = aioclock("store", "prune", "shop:app", "--older-than", "1d12h", "--json", folder=shop)
    told = json.loads(done.stdout)
    assert list(told) == ["store", "before", "runs_deleted"]
    assert told["runs_deleted"] == 2
    runs = json.loads(aioclock("history", "shop:app", "--json", folder=shop).stdout)["runs"]
    assert [run["state"] for run in runs] == ["running"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--older-than", "30"], "--older-than '30' is no span of time; write it like 90s, 15m, 2h, 30d or 1d12h"),
        (["--older-than", "-1d"], "--older-than '-1d' is no span of time; write it like 90s, 15m, 2h, 30d or 1d12h"),
        (["--older-than", "9" * 20 + "d"], f"--older-than '{'9' * 20}d' is too long; no calendar goes back that far"),
    ],
)  # fmt: skip
def test_an_age_that_is_none(shop: Path, options: list[str], message: str) -> None:
    done = aioclock("store", "prune", "shop:app", *options, folder=shop)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"aioclock: error: {message}\n")


def test_an_age_must_be_given(shop: Path) -> None:
    done = aioclock("store", "prune", "shop:app", folder=shop)
    assert done.returncode == 2
    assert "--older-than" in done.stderr


def test_upgrade_makes_a_new_store_ready_and_then_has_nothing_to_do(tmp_path: Path) -> None:
    first = aioclock("store", "upgrade", "--store", STORE, "--json", folder=tmp_path)
    told = json.loads(first.stdout)
    assert list(told) == ["store", "versions"]
    assert told["versions"] == sorted(told["versions"]) != []
    again = aioclock("store", "upgrade", "--store", STORE, folder=tmp_path)
    assert (again.returncode, again.stdout) == (0, f"the store {STORE} is up to date\n")


def test_upgrade_tells_the_version(tmp_path: Path) -> None:
    done = aioclock("store", "upgrade", "--store", STORE, folder=tmp_path)
    assert done.returncode == 0
    assert done.stdout.startswith(f"the store {STORE} is of version ")


def test_check_finds_nothing_wrong_with_a_store_that_is_well(shop: Path) -> None:
    done = aioclock("store", "check", "shop:app", folder=shop)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"no problems with the store {STORE}\n", "")
    told = json.loads(aioclock("store", "check", "shop:app", "--json", folder=shop).stdout)
    assert told == {"store": STORE, "problems": []}


def test_problems_are_an_exit_code(shop: Path) -> None:
    execute(shop, "UPDATE aioclock_run SET lease_until = 1 WHERE state = 'running'")
    done = aioclock("store", "check", "shop:app", folder=shop)
    assert done.returncode == 1
    problem, summary = done.stdout.splitlines()
    assert "nobody reaps them" in problem
    assert summary == f"1 problem with the store {STORE}"
    told = aioclock("store", "check", "shop:app", "--json", folder=shop)
    assert (told.returncode, json.loads(told.stdout)["problems"]) == (1, [problem])


def test_a_store_of_an_older_version_is_told_of_and_upgraded(shop: Path) -> None:
    execute(shop, "UPDATE aioclock_meta SET value = 0 WHERE name = 'schema'")
    checked = aioclock("store", "check", "shop:app", folder=shop)
    assert checked.returncode == 1
    assert "aioclock store upgrade" in checked.stdout


def test_a_store_of_a_newer_version_is_refused(shop: Path) -> None:
    execute(shop, "UPDATE aioclock_meta SET value = 999 WHERE name = 'schema'")
    done = aioclock("history", "shop:app", folder=shop)
    assert done.returncode == 1
    assert "newer aioclock" in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_store_that_knows_neither_upgrade_nor_check(shop: Path) -> None:
    done = aioclock("store", "upgrade", "bare:app", folder=shop)
    assert (done.returncode, done.stdout, done.stderr) == (0, "the store plain is up to date\n", "")
    done = aioclock("store", "check", "bare:app", folder=shop)
    assert (done.returncode, done.stdout, done.stderr) == (0, "no problems with the store plain\n", "")


@pytest.mark.parametrize("name", ["store", "state"])
def test_every_command_of_a_group_explains_itself_with_an_example(tmp_path: Path, name: str) -> None:
    names = {"store": ["upgrade", "prune", "check"], "state": ["export", "import"]}[name]
    listed = aioclock(name, "--help", folder=tmp_path).stdout
    for command in names:
        assert f"  {command} " in listed
        done = aioclock(name, command, "--help", folder=tmp_path, env={"COLUMNS": "120"})
        assert f"Example: aioclock {name} {command} " in done.stdout
