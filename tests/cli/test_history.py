"""`aioclock history`: the runs of all processes, and what was done to tasks."""

import json
from pathlib import Path

import pytest

from aioclock.cli._stores._words import operator, shown_seconds
from aioclock.runs import RunError
from commands import aioclock, terminal
from stored import SHOP, STORE, Past, fill

NO_DISK = RunError(type="OSError", message="no disk\nat all", traceback="Traceback ...")
PAST = [
    Past(tick=1),
    Past(tick=2, outcome="failed", error=NO_DISK, late=250_000, took=90_000_000),
    Past(tick=3, key="backup", skip="overlap"),
    Past(tick=4, key="gone"),
    Past(tick=5, key="backup", outcome=None),
]


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    (tmp_path / "shop.py").write_text(SHOP, encoding="utf-8")
    fill(tmp_path, PAST, keys=("report", "backup", "gone"))
    return tmp_path


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.split("  ") if cell.strip()]


def test_runs_of_all_tasks_newest_first_with_what_went_wrong(shop: Path) -> None:
    done = aioclock("history", "shop:app", folder=shop)
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert cells(lines[0]) == ["scheduled", "task", "outcome", "late", "took", "why"]
    rows = [cells(line)[1:] for line in lines[1:]]
    assert [row[:2] for row in rows] == [
        ["backup", "running"], ["gone", "succeeded"], ["backup", "skipped"], ["report", "failed"],
        ["report", "succeeded"],
    ]  # fmt: skip
    assert rows[0][2].endswith(" so far")
    assert rows[2][2:] == ["overlap"]
    assert rows[3][2:] == ["0.25s", "1m 30s", "OSError: no disk"]
    assert rows[4][2:] == ["0s", "1s"]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--task", "report"], ["report", "report"]),
        (["--task", "send_report"], ["report", "report"]),
        (["--task", "gone", "--task", "backup"], ["backup", "gone", "backup"]),
        (["--outcome", "failed"], ["report"]),
        (["--outcome", "skipped", "--outcome", "running"], ["backup", "backup"]),
        (["--limit", "1"], ["backup"]),
        (["--since", "1h"], ["backup", "gone", "backup", "report", "report"]),
        (["--since", "2999-01-01T00:00Z"], []),
    ],
)
def test_a_choice_of_runs(shop: Path, options: list[str], expected: list[str]) -> None:
    done = aioclock("history", "shop:app", *options, "--json", folder=shop)
    assert [run["task_key"] for run in json.loads(done.stdout)["runs"]] == expected


def test_since_is_about_ticks(shop: Path) -> None:
    runs = json.loads(aioclock("history", "shop:app", "--json", folder=shop).stdout)["runs"]
    done = aioclock("history", "shop:app", "--since", runs[2]["scheduled_at"], "--json", folder=shop)
    assert json.loads(done.stdout)["runs"] == runs[:3]


def test_spans_are_shown_to_the_millisecond() -> None:
    assert [shown_seconds(seconds) for seconds in (5e-6, -3.0, 0.01484, 0.9999, 61.2)] == [
        "0s", "0s", "0.015s", "1s", "1m 1s"
    ]  # fmt: skip


def test_nothing_to_show(tmp_path: Path) -> None:
    fill(tmp_path)
    for options, printed in (([], "no runs\n"), (["--audit", "--since", "2999-01-01T00:00Z"], "no events\n")):
        done = aioclock("history", "--store", STORE, *options, folder=tmp_path)
        assert (done.returncode, done.stdout, done.stderr) == (0, printed, "")


def test_json_has_the_fields_of_a_run_and_what_only_a_store_knows(shop: Path) -> None:
    told = json.loads(aioclock("history", "shop:app", "--json", folder=shop).stdout)
    assert list(told) == ["store", "runs"]
    assert told["store"] == STORE
    going, *_, failed, _ = told["runs"]
    assert list(going) == [
        "key", "task_key", "kind", "scheduled_at", "started_at", "finished_at", "attempt", "outcome", "reason",
        "error", "output", "lateness_s", "missed", "fence", "owner", "previous_success",
        "state", "claimed_at", "duration_s",
    ]  # fmt: skip
    assert (going["outcome"], going["state"], going["duration_s"], going["finished_at"]) == (
        None,
        "running",
        None,
        None,
    )
    assert (failed["state"], failed["duration_s"], failed["lateness_s"]) == ("failed", 90.0, 0.25)
    assert failed["error"] == {"type": "OSError", "message": "no disk\nat all", "traceback": "Traceback ..."}


def test_audit_tells_what_was_done_and_by_whom(shop: Path) -> None:
    aioclock("pause", "shop:app", "report", "--note", "bank holiday", folder=shop)
    lines = aioclock("history", "shop:app", "--audit", folder=shop).stdout.splitlines()
    assert cells(lines[0]) == ["at", "event", "task", "by", "what"]
    _, event, task, by, what = cells(lines[1])
    assert (event, task, what) == ("paused", "report", "bank holiday")
    assert "@" in by
    assert any(cells(line)[1:3] == ["failed", "report"] for line in lines)
    assert {cells(line)[1] for line in lines[-3:]} == {"registered"}


def test_audit_in_json_and_of_one_task(shop: Path) -> None:
    done = aioclock("history", "shop:app", "--audit", "--task", "report", "--json", folder=shop)
    told = json.loads(done.stdout)
    assert list(told) == ["store", "events"]
    assert [event["event"] for event in told["events"]] == ["failed", "registered"]
    assert list(told["events"][0]) == ["sequence", "at", "event", "task", "run", "by", "text"]
    last = aioclock("history", "shop:app", "--audit", "--limit", "1", "--json", folder=shop)
    assert [event["event"] for event in json.loads(last.stdout)["events"]] == ["failed"]


def test_processes_are_told_by_their_labels(shop: Path) -> None:
    aioclock("trigger", "shop:app", "report", folder=shop)
    rows = [cells(line) for line in aioclock("history", "shop:app", "--audit", folder=shop).stdout.splitlines()[1:]]
    joined, left = (next(row for row in rows if row[1] == event) for event in ("joined", "left"))
    assert joined[2:] == left[2:]
    assert ":" in joined[2]


def test_an_operator_without_a_name_is_somebody(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> str:
        raise KeyError("getpwuid(): uid not found: 1234")

    monkeypatch.setattr("getpass.getuser", fail)
    assert operator().startswith("somebody@")


def test_outcomes_are_in_colours_on_a_terminal_only(shop: Path) -> None:
    code, screen = terminal("history", "shop:app", folder=shop)
    assert code == 0
    row = next(row for row, text in enumerate(screen.display) if " failed " in text)
    assert screen.buffer[row][screen.display[row].index("failed")].fg == "red"
    assert "\x1b" not in aioclock("history", "shop:app", folder=shop).stdout


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--task", "reprot"], "no task of the app answers to 'reprot'; did you mean 'report'?"),
        (["--since", "3x"], "--since '3x' is no ISO 8601 time; write it like 2026-03-29T02:30+01:00"),
        (["--since", "noon"], "--since 'noon' is neither a span such as 2h or 3d nor an ISO 8601 time"),
        (["--since", "99999999999d"], "--since '99999999999d' is too long; no calendar goes back that far"),
        (["--since", "9999999d"], "--since '9999999d' is too long; no calendar goes back that far"),
        (
            ["--outcome", "fialed"],
            "--outcome must be one of succeeded, failed, timed_out, cancelled, skipped, lost, running, waiting, "
            "got 'fialed'; did you mean 'failed'?",
        ),
        (["--audit", "--outcome", "failed"], "--outcome is for runs; --audit shows none"),
    ],
)
def test_what_can_not_be_understood_is_said_in_one_line(shop: Path, options: list[str], message: str) -> None:
    done = aioclock("history", "shop:app", *options, folder=shop)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"aioclock: error: {message}\n")
