"""The parts of `aioclock simulate`: the copy without bodies, the estimate, the tally and the picture."""

import random
import signal
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any, Literal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aioclock import AioClock, At, Cron, Depends, Every, Forever, Jitter, Once, OnStartUp, OrTrigger, Overlap, Retry
from aioclock.cli._simulations import Tally, _drive, _tally, drive, estimate, hollow
from aioclock.cli._simulations._heat_map import heat_map
from aioclock.events import Event
from aioclock.logger import logger
from aioclock.runs import RunFacts
from aioclock.testing import Simulation, simulate
from aioclock.triggers import BaseTrigger
from timelines import letters

START = datetime(2026, 1, 1, tzinfo=UTC)
BERLIN = ZoneInfo("Europe/Berlin")


def fail() -> None:
    raise AssertionError("nothing runs")


def lifespan(app: AioClock) -> Any:
    fail()


def tallied(app: AioClock, days: float = 1.0, *, most: int = 10**6, seed: int = 0) -> tuple[Tally, datetime]:
    tally = Tally(app.tasks, UTC, most=most)
    course = drive(app, tally, START, START + timedelta(days=days), seed=seed, tell=lambda part: None)
    assert not course.interrupted
    return tally, course.reached


# The copy


def test_the_copy_runs_nothing_of_the_original() -> None:
    app = AioClock(lifespan=lifespan)
    app.on(Event)(fail)
    app.add_task(fail, trigger=Every(hours=1), name="sync", timeout=5, executor="thread")

    @app.task(trigger=Every(hours=6), name="with dependency")
    async def job(nothing: None = Depends(fail)) -> None: ...

    tally, reached = tallied(hollow(app).app)
    assert {key: task.runs for key, task in tally.tasks.items()} == {"sync": 24, "with dependency": 4}
    assert all(not task.failed and not task.skipped for task in tally.tasks.values())
    assert reached == START + timedelta(days=1)
    assert app.runs() == []


def test_a_function_without_a_way_to_call_it_can_be_simulated() -> None:
    app = AioClock()
    app.add_task(lambda database: None, trigger=Every(hours=1), name="job")
    assert tallied(hollow(app).app)[0].tasks["job"].runs == 24


def test_keys_and_policies_that_concern_ticks_are_kept() -> None:
    app = AioClock(overlap=Overlap("queue", limit=3), grace=20, retry=Retry())
    app.add_task(fail, trigger=Every(hours=1), jitter=Jitter(30, stable=True))
    copied, original = (next(iter(each.tasks.values())) for each in (hollow(app).app, app))
    assert copied.key == original.key
    for policy in ("overlap", "grace", "jitter"):
        assert getattr(copied.policies, policy) == getattr(original.policies, policy)


def test_a_stable_jitter_is_that_of_the_original() -> None:
    app = AioClock()
    app.add_task(fail, trigger=At(hour=6, tz="UTC"), name="report", jitter=Jitter(3600, stable=True))
    busy = tallied(hollow(app).app)[0].busiest(1)[0]
    expected = datetime(2026, 1, 1, 6, tzinfo=UTC) + timedelta(seconds=Jitter(3600, stable=True).delay_s("report"))
    assert busy.moment == expected.replace(second=0, microsecond=0)


def test_a_paused_task_is_skipped() -> None:
    app = AioClock()
    app.add_task(fail, trigger=Every(hours=1), name="job")
    app.pause("job", "broken")
    task = tallied(hollow(app).app)[0].tasks["job"]
    assert (task.ticks, task.runs, task.skipped) == (24, 0, {"paused": 24})


def test_what_can_not_go_on_by_itself_is_left_out_with_a_reason() -> None:
    app = AioClock()
    with pytest.warns(DeprecationWarning, match="lifespan"):
        app.add_task(fail, trigger=OnStartUp(), name="start")
    app.add_task(fail, trigger=letters(), name="letters")
    app.add_task(fail, trigger=Forever(), name="forever")
    app.add_task(fail, trigger=Every(seconds=0), name="no pause")
    app.add_task(fail, trigger=OrTrigger(triggers=[letters(), Forever()]), name="neither")
    app.add_task(fail, trigger=OrTrigger(triggers=[letters(), Every(hours=1)], max_loop_count=5), name="both")
    app.add_task(fail, trigger=Every(hours=1, mode="fixed_delay"), name="delay")
    app.pause("letters")
    copy = hollow(app)
    assert list(copy.app.tasks) == ["both", "delay"]
    assert list(copy.left_out) == ["start", "letters", "forever", "no pause", "neither"]
    assert copy.left_out["start"] == "it runs when the app starts"
    assert copy.left_out["letters"].startswith("its trigger waits by itself")
    assert copy.left_out["forever"] == copy.left_out["no pause"] != copy.left_out["neither"]
    assert list(copy.partly) == ["both"]
    tally, _ = tallied(copy.app)
    assert [task.runs for task in tally.tasks.values()] == [5, 24]
    assert len(app.tasks["both"].trigger.triggers) == 2  # type: ignore[attr-defined]


# The estimate


class Doubling(BaseTrigger[Literal["DOUBLING"]]):
    type_: Literal["DOUBLING"] = "DOUBLING"

    def next_after(self, moment: datetime, anchor: datetime) -> datetime | None:
        delay = timedelta(seconds=1)
        while anchor + delay <= moment:
            delay *= 2
        return anchor + delay


class Failing(Doubling):
    def next_after(self, moment: datetime, anchor: datetime) -> datetime | None:
        raise LookupError


def test_what_nobody_can_tell_counts_for_nothing() -> None:
    for trigger in (Forever(), letters(), Every(seconds=0), Failing()):
        assert estimate(trigger, START, START + timedelta(days=1)) == 0


def test_millions_of_ticks_are_counted_at_once() -> None:
    assert estimate(Every(seconds=0.01), START, START + timedelta(days=30)) == 259_200_000


PERIODS = st.integers(600, 90_000)
LEAVES = st.one_of(
    st.builds(
        Every,
        seconds=PERIODS,
        first_run_strategy=st.sampled_from(["immediate", "wait"]),
        mode=st.just("fixed_rate"),
        max_loop_count=st.one_of(st.none(), st.integers(1, 9)),
    ),
    st.builds(At, hour=st.integers(0, 23), tz=st.sampled_from(["UTC", "Europe/Berlin"])),
    st.sampled_from([Once(), Doubling(), Cron(cron="*/20 * * * *", tz="UTC"), Cron(cron="0 0 2 1 *", tz="UTC")]),
)


@settings(max_examples=50, deadline=None)
@given(LEAVES, st.integers(1, 96))
def test_the_estimate_is_what_the_simulation_counts(trigger: BaseTrigger, hours: int) -> None:
    app = AioClock()
    app.add_task(fail, trigger=trigger, name="job")
    tally, _ = tallied(hollow(app).app, hours / 24)
    assert tally.tasks["job"].ticks == estimate(trigger, START, START + timedelta(hours=hours))


@settings(max_examples=30, deadline=None)
@given(st.lists(LEAVES, min_size=1, max_size=4))
def test_the_estimate_of_several_triggers_is_no_less(triggers: list[BaseTrigger]) -> None:
    trigger = OrTrigger(triggers=triggers)
    app = AioClock()
    app.add_task(fail, trigger=trigger, name="job")
    tally, _ = tallied(hollow(app).app)
    assert tally.tasks["job"].ticks <= estimate(trigger, START, START + timedelta(days=1))


# Driving


def test_too_many_ticks_end_it_where_it_is() -> None:
    app = AioClock()
    app.add_task(fail, trigger=Every(seconds=1), name="job")
    tally, reached = tallied(hollow(app).app, most=100)
    assert tally.full
    assert tally.ticks == 101
    assert reached == START + timedelta(seconds=101)


def test_as_many_ticks_as_are_allowed_do_not_end_it() -> None:
    app = AioClock()
    app.add_task(fail, trigger=Every(hours=1, max_loop_count=5), name="job")
    tally, reached = tallied(hollow(app).app, most=5)
    assert not tally.full
    assert reached == START + timedelta(days=1)


def test_a_task_that_never_waits_is_ended_too() -> None:
    async def spin() -> None: ...

    app = AioClock()
    app.add_task(spin, trigger=Forever(), name="spin")
    tally, reached = tallied(app, most=100)
    assert tally.full
    assert reached == START


def test_ctrl_c_ends_it_after_the_run_that_goes_on() -> None:
    ended: list[int] = []

    async def job() -> None:
        if len(ended) == 3:
            signal.raise_signal(signal.SIGINT)
        ended.append(1)

    app = AioClock()
    app.add_task(job, trigger=Every(hours=1), name="job")
    tally = Tally(app.tasks, UTC, most=100)
    course = drive(app, tally, START, START + timedelta(days=1), seed=0, tell=lambda part: None)
    assert course == (START + timedelta(hours=4), True)
    assert (len(ended), tally.tasks["job"].runs) == (4, 4)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_ctrl_c_twice_ends_it_at_once() -> None:
    async def job() -> None:
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)

    app = AioClock()
    app.add_task(job, trigger=Every(hours=1), name="job")
    with pytest.raises(KeyboardInterrupt):
        tallied(app)


def test_it_works_beside_the_main_thread() -> None:
    app = AioClock()
    app.add_task(fail, trigger=Every(hours=1), name="job")
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(tallied, hollow(app).app).result()[0].ticks == 24


def test_somebody_is_told_how_far_it_is() -> None:
    app = AioClock()
    app.add_task(fail, trigger=Every(hours=1), name="job")
    parts: list[float] = []
    drive(
        hollow(app).app, Tally(app.tasks, BERLIN, most=100), START, START + timedelta(days=1), seed=0, tell=parts.append
    )
    assert parts == sorted(parts)
    assert parts[-1] == 1.0
    assert len(parts) > 50


def test_the_same_seed_gives_the_same_jitter() -> None:
    app = AioClock()
    app.add_task(fail, trigger=Every(hours=1), name="job", jitter=3000)
    first, again, other = (tallied(hollow(app).app, seed=seed)[0].heat for seed in (1, 1, 2))
    assert first == again != other


def test_runs_that_are_counted_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    kept: list[Simulation] = []

    def simulate_and_keep(*args: Any, **kwargs: Any) -> Simulation:
        kept.append(simulate(*args, **kwargs))
        return kept[-1]

    monkeypatch.setattr(_drive, "simulate", simulate_and_keep)
    app = AioClock()
    app.add_task(fail, trigger=Every(seconds=60), name="job")
    assert tallied(hollow(app).app)[0].ticks == 1440
    assert len(kept[0].runs()) < 20


def test_nothing_is_left_behind(caplog: pytest.LogCaptureFixture) -> None:
    async def broken() -> None:
        print("said")  # noqa: T201 - that is the point
        raise LookupError

    app = AioClock()
    app.add_task(broken, trigger=Every(hours=1), name="job")
    assert tallied(app)[0].tasks["job"].failed == 24
    assert caplog.records == []
    assert app._roster.runner.ledger.observers == []


def test_what_functions_print_is_no_part_of_the_answer(capsys: pytest.CaptureFixture[str]) -> None:
    async def talk() -> None:
        print("said")  # noqa: T201 - that is the point

    app = AioClock()
    app.add_task(talk, trigger=Every(hours=8), name="job")
    tallied(app)
    assert capsys.readouterr() == ("", "said\n" * 3)


# The tally


def facts(key: str, started: float | None, outcome: str = "succeeded", reason: str | None = None) -> RunFacts:
    epoch = START.timestamp()
    begun = None if started is None else epoch + started
    return RunFacts(key, begun or epoch, outcome, (begun or epoch) + 1, begun, reason)


def test_outcomes_and_reasons() -> None:
    tally = Tally(["a", "b"], BERLIN, most=100)
    for outcome in ("succeeded", "failed", "timed_out", "lost", "cancelled", "failed"):
        tally.add(facts("a", 0, outcome))
    tally.add(facts("a", None, "skipped", "overlap"))
    tally.finish()
    a, b = tally.tasks["a"], tally.tasks["b"]
    assert (a.ticks, a.runs, a.failed, a.skipped) == (7, 6, 4, {"overlap": 1})
    assert (b.ticks, b.runs, b.failed) == (0, 0, 0)
    assert [run.outcome for run in tally.failures] == ["failed", "timed_out", "lost", "failed"]


def test_only_the_first_failures_are_kept() -> None:
    tally = Tally(["a"], BERLIN, most=100)
    for second in range(20):
        tally.add(facts("a", second, "failed"))
    assert len(tally.failures) == 5


def test_minutes_are_those_of_the_zone_and_days_are_counted() -> None:
    tally = Tally(["a", "b"], BERLIN, most=100)
    for day in range(3):
        for key, count in (("a", 2), ("b", 1)):
            for _ in range(count):
                tally.add(facts(key, day * 86_400 + 90))
    tally.add(facts("a", 3 * 86_400 + 90))
    tally.add(facts("b", 7200))
    tally.finish()
    first, second = tally.busiest(5)
    assert (f"{first.moment:%H:%M}", first.runs, first.days, first.tasks) == ("01:01", 3, 3, {"a": 2, "b": 1})
    assert (f"{second.moment:%H:%M}", second.runs, second.days) == ("03:00", 1, 1)
    assert tally.heat[1][0] == 10
    assert tally.heat[3][0] == 1
    assert tally.busiest(1) == [first]


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 2000), st.integers(0, 2**32))
def test_the_tally_equals_counting_everything_at_the_end(number: int, seed: int) -> None:
    draw = random.Random(seed)
    seconds = sorted(draw.randrange(0, 86_400 * 9) for _ in range(number))
    tally = Tally(["a"], BERLIN, most=10**6)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_tally, "OPEN_MINUTES", 20)
        for second in seconds:
            tally.add(facts("a", second))
            assert len(tally._minutes) <= 41
    tally.finish()
    minutes = Counter(int((START.timestamp() + second) // 60) for second in seconds)
    local = [datetime.fromtimestamp(minute * 60, BERLIN) for minute in minutes.elements()]
    assert tally.heat == [
        [sum((moment.hour, moment.minute // 5) == (hour, part) for moment in local) for part in range(12)]
        for hour in range(24)
    ]
    assert tally.busiest(1)[0].runs == max(minutes.values())


# The picture


def test_the_heat_map_shades_by_the_fullest_cell() -> None:
    heat = [[0] * 12 for _ in range(24)]
    heat[3][:5] = [1, 25, 26, 75, 100]
    lines = [line.plain for line in heat_map(heat, unicode=True)]
    assert lines[0] == "    00 05 10 15 20 25 30 35 40 45 50 55  runs"
    assert lines[4] == "03  ░░ ░░ ▒▒ ▓▓ ██                       227"
    assert lines[5].split() == ["04", "0"]
    assert lines[-1] == "    ░░ up to 25  ▒▒ up to 50  ▓▓ up to 75  ██ up to 100  runs in 5 minutes, all days together"
    assert len(lines) == 26
    assert "#" in "".join(line.plain for line in heat_map(heat, unicode=False))


@pytest.mark.parametrize(
    ("most", "legend"),
    [
        (0, "nothing runs"),
        (1, "██ up to 1  runs in 5 minutes, all days together"),
        (2, "▒▒ up to 1  ██ up to 2  runs in 5 minutes, all days together"),
    ],
)
def test_the_legend_of_little(most: int, legend: str) -> None:
    heat = [[0] * 12 for _ in range(24)]
    heat[0][0] = most
    assert list(heat_map(heat, unicode=True))[-1].plain.strip() == legend


@given(st.lists(st.lists(st.integers(0, 50), min_size=12, max_size=12), min_size=24, max_size=24))
def test_the_legend_tells_the_truth(heat: list[list[int]]) -> None:
    lines = [line.plain for line in heat_map(heat, unicode=True)]
    limits = {}
    for part in lines[-1].strip().removesuffix("  runs in 5 minutes, all days together").split("  "):
        shade, _, limit = part.partition(" up to ")
        limits[shade] = int(limit or 0)
    for counts, line in zip(heat, lines[1:-1], strict=True):
        cells = [line[4 + 3 * part : 6 + 3 * part] for part in range(12)]
        for count, cell in zip(counts, cells, strict=True):
            assert (cell == "  ") == (count == 0)
            assert count <= limits.get(cell, 0)


def test_the_log_tells_what_holds_up_time_and_not_what_becomes_of_runs(caplog: pytest.LogCaptureFixture) -> None:
    app = AioClock()

    @app.task(trigger=Every(hours=1, max_loop_count=1), name="work")
    async def work() -> None:
        logger.warning("virtual time has waited")
        raise ValueError

    tally = Tally(app.tasks, UTC, most=10)
    drive(app, tally, START, START + timedelta(days=1), seed=0, tell=lambda part: None)
    assert tally.tasks["work"].failed == 1
    assert [record.message for record in caplog.records] == ["virtual time has waited"]
