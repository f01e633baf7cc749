"""Property lists of launchd, read by Python's own parser and the rules of launchd.plist(5)."""

import plistlib
from collections import Counter
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aioclock import At, Cron, Every, OrTrigger
from aioclock.cli._exporting._launchd import Launchd
from aioclock.cli._exporting._refusal import Refusal
from aioclock.cli._exporting._units import Invocation
from aioclock.triggers import BaseTrigger
from schedules import NOW, moments, plan_for, schedules, ticks_until

RUN = Invocation(command=("/opt/shop/bin/aioclock",), app="shop:app", factory=False, folder="/Users/shop")
BERLIN = "Europe/Berlin"


def export(trigger: BaseTrigger, local_zone: str = "UTC", key: str = "report", **given: Any) -> dict[str, Any]:
    ignored = given.pop("ignore_clock_changes", False)
    exporter = Launchd(invocation=RUN, now=NOW, local_zone=local_zone, ignore_clock_changes=ignored)
    [file] = exporter.unit(plan_for(trigger, key, **given), "aioclock-report").files
    job: dict[str, Any] = plistlib.loads(file.content.encode())
    assert job.pop("Label") == file.name.removesuffix(".plist") == "aioclock-report"
    assert job.pop("WorkingDirectory") == "/Users/shop"
    assert job.pop("ProgramArguments") == ["/opt/shop/bin/aioclock", "trigger", "shop:app", key]
    return job


def starts(entries: list[dict[str, int]], zone: ZoneInfo, after: datetime, until: datetime) -> Counter[datetime]:
    """Return when and how often launchd starts a job, as its manual says: what is missing is a wildcard."""
    found: Counter[datetime] = Counter()
    moment = after.replace(second=0, microsecond=0)
    while (moment := moment + timedelta(minutes=1)) <= until:
        wall = moment.astimezone(zone)
        shown = {"Month": wall.month, "Day": wall.day, "Hour": wall.hour, "Minute": wall.minute}
        shown["Weekday"] = wall.isoweekday() % 7
        for entry in entries:
            fits = {name: shown[name] == value for name, value in entry.items()}
            if {"Day", "Weekday"} <= fits.keys():
                fits["Day"] = fits.pop("Weekday") or fits["Day"]
            found[moment] += all(fits.values())
    return +found


@given(schedule=schedules(special=False, longer=False), after=moments())
@settings(max_examples=50, deadline=None)
def test_launchd_starts_the_task_when_it_is_due(schedule: Any, after: datetime) -> None:
    try:
        entries = export(schedule, schedule.tz)["StartCalendarInterval"]
    except Refusal:
        return
    entries = entries if isinstance(entries, list) else [entries]
    until = after + timedelta(days=1)
    runs = starts(entries, ZoneInfo(schedule.tz), after, until)
    assert runs == Counter(ticks_until(schedule, after, until))


@pytest.mark.parametrize(
    ("trigger", "job"),
    [
        (Every(minutes=45), {"StartInterval": 2700}),
        (Every(seconds=10, first_run_strategy="immediate"), {"StartInterval": 10, "RunAtLoad": True}),
        (At(hour=9, tz="UTC"), {"StartCalendarInterval": {"Hour": 9, "Minute": 0}}),
        (Cron(cron="* * * * *", tz="UTC"), {"StartCalendarInterval": {}}),
        (Cron(cron="30 * 1 6 *", tz="UTC"), {"StartCalendarInterval": {"Month": 6, "Day": 1, "Minute": 30}}),
        (
            Cron(cron="0 9,17 * * sat,sun", tz="UTC"),
            {
                "StartCalendarInterval": [
                    {"Weekday": weekday, "Hour": hour, "Minute": 0} for weekday in (0, 6) for hour in (9, 17)
                ]
            },
        ),
        (
            OrTrigger(triggers=[At(hour=9, tz="UTC"), At(hour=17, minute=30, tz="UTC")]),
            {"StartCalendarInterval": [{"Hour": 9, "Minute": 0}, {"Hour": 17, "Minute": 30}]},
        ),
    ],
)
def test_what_a_property_list_says(trigger: BaseTrigger, job: dict[str, Any]) -> None:
    assert export(trigger) == job


@pytest.mark.parametrize(
    ("trigger", "zone", "policies", "reason"),
    [
        (At(hour=9, tz=BERLIN), "UTC", {},
         "reads times in the zone of its machine, UTC; if that is wrong: --local-zone"),
        (At(hour=2, minute=30, tz=BERLIN), BERLIN, {}, "skips a time of it, and launchd documents no rule for that"),
        (Every(seconds=1.5), "UTC", {}, "the period is no number of whole seconds"),
        (Every(hours=1, mode="fixed_delay"), "UTC", {}, "launchd can't count from the end of a run"),
        (At(second=5, tz="UTC"), "UTC", {}, "has no seconds"),
        (Cron(cron="0 0 L * *", tz="UTC"), "UTC", {}, "launchd has no word for L, W or #"),
        (Cron(cron="0 0 1,15 * mon", tz="UTC"), "UTC", {}, "one day of the month or one weekday, not lists of both"),
        (Cron(cron="*/2 1-23 2-30 * *", tz="UTC"), "UTC", {},
         "launchd needs an entry for each time, and these are 20,010"),
        (OrTrigger(triggers=[Every(hours=1), At(tz="UTC")]), "UTC", {},
         "intervals and calendars don't know of each other"),
        (OrTrigger(triggers=[At(tz="UTC"), Cron(cron="0 0 1 * *", tz="UTC")]), "UTC", {}, "meet at some instant"),
        (Every(hours=1), "UTC", {"overlap": "allow"}, "overlap='allow': launchd, which never runs a job twice at once"),
        (Every(hours=1), "UTC", {"jitter": 5}, "launchd has no random delay"),
        (Every(hours=1), "UTC", {"grace": 5}, "launchd doesn't skip a run for being late"),
        (Every(hours=1), "UTC", {"key": "a\x00b"}, "a property list can't hold the key"),
    ],
)  # fmt: skip
def test_what_launchd_cannot_do_is_refused(
    trigger: BaseTrigger, zone: str, policies: dict[str, Any], reason: str
) -> None:
    with pytest.raises(Refusal) as raised:
        export(trigger, zone, **policies)
    assert reason in str(raised.value)


@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), min_size=1))
@settings(max_examples=30)
def test_any_key_arrives_as_it_is(key: str) -> None:
    if key.startswith("-"):
        key = "x" + key
    export(Every(hours=1), key=key)
