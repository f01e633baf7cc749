"""Which app a command is about."""

from pathlib import Path

import pytest

from commands import aioclock

SHOP = """
from aioclock import AioClock, Every

app = AioClock()
unrelated = 3


class Holder:
    app = app


@app.task(trigger=Every(hours=1))
async def tidy_up():
    return "tidy"


def make():
    return app


def fail():
    raise OSError("no database")


def make_nothing():
    return None
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "shop.py").write_text(SHOP, encoding="utf-8")
    return tmp_path


def written(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    "arguments",
    [
        ["shop:app"],
        ["shop"],
        ["shop.py"],
        ["shop:Holder.app"],
        ["shop:make", "--factory"],
    ],
)
def test_an_app_is_named_by_module_or_file(folder: Path, arguments: list[str]) -> None:
    done = aioclock("trigger", arguments[0], "tidy_up", *arguments[1:], folder=folder)
    assert (done.returncode, done.stdout, done.stderr) == (0, "tidy\n", "")


def test_a_file_of_a_package_is_imported_by_its_full_name(tmp_path: Path) -> None:
    written(tmp_path / "src/market/__init__.py", "")
    written(tmp_path / "src/market/names.py", 'GREETING = "hello"\n')
    text = SHOP.replace('return "tidy"', "return GREETING")
    written(tmp_path / "src/market/shop.py", "from .names import GREETING\n" + text)
    done = aioclock("trigger", "src/market/shop.py:app", "market.shop:tidy_up", folder=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "hello\n", "")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["shop:ap"], "'shop:ap': 'shop' has no 'ap'; the apps in it: app"),
        (["shop:Holder.apps"], "'shop:Holder.apps': 'shop' has no 'Holder.apps'; the apps in it: app"),
        (["shop:unrelated"], "'shop:unrelated' is no AioClock app but builtins.int"),
        (["shop:make"], "'shop:make' is no AioClock app but builtins.function; if it returns one: --factory"),
        (["shop:app", "--factory"], "'shop:app' is no function that returns an app; leave --factory out"),
        (["shop:make_nothing", "--factory"], "'shop:make_nothing' is no AioClock app but builtins.NoneType"),
        (["shopp:app"], "there is no module 'shopp' here or among the installed packages"),
        (["shop.goods:app"], "there is no module 'shop.goods' here or among the installed packages"),
        (["shp.py:app"], "there is no file 'shp.py'; did you mean 'shop.py'?"),
        (["shop:"], "an app is named like module:app or path/to/file.py:app, got 'shop:'"),
        ([":app"], "an app is named like module:app or path/to/file.py:app, got ':app'"),
    ],
)
def test_what_is_no_app_is_said_in_one_line(folder: Path, arguments: list[str], message: str) -> None:
    done = aioclock("trigger", arguments[0], "tidy_up", *arguments[1:], folder=folder)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"aioclock: error: {message}\n")


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("import missing_package", "No module named 'missing_package'"),
        ("def broken(:", "SyntaxError: invalid syntax (broken.py, line 1)"),
        ("raise SystemExit('not now')", "SystemExit: not now"),
        (
            "from aioclock import Every; Every(seconds=-1)",
            "ValidationError: 1 validation error for Every",
        ),
    ],
)
def test_an_app_that_can_not_be_imported_shows_the_users_traceback(tmp_path: Path, line: str, complaint: str) -> None:
    written(tmp_path / "broken.py", line + "\n")
    done = aioclock("run", "broken:app", folder=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    before, _, message = done.stderr.partition("aioclock: error: ")
    assert before.startswith("Traceback (most recent call last):\n")
    assert str(tmp_path / "broken.py") in before
    assert "importlib" not in before
    assert message.startswith(f"importing 'broken' failed: {complaint}")


def test_a_failing_factory_shows_the_users_traceback(folder: Path) -> None:
    done = aioclock("run", "shop:fail", "--factory", folder=folder)
    assert done.returncode == 2
    assert 'raise OSError("no database")' in done.stderr
    assert done.stderr.endswith("aioclock: error: the factory 'shop:fail' failed: OSError: no database\n")


def test_a_file_with_the_name_of_another_module_is_refused(tmp_path: Path) -> None:
    written(tmp_path / "json.py", SHOP)
    done = aioclock("run", "json.py:app", folder=tmp_path)
    assert done.returncode == 2
    assert "can't be imported: its name 'json' is that of" in done.stderr


@pytest.mark.parametrize(
    ("variables", "table", "message"),
    [
        ({"AIOCLOCK_LOG_FORMAT": "yaml"}, "", "the setting 'log_format' (AIOCLOCK_LOG_FORMAT, or log_format in"),
        ({}, 'log_level = "loud"', "the setting 'log_level' (AIOCLOCK_LOG_LEVEL, or log_level in"),
        ({}, 'colour = "red"', "unknown setting 'colour' in [tool.aioclock] of pyproject.toml"),
    ],
)
def test_bad_settings_are_refused_by_name(folder: Path, variables: dict[str, str], table: str, message: str) -> None:
    (folder / "pyproject.toml").write_text(f"[tool.aioclock]\n{table}\n", encoding="utf-8")
    done = aioclock("run", "shop:app", folder=folder, env=variables)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"aioclock: error: {message}")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[tool.aioclock\n", "is not TOML: Expected"),
        ("[tool]\naioclock = 3\n", "must be a table of settings"),
        ('[tool.aioclock]\nap = "shop:app"\nfactory = "perhaps"\n', "unknown setting 'ap' in [tool.aioclock]"),
    ],
)
def test_a_broken_pyproject_file_is_said_in_one_line(folder: Path, text: str, message: str) -> None:
    (folder / "pyproject.toml").write_text(text, encoding="utf-8")
    done = aioclock("run", folder=folder)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert message in done.stderr


@pytest.mark.parametrize("app", ["shop:app", "shop.py:app"])
def test_an_app_of_a_file_above_is_looked_for_beside_that_file(folder: Path, app: str) -> None:
    (folder / "pyproject.toml").write_text(f'[tool.aioclock]\napp = "{app}"\n', encoding="utf-8")
    (folder / "below" / "it").mkdir(parents=True)
    done = aioclock("trigger", "tidy_up", folder=folder / "below" / "it")
    assert (done.returncode, done.stdout, done.stderr) == (0, "tidy\n", "")


def test_empty_variables_are_as_if_they_were_not_set(folder: Path) -> None:
    (folder / "pyproject.toml").write_text('[tool.aioclock]\napp = "shop:app"\n', encoding="utf-8")
    empty = {"AIOCLOCK_APP": "", "AIOCLOCK_STRICT": "", "AIOCLOCK_LOG_FORMAT": ""}
    assert aioclock("trigger", "tidy_up", folder=folder, env=empty).stdout == "tidy\n"


def test_what_is_typed_undoes_a_setting(folder: Path) -> None:
    done = aioclock("trigger", "shop:app", "tidy_up", "--no-factory", folder=folder, env={"AIOCLOCK_FACTORY": "true"})
    assert (done.returncode, done.stdout) == (0, "tidy\n")


def test_an_app_that_reads_arguments_does_not_get_those_of_the_command(folder: Path) -> None:
    text = "import argparse; argparse.ArgumentParser().parse_args()\n"
    (folder / "shop.py").write_text(text + SHOP, encoding="utf-8")
    done = aioclock("trigger", "shop:app", "tidy_up", folder=folder)
    assert (done.returncode, done.stdout) == (0, "tidy\n")


def test_letters_that_stdout_does_not_know_are_written_as_escapes(folder: Path) -> None:
    (folder / "shop.py").write_text(SHOP.replace("Every(hours=1)", 'Every(hours=1), name="2 €"'), encoding="utf-8")
    for command in ("list", "next"):
        done = aioclock(command, "shop:app", folder=folder, env={"PYTHONIOENCODING": "ascii"})
        assert (done.returncode, done.stderr) == (0, "")
        assert "2 \\u20ac" in done.stdout


@pytest.mark.parametrize("name", [".", "./noext", "shop.conf:app", "shop-tasks:app"])
def test_what_is_neither_a_module_nor_a_file_is_refused(folder: Path, name: str) -> None:
    done = aioclock("run", name, folder=folder)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)


def test_a_configuration_file_takes_no_name(folder: Path) -> None:
    done = aioclock("list", "conf/aioclock.yaml:app", folder=folder)
    complaint = "aioclock: error: a configuration file is an app by itself: 'conf/aioclock.yaml', without 'app'\n"
    assert (done.returncode, done.stderr) == (2, complaint)


def test_the_environment_goes_before_the_file(folder: Path) -> None:
    (folder / "pyproject.toml").write_text('[tool.aioclock]\napp = "nothing:app"\n', encoding="utf-8")
    done = aioclock("trigger", "tidy_up", folder=folder, env={"AIOCLOCK_APP": "shop:app"})
    assert done.stdout == "tidy\n"


def test_without_a_name_and_a_setting_the_app_is_asked_for(tmp_path: Path) -> None:
    done = aioclock("run", folder=tmp_path)
    assert done.returncode == 2
    assert done.stderr == (
        "aioclock: error: which app? name it like module:app or path/to/file.py:app, or set AIOCLOCK_APP\n"
    )
