"""Units of systemd, checked by systemd itself where it is installed."""

import os
import re
import shutil
import stat
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from heapq import merge
from itertools import islice, pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from aioclock import At, Cron, Every, OrTrigger
from aioclock.cli._exporting._refusal import Refusal
from aioclock.cli._exporting._systemd import Systemd, quoted
from aioclock.cli._exporting._units import Invocation, Unit
from aioclock.policies import Jitter, Overlap
from aioclock.triggers import BaseTrigger
from schedules import NOW, moments, plan_for, schedules, ticks

ANALYZE = shutil.which("systemd-analyze")
needs_systemd = pytest.mark.skipif(ANALYZE is None, reason="needs systemd-analyze: apt-get install systemd")
RUN = Invocation(command=("/bin/true",), app="shop:app", factory=False, folder="/srv/shop")


def export(trigger: BaseTrigger, run: Invocation = RUN, key: str = "report", **given: Any) -> Unit:
    options = {name: given.pop(name, None) for name in ("user", "drift", "ignore_clock_changes")}
    return Systemd(invocation=run, now=NOW, **options).unit(plan_for(trigger, key, **given), "aioclock-report")


def timer_of(trigger: BaseTrigger, **given: Any) -> list[str]:
    """Return the settings of the timer's schedule."""
    lines = export(trigger, **given).files[1].content.splitlines()
    return [line for line in lines[lines.index("[Timer]") + 1 : lines.index("[Install]")] if line]


def events_of(unit: Unit) -> list[str]:
    return re.findall(r"^OnCalendar=(.+)$", unit.files[1].content, re.MULTILINE)


def elapses(event: str, after: datetime, count: int) -> Iterator[datetime]:
    """Yield when *event* elapses, as systemd says."""
    assert ANALYZE is not None
    base = after.strftime("%Y-%m-%d %H:%M:%S UTC")
    done = subprocess.run(
        [ANALYZE, "calendar", f"--iterations={count}", f"--base-time={base}", event],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "TZ": "UTC", "LC_ALL": "C"},
        timeout=20,
    )
    for found in re.finditer(r"(?:elapse|#\d+): \w+ (\S+ \S+) UTC", done.stdout):
        yield datetime.strptime(found[1], "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC)


def assert_elapses_as_due(unit: Unit, schedule: BaseTrigger, after: datetime, count: int = 8) -> None:
    merged = merge(*(elapses(event, after, count) for event in events_of(unit)))
    assert list(islice(dict.fromkeys(merged), count)) == ticks(schedule, after, count)


@needs_systemd
@given(schedule=schedules(), after=moments())
@settings(max_examples=80, deadline=None)
@example(Cron(cron="30 9 15W * *", tz="Europe/Berlin"), NOW)
@example(Cron(cron="30 9 1W * *", tz="Europe/Berlin"), NOW)
@example(Cron(cron="0 12 L 2 1", tz="UTC"), NOW)
@example(Cron(cron="0 12 * * 5#5", tz="UTC"), NOW)
@example(Cron(cron="0 12 * * L0,1#2", tz="America/New_York"), NOW)
@example(Cron(cron="0 0 13 * fri", tz="UTC"), NOW)
@example(Cron(cron="30 1 * * *", tz="America/New_York"), datetime(2024, 11, 2, 12, tzinfo=UTC))
@example(Cron(cron="*/20 2 * * *", tz="Europe/Berlin"), datetime(2024, 3, 30, 12, tzinfo=UTC))
@example(Cron(cron="*/20 * * * *", tz="Australia/Lord_Howe"), datetime(2024, 4, 6, 13, tzinfo=UTC))
@example(Cron(cron="0 2,3 * * *", tz="America/Nuuk"), datetime(2024, 3, 30, tzinfo=UTC))
@example(Cron(cron="0 9 * * * 30 2026-2027", tz="Asia/Kolkata"), NOW)
def test_a_timer_elapses_exactly_when_the_task_is_due(schedule: BaseTrigger, after: datetime) -> None:
    try:
        unit = export(schedule)
    except Refusal:
        return
    assert_elapses_as_due(unit, schedule, after)


@needs_systemd
@given(parts=st.lists(schedules(), min_size=2, max_size=3), after=moments())
@settings(max_examples=15, deadline=None)
def test_several_triggers_are_several_lines_of_one_timer(parts: list[BaseTrigger], after: datetime) -> None:
    schedule = OrTrigger(triggers=parts)
    try:
        unit = export(schedule)
    except Refusal:
        return
    assert_elapses_as_due(unit, schedule, after)


DIVISORS = [seconds for seconds in range(1, 86_401) if not 86_400 % seconds and not (3600 % seconds and seconds % 60)]


@needs_systemd
@given(seconds=st.sampled_from(DIVISORS), after=moments())
@settings(max_examples=25, deadline=None)
def test_a_period_that_divides_a_day_is_a_steady_grid(seconds: int, after: datetime) -> None:
    unit = export(Every(seconds=seconds))
    merged = list(islice(merge(*(elapses(event, after, 8) for event in events_of(unit))), 8))
    assert {later - tick for tick, later in pairwise(merged)} == {timedelta(seconds=seconds)}


@pytest.mark.parametrize(
    ("trigger", "lines"),
    [
        (Every(minutes=15), ["OnCalendar=*-*-* *:00,15,30,45:00 UTC", "DeferReactivation=yes"]),
        (Every(hours=6), ["OnCalendar=*-*-* 00,06,12,18:00:00 UTC", "DeferReactivation=yes"]),
        (Every(weeks=1), ["OnCalendar=Mon *-*-* 00:00:00 UTC", "DeferReactivation=yes"]),
        (Every(minutes=7, mode="fixed_delay"), ["OnActiveSec=420s", "OnUnitInactiveSec=420s"]),
        (
            Every(seconds=1.5, mode="fixed_delay", first_run_strategy="immediate"),
            ["OnActiveSec=0s", "OnUnitInactiveSec=1500000us"],
        ),
        (
            At(hour=9, at="every monday", tz="Europe/Berlin"),
            ["OnCalendar=Mon *-*-* 09:00:00 Europe/Berlin", "DeferReactivation=yes"],
        ),
        (
            Cron(cron="0 0 13 * fri", tz="UTC"),
            ["OnCalendar=*-*-13 00:00:00 UTC", "OnCalendar=Fri *-*-* 00:00:00 UTC", "DeferReactivation=yes"],
        ),
        # The clock in Berlin repeats an hour, but is never off by minutes: UTC will do.
        (Cron(cron="*/5 * * * *", tz="Europe/Berlin"), [
            "OnCalendar=*-*-* *:00,05,10,15,20,25,30,35,40,45,50,55:00 UTC", "DeferReactivation=yes",
        ]),
    ],
)  # fmt: skip
def test_what_a_timer_says(trigger: BaseTrigger, lines: list[str]) -> None:
    assert timer_of(trigger) == [*lines, "AccuracySec=1us"]


def test_a_period_that_no_calendar_has_may_drift_if_the_user_takes_that() -> None:
    with pytest.raises(Refusal, match=r"no calendar \(of a readable size\) has this period; --allow-drift"):
        export(Every(minutes=7))
    assert timer_of(Every(minutes=7), drift=True)[:2] == ["OnActiveSec=420s", "OnUnitActiveSec=420s"]
    with pytest.raises(Refusal, match="delays would add up"):
        export(Every(minutes=7), drift=True, jitter=5)
    with pytest.raises(Refusal, match=r"Every\(minutes=7\): no calendar \(of a readable size\) has this period$"):
        export(OrTrigger(triggers=[Every(minutes=7), At(hour=9, tz="UTC")]), drift=True)


def test_a_run_at_the_start_needs_a_timer_that_counts() -> None:
    with pytest.raises(Refusal, match="a calendar has no start; --allow-drift"):
        export(Every(minutes=15, first_run_strategy="immediate"))
    lines = timer_of(Every(minutes=15, first_run_strategy="immediate"), drift=True)
    assert lines[:2] == ["OnActiveSec=0s", "OnUnitActiveSec=900s"]


def test_jitter_is_carried() -> None:
    nine = At(hour=9, tz="UTC")
    assert "RandomizedDelaySec=30s" in timer_of(nine, jitter=30)
    assert "RandomizedDelaySec=500000us" in timer_of(nine, jitter=0.5)
    assert "FixedRandomDelay=yes" not in timer_of(nine, jitter=30)
    assert "FixedRandomDelay=yes" in timer_of(nine, jitter=Jitter(30, stable=True))
    assert not any("Random" in line for line in timer_of(nine, jitter=0))
    with pytest.raises(Refusal, match="jitter=60: it reaches the next tick, which may come after 60 s"):
        export(Cron(cron="0,1 9 1 1 *", tz="UTC"), jitter=60)


@pytest.mark.parametrize("overlap", ["allow", "queue", "cancel"])
def test_other_overlaps_than_skip_are_refused(overlap: str) -> None:
    with pytest.raises(Refusal, match=f"overlap='{overlap}': a service of systemd.* has only 'skip'"):
        export(At(hour=9, tz="UTC"), overlap=Overlap(overlap))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("trigger", "reason"),
    [
        (At(hour=2, minute=30, tz="Europe/Berlin"),
         "on 2024-03-31 the clock in Europe/Berlin goes from 02:00 to 03:00, "
         "which skips a time of it, and systemd leaves it out"),
        (Cron(cron="*/20 1-2 * * *", tz="Europe/Berlin"),
         "on 2024-10-27 the clock in Europe/Berlin goes from 03:00 to 02:00, "
         "which repeats a time of it, and systemd is due the first time only"),
        (Cron(cron="0 0 15-21 * 5#3", tz="UTC"), "no word for W or # beside other days"),
        (Cron(cron="0 0 31W * *", tz="UTC"), "the W must belong to a day from 1 to 27"),
        (Cron(cron="0 0 1 1 * 0 2020", tz="UTC"), "its years are over"),
        (Every(seconds=0.5), "no calendar (of a readable size) has this period"),
    ],
)  # fmt: skip
def test_what_a_timer_cannot_say_is_refused(trigger: BaseTrigger, reason: str) -> None:
    with pytest.raises(Refusal) as raised:
        export(trigger)
    assert reason in str(raised.value)


def test_a_clock_change_can_be_ignored_and_leaves_a_note() -> None:
    unit = export(At(hour=2, minute=30, tz="Europe/Berlin"), ignore_clock_changes=True)
    assert events_of(unit) == ["*-*-* 02:30:00 Europe/Berlin"]
    [note] = unit.notes
    assert f"# not exact: {note}" in unit.files[1].content.splitlines()


WEIRD = "a \"b\" \\ 100% $HOME ${X} \n\t; ü 'c'"


@needs_systemd
@pytest.mark.parametrize("key", ["report", WEIRD, "-dash", "#comment", ";", "%%"])
def test_systemd_accepts_the_units(tmp_path: Path, key: str) -> None:
    program = tmp_path / 'pro$gram 100% "x"'
    program.write_text("#!/bin/sh\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    run = Invocation(command=(str(program), "uvx"), app="shop:app", factory=True, folder=f"{tmp_path}/")
    unit = export(At(hour=9, tz="Europe/Berlin"), run, key=key, user="root", jitter=Jitter(5, stable=True))
    for file in unit.files:
        (tmp_path / file.name).write_text(file.content)
    assert ANALYZE is not None
    done = subprocess.run(
        [ANALYZE, "verify", "--man=no", str(tmp_path / unit.files[1].name)],
        capture_output=True, text=True, timeout=30, check=False, env={**os.environ, "LC_ALL": "C"},
    )  # fmt: skip
    # Before systemd 257; it goes on without.
    complaints = [line for line in done.stderr.splitlines() if "'DeferReactivation'" not in line]
    ours = [line for line in complaints if "aioclock" in line or str(tmp_path) in line]
    assert (done.returncode, ours) == (0, [])


def unquoted(line: str) -> list[str]:
    """Return the words of a command line as systemd.syntax(7) and systemd.service(5) say."""
    words = re.findall(r'"((?:[^"\\]|\\.)*)"|(\S+)', line)
    return [
        re.sub(rb"\\x(..)", lambda found: bytes.fromhex(found[1].decode()), quoted_word.encode()).decode()
        .replace('\\"', '"').replace("\\\\", "\\").replace("%%", "%").replace("$$", "$")
        if quoted_word else plain.replace("%%", "%").replace("$$", "$")
        for quoted_word, plain in words
    ]  # fmt: skip


@given(st.text(st.characters(codec="utf-8", exclude_characters="\0\\"), min_size=1))
def test_a_quoted_word_is_one_word_again(word: str) -> None:
    assert unquoted(quoted(word)) == [word]


def test_a_program_with_a_name_that_systemd_refuses_is_run_by_env() -> None:
    run = Invocation(command=("/opt/a$b/aioclock", "$x"), app="shop:app", factory=False, folder=None)
    service = export(Every(hours=1), run, key="100% $HOME").files[0].content
    assert 'ExecStart=/usr/bin/env "/opt/a$$b/aioclock" "$$x" trigger shop:app "100%% $$HOME"' in service.splitlines()
    assert "WorkingDirectory" not in service
    with pytest.raises(Refusal, match="choose another place for it: --command"):
        export(Every(hours=1), Invocation(command=("/opt/a$=",), app="shop:app", factory=False, folder=None))


@pytest.mark.parametrize("folder", ["/srv/shop ", "/srv/a\\", "/srv/a\nb"])
def test_a_folder_that_systemd_would_misread_is_refused(folder: str) -> None:
    run = Invocation(command=("aioclock",), app="shop:app", factory=False, folder=folder)
    with pytest.raises(Refusal, match="--working-directory"):
        export(Every(hours=1), run)


def test_a_backslash_at_the_end_of_a_key_does_not_swallow_the_next_line() -> None:
    service, timer = export(At(hour=9, tz="UTC"), key="report\\").files
    for file in (service, timer):
        assert not any(line.endswith("\\") for line in file.content.splitlines())
        assert "aioclock task report\\ \n" in file.content
