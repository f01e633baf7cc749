"""`aioclock export`, as a user runs it. What each target can say is tested in tests/cli/export."""

import fcntl
import json
import plistlib
import subprocess
import sysconfig
from pathlib import Path
from xml.etree.ElementTree import fromstring

import pytest
import yaml

from aioclock.cli._errors import CommandError
from aioclock.cli._exporting._export import Request, _invocation
from commands import COMMAND, aioclock

SHOP = """
import warnings

from aioclock import AioClock, At, Every, OnStartUp

app = AioClock()


def make_app():
    return app


@app.task(trigger=At(hour=9, at="every monday", tz="UTC"), name="weekly report")
async def report(): ...


@app.task(trigger=Every(minutes=15))
async def poll(): ...


with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)

    @app.task(trigger=OnStartUp())
    async def open_up(): ...
"""
ODD = """
from aioclock import AioClock, Every, Forever

app = AioClock()


@app.task(trigger=Every(minutes=45))
async def odd(): ...


@app.task(trigger=Forever())
async def consume(): ...


@app.task(trigger=Every(minutes=15))
async def poll(): ...


nothing = AioClock()
"""
WINDOWS = ("--command", r'"C:\Program Files\shop\aioclock.exe"', "--working-directory", r"C:\srv")
OPTIONS = {
    "systemd": (),
    "crontab": ("--local-zone", "UTC"),
    "launchd": ("--local-zone", "UTC"),
    "schtasks": ("--local-zone", "UTC", *WINDOWS),
    "k8s": ("--image", "shop:1.4"),
}
NOTE = "aioclock: note: shop:open_up: left out, it belongs to the life of the app\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "shop.py").write_text(SHOP)
    (tmp_path / "odd.py").write_text(ODD)
    return tmp_path


def test_systemd_prints_service_and_timer(folder: Path) -> None:
    done = aioclock("export", "systemd", "shop.py:app", "--task", "weekly report", folder=folder)
    assert (done.returncode, done.stderr) == (0, "")
    assert (
        done.stdout
        == f"""\
# aioclock-weekly-report.service
[Unit]
Description=aioclock task weekly report
StartLimitIntervalSec=0

[Service]
Type=oneshot
WorkingDirectory={folder}
ExecStart={COMMAND} trigger shop.py:app "weekly report"

# aioclock-weekly-report.timer
# At(hour=9, at='every monday', tz='UTC')
[Unit]
Description=schedule of aioclock task weekly report

[Timer]
OnCalendar=Mon *-*-* 09:00:00 UTC
DeferReactivation=yes
AccuracySec=1us

[Install]
WantedBy=timers.target
"""
    )


def test_crontab_prints_lines(folder: Path) -> None:
    done = aioclock("export", "crontab", "shop:make_app", "--factory", *OPTIONS["crontab"], folder=folder)
    assert done.returncode == 0
    assert done.stderr.startswith(NOTE)
    lines = [line for line in done.stdout.splitlines() if line and not line.startswith("#")]
    run = f"cd {folder} && {COMMAND} trigger --factory shop:make_app"
    assert lines == [f"0 9 * * 1 {run} 'weekly report'", f"*/15 * * * * {run} shop:poll"]


def test_k8s_prints_a_stream_of_documents(folder: Path) -> None:
    done = aioclock("export", "k8s", "shop:app", *OPTIONS["k8s"], folder=folder)
    assert (done.returncode, done.stderr) == (0, NOTE)
    documents = list(yaml.safe_load_all(done.stdout))
    assert [document["spec"]["schedule"] for document in documents] == ["0 9 * * 1", "*/15 * * * *"]


def test_launchd_and_schtasks_print_xml(folder: Path) -> None:
    done = aioclock("export", "launchd", "shop:app", "--task", "poll", *OPTIONS["launchd"], folder=folder)
    assert plistlib.loads(done.stdout.encode())["StartInterval"] == 900
    done = aioclock("export", "schtasks", "shop:app", "--task", "poll", *OPTIONS["schtasks"], folder=folder)
    assert fromstring(done.stdout).find(".//{*}Command").text == r"C:\Program Files\shop\aioclock.exe"  # type: ignore[union-attr]


def test_json_lists_the_files(folder: Path) -> None:
    done = aioclock("export", "systemd", "shop:app", "--json", folder=folder)
    assert (done.returncode, done.stderr) == (0, NOTE)
    files = json.loads(done.stdout)
    assert [(file["task"], file["file"]) for file in files] == [
        ("weekly report", "aioclock-weekly-report.service"),
        ("weekly report", "aioclock-weekly-report.timer"),
        ("shop:poll", "aioclock-shop-poll.service"),
        ("shop:poll", "aioclock-shop-poll.timer"),
    ]
    assert all(file.keys() == {"task", "file", "content"} for file in files)
    assert "OnCalendar=*-*-* *:00,15,30,45:00 UTC" in files[3]["content"]


@pytest.mark.parametrize(("target", "ending"), [("systemd", ".timer"), ("crontab", ""), ("launchd", ".plist"),
                                               ("schtasks", ".xml"), ("k8s", ".yaml")])  # fmt: skip
def test_files_are_written_and_never_overwritten_unasked(folder: Path, target: str, ending: str) -> None:
    command = ("export", target, "shop:app", "--task", "poll", *OPTIONS[target], "--output", "new/units")
    done = aioclock(*command, folder=folder)
    assert done.returncode == 0, done.stderr
    file = folder / "new" / "units" / f"aioclock-shop-poll{ending}"
    assert f"new/units/{file.name}" in done.stdout.splitlines()
    content = file.read_text()
    file.write_text("mine")
    again = aioclock(*command, folder=folder)
    assert (again.returncode, again.stdout) == (1, "")
    assert again.stderr.endswith("--force overwrites\n")
    assert file.read_text() == "mine"
    assert aioclock(*command, "--force", folder=folder).returncode == 0
    assert file.read_text() == content


def test_one_task_that_cannot_be_exported_stops_all(folder: Path) -> None:
    done = aioclock("export", "crontab", "odd:app", *OPTIONS["crontab"], "-o", "units", folder=folder)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "odd:odd: Every(minutes=45): a crontab begins anew with every hour, and 45 minutes don't divide 60\n"
        "odd:consume: Forever() begins again when a run ends; serve it with `aioclock run`\n"
        "aioclock: error: 2 of 3 tasks can't be exported to crontab exactly, so nothing was; "
        "choose others with --task KEY\n"
    )
    assert not (folder / "units").exists()


def test_the_only_task_that_cannot_be_exported_has_its_reason_in_the_error(folder: Path) -> None:
    done = aioclock("export", "k8s", "odd:app", *OPTIONS["k8s"], "--task", "odd", folder=folder)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "aioclock: error: task 'odd:odd' can't be exported to k8s exactly: "
        "Every(minutes=45): a CronJob begins anew with every hour, and 45 minutes don't divide 60\n"
    )


def test_a_task_of_the_apps_life_is_refused_when_asked_for(folder: Path) -> None:
    done = aioclock("export", "systemd", "shop:app", "--task", "open_up", folder=folder)
    assert done.returncode == 1
    assert "OnStartUp belongs to the life of the app, not to a schedule" in done.stderr


def test_options_of_the_targets(folder: Path) -> None:
    command = ("--command", "/usr/bin/uv run aioclock", "--working-directory", "/srv/shop", "--task", "poll")
    done = aioclock("export", "systemd", "shop:app", *command, "--user", "shop", folder=folder)
    assert "User=shop\nExecStart=/usr/bin/uv run aioclock trigger shop:app shop:poll\n" in done.stdout
    assert "WorkingDirectory=/srv/shop\n" in done.stdout
    done = aioclock(
        "export", "crontab", "shop:app", *command, "--user", "shop", "--lock-directory", "/run/lock",
        "--local-zone", "Europe/Berlin", "--dialect", "cronie", folder=folder,
    )  # fmt: skip
    run = "flock --nonblock /run/lock/aioclock-shop-poll.lock /usr/bin/uv run aioclock trigger shop:app shop:poll"
    assert done.stdout.splitlines()[-1] == f"*/15 * * * * shop cd /srv/shop && {run}"
    done = aioclock("export", "k8s", "shop:app", *command, "--image", "shop", "--namespace", "x", folder=folder)
    document = yaml.safe_load(done.stdout)
    assert document["metadata"]["namespace"] == "x"
    [container] = document["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"]
    assert container["workingDir"] == "/srv/shop"
    assert container["command"] == ["/usr/bin/uv", "run", "aioclock", "trigger", "shop:app", "shop:poll"]


def test_lines_with_cron_tz_come_last_for_it_holds_for_all_below(folder: Path) -> None:
    (folder / "zones.py").write_text(
        "from aioclock import AioClock, At\napp = AioClock()\n"
        "for zone in ('Asia/Tokyo', 'UTC'):\n"
        "    app.add_task(print, trigger=At(hour=9, tz=zone), name=zone)\n"
    )
    command = ("export", "crontab", "zones:app", *OPTIONS["crontab"], "--dialect", "cronie")
    done = aioclock(*command, folder=folder)
    lines = [line for line in done.stdout.splitlines() if line and not line.startswith("#")]
    assert lines[0].endswith("zones:app UTC")
    assert lines[1] == "CRON_TZ=Asia/Tokyo"
    assert lines[2].endswith("zones:app Asia/Tokyo")


def test_the_machine_is_this_one_unless_the_user_says_otherwise(folder: Path) -> None:
    command = ("export", "crontab", "shop:app", "--task", "weekly report")
    assert aioclock(*command, folder=folder, env={"TZ": "UTC"}).returncode == 0
    done = aioclock(*command, folder=folder, env={"TZ": "Asia/Tokyo"})
    assert (done.returncode, done.stdout) == (1, "")
    assert "read in the zone of its machine, Asia/Tokyo; if that is wrong: --local-zone" in done.stderr


def test_without_a_console_script_the_user_says_what_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sysconfig, "get_path", lambda name: str(tmp_path))
    request = Request(target="systemd", app="a:b", factory=False, tasks=(), command=None, folder=None)
    with pytest.raises(CommandError, match=f"no console script aioclock in '{tmp_path}'; say what is run: --command"):
        _invocation(request)


def test_the_command_of_a_line_runs_the_task_and_not_twice_at_once(tmp_path: Path) -> None:
    key, folder = "100% \"sure\" 'it' $HOME; `x`", tmp_path / "it's here"
    folder.mkdir()
    (folder / "shop.py").write_text(
        "from aioclock import AioClock, Every\napp = AioClock()\n"
        f"app.add_task(lambda: 'done', trigger=Every(hours=1), name={key!r})\n"
    )
    done = aioclock(
        "export", "crontab", "shop:app", "--lock-directory", str(tmp_path), *OPTIONS["crontab"], folder=folder
    )
    command = done.stdout.splitlines()[-1].removeprefix("0 * * * * ").replace("\\%", "%")
    assert shell(command, tmp_path).stdout == "done\n"
    [lock] = tmp_path.glob("*.lock")
    with lock.open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        skipped = shell(command, tmp_path)
    assert (skipped.returncode, skipped.stdout) == (1, "")


def shell(command: str, folder: Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        ["/bin/sh", "-c", command], cwd=folder, capture_output=True, text=True, timeout=30, check=False
    )


def test_the_app_of_the_environment_stands_in_the_unit(folder: Path) -> None:
    done = aioclock("export", "systemd", "--task", "poll", folder=folder, env={"AIOCLOCK_APP": "shop:app"})
    assert f"ExecStart={COMMAND} trigger shop:app shop:poll\n" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "code", "complaint"),
    [
        (["systemd", "shop:app", "--task", "pol"], 2, "no task of the app answers to 'pol'; did you mean"),
        (["systemd", "shop:app", "--user", "a b"], 2, "--user can't be 'a b'"),
        (["systemd", "shop:app", "--command", "'a"], 2, "--command \"'a\" can't be taken apart"),
        (["systemd", "shop:app", "--command", ""], 2, "--command is empty"),
        (["systemd", "odd:nothing"], 1, "the app has no task with a schedule"),
        (["crontab", "shop:app", "--local-zone", "Europe/Berlni"], 2, "unknown time zone 'Europe/Berlni'; did"),
        (["crontab", "shop:app", "--dialect", "dcron"], 2, "'dcron' is not one of"),
        (["crontab", "shop:app", "--lock-directory", "locks"], 2, "must be an absolute path, got 'locks'"),
        (["k8s", "shop:app"], 2, "Missing option '--image'"),
        (["k8s", "shop:app", "--image", "a b"], 2, "--image can't be 'a b'"),
        (["k8s", "shop:app", "--image", "a", "--namespace", "A"], 2, "--namespace can't be 'A'"),
        (["schtasks", "shop:app"], 2, "this machine is not Windows; say what is run there, and where"),
        (["systemd", "shop:app", "-o", "shop.py"], 1, "can't write to 'shop.py'"),
        (["cron", "shop:app"], 2, "No such command 'cron'. Did you mean 'crontab'?"),
    ],
)  # fmt: skip
def test_bad_input(folder: Path, arguments: list[str], code: int, complaint: str) -> None:
    done = aioclock("export", *arguments, folder=folder, env={"COLUMNS": "160"})
    assert (done.returncode, done.stdout) == (code, "")
    assert complaint in done.stderr


@pytest.mark.parametrize("target", OPTIONS)
def test_each_target_explains_itself_with_an_example(folder: Path, target: str) -> None:
    done = aioclock("export", target, "--help", folder=folder, env={"COLUMNS": "120"})
    assert done.returncode == 0
    assert f"Example: aioclock export {target} " in done.stdout
