"""`aioclock stats`: how tasks fare."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aioclock.cli._stores._tally import Spread, Tally, _percent
from aioclock.stores import RunRecord, TaskState
from commands import aioclock
from stored import SHOP, STORE, Past, fill

PAST = [
    *(Past(tick=tick, took=tick * 1_000_000, late=tick * 1000) for tick in range(1, 20)),
    Past(tick=20, outcome="failed", took=100_000_000),
    Past(tick=21, outcome="timed_out"),
    Past(tick=22, outcome="lost"),
    Past(tick=23, outcome="cancelled"),
    Past(tick=24, skip="overlap"),
    Past(tick=25, skip="paused"),
    Past(tick=26, skip="overlap"),
    Past(tick=27, outcome=None),
]


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    (tmp_path / "shop.py").write_text(SHOP, encoding="utf-8")
    fill(tmp_path, PAST)
    return tmp_path


def test_json_tells_all_of_each_task(shop: Path) -> None:
    aioclock("pause", "shop:app", "backup", "--note", "disk full", folder=shop)
    done = aioclock("stats", "shop:app", "--json", folder=shop)
    assert (done.returncode, done.stderr) == (0, "")
    told = json.loads(done.stdout)
    assert list(told) == ["store", "since", "tasks"]
    assert (told["store"], told["since"]) == (STORE, None)
    backup, report = told["tasks"]
    assert list(report) == [
        "key", "runs", "outcomes", "running", "waiting", "skipped", "success_rate", "duration_s", "lateness_s",
        "last_success", "failures_in_a_row", "paused", "note", "cut",
    ]  # fmt: skip
    assert report["runs"] == 24
    assert report["outcomes"] == {
        "succeeded": 19, "failed": 1, "timed_out": 1, "lost": 1, "cancelled": 1, "skipped": 3
    }  # fmt: skip
    assert (report["running"], report["waiting"], report["skipped"]) == (1, 0, {"overlap": 2, "paused": 1})
    assert report["success_rate"] == pytest.approx(19 / 22)
    assert report["duration_s"] == {"median": 9.0, "p95": 19.0}
    assert report["lateness_s"]["p95"] == 0.018
    assert (report["failures_in_a_row"], report["paused"], report["cut"]) == (3, False, False)
    assert report["last_success"].endswith("+00:00")
    assert (backup["runs"], backup["success_rate"], backup["duration_s"]) == (0, None, None)
    assert (backup["paused"], backup["note"], backup["last_success"]) == (True, "disk full", None)


def test_a_line_for_each_task(shop: Path) -> None:
    head, backup, report = aioclock("stats", "shop:app", folder=shop).stdout.splitlines()
    cells = [cell.strip() for cell in report.split("  ") if cell.strip()]
    assert cells[:5] == [
        "report", "24", "86.3 %", "1 cancelled, 1 failed, 1 lost, 1 running, 1 timed_out", "2 overlap, 1 paused"
    ]  # fmt: skip
    assert cells[5:7] == ["9s", "19s"]
    assert cells[-1] == "3"
    assert head.split("  ")[0] == "task"
    assert "paused" not in head
    assert backup.split() == ["backup", "0"]


def test_the_note_of_a_pause_is_shown(shop: Path) -> None:
    aioclock("pause", "shop:app", "backup", "--note", "disk full", folder=shop)
    assert "disk full" in aioclock("stats", "shop:app", "--task", "backup", folder=shop).stdout


def test_since_leaves_earlier_ticks_aside(shop: Path) -> None:
    done = aioclock("stats", "shop:app", "--since", "2999-01-01T00:00Z", "--task", "report", "--json", folder=shop)
    told = json.loads(done.stdout)
    assert told["since"] == "2999-01-01T00:00:00+00:00"
    assert [(task["key"], task["runs"]) for task in told["tasks"]] == [("report", 0)]


def test_a_store_without_tasks(tmp_path: Path) -> None:
    aioclock("store", "upgrade", "--store", STORE, folder=tmp_path)
    done = aioclock("stats", "--store", STORE, folder=tmp_path)
    assert (done.returncode, done.stdout) == (0, "the store knows no tasks\n")


def test_only_so_many_runs_are_counted(capsys: pytest.CaptureFixture[str]) -> None:
    from aioclock.cli._stores._tally import print_tallies

    records = [RunRecord(id=str(n), task_key="a", kind="schedule", tick=n, state="running") for n in range(4)]
    tally = Tally.of(TaskState(key="a", anchor=0, cursor=0), records, most=3)
    assert (tally.runs, tally.cut) == (3, True)
    print_tallies([tally])
    assert capsys.readouterr().out.endswith("a: only the latest 3 are counted\n")


def test_hardly_any_failure_is_never_shown_as_none() -> None:
    assert [_percent(rate) for rate in (1.0, 0.99999, 0.5, 0.0)] == ["100 %", "99.9 %", "50 %", "0 %"]


@given(st.lists(st.floats(0, 1e6), min_size=1))
def test_half_of_the_runs_and_95_in_100_are_within_the_spread(values: list[float]) -> None:
    spread = Spread.of(values)
    assert spread is not None
    assert sum(value <= spread.median_s for value in values) >= len(values) / 2
    assert sum(value <= spread.p95_s for value in values) >= 0.95 * len(values)
    assert spread.p95_s in values


def test_there_is_no_spread_of_nothing() -> None:
    assert Spread.of([]) is None
