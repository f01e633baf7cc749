"""Every rule of `aioclock check`: what it finds, and what looks alike and is fine."""

import asyncio
import re
import sys
from collections.abc import Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from itertools import accumulate, pairwise
from pathlib import Path
from time import process_time
from types import ModuleType
from typing import Any, Literal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aioclock import (
    AioClock,
    At,
    Cron,
    Depends,
    Every,
    Forever,
    Group,
    Jitter,
    Once,
    OnStartUp,
    OrTrigger,
    Overlap,
    Retry,
)
from aioclock.cli._checks import CODES, Problem, problems_of
from aioclock.cli._checks._terms import _fitting
from aioclock.cli._checks._ticks import Outlook
from aioclock.events import RunFailed
from aioclock.triggers import BaseTrigger

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
BERLIN = "Europe/Berlin"
HERE = Path(__file__).name


async def job() -> None:
    await asyncio.sleep(0)


def found(app: AioClock, moment: datetime = NOW, **options: Any) -> list[Problem]:
    return problems_of(app, moment, **options)


def codes(app: AioClock, moment: datetime = NOW, **options: Any) -> list[str]:
    return [problem.code for problem in found(app, moment, **options)]


def with_task(trigger: BaseTrigger, func: Any = job, **policies: Any) -> AioClock:
    app = AioClock()
    app.add_task(func, trigger=trigger, name="job", **policies)
    return app


def only(app: AioClock, moment: datetime = NOW, **options: Any) -> Problem:
    [problem] = found(app, moment, **options)
    return problem


def daily(hour: int = 12, zone: str = "UTC") -> At:
    return At(hour=hour, tz=zone)


# What keeps an app from serving


def test_an_ordinary_app_has_no_problems() -> None:
    app = AioClock(timeout=30, retry=Retry(attempts=3), jitter=5)
    app.add_task(job, trigger=Every(minutes=1), name="a")
    app.add_task(job, trigger=Cron(cron="0 9 * * mon-fri", tz=BERLIN), name="b")
    app.add_task(job, trigger=Once(), name="c")
    app.add_task(job, trigger=OrTrigger(triggers=[Every(hours=6), daily()]), name="d")
    assert codes(app) == []


def test_a_parameter_that_nothing_fills() -> None:
    async def report(database: int) -> None: ...

    problem = only(with_task(daily(), report))
    assert (problem.code, problem.severity, problem.task) == ("AC102", "error", "job")
    assert problem.message == "parameter 'database' has neither a default nor Depends(...)"
    assert problem.place is not None
    assert problem.place.file.name == HERE


def test_a_dependency_that_can_be_filled_is_fine() -> None:
    def database() -> int:
        return 1

    async def report(database: int = Depends(database)) -> None: ...

    assert codes(with_task(daily(), report)) == []


def test_a_function_that_no_process_can_import() -> None:
    assert codes(with_task(daily(), lambda: None, executor="process")) == ["AC103"]


def test_a_listener_that_learns_too_late_what_it_lacks() -> None:
    app = with_task(daily())

    @app.on(RunFailed)
    def listener(event: RunFailed, other: "Unheard") -> None: ...  # type: ignore[name-defined]  # noqa: F821

    problem = only(app)
    assert (problem.code, problem.task) == ("AC104", None)
    assert "'Unheard'" in problem.message


def test_a_lifespan_whose_parameter_nothing_fills() -> None:
    @asynccontextmanager
    async def lifespan(app: AioClock, database: int):  # type: ignore[no-untyped-def]
        yield

    app = AioClock(lifespan=lifespan)
    app.add_task(job, trigger=daily(), name="job")
    problem = only(app)
    assert problem.code == "AC105"
    assert problem.place is not None
    assert problem.place.file.name == HERE


# When tasks are due


def test_years_that_are_over() -> None:
    assert codes(with_task(Cron(cron="0 0 1 1 * 0 2025", tz="UTC"))) == ["AC106"]
    assert codes(with_task(Cron(cron="0 0 1 6 * 0 2026", tz="UTC"))) == []


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("0 0 29 2 *", "hardly ever due: the next tick is on 2028-02-29"),
        ("0 0 1 1 * 0 2030", "hardly ever due: the next tick is on 2030-01-01"),
        ("0 0 1 6 * 0 2026,2028", "hardly ever due: the next ticks are on 2026-06-01 and 2028-06-01"),
    ],
)
def test_hardly_ever_due(expression: str, message: str) -> None:
    problem = only(with_task(Cron(cron=expression, tz=BERLIN)))
    assert (problem.code, problem.severity, problem.message) == ("AC211", "warning", message)


@pytest.mark.parametrize("expression", ["@yearly", "0 0 1 1 *", "0 0 28 2 *", "0 12 24 12 *"])
def test_once_a_year_is_not_rare(expression: str) -> None:
    for year in (2026, 2027, 2028):
        assert codes(with_task(Cron(cron=expression, tz=BERLIN)), NOW.replace(year=year)) == []


def test_one_of_several_triggers_is_over() -> None:
    over = Cron(cron="0 0 1 1 * 0 2025", tz="UTC")
    assert codes(with_task(OrTrigger(triggers=[over, daily()]))) == ["AC212"]
    assert set(codes(with_task(OrTrigger(triggers=[over, over])))) == {"AC106", "AC212"}


@pytest.mark.parametrize(
    ("trigger", "expected"),
    [
        (Every(days=1), ["AC213"]),
        (Every(weeks=1, mode="fixed_delay"), ["AC213"]),
        (Every(hours=23), []),
        (Every(days=7, first_run_strategy="immediate"), []),
    ],
)
def test_a_long_interval_that_waits_first(trigger: Every, expected: list[str]) -> None:
    assert codes(with_task(trigger)) == expected


class Backwards(BaseTrigger[Literal["BACKWARDS"]]):
    type_: Literal["BACKWARDS"] = "BACKWARDS"
    after: int

    def next_after(self, moment: datetime, anchor: datetime) -> datetime | None:
        step = timedelta(hours=1)
        return moment + step if moment < anchor + self.after * step else moment - step


class Standing(Backwards):
    def next_after(self, moment: datetime, anchor: datetime) -> datetime | None:
        return max(moment, anchor + timedelta(hours=1))


class Failing(Backwards):
    def next_after(self, moment: datetime, anchor: datetime) -> datetime | None:
        raise LookupError("no calendar")


@pytest.mark.parametrize("after", [1, 30])
def test_a_trigger_that_goes_back(after: int) -> None:
    problem = only(with_task(Backwards(after=after), timeout=7200))
    assert problem.code == "AC107"
    assert "must be strictly later" in problem.message


def test_a_trigger_that_stays_where_it_is() -> None:
    assert codes(with_task(Standing(after=0))) == ["AC107"]


def test_a_trigger_that_fails_alone_or_among_others() -> None:
    assert only(with_task(Failing(after=1))).message == "Failing fails: LookupError: no calendar"
    assert codes(with_task(OrTrigger(triggers=[daily(), Failing(after=1)]), jitter=Jitter(90))) == ["AC107"]


class Waiting(BaseTrigger[Literal["WAITING"]]):
    type_: Literal["WAITING"] = "WAITING"

    async def trigger_next(self) -> None:
        raise AssertionError("nothing runs")


@pytest.mark.parametrize("trigger", [Waiting(), Forever(), OrTrigger(triggers=[Waiting(), daily()])])
def test_what_nobody_can_foresee_is_left_alone(trigger: BaseTrigger) -> None:
    app = with_task(trigger, timeout=10**6, grace=10**6, jitter=10**6, retry=Retry(delay=10**5, max_delay=10**5))
    assert codes(app) == []


# Clock changes


def change_codes(trigger: BaseTrigger) -> list[str]:
    return [code for code in codes(with_task(trigger)) if code in ("AC214", "AC215", "AC216")]


def test_a_fixed_time_in_a_gap_is_moved() -> None:
    problem = only(with_task(At(hour=2, minute=30, tz=BERLIN)))
    assert problem.code == "AC214"
    assert problem.message == (
        "on 2026-03-29 in Europe/Berlin 02:30 does not exist, the clock goes from 02:00 to 03:00; it is due at 03:00; "
        "choose another time, or another zone such as UTC"
    )


@pytest.mark.parametrize(
    ("expression", "zone", "expected"),
    [
        ("30 2 * * *", BERLIN, ["AC214"]),
        ("30 2 * * *", "UTC", []),
        ("30 2 * * *", "Asia/Tokyo", []),
        ("30 2 * * *", "America/New_York", ["AC214"]),
        ("30 3 * * *", BERLIN, []),
        ("30 2 * * mon", BERLIN, []),  # clocks change on Sundays
        ("30 2 29 3 *", BERLIN, ["AC214"]),
        ("30 2 29 4 *", BERLIN, []),
        ("0 0-23 * * *", BERLIN, []),  # every hour, and so it stays
        ("*/15 2 * * *", BERLIN, ["AC215", "AC216"]),
        ("30 */2 * * *", BERLIN, ["AC215", "AC216"]),
        ("0 * * * *", BERLIN, []),
        ("*/5 * * * *", BERLIN, []),
        ("* * * * * */10", BERLIN, []),
        ("*/30 1-3 * * *", BERLIN, []),  # every half an hour, and so it stays
        ("0 * * * *", "Australia/Lord_Howe", ["AC215"]),  # half an hour, from 02:00 to 02:30 and back to 01:30
        ("*/15 * * * *", "Australia/Lord_Howe", []),
        ("45 * * * *", "Australia/Lord_Howe", ["AC216"]),
    ],
)
def test_clock_changes(expression: str, zone: str, expected: list[str]) -> None:
    assert change_codes(Cron(cron=expression, tz=zone)) == expected


def test_a_schedule_that_ends_before_the_clock_changes() -> None:
    assert change_codes(At(hour=2, minute=30, tz=BERLIN, max_loop_count=3)) == []
    until_then = 87  # days from 2 January to 29 March
    assert change_codes(At(hour=2, minute=30, tz=BERLIN, max_loop_count=until_then)) == ["AC214"]
    assert change_codes(At(hour=2, minute=30, tz=BERLIN, max_loop_count=until_then - 1)) == []


def test_of_several_triggers_each_kind_is_told_once() -> None:
    triggers = [At(hour=2, minute=minute, tz=BERLIN) for minute in (10, 20, 30)]
    assert change_codes(OrTrigger(triggers=triggers)) == ["AC214"]


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 23), st.integers(0, 59), st.sampled_from([BERLIN, "America/St_Johns", "Asia/Kolkata"]))
def test_a_fixed_time_is_said_to_move_if_and_only_if_it_does(hour: int, minute: int, zone: str) -> None:
    trigger = At(hour=hour, minute=minute, tz=zone)
    app = with_task(trigger)
    shown = {tick.astimezone(ZoneInfo(zone)).time() for tick in app.next_ticks("job", count=400, after=NOW)}
    assert change_codes(trigger) == (["AC214"] if len(shown) > 1 else [])


# Cron


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("0 9 1-7 * mon", ["AC221"]),
        ("0 9 L * fri", ["AC221"]),
        ("0 9 1-7 * *", []),
        ("0 9 * * mon", []),
        ("0 9 * * mon#1", []),
        ("*/45 * * * *", ["AC222"]),
        ("*/7 * * * *", ["AC222"]),
        ("0 */5 * * *", ["AC222"]),
        ("0 0 */2 * *", []),  # days of the month: nobody expects more
        ("*/15 */6 * * *", []),
        ("@hourly", []),
        ("* 9 * * *", ["AC223"]),
        ("* 9-17 * * *", []),
        ("* * * * *", []),
        ("0 0 9 * * *", ["AC223"]),
        ("0 9 * * * */5", []),
        ("* * * * * *", []),
    ],
)
def test_slips_in_cron_expressions(expression: str, expected: list[str]) -> None:
    assert codes(with_task(Cron(cron=expression, tz="UTC"))) == expected


def test_the_way_out_of_a_slip_is_an_expression_without_it() -> None:
    assert "'0 9 * * * 0'" in only(with_task(Cron(cron="0 0 9 * * *", tz="UTC"))).message
    assert codes(with_task(Cron(cron="0 9 * * * 0", tz="UTC"))) == []
    assert "Every(minutes=45)" in only(with_task(Cron(cron="*/45 * * * *", tz="UTC"))).message


def test_uneven_steps_say_how_uneven() -> None:
    message = only(with_task(Cron(cron="0 */5 * * *", tz="UTC"))).message
    assert "after 20 comes 0, 4 hours later" in message


# Policies


@pytest.mark.parametrize(
    ("trigger", "policies", "expected"),
    [
        (Every(seconds=60), {"timeout": 61}, ["AC231"]),
        (Every(seconds=60), {"timeout": 60}, []),
        (Every(seconds=60), {"timeout": 61, "overlap": "queue"}, ["AC231"]),
        (Every(seconds=60), {"timeout": 61, "overlap": "cancel"}, ["AC231"]),
        (Every(seconds=60), {"timeout": 61, "overlap": Overlap("allow", limit=5)}, []),
        (Every(seconds=60, mode="fixed_delay"), {"timeout": 61}, []),
        (Every(seconds=60, max_loop_count=1), {"timeout": 61}, []),
        (Cron(cron="0,1 9 * * *", tz="UTC"), {"timeout": 61}, ["AC231"]),
        (At(hour=12, tz=BERLIN), {"timeout": 86_400}, []),  # also on the day of 23 hours
        (Every(seconds=60), {"retry": Retry(attempts=2, delay=60)}, ["AC232"]),
        (Every(seconds=60), {"retry": Retry(attempts=2, delay=59)}, []),
        (Every(seconds=60), {"retry": Retry(attempts=10)}, ["AC232"]),
        (Every(seconds=60), {"retry": Retry(attempts=10, outlive_tick=True)}, []),
        (Every(seconds=60), {"retry": Retry(attempts=10**9, delay=0)}, []),
        (Every(seconds=60, mode="fixed_delay"), {"retry": Retry(attempts=10)}, []),
        (Cron(cron="0,1 9 * * *", tz="UTC"), {"retry": Retry(attempts=10)}, []),  # after 09:01 there is time
        (Every(seconds=60), {"grace": 60}, ["AC233"]),
        (Every(seconds=60), {"grace": 59}, []),
        (Every(seconds=60), {"grace": 60, "overlap": "queue"}, []),  # a tick may wait for long there
        (Cron(cron="* 9-17 * * *", tz="UTC"), {"grace": 3600}, []),  # in the night it matters
        (Every(seconds=60), {"jitter": 61}, ["AC234"]),
        (Every(seconds=60), {"jitter": 60}, []),
    ],
)
def test_policies_that_do_not_fit_the_schedule(
    trigger: BaseTrigger, policies: dict[str, Any], expected: list[str]
) -> None:
    assert codes(with_task(trigger, **policies)) == expected


def test_one_tick_of_several_triggers_is_one() -> None:
    assert codes(with_task(OrTrigger(triggers=[daily(), daily(), daily(18)]), timeout=3600)) == []
    assert codes(with_task(OrTrigger(triggers=[daily(), daily(18)]), timeout=6 * 3600 + 1)) == ["AC231"]


def test_an_interval_beside_a_time_of_day_is_not_measured_against_it() -> None:
    near = OrTrigger(triggers=[Every(hours=6), daily(0), daily(6), daily(12)])
    assert codes(with_task(near, timeout=3600)) == []


def test_policies_of_the_app_count_as_well() -> None:
    app = AioClock(timeout=600)
    app.add_task(job, trigger=Every(minutes=1), name="job")
    assert codes(app) == ["AC231"]


@given(st.integers(1, 30), st.floats(0, 100), st.floats(1, 3), st.floats(0, 100), st.floats(0.1, 500))
def test_how_many_attempts_fit(attempts: int, delay: float, factor: float, max_delay: float, gap_s: float) -> None:
    retry = Retry(attempts=attempts, delay=delay, factor=factor, max_delay=max_delay)
    starts = accumulate((retry.wait_after(attempt) for attempt in range(1, attempts)), initial=0.0)
    assert _fitting(retry, gap_s) == sum(start < gap_s for start in starts)


def test_a_timeout_of_what_nothing_can_interrupt() -> None:
    def work() -> None: ...

    assert codes(with_task(Every(minutes=1), work, executor="loop", timeout=5)) == ["AC235"]
    assert codes(with_task(Every(minutes=1), work, executor="loop")) == []  # said on purpose
    assert codes(with_task(Every(minutes=1), work, timeout=5)) == []
    assert codes(with_task(Every(minutes=1), executor="loop", timeout=5)) == []


def test_a_group_that_puts_a_sync_function_on_the_loop() -> None:
    def work() -> None: ...

    app = AioClock(executor="loop")
    app.add_task(work, trigger=Every(minutes=1), name="sync")
    app.add_task(work, trigger=Every(minutes=1), name="on purpose", executor="loop")
    app.add_task(job, trigger=Every(minutes=1), name="async")
    problem = only(app)
    assert (problem.code, problem.task) == ("AC236", "sync")


def test_a_task_that_never_pauses() -> None:
    async def spin() -> None:
        sum(range(10))

    async def wait() -> None:
        async with asyncio.Lock():
            pass

    async def wait_by_dependency(event: None = Depends(job)) -> None: ...

    def in_thread() -> None: ...

    assert codes(with_task(Forever(), spin)) == ["AC237"]
    assert codes(with_task(Every(seconds=0), spin)) == ["AC237"]
    assert codes(with_task(Every(seconds=1, mode="fixed_delay"), spin)) == []
    for func in (wait, wait_by_dependency, in_thread, job):
        assert codes(with_task(Forever(), func)) == []


def with_store(trigger: BaseTrigger, **policies: Any) -> AioClock:
    app = AioClock(store="memory://")
    app.add_task(job, trigger=trigger, name="job", **policies)
    return app


@pytest.mark.parametrize("policy", [{"on_lost": "rerun"}, {"catch_up": "all"}], ids=str)
def test_a_policy_of_claims_where_nothing_is_claimed(policy: Any) -> None:
    assert codes(with_store(daily(), scope="node", **policy)) == ["AC241"]
    assert codes(with_store(Every(seconds=0.5), **policy)) == ["AC241"]
    assert codes(with_store(Forever(), **policy)) == ["AC241"]
    problem = only(with_store(daily(), scope="node", **policy))
    assert problem.message == (
        f"{next(iter(policy))} never matters: each process runs every tick of it by itself; "
        "leave it out, or choose scope='cluster'"
    )
    assert codes(with_store(daily(), scope="cluster", **policy)) == []


def test_policies_of_the_app_are_for_those_tasks_that_they_fit() -> None:
    app = AioClock(store="memory://", on_lost="rerun", catch_up="none")
    app.add_task(job, trigger=Forever(), name="job")
    assert codes(app) == []


def test_a_process_for_each_run_goes_well_with_a_store() -> None:
    app = AioClock(store="memory://")
    app.add_task(asyncio.iscoroutine, trigger=daily(), name="job", executor="process")
    assert "AC103" not in codes(app)


# The app as a whole


def test_no_tasks() -> None:
    assert codes(AioClock()) == ["AC201"]


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    module = ModuleType("shop_reports")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    return module


def test_a_group_that_is_included_nowhere(module: Any) -> None:
    app = with_task(daily())
    module.reports = module.alias = Group()
    inner = module.inner = Group()
    inner.task(trigger=daily())(job)
    module.reports.include_group(inner)
    module.empty = Group()
    problem = only(app)
    assert problem.code == "AC202"
    assert problem.message.startswith("the group shop_reports.reports is included nowhere, so its task never runs")

    class Proxy:
        @property
        def __class__(self) -> type:  # type: ignore[override]
            raise RuntimeError("outside of a request")

        @__class__.setter
        def __class__(self, kind: type) -> None: ...

    module.request = Proxy()
    assert codes(app) == ["AC202"]

    other = AioClock()
    other.include_group(module.reports)
    assert codes(app) == []


def test_one_function_registered_twice() -> None:
    app = AioClock()
    app.add_task(job, trigger=daily(1))
    app.add_task(job, trigger=daily(2))
    app.add_task(job, trigger=daily(1))
    first, second = found(app)
    assert [problem.code for problem in (first, second)] == ["AC203", "AC203"]
    assert "same trigger" in second.message
    assert "same trigger" not in first.message


def test_a_number_sign_in_a_name_is_fine() -> None:
    app = AioClock()
    app.add_task(job, trigger=daily(), name="job")
    app.add_task(job, trigger=daily(), name="job#2")
    assert codes(app) == []


def test_a_deprecated_trigger() -> None:
    with pytest.warns(DeprecationWarning, match="lifespan"):
        app = with_task(OnStartUp(), jitter=5)
    assert codes(app) == ["AC204"]


# Many at one instant


def herd(*triggers: BaseTrigger, **policies: Any) -> AioClock:
    app = AioClock(**policies)
    for number, trigger in enumerate(triggers):
        app.add_task(job, trigger=trigger, name=f"job {number}")
    return app


def test_many_tasks_at_one_instant() -> None:
    app = herd(*[daily(9, BERLIN)] * 15, *[Cron(cron="0 8 * * *", tz="UTC")] * 10, *[daily(10)] * 20)
    problem = only(app)
    assert (problem.code, problem.task) == ("AC217", None)
    assert problem.message == (
        "25 tasks are due at one instant, 2026-01-02T08:00:00+00:00: job 0, job 1, job 2, job 3, job 4 and 20 more; "
        "set jitter=, or spread them"
    )
    assert codes(app, many=26) == []


def test_jitter_spreads_them() -> None:
    assert codes(herd(*[daily()] * 30, jitter=60)) == []


def test_intervals_meet_since_all_begin_together() -> None:
    assert "300 s after the start" in only(herd(*[Every(seconds=60)] * 15, *[Every(seconds=100)] * 15)).message
    assert "the start:" in only(herd(*[Once()] * 30)).message
    assert codes(herd(*[Every(seconds=60)] * 15, *[Cron(cron="* * * * *", tz="UTC")] * 15)) == []


def test_the_day_after_tomorrow_is_not_looked_at() -> None:
    assert codes(herd(*[Cron(cron="0 9 4 * *", tz="UTC")] * 30)) == []


def test_frequent_tasks_count_at_every_instant(monkeypatch: pytest.MonkeyPatch) -> None:
    from aioclock.cli._checks import _herd

    monkeypatch.setattr(_herd, "MOST_TICKS", 100)
    seconds = [Cron(cron="* * * * * *", tz="UTC")] * 13
    problem = only(herd(*seconds, *[Cron(cron="0 9 * * *", tz="UTC")] * 13))
    assert problem.message.startswith("26 tasks are due at one instant, 2026-01-02T09:00:00+00:00")


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 3)), min_size=1, max_size=12), st.integers(2, 8))
def test_the_fullest_instant_is_found(times: list[tuple[int, int]], many: int) -> None:
    app = herd(*(Cron(cron=f"{minute} {hour} * * *", tz="UTC") for minute, hour in times))
    most = max(times.count(time) for time in times)
    problems = [problem for problem in found(app, many=many) if problem.code == "AC217"]
    assert bool(problems) == (most >= many)
    if problems:
        assert problems[0].message.startswith(f"{most} tasks")


# All together


def test_a_thousand_tasks_are_checked_in_little_time() -> None:
    app = AioClock(retry=Retry(attempts=2), timeout=5, grace=60)
    for number in range(1000):
        minute, hour = number % 60, number // 60
        trigger = (
            Every(seconds=30 + number)
            if number % 2
            else Cron(cron=f"{minute} {hour}-23 * * 1-5", tz=("UTC", BERLIN)[number % 4 // 2])
        )
        app.add_task(job, trigger=trigger, name=f"job {number}")
    before = process_time()
    found(app)
    assert process_time() - before < 20  # one or two, on an ordinary machine


def test_every_code_has_its_place_in_the_docs() -> None:
    page = Path(__file__).parent.parent.parent / "docs" / "cli" / "check.md"
    assert re.findall(r"^\| (AC\d+) \|", page.read_text(encoding="utf-8"), re.MULTILINE) == list(CODES)


def test_errors_come_first() -> None:
    app = AioClock()
    app.add_task(job, trigger=Every(days=1), name="warning")
    app.add_task(lambda: None, trigger=daily(), name="error", executor="process")
    assert [problem.severity for problem in found(app)] == ["error", "warning"]


FIELDS = [st.sampled_from(["*", "0", "*/7", "1-5", "30"]), st.sampled_from(["*", "2", "*/2", "0-3"])]
DAYS = [st.sampled_from(["*", "29", "1-7"]), st.sampled_from(["*", "2", "3"]), st.sampled_from(["*", "0", "1-5"])]
CRONS = st.builds(
    lambda fields, zone: Cron(cron=" ".join(fields), tz=zone),
    st.tuples(*FIELDS, *DAYS),
    st.sampled_from([BERLIN, "UTC", "Australia/Lord_Howe"]),
)
TRIGGERS = st.one_of(CRONS, st.builds(Every, seconds=st.floats(0.5, 10**6)), st.builds(Once))


@settings(max_examples=60, deadline=None)
@given(
    st.lists(TRIGGERS, min_size=1, max_size=3),
    st.floats(1, 10**5), st.sampled_from(["skip", "allow", "queue", "cancel"]), st.datetimes(
        datetime(2020, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC)  # noqa: DTZ001 - hypothesis adds the zone
    ),
)  # fmt: skip
def test_checking_always_comes_to_an_end_with_known_codes(
    triggers: list[BaseTrigger], seconds: float, overlap: Any, moment: datetime
) -> None:
    policies = {"timeout": seconds, "grace": seconds, "jitter": seconds, "overlap": overlap}
    app = with_task(OrTrigger(triggers=triggers), retry=Retry(attempts=5, delay=min(seconds, 60)), **policies)
    problems = found(app, moment, many=2)
    assert {problem.code for problem in problems} <= CODES.keys()
    assert problems == found(app, moment, many=2)


@settings(max_examples=60, deadline=None)
@given(CRONS)
def test_the_pace_is_that_of_the_ticks(cron: Cron) -> None:
    anchor = NOW + timedelta(seconds=0.5)
    pace = Outlook(anchor).pace(cron)
    in_utc = with_task(cron.model_copy(update={"tz": "UTC"}))
    ticks = in_utc.next_ticks("job", count=3000, after=anchor)
    gaps = [(later - tick).total_seconds() for tick, later in pairwise(ticks)]
    assert pace is not None
    assert min(gaps) <= pace.shortest_s <= min(gaps[:60])
    assert pace.longest_s >= max(gaps[:60])
    if ticks[-1] > anchor + timedelta(days=15):
        assert pace.longest_s in gaps
