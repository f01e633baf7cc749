"""What no scheduler but the app's own can know, whatever the target; and zones that stand for one another."""

import importlib.util
import zoneinfo
from datetime import UTC, datetime
from itertools import pairwise
from typing import Literal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aioclock import At, Cron, Every, Forever, Once, OrTrigger
from aioclock.cli._exporting._calendar import calendar_of
from aioclock.cli._exporting._clock_changes import clock_changes
from aioclock.cli._exporting._plan import in_words
from aioclock.cli._exporting._refusal import Refusal
from aioclock.cli._exporting._zones import moved, same_zone
from aioclock.triggers import BaseTrigger
from schedules import NOW, ZONES, crons, moments, plan_for, ticks


class Doubling(BaseTrigger[Literal["DOUBLING"]]):
    type_: Literal["DOUBLING"] = "DOUBLING"

    def next_after(self, moment: datetime, anchor: datetime) -> datetime | None:
        return None


class Nightly(At):
    """Might mean anything."""


@pytest.mark.parametrize(
    ("trigger", "reason"),
    [
        (Once(), "due when an app starts serving"),
        (Forever(), "begins again when a run ends"),
        (Every(seconds=0), "begins again when a run ends"),
        (Doubling(), "Doubling is a trigger of your own"),
        (Nightly(tz="UTC"), "Nightly is a trigger of your own"),
        (At(tz="UTC", max_loop_count=3), "max_loop_count counts the runs of one serving"),
        (OrTrigger(triggers=[At(tz="UTC", max_loop_count=3)]), "max_loop_count counts the runs of one serving"),
        (OrTrigger(triggers=[At(tz="UTC")], max_loop_count=3), "max_loop_count counts the runs of one serving"),
        (OrTrigger(triggers=[At(tz="UTC"), Once()]), "due when an app starts serving"),
        (OrTrigger(triggers=[At(tz="UTC"), Every(hours=1, mode="fixed_delay")]), "follows the end of each run"),
    ],
)
def test_what_belongs_to_a_serving_app_is_refused(trigger: BaseTrigger, reason: str) -> None:
    with pytest.raises(Refusal, match=reason):
        plan_for(trigger)


def test_a_trigger_in_words_is_as_one_writes_it() -> None:
    trigger = OrTrigger(triggers=[Every(minutes=5), Cron(cron="0 9 * * *", tz="Europe/Berlin")])
    assert in_words(trigger) == "OrTrigger(Every(minutes=5), Cron(cron='0 9 * * *', tz='Europe/Berlin'))"


@given(cron=crons(), zone=st.sampled_from(ZONES), after=moments())
@settings(max_examples=100, deadline=None)
def test_a_calendar_that_moves_to_another_zone_is_due_at_the_same_instants(
    cron: Cron, zone: str, after: datetime
) -> None:
    there = moved(calendar_of(cron.cron, cron.tz, "it"), zone, NOW)
    if there is not None:
        assert ticks(Cron(cron=there.expression, tz=there.zone), after, 8) == ticks(cron, after, 8)


def test_names_of_one_zone() -> None:
    assert same_zone("UTC", "Etc/UTC")
    assert same_zone("Europe/Berlin", "Europe/Berlin")
    assert not same_zone("Europe/Berlin", "Europe/Paris")


@pytest.mark.skipif(importlib.util.find_spec("tzdata") is None, reason="needs tzdata: pip install tzdata")
def test_names_of_one_zone_where_the_system_has_no_database(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zoneinfo, "TZPATH", ())
    assert same_zone("UTC", "Etc/UTC")
    assert not same_zone("Europe/Berlin", "Europe/Paris")


@given(st.sampled_from(ZONES))
@settings(deadline=None)
def test_clock_changes_are_found_to_the_second(zone: str) -> None:
    changes = clock_changes(zone, NOW)
    assert all(one.instant < other.instant and one.after == other.before for one, other in pairwise(changes))
    for change in changes[:10]:
        info = ZoneInfo(zone)
        assert change.instant.astimezone(info).utcoffset() == change.after
        second_before = datetime.fromtimestamp(change.instant.timestamp() - 1, UTC)
        assert second_before.astimezone(info).utcoffset() == change.before
