"""Bad input is refused where it is written, by a message that names the field and shows the value."""

import asyncio
import re
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from aioclock import AioClock, At, Cron, Depends, Every, Forever, Once, OrTrigger
from aioclock.triggers import TriggerT

REFUSED: dict[str, tuple[Callable[[], Any], str, str]] = {
    "At: unknown zone": (lambda: At(tz="Mars/Olympus"), "tz", "Mars/Olympus"),
    "At: empty zone": (lambda: At(tz=""), "tz", "''"),
    "At: a path as zone": (lambda: At(tz="../../etc/passwd"), "tz", "../../etc/passwd"),
    "At: a folder of zones": (lambda: At(tz="Europe"), "tz", "Europe"),
    "At: hour 24": (lambda: At(tz="UTC", hour=24), "hour", "24"),
    "At: hour -1": (lambda: At(tz="UTC", hour=-1), "hour", "-1"),
    "At: minute 60": (lambda: At(tz="UTC", minute=60), "minute", "60"),
    "At: minute -1": (lambda: At(tz="UTC", minute=-1), "minute", "-1"),
    "At: second 60": (lambda: At(tz="UTC", second=60), "second", "60"),
    "At: second -1": (lambda: At(tz="UTC", second=-1), "second", "-1"),
    "At: unknown day": (lambda: At(tz="UTC", at="every funday"), "at", "every funday"),
    "At: no runs": (lambda: At(tz="UTC", max_loop_count=0), "max_loop_count", "0"),
    "Cron: unknown zone": (lambda: Cron(cron="* * * * *", tz="Mars/Olympus"), "tz", "Mars/Olympus"),
    "Cron: no cron at all": (lambda: Cron(cron="every tuesday", tz="UTC"), "cron", "every tuesday"),
    "Cron: empty": (lambda: Cron(cron="", tz="UTC"), "cron", "''"),
    "Cron: too few fields": (lambda: Cron(cron="* * * *", tz="UTC"), "cron", "* * * *"),
    "Cron: minute 61": (lambda: Cron(cron="61 * * * *", tz="UTC"), "cron", "61 * * * *"),
    "Cron: 30 February": (lambda: Cron(cron="0 0 30 2 *", tz="UTC"), "cron", "0 0 30 2 *"),
    "Cron: 31 April": (lambda: Cron(cron="0 0 31 4 *", tz="UTC"), "cron", "0 0 31 4 *"),
    "Cron: random": (lambda: Cron(cron="R * * * *", tz="UTC"), "cron", "R * * * *"),
    "Cron: hashed without a key": (lambda: Cron(cron="H * * * *", tz="UTC"), "cron", "H * * * *"),
    "Cron: 5L": (lambda: Cron(cron="0 0 * * 5L", tz="UTC"), "cron", "0 0 * * 5L"),
    "Cron: no runs": (lambda: Cron(cron="* * * * *", tz="UTC", max_loop_count=0), "max_loop_count", "0"),
    "Every: seconds -1": (lambda: Every(seconds=-1), "seconds", "-1"),
    "Every: minutes -2": (lambda: Every(minutes=-2), "minutes", "-2"),
    "Every: hours -3": (lambda: Every(hours=-3), "hours", "-3"),
    "Every: days -4": (lambda: Every(days=-4), "days", "-4"),
    "Every: weeks -5": (lambda: Every(weeks=-5), "weeks", "-5"),
    "Every: one negative unit of two": (lambda: Every(minutes=1, seconds=-6), "seconds", "-6"),
    "Every: not a number": (lambda: Every(seconds=float("nan")), "seconds", "nan"),
    "Every: words": (lambda: Every(seconds="soon"), "seconds", "soon"),  # type: ignore[arg-type] # bad on purpose
    "Every: unknown strategy": (
        lambda: Every(seconds=1, first_run_strategy="later"),  # type: ignore[arg-type] # bad on purpose
        "first_run_strategy",
        "later",
    ),
    "Every: no runs": (lambda: Every(seconds=1, max_loop_count=0), "max_loop_count", "0"),
    "Every: fewer than no runs": (lambda: Every(seconds=1, max_loop_count=-1), "max_loop_count", "-1"),
    "OrTrigger: nothing to wait for": (lambda: OrTrigger(triggers=[]), "triggers", "[]"),
    "OrTrigger: no runs": (lambda: OrTrigger(triggers=[Once()], max_loop_count=0), "max_loop_count", "0"),
    "Every: unknown field": (lambda: Every(seconds=1, jitters=7), "jitters", "7"),  # type: ignore[call-arg]
    "At: unknown field": (lambda: At(tz="UTC", hours=7), "hours", "7"),  # type: ignore[call-arg]
    "Cron: unknown field": (
        lambda: Cron(cron="* * * * *", tz="UTC", timezone="UTC+1"),  # type: ignore[call-arg]
        "timezone",
        "UTC+1",
    ),
    "Once: unknown field": (lambda: Once(max_loops=3), "max_loops", "3"),  # type: ignore[call-arg]
    "Forever: unknown field": (lambda: Forever(seconds=3), "seconds", "3"),  # type: ignore[call-arg]
    "OrTrigger: unknown field": (
        lambda: OrTrigger(triggers=[Once()], any_of="all"),  # type: ignore[call-arg]
        "any_of",
        "all",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_refusal_names_the_field_and_shows_the_value(case: str) -> None:
    build, field, shown = REFUSED[case]
    with pytest.raises(ValidationError) as refusal:
        build()
    assert re.search(rf"^{field}\b", str(refusal.value), re.MULTILINE) or f"{field}=" in str(refusal.value)
    assert shown in str(refusal.value)


def test_a_refusal_is_a_value_error() -> None:
    with pytest.raises(ValueError, match="hour"):
        At(tz="UTC", hour=24)


def test_an_interval_without_a_unit_is_refused_by_naming_the_units() -> None:
    with pytest.raises(ValidationError) as refusal:
        Every()
    for unit in ("seconds", "minutes", "hours", "days", "weeks"):
        assert unit in str(refusal.value)


@pytest.mark.parametrize(
    ("build", "field"),
    [
        (lambda: At(hour=3), "tz"),
        (lambda: Cron(cron="* * * * *"), "tz"),
        (lambda: Cron(tz="UTC"), "cron"),
        (lambda: OrTrigger(), "triggers"),
    ],
)
def test_a_required_field_left_out_is_named(build: Callable[[], Any], field: str) -> None:
    with pytest.raises(ValidationError, match=rf"(?m)^{field}$"):
        build()


def test_the_hint_for_a_last_weekday_shows_how_to_write_it() -> None:
    with pytest.raises(ValidationError, match=r"\bL5\b"):
        Cron(cron="0 0 * * 5L", tz="UTC")


@pytest.mark.parametrize("cron", ["0 0 29 2 *", "0 0 29 2 1", "0 0 L * *", "0 0 * * L5", "0 0 31 2,3 *", "0 0 30 2 1"])
async def test_an_expression_that_fires_seldom_is_not_refused(cron: str) -> None:
    assert await Cron(cron=cron, tz="UTC").get_waiting_time_till_next_trigger() is not None


async def test_an_expression_whose_years_are_over_is_exhausted_and_no_error() -> None:
    assert await Cron(cron="0 0 1 1 * 0 2001", tz="UTC").get_waiting_time_till_next_trigger() is None
    app = AioClock()
    app.task(trigger=Cron(cron="0 0 1 1 * 0 2001", tz="UTC"))(lambda: None)
    async with asyncio.timeout(5):
        await app.serve()


@given(st.sampled_from(["seconds", "minutes", "hours", "days", "weeks"]), st.floats(max_value=0, exclude_max=True))
def test_no_unit_may_be_negative(unit: str, amount: float) -> None:
    with pytest.raises(ValidationError, match=rf"(?m)^{unit}\b"):
        Every(**{unit: amount})


@given(st.integers().filter(lambda hour: not 0 <= hour <= 23))
def test_no_hour_is_outside_the_day(hour: int) -> None:
    with pytest.raises(ValidationError, match=r"(?m)^hour$"):
        At(tz="UTC", hour=hour)


def refused_by(build: Callable[[], Any]) -> tuple[object, object] | None:
    try:
        build()
    except ValidationError as refusal:
        [error] = refusal.errors()
        return error["loc"][0], error["input"]
    return None


@given(st.text(max_size=12))
def test_text_is_either_a_cron_expression_or_refused_with_the_text_shown(text: str) -> None:
    # Nothing but a ValidationError may come out, however odd the text.
    assert refused_by(lambda: Cron(cron=text, tz="UTC")) in (None, ("cron", text))


@given(st.text(max_size=12))
def test_text_is_either_a_zone_or_refused_with_the_text_shown(text: str) -> None:
    assert refused_by(lambda: At(tz=text)) in (None, ("tz", text))


def test_a_trigger_inside_another_is_refused_with_its_place() -> None:
    adapter = TypeAdapter(TriggerT)
    with pytest.raises(ValidationError) as refusal:
        adapter.validate_python({"type_": "OR", "triggers": [{"type_": "AT", "tz": "UTC", "hour": 24}]})
    assert refusal.value.errors()[0]["loc"][-2:] == ("triggers", 0)
    assert "hour" in str(refusal.value)
    assert "24" in str(refusal.value)


def needs_a_value(quantity: int) -> None: ...


def hidden_need(amount: int) -> int:
    return amount


def needs_a_dependency_with_a_value(total: int = Depends(hidden_need)) -> None: ...


@pytest.mark.parametrize(
    ("func", "parameter"), [(needs_a_value, "quantity"), (needs_a_dependency_with_a_value, "amount")]
)
async def test_a_parameter_that_nobody_can_fill_is_refused_at_the_start_naming_task_and_parameter(
    func: Callable[..., None], parameter: str
) -> None:
    app = AioClock()
    started: list[str] = []
    app.task(trigger=Once(), name="well")(lambda: started.append("well"))
    app.task(trigger=Every(hours=1))(func)
    with pytest.raises(Exception) as refusal:  # noqa: PT011 # the class is not promised, the words are
        async with asyncio.timeout(5):
            await app.serve()
    assert not isinstance(refusal.value, TimeoutError)
    assert func.__name__ in str(refusal.value)
    assert parameter in str(refusal.value)
    assert started == []


async def test_an_explicit_name_given_twice_is_refused_with_the_name() -> None:
    async def declare_and_serve() -> None:
        app = AioClock()
        app.task(trigger=Once(), name="report")(lambda: None)
        app.task(trigger=Once(), name="report")(lambda: None)
        async with asyncio.timeout(5):
            await app.serve()

    with pytest.raises(Exception, match="report") as refusal:
        await declare_and_serve()
    assert not isinstance(refusal.value, TimeoutError)
