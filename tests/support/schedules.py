"""Schedules for the tests of what is exported."""

from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import strategies as st
from pydantic import ValidationError

from aioclock import AioClock, At, Cron
from aioclock.cli._exporting._clock_changes import clock_changes
from aioclock.cli._exporting._plan import Plan, plan_of
from aioclock.custom_types import EveryT
from aioclock.triggers import BaseTrigger

__all__ = ["NOW", "ZONES", "crons", "moments", "plan_for", "schedules", "ticks", "ticks_until"]

NOW = datetime(2024, 1, 1, tzinfo=UTC)
"""The moment of the export."""

ZONES = (
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "America/Nuuk",  # a gap that ends at midnight
    "America/Santiago",  # a gap that begins at midnight
    "Asia/Beirut",
    "Asia/Kolkata",  # half an hour off, no clock changes
    "Australia/Lord_Howe",  # changes by half an hour
    "Africa/Casablanca",
)


def plan_for(trigger: BaseTrigger, key: str = "report", **policies: Any) -> Plan:
    """Return the plan of a task with the name *key*."""

    async def work() -> None: ...

    app = AioClock()
    app.add_task(work, trigger=trigger, name=key, **policies)
    return plan_of(app.tasks[key], NOW)


def _field(low: int, high: int) -> st.SearchStrategy[str]:
    values = st.integers(low, high)
    pairs = st.tuples(values, values).map(sorted)
    return st.one_of(
        st.just("*"),
        st.just("*"),
        values.map(str),
        st.lists(values, min_size=2, max_size=4).map(lambda some: ",".join(map(str, some))),
        pairs.map(lambda pair: f"{pair[0]}-{pair[1]}"),
        st.integers(2, max(2, (high - low) // 2)).map(lambda step: f"*/{step}"),
        st.tuples(pairs, st.integers(2, 7)).map(lambda both: f"{both[0][0]}-{both[0][1]}/{both[1]}"),
    )


@st.composite
def crons(draw: st.DrawFn, *, special: bool = True, longer: bool = True) -> Cron:
    """Draw a cron trigger: mostly plain, with the words for special days if *special*, with seconds if *longer*."""
    day, weekday = _field(1, 31), st.one_of(_field(0, 7), st.sampled_from(["mon-fri", "sun", "sat"]))
    if special:
        day = st.one_of(day, day, st.just("L"), st.integers(1, 31).map(lambda number: f"{number}W"))
        nth = st.tuples(st.integers(0, 6), st.integers(1, 5)).map(lambda pair: f"{pair[0]}#{pair[1]}")
        weekday = st.one_of(weekday, weekday, nth, st.integers(0, 6).map(lambda number: f"L{number}"))
    star = st.just("*")
    fields = [
        draw(_field(0, 59)),
        draw(st.one_of(_field(0, 23), st.sampled_from(["0", "1", "2", "3", "23", "1-3"]))),
        draw(st.one_of(star, day)),
        draw(st.one_of(star, star, _field(1, 12))),
        draw(st.one_of(star, weekday)),
    ]
    if longer and draw(st.integers(0, 4)) == 0:
        fields.append(draw(_field(0, 59)))
    try:
        return Cron(cron=" ".join(fields), tz=draw(st.sampled_from(ZONES)))
    except ValidationError:  # 30 February and its like
        return Cron(cron=" ".join((*fields[:2], "* * *")), tz=draw(st.sampled_from(ZONES)))


def schedules(*, special: bool = True, longer: bool = True) -> st.SearchStrategy[BaseTrigger]:
    """Return triggers that are read on a wall clock."""
    days: tuple[EveryT, ...] = ("every day", "every monday", "every saturday", "every sunday")
    ats = st.builds(
        At,
        hour=st.integers(0, 23),
        minute=st.sampled_from([0, 30, 59]),
        second=st.sampled_from([0, 0, 7] if longer else [0]),
        at=st.sampled_from(days),
        tz=st.sampled_from(ZONES),
    )
    return st.one_of(crons(special=special, longer=longer), ats)


def moments() -> st.SearchStrategy[datetime]:
    """Return moments after the export, every other one shortly before a clock change."""
    changes = [change.instant for zone in ZONES for change in clock_changes(zone, NOW)[:6]]
    hours = st.integers(1, 40).map(lambda number: timedelta(hours=number))
    near = st.tuples(st.sampled_from(changes), hours).map(lambda pair: max(NOW, pair[0] - pair[1]))
    anywhere = st.integers(0, 3 * 365 * 24).map(lambda number: NOW + timedelta(hours=number))
    return st.one_of(near, anywhere)


def ticks(trigger: BaseTrigger, after: datetime, count: int) -> list[datetime]:
    """Return the first *count* ticks strictly after *after*."""
    found: list[datetime] = []
    tick = trigger.next_after(after, after)
    while tick is not None and len(found) < count:
        found.append(tick)
        tick = trigger.next_after(tick, after)
    return found


def ticks_until(trigger: BaseTrigger, after: datetime, until: datetime) -> list[datetime]:
    """Return the ticks in (*after*, *until*]."""
    found: list[datetime] = []
    tick = trigger.next_after(after, after)
    while tick is not None and tick <= until:
        found.append(tick)
        tick = trigger.next_after(tick, after)
    return found
