"""Every cell of overlap × length of a run × retry × timeout × executor, against a plain reference.

The reference below is a small simulation written from the documentation; it knows nothing of the engine. Threads wait
by way of the event loop, so their time is virtual too. Processes are real, and so is their time: nothing else could
show that work in them is really killed. They get a few cells at the end.
"""

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from heapq import heappop, heappush
from itertools import count, pairwise, product
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from anyio import from_thread

from aioclock import AioClock, Every, Once, Overlap, Retry, current_run
from aioclock.policies import Executor
from aioclock.runs import Outcome, Run
from aioclock.testing import simulate

START = datetime(2026, 1, 1, tzinfo=UTC)
PERIOD_S = 10.0
PAUSED_AT_S = 65.5
"""Nothing starts any more then, so that at the end every tick can be told."""
END_S = 300.0
GIVE_UP_S = 5.0
"""How long a cancelled thread is waited for before its outcome is told without it."""


def seconds(moment: datetime | None) -> float | None:
    return None if moment is None else round((moment - START).total_seconds(), 3)


class Record(NamedTuple):
    scheduled: float
    started: float | None
    finished: float | None
    outcome: str
    reason: str | None
    attempt: int


def record_of(run: Run) -> Record:
    assert run.outcome is not None
    assert run.missed == 0
    scheduled = seconds(run.scheduled_at)
    assert scheduled is not None
    return Record(
        scheduled, seconds(run.started_at), seconds(run.finished_at), str(run.outcome), run.reason, run.attempt
    )


# The cells

OVERLAPS = {
    "skip": Overlap("skip"),
    "allow": Overlap("allow"),
    "allow 2": Overlap("allow", limit=2),
    "queue": Overlap("queue"),
    "queue 1": Overlap("queue", limit=1),
    "cancel": Overlap("cancel"),
}
SHORT_S, LONG_S = 3.3, 24.7
RETRIES = {
    "no retry": None,
    "recovers": Retry(attempts=3, delay=1, factor=2, jitter=0),
    "used up": Retry(attempts=2, delay=1, jitter=0),
    "outlives tick": Retry(attempts=3, delay=4, factor=2, jitter=0, outlive_tick=True),
}
TIMEOUTS: dict[str, Callable[[float], float | None]] = {
    "no timeout": lambda takes_s: None,
    "ample": lambda takes_s: 100.0,
    "tight": lambda takes_s: takes_s * 0.57,
}
EXECUTORS: tuple[Executor, ...] = ("loop", "thread")


@dataclass(frozen=True)
class Cell:
    overlap: Overlap
    takes_s: float
    retrying: str
    timeout_s: float | None
    executor: Executor

    @property
    def retry(self) -> Retry | None:
        return RETRIES[self.retrying]

    def attempt(self, scheduled_s: float, number: int) -> tuple[float, bool]:
        """Return how long that attempt works, and whether it succeeds."""
        if self.retrying == "no retry":
            return self.takes_s, scheduled_s % 30 != 0
        if self.retrying == "recovers":
            return (self.takes_s if number == 1 else 0.4), number == 3
        return self.takes_s, self.retrying == "outlives tick" and number == 3


# The reference


class Reference:
    """Which records a cell leaves: an event loop of a few lines, with the rules in words of the documentation."""

    def __init__(self, cell: Cell) -> None:
        self.cell = cell
        self.now = 0.0
        self.records: list[Record] = []
        self.calls: list[tuple[float, int]] = []
        self.going: list[ReferenceRun] = []
        self.waiting: list[ReferenceRun] = []
        self._agenda: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = count()
        ticks = int(END_S // PERIOD_S)
        for number in range(1, ticks + 1):
            self.at(number * PERIOD_S, ReferenceRun(self, number * PERIOD_S).come)
        self.at(PAUSED_AT_S, self.pause)
        while self._agenda:
            self.now, _, act = heappop(self._agenda)
            act()

    def at(self, moment: float, act: Callable[[], None]) -> None:
        heappush(self._agenda, (moment, next(self._numbers), act))

    def pause(self) -> None:
        for run in self.waiting:
            run.skip("paused")
        self.waiting.clear()

    def ended(self, run: "ReferenceRun") -> None:
        self.going.remove(run)
        if self.waiting and len(self.going) < self.cell.overlap.most_going:
            self.waiting.pop(0).start()


class ReferenceRun:
    def __init__(self, reference: Reference, scheduled: float) -> None:
        self.world = reference
        self.scheduled = scheduled
        self.started = 0.0
        self.attempt = 0
        self.decided = self.cancelled = self.overdue = self.working = False

    def come(self) -> None:
        world, overlap = self.world, self.world.cell.overlap
        if world.now > PAUSED_AT_S:
            self.skip("paused")
            return
        if overlap.policy == "cancel":
            for replaced in world.waiting:
                replaced.skip("overlap")
            world.waiting.clear()
            for older in list(world.going):
                older.cancel()
        if len(world.going) < overlap.most_going:
            self.start()
        elif len(world.waiting) < overlap.most_waiting:
            world.waiting.append(self)
        else:
            self.skip("overlap")

    def skip(self, reason: str) -> None:
        self.world.records.append(Record(self.scheduled, None, None, "skipped", reason, 0))

    def start(self) -> None:
        self.started = self.world.now
        self.world.going.append(self)
        self.call()

    def call(self) -> None:
        if self.cancelled:
            return  # it was waiting for this attempt
        self.attempt += 1
        self.working, self.overdue = True, False
        world, this = self.world, self.attempt
        world.calls.append((self.scheduled, this))
        takes_s, succeeds = world.cell.attempt(self.scheduled, this)
        outcome = "succeeded" if succeeds else "failed"
        timeout_s = world.cell.timeout_s
        if timeout_s is not None and takes_s > timeout_s:
            world.at(world.now + timeout_s, lambda: self.expire(this))
            outcome = "timed_out"
        world.at(world.now + takes_s, lambda: self.returned(this, outcome))

    def is_at(self, attempt: int) -> bool:
        return self.working and self.attempt == attempt

    def expire(self, attempt: int) -> None:
        if not self.is_at(attempt) or self.cancelled:
            return
        if self.world.cell.executor == "loop":
            self.returned(attempt, "timed_out")
            return
        self.overdue = True
        retry = self.world.cell.retry
        if retry is None or attempt == retry.attempts:
            self.decide("timed_out")  # a thread goes on, but nobody has to wait for it
        self.world.at(self.world.now + GIVE_UP_S, lambda: self.give_up(attempt))

    def cancel(self) -> None:
        if self.cancelled:
            return
        self.cancelled = True
        if self.world.cell.executor == "loop" or not self.working:
            self.working = False
            self.end("cancelled")
        elif not self.overdue:
            attempt = self.attempt
            self.world.at(self.world.now + GIVE_UP_S, lambda: self.give_up(attempt))

    def give_up(self, attempt: int) -> None:
        if self.is_at(attempt):
            self.decide("timed_out" if self.overdue else "cancelled")

    def returned(self, attempt: int, outcome: str) -> None:
        if not self.is_at(attempt):
            return
        self.working = False
        if self.cancelled and not self.overdue:
            self.end("cancelled")
        elif outcome == "succeeded" or not self.tries_again():
            self.end(outcome)

    def tries_again(self) -> bool:
        retry, now = self.world.cell.retry, self.world.now
        if retry is None or self.attempt == retry.attempts or self.cancelled or self.decided:
            return False
        wait_s = retry.delay * retry.factor ** (self.attempt - 1)
        if not retry.outlive_tick and now + wait_s >= (now // PERIOD_S + 1) * PERIOD_S:
            return False
        self.world.at(now + wait_s, self.call)
        return True

    def decide(self, outcome: str) -> None:
        if not self.decided:
            self.decided = True
            times = (round(self.started, 3), round(self.world.now, 3))
            self.world.records.append(Record(self.scheduled, *times, outcome, None, self.attempt))

    def end(self, outcome: str) -> None:
        self.decide(outcome)
        self.world.ended(self)


# What the library does


class Done(NamedTuple):
    records: list[Record]
    calls: list[tuple[float, int]]
    most_at_once: int


def done_by_the_library(cell: Cell) -> Done:
    app = AioClock()
    calls: list[tuple[float, int]] = []
    inside, crowds = [0], [0]

    def begin() -> tuple[float, bool]:
        run = current_run()
        calls.append((run.scheduled_at.timestamp() - START.timestamp(), run.attempt))
        inside[0] += 1
        crowds.append(inside[0])
        return cell.attempt(calls[-1][0], run.attempt)

    def finish(succeeds: bool) -> None:
        if not succeeds:
            raise LookupError("as the script wants it")

    async def on_the_loop() -> None:
        takes_s, succeeds = begin()
        try:
            await asyncio.sleep(takes_s)
        finally:
            inside[0] -= 1
        finish(succeeds)

    def in_a_thread() -> None:
        takes_s, succeeds = begin()
        try:
            from_thread.run(asyncio.sleep, takes_s)
        finally:
            inside[0] -= 1
        finish(succeeds)

    policies: dict[str, Any] = {"overlap": cell.overlap, "retry": cell.retry, "timeout": cell.timeout_s}
    work = on_the_loop if cell.executor == "loop" else in_a_thread
    app.task(trigger=Every(seconds=PERIOD_S), name="work", executor=cell.executor, **policies)(work)
    app.task(trigger=Every(seconds=PAUSED_AT_S, max_loop_count=1), name="pause")(lambda: app.pause("work"))
    with simulate(app, start=START) as sim:
        sim.advance(seconds=END_S)
        return Done([record_of(run) for run in sim.runs("work")], calls, max(crowds))


CELLS = [
    pytest.param(
        Cell(OVERLAPS[overlap], takes_s, retry, TIMEOUTS[timeout](takes_s), executor),
        id=f"{overlap}-{length}-{retry}-{timeout}-{executor}",
    )
    for overlap, (length, takes_s), retry, timeout, executor in product(
        OVERLAPS, (("short", SHORT_S), ("long", LONG_S)), RETRIES, TIMEOUTS, EXECUTORS
    )
    if (timeout, executor) != ("ample", "thread")  # a timeout that never strikes is the same anywhere
]


@pytest.mark.parametrize("cell", CELLS)
def test_the_records_are_those_of_the_reference(cell: Cell) -> None:
    expected = Reference(cell)
    done = done_by_the_library(cell)
    assert done.records == sorted(expected.records)
    assert [record.scheduled for record in done.records] == [
        number * PERIOD_S for number in range(1, int(END_S // PERIOD_S) + 1)
    ]
    assert sorted(done.calls) == sorted(expected.calls)
    assert done.most_at_once <= cell.overlap.most_going


def test_the_reference_knows_every_outcome_that_the_cells_can_have() -> None:
    # A reference that says "succeeded" everywhere would be right too, if the library did nothing.
    seen: Counter[tuple[str, str | None]] = Counter()
    attempts: set[int] = set()
    for cell in CELLS:
        for record in Reference(cell.values[0]).records:  # type: ignore[arg-type]  # what pytest.param was given
            seen[record.outcome, record.reason] += 1
            attempts.add(record.attempt)
    assert seen.keys() == {
        ("succeeded", None),
        ("failed", None),
        ("timed_out", None),
        ("cancelled", None),
        ("skipped", "overlap"),
        ("skipped", "paused"),
    }
    assert attempts == {0, 1, 2, 3}


# Closed forms of some cells, so that reference and library can't be wrong alike


@pytest.mark.parametrize(
    ("overlap", "expected"),
    [
        (Overlap("skip"), [(10, 10, 35), (20, None, None), (30, None, None), (40, 40, 65), (50, None, None)]),
        (Overlap("allow", limit=2), [(10, 10, 35), (20, 20, 45), (30, None, None), (40, 40, 65), (50, 50, 75)]),
        (Overlap("allow"), [(10, 10, 35), (20, 20, 45), (30, 30, 55), (40, 40, 65), (50, 50, 75)]),
        (Overlap("queue", limit=1), [(10, 10, 35), (20, 35, 60), (30, None, None), (40, 60, 85), (50, None, None)]),
        (Overlap("queue"), [(10, 10, 35), (20, 35, 60), (30, 60, 85), (40, 85, 110), (50, 110, 135)]),
        (Overlap("cancel"), [(10, 10, 20), (20, 20, 30), (30, 30, 40), (40, 40, 50), (50, 50, 75)]),
    ],
    ids=lambda value: f"{value.policy}-{value.limit}" if isinstance(value, Overlap) else "",
)
def test_runs_of_25_s_with_a_tick_every_10_s(
    overlap: Overlap, expected: list[tuple[float, float | None, float | None]]
) -> None:
    app = AioClock()

    async def work() -> None:
        await asyncio.sleep(25)

    app.task(trigger=Every(seconds=10), name="work", overlap=overlap)(work)
    with simulate(app, start=START) as sim:
        sim.advance(seconds=55)
        waiting = [run for run in sim.runs("work") if run.outcome == "skipped"]
        app.reschedule("work", Every(days=1))
        sim.advance(seconds=200)
        records = [record_of(run) for run in sim.runs("work")]
    assert [(record.scheduled, record.started, record.finished) for record in records] == expected
    assert {run.reason for run in waiting} <= {"overlap"}


def test_a_run_that_was_given_up_is_not_attempted_again() -> None:
    # It outlives ticks, so nothing but its recorded outcome says that it is over.
    app, attempts = AioClock(), []

    def work() -> None:
        attempts.append(current_run().attempt)
        from_thread.run(asyncio.sleep, 30)

    retry = Retry(attempts=3, delay=1, jitter=0, outlive_tick=True)
    app.task(trigger=Once(), name="work", timeout=2, retry=retry)(work)
    app.task(trigger=Every(hours=1), name="stay")(lambda: None)
    with simulate(app, start=START) as sim:
        sim.advance(seconds=300)
        assert [record_of(run) for run in sim.runs("work")] == [Record(0, 0, 7, "timed_out", None, 1)]
    assert attempts == [1]


def test_a_cancelled_run_that_fails_instead_is_not_attempted_again() -> None:
    app, attempts = AioClock(), []

    async def work() -> None:
        attempts.append(current_run().attempt)
        try:
            await asyncio.sleep(30)
        except asyncio.CancelledError:
            raise LookupError("the clean-up failed") from None

    retry = Retry(attempts=3, delay=1, jitter=0, outlive_tick=True)
    app.task(trigger=Once(), name="work", retry=retry)(work)
    app.task(trigger=Every(hours=1), name="stay")(lambda: None)
    with simulate(app, start=START) as sim:
        sim.advance(seconds=2)
        assert app.cancel("work") == 1
        sim.advance(seconds=300)
        [run] = sim.runs("work")
    assert (run.attempt, run.outcome) == (1, "failed")
    assert attempts == [1]


# Processes, on the real clock

JOBS = '''
import os, time
from pathlib import Path

def calls(folder):
    """Note one more call and return how many there were."""
    path = Path(os.environ["AIOCLOCK_TEST_FOLDER"], folder)
    with path.open("a") as notes:
        notes.write("x")
    return len(path.read_text())

def quick():
    calls("quick")

def long():
    calls("long")
    time.sleep(1.2)

def hang_once():
    if calls("hang_once") == 1:
        time.sleep(60)

def hang():
    calls("hang")
    time.sleep(60)

def fail_twice():
    if calls("fail_twice") < 3:
        raise LookupError("not yet")

def die():
    calls("die")
    os._exit(3)
'''


@pytest.fixture
def notes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("AIOCLOCK_TEST_FOLDER", str(tmp_path))
    return tmp_path


async def runs_in_processes(job: Any, *, until: int, **args: Any) -> list[Run]:
    """Return the records of *job* in the order of their ticks, as soon as there are so many."""
    app = AioClock(executor="process", shutdown_timeout=0)
    app.task(name="work", **args)(job)
    async with app.running():
        async with asyncio.timeout(30):
            while len(app.runs("work")) < until:  # noqa: ASYNC110 - processes set no event
                await asyncio.sleep(0.02)
        runs = app.runs("work")[-until:]
    return sorted(runs, key=lambda run: run.scheduled_at)


def outcomes(runs: list[Run]) -> list[tuple[str, str | None, int]]:
    return [(str(run.outcome), run.reason, run.attempt) for run in runs]


HALF_SECONDLY = Every(seconds=0.5, first_run_strategy="immediate")


async def test_processes_skip_ticks_during_a_run(jobs: Any, notes: Path) -> None:
    runs = await runs_in_processes(jobs.long, until=4, trigger=HALF_SECONDLY)
    assert {run.reason for run in runs if run.started_at is None} == {"overlap"}
    ticks = [(run.scheduled_at - runs[0].scheduled_at).total_seconds() / 0.5 for run in runs]
    assert ticks == pytest.approx([round(tick) for tick in ticks], abs=1e-4)
    assert len(set(map(round, ticks))) == len(runs)


async def test_processes_queue_ticks_during_a_run(jobs: Any, notes: Path) -> None:
    runs = await runs_in_processes(jobs.long, until=4, trigger=HALF_SECONDLY, overlap=Overlap("queue", limit=1))
    done = [(run.started_at, run.finished_at) for run in runs if run.started_at and run.finished_at]
    assert {run.reason for run in runs if run.started_at is None} == {"overlap"}
    assert all(end <= begin for (_, end), (begin, _) in pairwise(done))


async def test_a_newer_tick_kills_the_process_of_the_older(jobs: Any, notes: Path) -> None:
    trigger = Every(seconds=2, first_run_strategy="immediate")
    runs = await runs_in_processes(jobs.hang, until=2, trigger=trigger, overlap="cancel")
    assert outcomes(runs) == [("cancelled", None, 1)] * 2


async def test_a_timeout_kills_the_process_and_the_next_attempt_gets_another(jobs: Any, notes: Path) -> None:
    runs = await runs_in_processes(
        jobs.hang_once, until=1, trigger=Once(), timeout=4, retry=Retry(attempts=2, delay=0.1, jitter=0)
    )
    assert outcomes(runs) == [("succeeded", None, 2)]
    assert (notes / "hang_once").read_text() == "xx"


async def test_a_retry_in_processes_succeeds_later(jobs: Any, notes: Path) -> None:
    runs = await runs_in_processes(jobs.fail_twice, until=1, trigger=Once(), retry=Retry(delay=0.05))
    assert outcomes(runs) == [("succeeded", None, 3)]


async def test_a_run_whose_processes_all_die_is_lost(jobs: Any, notes: Path) -> None:
    runs = await runs_in_processes(jobs.die, until=1, trigger=Once(), retry=Retry(attempts=2, delay=0.05))
    assert outcomes(runs) == [("lost", None, 2)]
    assert runs[0].outcome is Outcome.LOST
    assert (notes / "die").read_text() == "xx"
