"""Tasks of the Windows Task Scheduler, checked by the rules of its schema."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any
from xml.etree.ElementTree import Element, fromstring
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from aioclock import At, Cron, Every, OrTrigger
from aioclock.cli._exporting._refusal import Refusal
from aioclock.cli._exporting._schtasks import Schtasks
from aioclock.cli._exporting._units import Invocation
from aioclock.policies import Jitter
from aioclock.triggers import BaseTrigger
from schedules import NOW, moments, plan_for, schedules, ticks_until

RUN = Invocation(command=(r"C:\Program Files\shop\aioclock.exe",), app="shop:app", factory=False, folder=r"C:\srv")
BERLIN = "Europe/Berlin"
SPACE = "{http://schemas.microsoft.com/windows/2004/02/mit/task}"
MONTHS = [datetime(2000, month, 1, tzinfo=UTC).strftime("%B") for month in range(1, 13)]
WEEKDAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]

# From the reference of the Task Scheduler Schema: the children of an element, in their order; a star: any number.
SCHEMA: dict[str, list[str]] = {
    "Task": ["RegistrationInfo", "Triggers", "Principals", "Settings", "Actions"],
    "RegistrationInfo": ["Description"],
    "Triggers": ["TimeTrigger*", "CalendarTrigger*"],
    "TimeTrigger": ["StartBoundary", "Repetition"],
    "CalendarTrigger": [
        *("StartBoundary", "RandomDelay"),
        *("ScheduleByDay", "ScheduleByWeek", "ScheduleByMonth", "ScheduleByMonthDayOfWeek"),
    ],
    "Repetition": ["Interval"],
    "ScheduleByDay": ["DaysInterval"],
    "ScheduleByWeek": ["WeeksInterval", "DaysOfWeek"],
    "ScheduleByMonth": ["DaysOfMonth", "Months"],
    "ScheduleByMonthDayOfWeek": ["Weeks", "DaysOfWeek", "Months"],
    "DaysOfMonth": ["Day*"],
    "Weeks": ["Week*"],
    "DaysOfWeek": ["Sunday", *WEEKDAYS[:6]],
    "Months": MONTHS,
    "Principals": ["Principal"],
    "Principal": ["LogonType"],
    "Settings": [
        *("MultipleInstancesPolicy", "DisallowStartIfOnBatteries", "StopIfGoingOnBatteries", "ExecutionTimeLimit"),
    ],
    "Actions": ["Exec"],
    "Exec": ["Command", "Arguments", "WorkingDirectory"],
}  # fmt: skip


def name_of(element: Element) -> str:
    assert element.tag.startswith(SPACE)
    return element.tag.removeprefix(SPACE)


def require_schema(element: Element) -> None:
    children = [name_of(child) for child in element]
    allowed = SCHEMA.get(name_of(element), [])
    assert children or not allowed or (element.text or "").strip() == ""
    places = [next(place for place, name in enumerate(allowed) if name.rstrip("*") == child) for child in children]
    assert places == sorted(places), (name_of(element), children)
    assert all(allowed[place].endswith("*") or places.count(place) == 1 for place in places)
    for child in element:
        require_schema(child)


def export(
    trigger: BaseTrigger, local_zone: str = "UTC", run: Invocation = RUN, key: str = "report", **given: Any
) -> Element:
    ignored = given.pop("ignore_clock_changes", False)
    exporter = Schtasks(invocation=run, now=NOW, local_zone=local_zone, ignore_clock_changes=ignored)
    [file] = exporter.unit(plan_for(trigger, key, **given), "aioclock-report").files
    assert file.name == "aioclock-report.xml"
    assert file.content.isascii()
    task = fromstring(file.content)
    require_schema(task)
    return task


def texts(element: Element, path: str) -> list[str]:
    return [found.text or "" for found in element.findall("/".join(SPACE + step for step in path.split("/")))]


def names(element: Element, path: str) -> list[str]:
    return [name_of(found) for found in element.findall("/".join(SPACE + step for step in path.split("/")) + "/*")]


def starts(task: Element, zone: ZoneInfo, after: datetime, until: datetime) -> Counter[datetime]:
    """Return when and how often the Task Scheduler starts a task, as its reference says."""
    found: Counter[datetime] = Counter()
    for trigger in task.findall(f"{SPACE}Triggers/*"):
        [boundary] = texts(trigger, "StartBoundary")
        if name_of(trigger) == "TimeTrigger":
            assert boundary.endswith("Z")
            [interval] = texts(trigger, "Repetition/Interval")
            moment, period = datetime.fromisoformat(boundary), timedelta(seconds=int(interval[2:-1]))
            moment += (after - moment) // period * period
            while (moment := moment + period) <= until:
                found[moment] += 1
            continue
        wall = datetime.fromisoformat(boundary)
        day = (after - timedelta(days=2)).date()
        while day <= until.date() + timedelta(days=1):
            moment = datetime.combine(day, wall.time(), zone).astimezone(UTC)
            if after < moment <= until and fits(trigger, datetime.combine(day, wall.time())):
                found[moment] += 1
            day += timedelta(days=1)
    return found


def fits(trigger: Element, day: datetime) -> bool:
    weekday, month = WEEKDAYS[day.weekday()], MONTHS[day.month - 1]
    last_seven = (day + timedelta(days=7)).month != day.month
    schedule = name_of(trigger[-1])
    if schedule == "ScheduleByDay":
        return True
    if schedule == "ScheduleByWeek":
        return weekday in names(trigger, "ScheduleByWeek/DaysOfWeek")
    if month not in names(trigger, f"{schedule}/Months"):
        return False
    if schedule == "ScheduleByMonth":
        days = texts(trigger, "ScheduleByMonth/DaysOfMonth/Day")
        return str(day.day) in days or ((day + timedelta(days=1)).day == 1 and "Last" in days)
    weeks = texts(trigger, "ScheduleByMonthDayOfWeek/Weeks/Week")
    fitting = {str((day.day - 1) // 7 + 1), *(["Last"] if last_seven else [])} & set(weeks)
    return weekday in names(trigger, "ScheduleByMonthDayOfWeek/DaysOfWeek") and bool(fitting)


@given(schedule=schedules(), after=moments(), local=st.one_of(st.none(), st.just("UTC")))
@settings(max_examples=100, deadline=None)
@example(Cron(cron="0 9 L * *", tz=BERLIN), NOW, None)
@example(Cron(cron="0 9 31,L * *", tz=BERLIN), NOW, None)
@example(Cron(cron="0 9 * * L5,5#1", tz=BERLIN), NOW, None)
@example(Cron(cron="0 9 * 2,3 1,2", tz=BERLIN), NOW, None)
@example(Cron(cron="0 9 * 2 *", tz=BERLIN), NOW, None)
@example(Cron(cron="*/5 * * * *", tz=BERLIN), datetime(2024, 3, 30, 12, tzinfo=UTC), "UTC")
@example(At(hour=9, at="every monday", tz="Asia/Kolkata"), NOW, "UTC")
def test_the_task_scheduler_starts_the_task_when_it_is_due(schedule: Any, after: datetime, local: str | None) -> None:
    zone = local or schedule.tz
    try:
        task = export(schedule, zone)
    except Refusal:
        return
    until = after + timedelta(days=40)
    assert starts(task, ZoneInfo(zone), after, until) == Counter(ticks_until(schedule, after, until))


@pytest.mark.parametrize(("period", "text"), [({"minutes": 45}, "PT2700S"), ({"days": 31}, "PT2678400S")])
def test_an_interval_is_repeated(period: dict[str, int], text: str) -> None:
    task = export(Every(**period))
    assert texts(task, "Triggers/TimeTrigger/Repetition/Interval") == [text]


@pytest.mark.parametrize(
    ("overlap", "word"),
    [(None, "IgnoreNew"), ("skip", "IgnoreNew"), ("allow", "Parallel"), ("queue", "Queue"), ("cancel", "StopExisting")],
)
def test_overlap_is_the_policy_for_several_instances(overlap: Any, word: str) -> None:
    assert texts(export(Every(hours=1), overlap=overlap), "Settings/MultipleInstancesPolicy") == [word]


def test_jitter_is_a_random_delay() -> None:
    task = export(At(hour=9, tz="UTC"), jitter=90)
    assert texts(task, "Triggers/CalendarTrigger/RandomDelay") == ["PT90S"]
    assert texts(export(At(hour=9, tz="UTC"), jitter=0), "Triggers/CalendarTrigger/RandomDelay") == []


def test_a_run_has_no_end_but_its_own_timeout() -> None:
    settings_of = export(Every(hours=1), timeout=5)
    assert texts(settings_of, "Settings/ExecutionTimeLimit") == ["PT0S"]


@pytest.mark.parametrize(
    ("trigger", "zone", "policies", "reason"),
    [
        (Every(seconds=30), "UTC", {}, "the Task Scheduler repeats tasks after one minute to 31 days"),
        (Every(days=32), "UTC", {}, "the Task Scheduler repeats tasks after one minute to 31 days"),
        (Every(hours=1, mode="fixed_delay"), "UTC", {}, "can't count from the end of a run"),
        (Every(hours=1, first_run_strategy="immediate"), "UTC", {}, "grid has no start; use 'wait'"),
        (At(hour=9, tz=BERLIN), "UTC", {},
         "reads times in the zone of its machine, UTC; if that is wrong: --local-zone"),
        (At(hour=2, minute=30, tz=BERLIN), BERLIN, {}, "the Task Scheduler documents no rule for that"),
        (Cron(cron="0 0 15W * *", tz="UTC"), "UTC", {}, "has no word for W or #5"),
        (Cron(cron="0 0 * * 1#5", tz="UTC"), "UTC", {}, "has no word for W or #5"),
        (Cron(cron="0 0 1 * mon", tz="UTC"), "UTC", {}, "would run it twice where they meet"),
        (Cron(cron="0 0 1 1 * 0 2030", tz="UTC"), "UTC", {}, "has no field for years"),
        (Cron(cron="*/10 8-17 * * *", tz=BERLIN), BERLIN, {},
         "a trigger for each time of day, 48 at most, and these are 60"),
        (OrTrigger(triggers=[At(tz="UTC"), Every(hours=1)]), "UTC", {}, "would run it twice where an interval meets"),
        (OrTrigger(triggers=[At(tz="UTC"), Cron(cron="0 0 1 * *", tz="UTC")]), "UTC", {}, "meet at some instant"),
        (Every(hours=1), "UTC", {"jitter": 5}, "delays times of day in its machine's zone only"),
        (At(tz="UTC"), BERLIN, {"jitter": 5}, "delays times of day in its machine's zone only"),
        (At(tz="UTC"), "UTC", {"jitter": 0.5}, "whole seconds, drawn anew for each run"),
        (At(tz="UTC"), "UTC", {"jitter": Jitter(5, stable=True)}, "whole seconds, drawn anew for each run"),
        (Every(hours=1), "UTC", {"grace": 5}, "doesn't skip a run for being late"),
        (Every(hours=1), "UTC", {"key": "100% of %PATH%"}, "would replace a part of"),
        (Every(hours=1), "UTC", {"key": "$(Arg0)"}, "would replace a part of"),
        (Every(hours=1), "UTC", {"key": "a\nb"}, "or can't hold it"),
    ],
)  # fmt: skip
def test_what_the_task_scheduler_cannot_do_is_refused(
    trigger: BaseTrigger, zone: str, policies: dict[str, Any], reason: str
) -> None:
    with pytest.raises(Refusal) as raised:
        export(trigger, zone, **policies)
    assert reason in str(raised.value)


@pytest.mark.parametrize(
    ("key", "arguments"),
    [
        ("report", "trigger shop:app report"),
        ("weekly report", 'trigger shop:app "weekly report"'),
        ('a "b"', r'trigger shop:app "a \"b\""'),
        ("100 % <&> ü", 'trigger shop:app "100 % <&> ü"'),
    ],
)
def test_arguments_are_quoted_as_windows_takes_them_apart(key: str, arguments: str) -> None:
    task = export(Every(hours=1), key=key)
    assert texts(task, "Actions/Exec/Arguments") == [arguments]
    assert texts(task, "Actions/Exec/Command") == [r"C:\Program Files\shop\aioclock.exe"]
    assert texts(task, "Actions/Exec/WorkingDirectory") == [r"C:\srv"]
