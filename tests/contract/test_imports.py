"""Names stand where code written for AioClock looks for them."""

import importlib
import logging
import subprocess
import sys
from enum import Enum
from importlib import resources
from pathlib import Path

import fast_depends
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

import aioclock
from aioclock import custom_types, exceptions, triggers
from aioclock.provider import get_provider
from aioclock.utils import StrEnum, flatten_chain

PATHS = {
    "aioclock": "AioClock Group Depends At Cron Every Forever Once OnStartUp OnShutDown OrTrigger __version__",
    "aioclock.app": "AioClock",
    "aioclock.group": "Group",
    "aioclock.task": "Task",
    "aioclock.triggers": (
        "At Cron Every Forever Once OnStartUp OnShutDown OrTrigger BaseTrigger LoopController TriggerT"
    ),
    "aioclock.api": "TaskMetadata run_specific_task run_with_injected_deps get_metadata_of_all_tasks",
    "aioclock.exceptions": "BaseAioClockException TaskIdNotFound TaskTimeoutError",
    "aioclock.custom_types": "Triggers EveryT SecondT MinuteT HourT PositiveNumber",
    "aioclock.provider": "get_provider",
    "aioclock.logger": "logger",
    "aioclock.stores": "MemoryStore RedisStore SQLStore SQLiteStore Store TransactionalStore store_at",
    "aioclock.utils": "flatten_chain StrEnum",
    "aioclock.ext.fast": "make_fastapi_router",
}

TRIGGER_FIELDS: dict[str, dict[str, object]] = {
    "ONCE": {},
    "FOREVER": {},
    "EVERY": {"seconds": 1},
    "AT": {"tz": "UTC"},
    "CRON": {"cron": "* * * * *", "tz": "UTC"},
    "OR": {"triggers": [{"type_": "EVERY", "seconds": 1}]},
}


@pytest.mark.parametrize(("path", "name"), [(path, name) for path, names in PATHS.items() for name in names.split()])
def test_every_name_is_importable_from_its_path(path: str, name: str) -> None:
    assert hasattr(importlib.import_module(path), name)


def test_a_name_is_one_object_wherever_it_is_imported_from() -> None:
    assert importlib.import_module("aioclock.app").AioClock is aioclock.AioClock
    assert importlib.import_module("aioclock.group").Group is aioclock.Group
    for name in ("At", "Cron", "Every", "Forever", "Once", "OnStartUp", "OnShutDown", "OrTrigger"):
        assert getattr(triggers, name) is getattr(aioclock, name)


def test_public_names_are_sorted_and_include_the_promised_ones() -> None:
    assert list(aioclock.__all__) == sorted(aioclock.__all__)
    assert set(PATHS["aioclock"].split()) <= set(aioclock.__all__)


def test_a_star_import_finds_every_public_name() -> None:
    assert [name for name in aioclock.__all__ if not hasattr(aioclock, name)] == []


@pytest.mark.parametrize("name", ["app", "events", "exceptions", "logger", "task", "testing", "triggers"])
def test_a_module_is_there_after_importing_the_package(name: str) -> None:
    program = f"import aioclock; print(aioclock.{name}.__name__)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == f"aioclock.{name}\n"


def test_the_package_shows_its_names_and_no_others() -> None:
    assert set(aioclock.__all__) <= set(dir(aioclock))
    with pytest.raises(AttributeError, match="module 'aioclock' has no attribute 'nope'"):
        _ = aioclock.nope  # type: ignore[attr-defined] # that is what a checker says of it, too
    assert "TYPE_CHECKING" not in dir(aioclock)


def test_a_type_checker_knows_which_names_there_are(tmp_path: Path) -> None:
    pytest.importorskip("mypy", reason="mypy is one of the tools for `make check`")
    program = tmp_path / "program.py"
    program.write_text("import aioclock\nfrom aioclock import Every\nEvery(seconds=1)\naioclock.nope\n")
    command = [sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(tmp_path / "cache"), str(program)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert 'program.py:4: error: Module has no attribute "nope"' in done.stdout
    assert "Found 1 error" in done.stdout


def test_depends_is_the_one_of_fast_depends() -> None:
    assert aioclock.Depends is fast_depends.Depends


def test_the_version_reads_as_one() -> None:
    assert aioclock.__version__.split(".")[0].isdecimal()


@pytest.mark.parametrize("name", ["CRON", "EVERY", "ONCE", "FOREVER", "ON_START_UP", "ON_SHUT_DOWN", "AT", "OR"])
def test_the_value_of_a_trigger_name_equals_the_name(name: str) -> None:
    member = custom_types.Triggers[name]
    assert member.value == name
    assert isinstance(member, str)


def test_no_trigger_name_is_added_or_missing() -> None:
    assert {member.name for member in custom_types.Triggers} == {*TRIGGER_FIELDS, "ON_START_UP", "ON_SHUT_DOWN"}


def test_errors_of_the_project_have_one_root() -> None:
    assert issubclass(exceptions.TaskIdNotFound, exceptions.BaseAioClockException)
    assert issubclass(exceptions.TaskTimeoutError, exceptions.BaseAioClockException)
    assert issubclass(exceptions.BaseAioClockException, Exception)


def test_a_task_timeout_is_a_timeout_error() -> None:
    assert issubclass(exceptions.TaskTimeoutError, TimeoutError)


def test_the_logger_is_the_standard_one_named_aioclock() -> None:
    assert importlib.import_module("aioclock.logger").logger is logging.getLogger("aioclock")


def test_the_default_provider_is_one_per_process() -> None:
    assert get_provider() is get_provider()


def test_type_information_ships_with_the_package() -> None:
    assert resources.files("aioclock").joinpath("py.typed").is_file()


@given(st.lists(st.lists(st.integers())))
def test_flatten_chain_keeps_every_item_in_order(nested: list[list[int]]) -> None:
    assert list(flatten_chain(nested)) == [item for inner in nested for item in inner]


def test_a_member_of_a_string_enum_is_its_value() -> None:
    class Colour(StrEnum):
        RED = "red"

    assert issubclass(Colour, Enum)
    assert Colour.RED == "red"
    assert str(Colour.RED) == "red"


@pytest.mark.parametrize(("alias", "highest"), [("SecondT", 59), ("MinuteT", 59), ("HourT", 23)])
def test_a_clock_field_takes_what_a_clock_shows(alias: str, highest: int) -> None:
    adapter = TypeAdapter(getattr(custom_types, alias))
    assert [adapter.validate_python(value) for value in (0, highest)] == [0, highest]
    for refused in (-1, highest + 1):
        with pytest.raises(ValidationError, match=str(refused)):
            adapter.validate_python(refused)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_positive_number_is_never_below_zero(number: float) -> None:
    adapter = TypeAdapter(custom_types.PositiveNumber)
    if number > 0:
        assert adapter.validate_python(number) == number
    elif number < 0:
        with pytest.raises(ValidationError):
            adapter.validate_python(number)


def test_every_day_and_each_weekday_are_the_days_of_at() -> None:
    adapter = TypeAdapter(custom_types.EveryT)
    days = ["day", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
    assert [adapter.validate_python(f"every {day}") for day in days] == [f"every {day}" for day in days]
    with pytest.raises(ValidationError, match="every funday"):
        adapter.validate_python("every funday")


@pytest.mark.parametrize("type_", TRIGGER_FIELDS)
def test_the_union_of_triggers_is_told_apart_by_type(type_: str) -> None:
    built = TypeAdapter(triggers.TriggerT).validate_python({"type_": type_, **TRIGGER_FIELDS[type_]})
    assert type(built).__name__.upper().removesuffix("TRIGGER") == type_


def test_the_union_of_triggers_refuses_an_unknown_type() -> None:
    with pytest.raises(ValidationError, match="SOMETIMES"):
        TypeAdapter(triggers.TriggerT).validate_python({"type_": "SOMETIMES"})


def test_without_fastapi_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    for loaded in [name for name in sys.modules if name.split(".")[0] == "fastapi" or name == "aioclock.ext.fast"]:
        monkeypatch.delitem(sys.modules, loaded)
    monkeypatch.setitem(sys.modules, "fastapi", None)
    with pytest.raises(ImportError, match=r"aioclock\[fastapi\]"):
        importlib.import_module("aioclock.ext.fast")


def test_importing_the_package_imports_no_optional_one() -> None:
    # A fresh interpreter: this one has long imported them.
    loaded = "import sys, aioclock; print(*{name.split('.')[0] for name in sys.modules})"
    answer = subprocess.run([sys.executable, "-c", loaded], capture_output=True, text=True, check=True)
    assert "aioclock" in answer.stdout.split()
    assert {"fastapi", "pytest", "hypothesis", "uvicorn", "sqlalchemy", "redis"}.isdisjoint(answer.stdout.split())
