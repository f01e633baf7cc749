"""Random apps, random commands, and what must hold of every run whatever happens.

Each story is played on virtual time and told by what it leaves: records, events, and what the functions themselves
saw. Every rule below compares these with each other, or with ticks that `next_after` counts out by itself.
"""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aioclock import AioClock, Cron, Every, Forever, Jitter, Once, OrTrigger, Outcome, Overlap, Retry, current_run
from aioclock.clock import LONGEST_SLEEP_S
from aioclock.events import (
    OUTCOME_EVENTS,
    Event,
    RunEvent,
    RunRetrying,
    RunSkipped,
    RunStarted,
    TaskEvent,
    TaskPaused,
    TaskRecovered,
    TaskResumed,
)
from aioclock.exceptions import RunCancelledError, RunSkippedError, TaskTimeoutError
from aioclock.runs import Run
from aioclock.testing import Simulation, VirtualClock, VirtualEventLoop, simulate
from aioclock.triggers import BaseTrigger

START = datetime(2026, 1, 1, tzinfo=UTC)
FAILURES = {Outcome.FAILED, Outcome.TIMED_OUT, Outcome.LOST}
HAIR = timedelta(microseconds=10)


# Stories


@dataclass(frozen=True)
class Attempt:
    """What one call of the function does."""

    takes_s: float = 0.25
    fails: bool = False
    deaf_s: float = 0
    """How long it goes on after its cancellation."""


@dataclass(frozen=True)
class Plan:
    trigger: BaseTrigger[Any]
    policies: dict[str, Any]
    script: list[Attempt]
    """One after the other, from the start again at the end."""


@dataclass(frozen=True)
class Command:
    after_s: int
    what: str
    task: int
    trigger: BaseTrigger[Any]
    seconds: int


counts = st.none() | st.integers(1, 4)
intervals = st.builds(
    Every,
    seconds=st.integers(2, 30),
    first_run_strategy=st.sampled_from(["wait", "immediate"]),
    max_loop_count=counts,
)
minutely = st.builds(Cron, cron=st.sampled_from(["* * * * *", "*/2 * * * *"]), tz=st.just("UTC"), max_loop_count=counts)
several = st.builds(
    lambda triggers, most: OrTrigger(triggers=triggers, max_loop_count=most),
    st.lists(
        st.builds(Every, seconds=st.integers(2, 30)) | st.just(Cron(cron="* * * * *", tz="UTC")) | st.just(Once()),
        min_size=2,
        max_size=3,
    ),
    counts,
)
on_a_grid = intervals | minutely | several | st.just(Once())
after_runs = st.just(Forever()) | st.builds(
    Every, seconds=st.integers(1, 20), mode=st.just("fixed_delay"), max_loop_count=counts
)
triggers = on_a_grid | after_runs
attempts = st.builds(
    Attempt,
    takes_s=st.sampled_from([0.25, 3.125, 12.125, 40.125]),
    fails=st.booleans(),
    deaf_s=st.sampled_from([0, 0, 0, 2.0625, 8.0625]),
)
overlaps = st.one_of(
    st.sampled_from(["skip", "allow", "queue", "cancel"]),
    st.builds(Overlap, st.sampled_from(["allow", "queue"]), limit=st.integers(1, 3)),
)
retries = st.builds(
    Retry,
    attempts=st.integers(1, 3),
    delay=st.sampled_from([0, 1.03125, 5.03125]),
    jitter=st.just(0),
    on=st.sampled_from([(Exception,), (LookupError,), (TimeoutError,)]),
    outlive_tick=st.booleans(),
)
policies = st.fixed_dictionaries(
    {},
    optional={
        "overlap": overlaps,
        "retry": retries,
        "timeout": st.sampled_from([1.015625, 10.015625]),
        "grace": st.sampled_from([0.5, 15.0]),
        "jitter": st.just(Jitter(3, stable=True)),
        "pause_after_failures": st.integers(1, 3),
    },
)
plans = st.builds(Plan, trigger=triggers, policies=policies, script=st.lists(attempts, min_size=1, max_size=4))
commands = st.builds(
    Command,
    after_s=st.integers(1, 40),
    what=st.sampled_from(["run_now", "pause", "resume", "cancel", "reschedule", "block"]),
    task=st.integers(0, 2),
    trigger=triggers,
    seconds=st.integers(1, 40),
)


@dataclass
class Story:
    plans: list[Plan]
    records: list[Run] = field(default_factory=list)
    """In the order in which they were decided."""
    events: list[Event] = field(default_factory=list)
    calls: Counter[str] = field(default_factory=Counter)
    """How often the function was called, by the key of the run."""
    left: dict[str, datetime] = field(default_factory=dict)
    """When the last call of a run was over, by its key."""
    most_inside: Counter[str] = field(default_factory=Counter)
    schedules: dict[str, list[tuple[datetime, BaseTrigger[Any]]]] = field(default_factory=dict)
    """From when on which trigger held."""
    answers: dict[str, list[tuple[float, Any]]] = field(default_factory=lambda: defaultdict(list))
    """What `run_now` gave, and when it was asked for."""
    remembered: dict[str, list[Run]] = field(default_factory=dict)
    remembered_at_all: list[Run] = field(default_factory=list)
    told_by_sim: list[Run] = field(default_factory=list)
    stopped: datetime = START
    blocked: bool = False

    def key(self, number: int) -> str:
        return f"task {number % len(self.plans)}"

    def each(self) -> Iterator[tuple[str, Plan, list[Run]]]:
        for number, plan in enumerate(self.plans):
            key = self.key(number)
            yield key, plan, [run for run in self.records if run.task_key == key]


def play(plans: list[Plan], commands: list[Command], history: int) -> Story:
    story, app = Story(plans), AioClock(history=history)
    for number, plan in enumerate(plans):
        key = story.key(number)
        app.task(trigger=plan.trigger, name=key, **plan.policies)(_function(story, key, plan.script))
        story.schedules[key] = [(START, plan.trigger)]
    app.task(trigger=Every(days=9), name="keeps the app serving")(lambda: None)

    @app.on(Event)
    async def listen(event: Event) -> None:
        story.events.append(event)

    with simulate(app, start=START) as sim:
        for number, command in enumerate(commands):
            # Never two at one instant, and never at a tick.
            moment = sim.now + timedelta(seconds=command.after_s, milliseconds=number + 1)
            sim.run_until(moment)
            sim.run(_give(story, app, command))
        sim.advance(seconds=61.4)
        story.stopped = sim.now
        sim.run(_stop(app))
        _look(story, app, sim)
    return story


async def _stop(app: AioClock) -> None:
    await app.stop()
    await asyncio.sleep(20)  # whoever waits is told, and what was given up ends


def _look(story: Story, app: AioClock, sim: Simulation) -> None:
    outcomes = set(OUTCOME_EVENTS.values())
    story.records = [event.run for event in story.events if isinstance(event, RunEvent) and type(event) in outcomes]
    story.told_by_sim = sim.runs()
    story.remembered_at_all = app.runs(limit=10_000)
    for key, _, _ in story.each():
        story.remembered[key] = app.runs(key, limit=10_000)


def _function(story: Story, key: str, script: list[Attempt]) -> Any:
    inside: set[object] = set()
    made = [0]

    async def work() -> str:
        attempt = script[made[0] % len(script)]
        made[0] += 1
        run, me = current_run(), object()
        story.calls[run.key] += 1
        inside.add(me)
        story.most_inside[key] = max(story.most_inside[key], len(inside))
        try:
            await asyncio.sleep(attempt.takes_s)
        except asyncio.CancelledError:
            await _ignore(attempt.deaf_s)
            raise
        finally:
            inside.remove(me)
            story.left[run.key] = _now()
        if attempt.fails:
            raise LookupError(run.key)
        return run.key

    return work


def _now() -> datetime:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualEventLoop)
    return loop.clock.now()


async def _ignore(seconds: float) -> None:
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    while loop.time() < end:
        try:
            await asyncio.sleep(end - loop.time())
        except asyncio.CancelledError:
            continue


async def _give(story: Story, app: AioClock, command: Command) -> None:
    key = story.key(command.task)
    if command.what == "pause":
        app.pause(key, "by command")
    elif command.what == "resume":
        app.resume(key)
    elif command.what == "cancel":
        app.cancel(key)
    elif command.what == "reschedule":
        story.schedules[key].append((_now(), command.trigger))
        app.reschedule(key, command.trigger)
    elif command.what == "block":
        story.blocked = True
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualEventLoop)
        loop._now_s += command.seconds  # the clock moves and nobody had a turn, as during a blocking call
    else:
        asking = asyncio.create_task(_ask(story, app, key))
        asking.add_done_callback(lambda _: None)
        await asyncio.sleep(0)


async def _ask(story: Story, app: AioClock, key: str) -> None:
    asked_at = _now()
    answer: Any
    try:
        answer = await app.run_now(key)
    except asyncio.CancelledError as cancelled:
        answer = cancelled
    except Exception as error:
        answer = error
    story.answers[key].append((at(asked_at), answer))


# Rules


def noted(run: Run) -> datetime:
    """Return when the outcome was decided."""
    return run.finished_at or run.scheduled_at + timedelta(seconds=run.lateness_s)


def at(moment: datetime) -> float:
    """Return the seconds since the start, without what floats lose on the way."""
    return round((moment - START).total_seconds(), 4)


def ticks_of(trigger: BaseTrigger[Any], anchor: datetime, until: datetime) -> list[float]:
    ticks, tick = [], trigger.first_tick(anchor)
    while tick is not None and tick <= until:
        ticks.append(at(tick))
        tick = trigger.next_after(tick, anchor)
    return ticks


def has_grid(trigger: BaseTrigger[Any]) -> bool:
    return trigger.pause_after_run is None


def every_tick_has_exactly_one_record(story: Story) -> None:
    for key, _, records in story.each():
        spans = [*story.schedules[key], (story.stopped + HAIR, Once())]
        scheduled = sorted((run for run in records if run.kind == "schedule"), key=lambda run: run.scheduled_at)
        for (anchor, trigger), (end, _) in pairwise(spans):
            mine = [run for run in scheduled if anchor - HAIR <= run.scheduled_at < end - HAIR]
            if has_grid(trigger):
                _compare_with_grid(story, trigger, ticks_of(trigger, anchor, end - HAIR), mine)
            else:
                assert all(sooner.scheduled_at < later.scheduled_at for sooner, later in pairwise(mine))
            _count_runs(trigger, mine)
        assert all(run.scheduled_at < story.stopped + HAIR for run in scheduled)


def _compare_with_grid(story: Story, trigger: BaseTrigger[Any], ticks: list[float], records: list[Run]) -> None:
    place, limit = -1, getattr(trigger, "max_loop_count", None)
    for run in records:
        following = ticks.index(at(run.scheduled_at))  # on the grid, or this raises
        if not isinstance(trigger, OrTrigger):
            assert following == place + 1 + run.missed, f"{run} stands for {following - place} ticks"
        assert following > place
        # A count that was used up and gets a place back goes on later, past ticks that it did not allow.
        assert story.blocked or limit or not run.missed
        place = following
    if limit is None:
        assert place == len(ticks) - 1, f"no record of {ticks[place + 1 :]}"
    elif place < len(ticks) - 1:
        assert sum(_counts(run) for run in records) == limit


def _counts(run: Run) -> bool:
    # What waited for its turn when the app stopped had been given its place in the count already.
    return run.outcome != "skipped" or run.reason == "stopping"


def _count_runs(trigger: BaseTrigger[Any], records: list[Run]) -> None:
    limit = getattr(trigger, "max_loop_count", None)
    assert limit is None or sum(run.outcome != "skipped" for run in records) <= limit


def no_more_runs_go_at_once_than_allowed(story: Story) -> None:
    for key, plan, _ in story.each():
        assert story.most_inside[key] <= _overlap(plan).most_going


def _overlap(plan: Plan) -> Overlap:
    overlap = plan.policies.get("overlap", "skip")
    return overlap if isinstance(overlap, Overlap) else Overlap(overlap)


def attempts_are_those_allowed_and_those_made(story: Story) -> None:
    for _, plan, records in story.each():
        retry = plan.policies.get("retry", Retry(attempts=1))
        for run in records:
            assert run.attempt <= retry.attempts
            assert run.attempt == story.calls[run.key], run
            assert run.attempt or run.outcome in ("skipped", "cancelled")


def a_skipped_run_says_rightly_why(story: Story) -> None:
    for key, plan, records in story.each():
        for run in records:
            if run.outcome == "skipped":
                assert run.started_at is None
                assert run.error is None
                assert _is_right(story, key, plan, run, records), run
            else:
                assert run.reason is None


def _is_right(story: Story, key: str, plan: Plan, run: Run, records: list[Run]) -> bool:
    moment = noted(run)
    if run.reason == "paused":
        return run.kind == "schedule" and any(
            begin - HAIR <= moment <= end + HAIR for begin, end in _pauses(story, key)
        )
    if run.reason == "missed":
        grace_s = plan.policies.get("grace")
        return run.kind == "schedule" and grace_s is not None and run.lateness_s > grace_s
    if run.reason == "stopping":
        return moment >= story.stopped - HAIR
    busy = [other for other in records if _occupies(story, other, moment)]
    waiting = [
        other
        for other in records
        if other is not run
        and other.scheduled_at <= moment + HAIR
        and (other.started_at or noted(other)) >= moment - HAIR
    ]
    overlap = _overlap(plan)
    return run.reason == "overlap" and len(busy) >= overlap.most_going and len(waiting) >= overlap.most_waiting


def _occupies(story: Story, run: Run, moment: datetime) -> bool:
    if run.started_at is None:
        return False
    end = max(noted(run), story.left.get(run.key, START))
    return run.started_at - HAIR <= moment <= end + HAIR


def _pauses(story: Story, key: str) -> list[tuple[datetime, datetime]]:
    found: list[tuple[datetime, datetime]] = []
    begin = None
    for event in story.events:
        if isinstance(event, TaskPaused) and event.task_key == key:
            assert begin is None, "paused twice"
            begin = event.at
        elif isinstance(event, TaskResumed) and event.task_key == key:
            assert begin is not None, "resumed twice"
            found.append((begin, event.at))
            begin = None
    return [*found, (begin, START + timedelta(days=1))] if begin is not None else found


def nothing_starts_while_paused_or_too_late(story: Story) -> None:
    for key, plan, records in story.each():
        pauses = _pauses(story, key)
        most_late_s = plan.policies.get("grace", 1e9) + (3 if "jitter" in plan.policies else 0) + 1e-3
        for run in records:
            if run.kind == "schedule" and run.started_at is not None:
                assert not any(begin + HAIR < run.started_at < end - HAIR for begin, end in pauses), run
                assert run.lateness_s <= most_late_s, run


def times_are_in_order(story: Story) -> None:
    for run in story.records:
        if run.started_at is not None:
            assert run.finished_at is not None
            assert run.scheduled_at <= run.started_at + HAIR
            assert run.started_at <= run.finished_at
            assert run.lateness_s == pytest.approx((run.started_at - run.scheduled_at).total_seconds(), abs=1e-5)
    moments = [event.at for event in story.events]
    assert moments == sorted(moments)


def a_record_has_an_error_if_and_only_if_it_failed(story: Story) -> None:
    for run in story.records:
        assert (run.error is not None) == (run.outcome in FAILURES), run


def events_tell_the_story_of_the_records(story: Story) -> None:
    by_tick = sorted(story.records, key=lambda run: (run.scheduled_at, run.task_key, run.kind))
    assert by_tick == sorted(story.told_by_sim, key=lambda run: (run.scheduled_at, run.task_key, run.kind))
    told: dict[tuple[str, str], list[Event]] = defaultdict(list)
    for event in story.events:
        if isinstance(event, RunEvent):
            told[event.run.kind, event.run.key].append(event)
    for run in story.records:
        *before, last = [event for event in told[run.kind, run.key] if type(event).__name__ != "RunStuck"]
        assert type(last) is OUTCOME_EVENTS[Outcome(str(run.outcome))]
        assert bool(before) == bool(run.attempt), run
        assert [type(event) for event in before[:1]] == [RunStarted] * bool(before)
        assert {type(event) for event in before[1:]} <= {RunRetrying}
        waited_in_vain = run.outcome == "cancelled" and len(before) - 1 == run.attempt
        assert not before or len(before) == run.attempt or waited_in_vain, run


def the_memory_is_bounded_and_newest_first(story: Story, history: int) -> None:
    for key, _, records in story.each():
        assert story.remembered[key] == records[::-1][:history]
    ends = [noted(run) for run in story.remembered_at_all]
    assert all(later >= sooner - HAIR for later, sooner in pairwise(ends))


def whoever_asked_was_told_what_the_record_says(story: Story) -> None:
    for key, _, records in story.each():
        by_hand = [run for run in records if run.kind == "manual"]
        assert sorted(at(run.scheduled_at) for run in by_hand) == sorted(asked for asked, _ in story.answers[key])
        answers = dict(story.answers[key])
        for run in by_hand:
            _compare_answer(run, answers[at(run.scheduled_at)])


def _compare_answer(run: Run, answer: Any) -> None:
    kinds = {
        Outcome.SUCCEEDED: str,
        Outcome.FAILED: LookupError,
        Outcome.TIMED_OUT: TaskTimeoutError,
        Outcome.CANCELLED: RunCancelledError,
        Outcome.SKIPPED: RunSkippedError,
    }
    assert run.outcome is not None
    assert type(answer) is kinds[run.outcome], (run, answer)
    if isinstance(answer, str):
        assert answer == run.key
    if isinstance(answer, RunSkippedError):
        assert f": {run.reason}" in str(answer)


def failures_in_a_row_are_counted(story: Story) -> None:
    for key, plan, _ in story.each():
        events = [event for event in story.events if isinstance(event, RunEvent | TaskEvent) and event.task_key == key]
        _follow_failures(events, plan.policies.get("pause_after_failures"))


def _follow_failures(events: list[Any], pause_after: int | None) -> None:
    failures, paused = 0, False
    must_follow: Any = None
    # What waited is skipped a moment before the news that its task is paused.
    for event in (event for event in events if not isinstance(event, RunSkipped)):
        if must_follow is not None:
            assert type(event) is must_follow, event
        assert not isinstance(event, TaskRecovered) or (must_follow is TaskRecovered and event.failures == failures)
        must_follow = None
        if isinstance(event, TaskPaused):
            paused = True
            assert event.note == "by command" or f"after {failures} failure" in str(event.note)
        elif isinstance(event, TaskResumed):
            paused = False
        elif type(event) in OUTCOME_EVENTS.values():
            if event.run.outcome in FAILURES:
                failures += 1
                if pause_after is not None and not failures % pause_after and not paused:
                    must_follow = TaskPaused
            elif event.run.outcome == "succeeded":
                must_follow = TaskRecovered if failures else None
        elif isinstance(event, TaskRecovered):
            failures = 0
    assert must_follow is None


def the_success_before_is_known(story: Story) -> None:
    for _, _, records in story.each():
        for run in records:
            if run.started_at is not None:
                before = [
                    other.scheduled_at
                    for other in records
                    if other.outcome == "succeeded"
                    and other.finished_at is not None
                    and other.finished_at < run.started_at - HAIR
                ]
                assert run.previous_success is not None or not before, run
                assert not before or (run.previous_success is not None and run.previous_success >= max(before)), run


RULES = [
    every_tick_has_exactly_one_record,
    no_more_runs_go_at_once_than_allowed,
    attempts_are_those_allowed_and_those_made,
    a_skipped_run_says_rightly_why,
    nothing_starts_while_paused_or_too_late,
    times_are_in_order,
    a_record_has_an_error_if_and_only_if_it_failed,
    events_tell_the_story_of_the_records,
    whoever_asked_was_told_what_the_record_says,
    failures_in_a_row_are_counted,
    the_success_before_is_known,
]


@settings(max_examples=250, deadline=None)
@given(
    plans=st.lists(plans, min_size=1, max_size=3),
    commands=st.lists(commands, max_size=8),
    history=st.integers(1, 12),
)
def test_every_story_keeps_the_rules(plans: list[Plan], commands: list[Command], history: int) -> None:
    story = play(plans, commands, history)
    for rule in RULES:
        rule(story)
    the_memory_is_bounded_and_newest_first(story, history)


# A wall clock that is set


@settings(max_examples=25, deadline=None)
@given(
    steps=st.lists(st.tuples(st.integers(1, 400), st.integers(-3000, 3000)), max_size=5),
    period=st.integers(5, 200),
    takes_s=st.sampled_from([0, 90.5]),
)
def test_a_wall_clock_that_is_set_neither_loses_nor_doubles_ticks(
    steps: list[tuple[int, int]], period: int, takes_s: float
) -> None:
    app = AioClock()

    async def work() -> None:
        await asyncio.sleep(takes_s)

    app.task(trigger=Every(seconds=period), name="interval")(work)
    app.task(trigger=Cron(cron="* * * * *", tz="UTC"), name="minutes")(work)
    latest = START
    with patch.object(VirtualClock, "longest_sleep_s", LONGEST_SLEEP_S, create=True), simulate(app, start=START) as sim:
        loop = sim._loop
        assert loop is not None
        for after_s, step_s in steps:
            sim.advance(seconds=after_s + 0.25)
            latest = max(latest, sim.now)
            loop.clock.start += timedelta(seconds=step_s)
            sim.advance(seconds=LONGEST_SLEEP_S + 1)  # a step is noticed by then
            latest = max(latest, sim.now)
        elapsed_s = loop.time()
    intervals = [run for run in sim.runs("interval") if run.kind == "schedule"]
    assert sum(1 + run.missed for run in intervals) == elapsed_s // period
    minutes = sorted(sim.runs("minutes"), key=lambda run: run.scheduled_at)
    assert sum(1 + run.missed for run in minutes) == (latest - START) // timedelta(minutes=1)
    assert len({run.scheduled_at for run in minutes}) == len(minutes)
    assert all(run.scheduled_at.second == 0 for run in minutes)


# What stories have shown


def test_a_place_in_the_count_that_a_pause_gives_back_is_used_later() -> None:
    app = AioClock()

    async def work() -> None:
        await asyncio.sleep(14)

    app.task(trigger=Every(seconds=10, max_loop_count=2), name="work", overlap="queue")(work)
    app.task(trigger=Every(days=9), name="stay")(lambda: None)
    with simulate(app, start=START) as sim:
        sim.advance(seconds=21)  # the second run waits for the first to end
        app.pause("work")
        app.resume("work")
        sim.advance(seconds=60)
        assert [run.outcome for run in sim.runs("work")] == ["succeeded", "skipped", "succeeded"]


def test_a_place_in_the_count_is_given_back_by_a_queued_tick_that_becomes_too_late() -> None:
    app, takes_s = AioClock(), iter([14, 1, 1])

    async def work() -> None:
        await asyncio.sleep(next(takes_s))

    app.task(trigger=Every(seconds=10, max_loop_count=2), name="work", overlap="queue", grace=2)(work)
    app.task(trigger=Every(days=9), name="stay")(lambda: None)
    with simulate(app, start=START) as sim:
        sim.advance(seconds=60)
        assert [run.outcome for run in sim.runs("work")] == ["succeeded", "skipped", "succeeded"]


def test_a_serving_whose_only_task_gets_a_place_back_goes_on() -> None:
    app, takes_s = AioClock(), iter([14, 1, 1])

    async def work() -> None:
        await asyncio.sleep(next(takes_s))

    app.task(trigger=Every(seconds=10, max_loop_count=2), name="work", overlap="queue", grace=2)(work)
    with simulate(app, start=START) as sim:
        sim.advance(seconds=60)
        assert [run.outcome for run in sim.runs("work")] == ["succeeded", "skipped", "succeeded"]


def test_ticks_that_triggers_share_are_missed_once() -> None:
    app = AioClock()
    app.task(trigger=OrTrigger(triggers=[Every(seconds=2), Every(seconds=3)]), name="work")(lambda: None)
    with simulate(app, start=START) as sim:
        loop = sim._loop
        assert loop is not None
        sim.advance(seconds=1)
        loop._now_s += 11.5  # blocked until 12.5; the ticks are 2 3 4 6 8 9 10 12
        sim.advance(seconds=0.1)
        [run] = sim.runs("work")
    assert (run.scheduled_at - START).total_seconds() == 12
    assert run.missed == 7
