"""`aioclock state`: what a store keeps of tasks, as a file that another store takes over."""

import asyncio
import json
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aioclock import At
from aioclock.cli._stores._document import document_of, written
from aioclock.cli._stores._reading import read_tasks
from aioclock.cli._stores._words import moment_at
from aioclock.stores import TaskState
from aioclock.stores._words import EXHAUSTED
from commands import aioclock
from stored import SHOP, STORE, Past, fill, in_store

NOW = moment_at(1_795_765_292_065_057)
TRIGGER = At(hour=7, tz="Europe/Berlin").model_dump_json()

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
times = st.integers(0, 10**16)
counts = st.integers(0, 2**63 - 1)
states = st.builds(
    TaskState,
    key=texts.filter(bool),
    anchor=times,
    cursor=times | st.just(EXHAUSTED),
    fence=counts,
    generation=counts,
    fired=counts,
    paused=st.booleans(),
    note=st.none() | texts,
    override=st.none() | st.just(TRIGGER),
    fingerprint=texts,
    last_success=st.none() | times,
    failures=counts,
)


def tasks_in(folder: Path) -> list[TaskState]:
    async def look() -> list[TaskState]:
        store = in_store(folder)
        await store.open()
        try:
            return await store.tasks()
        finally:
            await store.close()

    return asyncio.run(look())


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    (tmp_path / "shop.py").write_text(SHOP, encoding="utf-8")
    fill(tmp_path, [Past(tick=5), Past(tick=6, key="backup", outcome="failed")])
    aioclock("pause", "shop:app", "report", "--note", "no:\n 'holiday'", folder=tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("state")


@given(
    tasks=st.lists(states, max_size=3, unique_by=lambda task: task.key),
    form=st.sampled_from(["json", "yaml"]),
    any_letter=st.booleans(),
)
def test_what_is_read_is_what_was_written(
    tasks: list[TaskState], form: Literal["json", "yaml"], any_letter: bool, scratch: Path
) -> None:
    file = scratch / f"state.{form}"
    text = written(document_of(tasks, store="a store", at=NOW), form, any_letter=any_letter)
    file.write_text(text, encoding="utf-8" if any_letter else "ascii", newline="")
    assert read_tasks(str(file)) == tasks


def test_the_document_has_a_version_and_readable_times() -> None:
    task = TaskState(key="report", anchor=1_795_765_292_065_057, cursor=EXHAUSTED, override=TRIGGER, last_success=0)
    assert document_of([task], store=STORE, at=NOW) == {
        "aioclock_state": 1,
        "exported_at": "2026-11-27T07:41:32.065057+00:00",
        "store": STORE,
        "tasks": [
            {
                "key": "report",
                "anchor": "2026-11-27T07:41:32.065057+00:00",
                "cursor": "exhausted",
                "fence": 0,
                "generation": 0,
                "fired": 0,
                "paused": False,
                "note": None,
                "override": TRIGGER,
                "fingerprint": "",
                "last_success": "1970-01-01T00:00:00.000000+00:00",
                "failures": 0,
            }
        ],
    }


@pytest.mark.parametrize("options", [[], ["--format", "json"], ["--json"], ["--format", "yaml"]], ids=" ".join)
def test_an_export_goes_into_another_store(shop: Path, options: list[str]) -> None:
    done = aioclock("state", "export", "shop:app", *options, folder=shop)
    assert (done.returncode, done.stderr) == (0, "")
    other = shop / "other"
    other.mkdir()
    file = other / ("state.json" if "json" in "".join(options) else "state.yaml")
    file.write_text(done.stdout, encoding="utf-8")
    done = aioclock("state", "import", "--store", STORE, file.name, folder=other)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"2 tasks written to the store {STORE}\n"
    assert [replace(task, changed_at=0) for task in tasks_in(other)] == [
        replace(task, changed_at=0) for task in tasks_in(shop)
    ]


def test_a_file_by_its_name(shop: Path) -> None:
    done = aioclock("state", "export", "shop:app", "-o", "state.json", folder=shop)
    assert (done.returncode, done.stdout) == (0, "2 tasks written to state.json\n")
    assert len(json.loads((shop / "state.json").read_text())["tasks"]) == 2
    done = aioclock("state", "export", "shop:app", "-o", "no/state.json", folder=shop)
    assert (done.returncode, done.stderr) == (
        1, "aioclock: error: no/state.json can't be written: No such file or directory\n"
    )  # fmt: skip


@pytest.mark.parametrize("form", ["json", "yaml"])
def test_letters_that_stdout_can_not_show_come_through(shop: Path, form: str) -> None:
    aioclock("pause", "shop:app", "report", "--note", "F\u00e9rien \u2713", folder=shop)
    done = aioclock("state", "export", "shop:app", "--format", form, folder=shop, env={"PYTHONIOENCODING": "ascii"})
    file = shop / f"state.{form}"
    file.write_text(done.stdout, encoding="ascii")
    assert {task.note for task in read_tasks(str(file))} == {None, "F\u00e9rien \u2713"}


@pytest.mark.parametrize("env", [{"AIOCLOCK_APP": "shop:app"}, {"AIOCLOCK_STORE": STORE}], ids=str)
def test_one_argument_is_the_file_where_app_or_store_is_a_setting(shop: Path, env: dict[str, str]) -> None:
    aioclock("state", "export", "shop:app", "-o", "state.yaml", folder=shop)
    done = aioclock("state", "import", "state.yaml", folder=shop, env=env)
    assert (done.returncode, done.stdout) == (0, f"2 tasks written to the store {STORE}\n")


def test_merge_leaves_other_tasks_alone_and_never_moves_a_cursor_back(shop: Path) -> None:
    aioclock("state", "export", "shop:app", "-o", "state.yaml", folder=shop)
    fill(shop, [Past(tick=50)], keys=["report", "new"])
    later = {task.key: task.cursor for task in tasks_in(shop)}
    done = aioclock("state", "import", "shop:app", "state.yaml", "--json", folder=shop)
    assert json.loads(done.stdout) == {
        "store": STORE, "tasks": ["backup", "report"], "replaced": False, "forgotten": []
    }  # fmt: skip
    assert {task.key: task.cursor for task in tasks_in(shop)} == later


def test_replace_forgets_the_others_and_their_runs(shop: Path) -> None:
    aioclock("state", "export", "shop:app", "-o", "state.yaml", folder=shop)
    fill(shop, [Past(tick=50, key="new")], keys=["report", "new"])
    done = aioclock("state", "import", "shop:app", "state.yaml", "--replace", folder=shop)
    assert done.stdout == f"2 tasks written to the store {STORE}; forgotten: new\n"
    assert [task.key for task in tasks_in(shop)] == ["backup", "report"]
    runs = json.loads(aioclock("history", "shop:app", "--json", folder=shop).stdout)["runs"]
    assert {run["task_key"] for run in runs} == {"report", "backup"}


GOOD = {"key": "a", "anchor": "2026-01-01T00:00:00Z", "cursor": "2026-01-01T00:00:00+01:00"}


def test_little_is_needed(tmp_path: Path) -> None:
    (tmp_path / "state.json").write_text(json.dumps({"aioclock_state": 1, "tasks": [GOOD]}))
    [task] = read_tasks(str(tmp_path / "state.json"))
    assert task == TaskState(key="a", anchor=1_767_225_600_000_000, cursor=1_767_222_000_000_000)


@pytest.mark.parametrize(
    ("wrong", "complaint"),
    [
        ({"key": ""}, "tasks.0.key: key must not be empty"),
        ({"key": 5}, "tasks.0.key: key must be text, got 5; put it in quotes"),
        ({"cursor": None}, "tasks.0.cursor: cursor must be text, got None"),
        ({"cursor": "soon"}, "tasks.0.cursor: cursor must be an ISO 8601 time with an offset, as in "
                             "2026-03-29T02:30:00.000000+00:00, got 'soon'"),
        ({"anchor": "2026-01-01T00:00"}, "tasks.0.anchor: anchor must be an ISO 8601 time with an offset, as in "
                                         "2026-03-29T02:30:00.000000+00:00, got '2026-01-01T00:00'"),
        ({"fence": -1}, "tasks.0.fence: fence must be a whole number, 0 or more, got -1"),
        ({"fence": True}, "tasks.0.fence: fence must be a whole number, 0 or more, got True"),
        ({"fired": 2**63}, f"tasks.0.fired: fired must be a whole number, 0 or more, got {2**63}"),
        ({"paused": "yes"}, "tasks.0.paused: paused must be true or false, got 'yes'"),
        ({"note": 5}, "tasks.0.note: note must be text, got 5; put it in quotes"),
        ({"override": "{}"}, "tasks.0.override: override must be a trigger as JSON: unable to extract tag using "
                             "discriminator 'type_'"),
        ({"fingerprnt": ""}, "tasks.0.fingerprnt: unknown key; did you mean 'fingerprint'?"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_with_its_line_and_nothing_is_written(
    tmp_path: Path, wrong: dict[str, Any], complaint: str
) -> None:
    document = {"aioclock_state": 1, "tasks": [{**GOOD, **wrong}]}
    text = json.dumps(document, indent=1)
    (tmp_path / "state.json").write_text(text)
    line = next(n for n, line in enumerate(text.splitlines(), 1) if f'"{next(iter(wrong))}"' in line)
    done = aioclock("state", "import", "--store", STORE, "state.json", folder=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"aioclock: error: state.json:{line}: {complaint}\n"
    assert not (tmp_path / "clock.db").exists()


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "state.yaml:1: the file must be a mapping, got None"),
        ("tasks: []", "state.yaml:1: aioclock_state is missing; this is not what `aioclock state export` writes"),
        ("aioclock_state: 2", "state.yaml:1: aioclock_state: the version must be 1, got 2; "
                              "a newer aioclock may have written it"),
        ("aioclock_state: 1", "state.yaml:1: tasks is missing"),
        ("aioclock_state: 1\ntasks: {}", "state.yaml:2: tasks: tasks must be a list, got {}"),
        ("aioclock_state: 1\ntasks: [5]", "state.yaml:2: tasks.0: a task must be a mapping, got 5"),
        ("aioclock_state: 1\ntasks:\n- key: a\n", "state.yaml:3: tasks.0: anchor is missing\n"
                                                  "state.yaml:3: tasks.0: cursor is missing"),
        ("aioclock_state: 1\ntask: []\ntasks: []", "state.yaml:2: task: unknown key; did you mean 'tasks'?"),
        (f"aioclock_state: 1\ntasks:\n- {json.dumps(GOOD)}\n- {json.dumps(GOOD)}",
         "state.yaml:4: tasks.1.key: the task in line 3 has this key already"),
        ("a: b: c", "state.yaml:1: not YAML: mapping values are not allowed here; put a text with a colon in quotes"),
        ("[" * 5000, None),
    ],
)  # fmt: skip
def test_a_file_that_is_no_export(tmp_path: Path, text: str, complaint: str | None) -> None:
    (tmp_path / "state.yaml").write_text(text)
    done = aioclock("state", "import", "--store", STORE, "state.yaml", folder=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert complaint is None or done.stderr == f"aioclock: error: {complaint}\n"
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "which file? name the app and the file, as in module:app FILE"),
        (["--store", STORE, "sate.yaml"], "there is no file 'sate.yaml'; did you mean 'state.yaml'?"),
        (["--store", STORE, "state.txt"], "state.txt: what `aioclock state export` writes ends in .yaml or .json"),
    ],
)  # fmt: skip
def test_a_file_that_is_not_there(tmp_path: Path, arguments: list[str], message: str) -> None:
    (tmp_path / "state.yaml").write_text("")
    done = aioclock("state", "import", *arguments, folder=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"aioclock: error: {message}\n")
