"""Lines of a crontab, read by a second parser with the rules of the manual, and by `crontab` where it is installed."""

import itertools
import re
import shlex
import shutil
import subprocess
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from aioclock import At, Cron, Every, OrTrigger
from aioclock.cli._exporting._crontab import Crontab
from aioclock.cli._exporting._refusal import Refusal
from aioclock.cli._exporting._units import Invocation, Unit
from aioclock.policies import Overlap
from aioclock.triggers import BaseTrigger
from other_crons import CronLine, literal_runs, vixie_runs
from schedules import NOW, ZONES, moments, plan_for, schedules, ticks_until

RUN = Invocation(command=("/opt/shop/bin/aioclock",), app="shop:app", factory=False, folder="/srv/shop")
BERLIN = "Europe/Berlin"


def export(
    trigger: BaseTrigger,
    local_zone: str = "UTC",
    run: Invocation = RUN,
    key: str = "report",
    now: datetime = NOW,
    **given: Any,
) -> Unit:
    options = {name: given.pop(name, None) for name in ("cronie", "user", "lock_folder", "ignore_clock_changes")}
    exporter = Crontab(invocation=run, now=now, local_zone=local_zone, **options)
    return exporter.unit(plan_for(trigger, key, **given), "aioclock-report")


def lines_of(unit: Unit) -> list[str]:
    return [line for line in unit.files[0].content.splitlines() if not line.startswith("#")]


def fields_of(trigger: BaseTrigger, local_zone: str = "UTC", **given: Any) -> list[str]:
    lines = lines_of(export(trigger, local_zone, **given))
    return [re.match(r"((?:\S+ ){4}\S+) ", line)[1] for line in lines]  # type: ignore[index]


@given(
    schedule=schedules(special=False, longer=False), after=moments(), local=st.one_of(st.none(), st.sampled_from(ZONES))
)
@settings(max_examples=120, deadline=None)
@example(Cron(cron="0 0 */2 * 1", tz="UTC"), NOW, None)
@example(Cron(cron="0 0 1-31 * 1", tz="UTC"), NOW, None)
@example(Cron(cron="*/15 2 * * *", tz=BERLIN), datetime(2024, 3, 30, 12, tzinfo=UTC), None)
@example(Cron(cron="*/15 2 * * *", tz=BERLIN), datetime(2024, 10, 26, 12, tzinfo=UTC), None)
@example(At(hour=2, minute=30, tz=BERLIN), datetime(2024, 3, 30, 12, tzinfo=UTC), None)
@example(At(hour=2, minute=30, tz=BERLIN), datetime(2024, 10, 26, 12, tzinfo=UTC), None)
@example(Cron(cron="10 * * * *", tz="Asia/Kolkata"), NOW, BERLIN)
def test_cron_starts_the_task_when_it_is_due_and_once(schedule: Any, after: datetime, local: str | None) -> None:
    zone = local or schedule.tz
    try:
        lines = fields_of(schedule, zone)
    except Refusal:
        return
    until = after + timedelta(days=3)
    [line] = lines
    runs = vixie_runs(CronLine(line), ZoneInfo(zone), after, until)
    assert runs == Counter(ticks_until(schedule, after, until))


@given(parts=st.lists(schedules(special=False, longer=False), min_size=2, max_size=3), after=moments())
@settings(max_examples=40, deadline=None)
@example([At(hour=9, tz="UTC"), Cron(cron="0 9 1 1 *", tz="UTC")], NOW)
@example([At(hour=2, minute=30, tz=BERLIN), At(hour=3, tz=BERLIN)], datetime(2024, 3, 30, 12, tzinfo=UTC))
@example([At(hour=2, minute=30, tz=BERLIN), Cron(cron="*/5 2 * * *", tz=BERLIN)], datetime(2024, 3, 30, 12, tzinfo=UTC))
@example([At(hour=2, tz=BERLIN), At(hour=2, minute=30, tz=BERLIN)], datetime(2024, 3, 30, 12, tzinfo=UTC))
def test_several_triggers_are_several_lines_that_never_meet(parts: list[Any], after: datetime) -> None:
    schedule = OrTrigger(triggers=[part.model_copy(update={"tz": parts[0].tz}) for part in parts])
    try:
        lines = fields_of(schedule, parts[0].tz)
    except Refusal:
        return
    until = after + timedelta(days=3)
    runs: Counter[datetime] = Counter()
    for line in lines:
        runs += vixie_runs(CronLine(line), ZoneInfo(parts[0].tz), after, until)
    assert runs == Counter(ticks_until(schedule, after, until))


@given(schedule=schedules(special=False, longer=False), after=moments())
@settings(max_examples=60, deadline=None)
def test_cron_tz_is_read_as_the_clock_there_shows(schedule: Any, after: datetime) -> None:
    try:
        lines = lines_of(export(schedule, "UTC", cronie=True))
    except Refusal:
        return
    zone = lines[0].removeprefix("CRON_TZ=") if lines[0].startswith("CRON_TZ") else "UTC"
    fields = " ".join(lines[-1].split(" ")[:5])
    until = after + timedelta(days=3)
    runs = literal_runs(CronLine(fields), ZoneInfo(zone), after, until)
    assert runs == Counter(ticks_until(schedule, after, until))


MINUTES = st.integers(1, 20_160)


@given(
    minutes=st.one_of(MINUTES, st.sampled_from([2, 10, 30, 60, 120, 240, 480, 720, 1440, 10_080])),
    local=st.sampled_from(ZONES),
    after=moments(),
)
@settings(max_examples=150, deadline=None)
@example(30, "Australia/Lord_Howe", datetime(2024, 4, 6, 10, tzinfo=UTC))
@example(60, BERLIN, datetime(2024, 3, 30, 12, tzinfo=UTC))
@example(1440, "UTC", NOW)
@example(360, "Asia/Kolkata", NOW)
def test_an_interval_is_steady_or_refused(minutes: int, local: str, after: datetime) -> None:
    try:
        [line] = fields_of(Every(minutes=minutes), local)
    except Refusal:
        return
    until = after + timedelta(days=2) + timedelta(minutes=2 * minutes)
    runs = sorted(vixie_runs(CronLine(line), ZoneInfo(local), after, until))
    assert {later - run for run, later in itertools.pairwise(runs)} == {timedelta(minutes=minutes)}


@pytest.mark.parametrize(
    ("trigger", "zone", "line"),
    [
        (Every(minutes=1), BERLIN, "* * * * *"),
        (Every(minutes=15), BERLIN, "*/15 * * * *"),
        (Every(hours=1), BERLIN, "0 * * * *"),
        (Every(hours=6), "UTC", "0 */6 * * *"),
        (Every(days=1), "UTC", "0 0 * * *"),
        (Every(days=7), "UTC", "0 0 * * 0"),
        (At(hour=9, minute=5, at="every sunday", tz=BERLIN), BERLIN, "5 9 * * 0"),
        (Cron(cron="0 9-17/2 * jan-mar mon-fri", tz=BERLIN), BERLIN, "0 9,11,13,15,17 * 1-3 1-5"),
        (Cron(cron="@hourly", tz=BERLIN), "UTC", "0 * * * *"),
        (Cron(cron="*/20 * * * *", tz="Asia/Kolkata"), "UTC", "10,30,50 * * * *"),
        (Cron(cron="0 9 * * *", tz="Etc/UTC"), "UTC", "0 9 * * *"),
        (Cron(cron="*,5 1 * * *", tz="UTC"), "UTC", "* 1 * * *"),
    ],
)
def test_what_a_line_says(trigger: BaseTrigger, zone: str, line: str) -> None:
    assert fields_of(trigger, zone) == [line]


@pytest.mark.parametrize(
    ("trigger", "zone", "reason"),
    [
        (Every(minutes=45), "UTC", "a crontab begins anew with every hour, and 45 minutes don't divide 60"),
        (Every(minutes=90), "UTC", "begins anew with every hour, and 90 minutes are no number of whole hours"),
        (Every(hours=5), "UTC", "a crontab begins anew with every day, and 5 hours don't divide 24"),
        (Every(days=2), "UTC", "only 1 day and 1 week are steady, not 2 days"),
        (Every(seconds=90), "UTC", "a crontab counts in whole minutes, and the period is none"),
        (Every(hours=6), BERLIN, "clock changes in Europe/Berlin, where the crontab is read, would break the period"),
        (Every(minutes=20), "Australia/Lord_Howe", "clock changes in Australia/Lord_Howe"),
        (Every(minutes=5, mode="fixed_delay"), "UTC", "can't count from the end of a run"),
        (Every(minutes=5, first_run_strategy="immediate"), "UTC", "a crontab has no start; use 'wait'"),
        (At(hour=9, second=30, tz="UTC"), "UTC", "a crontab counts in minutes and has no seconds"),
        (At(hour=9, tz=BERLIN), "UTC", "is read in the zone of its machine, UTC; if that is wrong: --local-zone"),
        (Cron(cron="0 0 L * *", tz="UTC"), "UTC", "a crontab has no word for L, W or #"),
        (Cron(cron="0 0 1 1 * 0 2030", tz="UTC"), "UTC", "a crontab has no field for years"),
        (Cron(cron="0,30 2 * * *", tz=BERLIN), BERLIN, "cron runs once for each of several such times"),
        (Cron(cron="0 2,3 * * *", tz=BERLIN), BERLIN, "cron runs once for each of several such times"),
        (OrTrigger(triggers=[At(hour=9, tz="UTC"), Every(hours=1)]), "UTC",
         "meet at some instant, and a crontab would run the task twice"),
        (OrTrigger(triggers=[At(hour=2, tz=BERLIN), At(hour=2, minute=30, tz=BERLIN)]), BERLIN,
         "cron runs once for each"),
    ],
)  # fmt: skip
def test_what_a_line_cannot_say_is_refused(trigger: BaseTrigger, zone: str, reason: str) -> None:
    with pytest.raises(Refusal) as raised:
        export(trigger, zone)
    assert reason in str(raised.value)


def test_cron_takes_a_change_of_three_hours_for_a_correction() -> None:
    samoa = "Pacific/Apia"  # which left out 30 December 2011
    with pytest.raises(Refusal, match=r"on 2011-12-30 .* cron takes so large a change for a correction"):
        export(At(hour=9, tz=samoa), samoa, now=datetime(2011, 12, 1, tzinfo=UTC))


def test_clock_changes_can_be_ignored_and_leave_notes() -> None:
    both = OrTrigger(triggers=[At(hour=2, minute=30, tz=BERLIN), At(hour=3, tz=BERLIN)])
    unit = export(both, BERLIN, ignore_clock_changes=True, overlap="allow")
    [note] = unit.notes
    assert note.startswith("on 2024-03-31 the clock in Europe/Berlin goes from 02:00 to 03:00, where two triggers")
    assert f"# note: {note}" in unit.files[0].content.splitlines()
    assert fields_of(both, BERLIN, ignore_clock_changes=True) == ["30 2 * * *", "0 3 * * *"]
    assert len(export(Cron(cron="0,30 2 * * *", tz=BERLIN), BERLIN, ignore_clock_changes=True).notes) == 2
    abroad = export(At(hour=9, tz=BERLIN), "America/New_York", cronie=True, ignore_clock_changes=True)
    assert "CRON_TZ=Europe/Berlin" in abroad.files[0].content
    assert any("when the clock of the machine itself (America/New_York) changes" in note for note in abroad.notes)


def test_cronie_reads_lines_in_the_zone_of_cron_tz() -> None:
    lines = lines_of(export(At(hour=9, tz=BERLIN), "UTC", cronie=True))
    assert lines[0] == "CRON_TZ=Europe/Berlin"
    assert lines[1].startswith("0 9 * * * cd ")
    with pytest.raises(Refusal, match=r"when the clock of the machine itself \(America/New_York\) changes"):
        export(At(hour=9, tz=BERLIN), "America/New_York", cronie=True)
    with pytest.raises(Refusal, match="cronie documents no rule for CRON_TZ"):
        export(At(hour=2, minute=30, tz=BERLIN), "UTC", cronie=True)
    with pytest.raises(Refusal, match=r"one task in several zones \(Asia/Tokyo, Europe/Berlin\)"):
        export(OrTrigger(triggers=[At(hour=9, tz=BERLIN), At(hour=9, tz="Asia/Tokyo")]), "UTC", cronie=True)


def test_overlaps_are_prevented_by_a_lock_or_noted() -> None:
    unit = export(Every(hours=1))
    assert unit.notes == ("cron starts a run even if the last one is still going; --lock-directory skips it",)
    locked = export(Every(hours=1), lock_folder="/run/lock")
    assert locked.notes == ()
    assert "&& flock --nonblock /run/lock/aioclock-report.lock /opt/shop" in locked.files[0].content
    assert export(Every(hours=1), overlap="allow", lock_folder="/run/lock").files[0].content.count("flock") == 0
    with pytest.raises(Refusal, match="overlap='queue': a crontab has only 'skip' or 'allow'"):
        export(Every(hours=1), overlap="queue")
    with pytest.raises(Refusal, match="can't hold its limit of 3"):
        export(Every(hours=1), overlap=Overlap("allow", limit=3))


@pytest.mark.parametrize(
    ("policies", "reason"),
    [
        ({"jitter": 5}, "jitter=5: a crontab has no random delay"),
        ({"grace": 60}, "grace=60: a crontab doesn't skip a run for being late"),
        ({"pause_after_failures": 3}, "pause_after_failures: each run is a process of its own"),
    ],
)
def test_policies_between_runs_are_refused(policies: dict[str, Any], reason: str) -> None:
    with pytest.raises(Refusal, match=reason):
        export(Every(hours=1), **policies)


def command_of(line: str) -> list[str]:
    """Return the words that sh gets, after what crontab(5) says of percent signs."""
    command = " ".join(line.split(" ")[5:])
    assert re.search(r"(?<!\\)%", command) is None  # the rest would be its input
    return shlex.split(command.replace("\\%", "%"))


@given(st.text(st.characters(categories=["L", "N", "P", "S", "Zs"], exclude_characters="\\"), min_size=1, max_size=60))
def test_the_shell_gets_the_key_as_it_is(key: str) -> None:
    run = Invocation(command=("/opt/100% shop/aioclock", "--x"), app="shop:app", factory=True, folder="/srv/o'shop")
    if not key.isprintable():
        with pytest.raises(Refusal, match="control characters"):
            export(Every(hours=1), run=run, key=key)
        return
    [line] = lines_of(export(Every(hours=1), run=run, key=key))
    words = ["cd", "/srv/o'shop", "&&", "/opt/100% shop/aioclock", "--x", "trigger", "--factory"]
    assert command_of(line) == [*words, *(["--"] if key.startswith("-") else []), "shop:app", key]


@pytest.mark.parametrize("key", ["a\\b", "a\nb", "a\tb"])
def test_a_key_that_a_crontab_cannot_hold_is_refused(key: str) -> None:
    with pytest.raises(Refusal, match="line ends, control characters or backslashes"):
        export(Every(hours=1), key=key)


def test_a_command_that_cron_would_cut_off_is_refused() -> None:
    with pytest.raises(Refusal, match="cuts commands off after 990 bytes"):
        export(Every(hours=1), key="k" * 1000)


def test_lines_for_etc_cron_d_have_the_user() -> None:
    [line] = lines_of(export(Every(hours=1), user="shop"))
    assert line.startswith("0 * * * * shop cd /srv/shop && ")


@pytest.mark.skipif(shutil.which("crontab") is None, reason="needs crontab: apt-get install cron")
def test_crontab_accepts_the_lines(tmp_path: Path) -> None:
    file = tmp_path / "crontab"
    triggers: list[BaseTrigger] = [
        Every(minutes=15),
        At(hour=9, tz="UTC"),
        Cron(cron="*/7 1-3 1,15 * mon-fri", tz="UTC"),
    ]
    file.write_text("\n".join(export(trigger, key="100% 'sure'").files[0].content for trigger in triggers))
    done = check("-T", file)
    if "invalid option" in done.stderr:  # Debian's
        done = check("-n", file)
    assert done.returncode == 0, done.stderr


def check(flag: str, file: Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(["crontab", flag, str(file)], capture_output=True, text=True, timeout=20, check=False)
