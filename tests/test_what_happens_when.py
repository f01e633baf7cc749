"""Each row of the table in docs/what-happens-when.md, proved by the test of the same name.

Most of it happens on virtual time. Signals and the death of a process are real, in small programs: simulated they would
prove nothing about what a container or a terminal does.
"""

import asyncio
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Annotated, Literal

import pytest

from aioclock import AioClock, At, Depends, Every, Forever, Once, Run
from aioclock.events import ClockStepped, RunLost, RunStuck, RunSucceeded, StoreRecovered, StoreUnreachable, TaskPaused
from aioclock.exceptions import StoreUnavailableError
from aioclock.stores import RunRecord
from aioclock.testing import Simulation
from aioclock.triggers import BaseTrigger
from cluster import Call, Node, cluster
from timelines import block, offset, set_wall_clock, simulated

PAGE = Path(__file__).parent.parent / "docs" / "what-happens-when.md"

needs_signals = pytest.mark.skipif(sys.platform == "win32", reason="Windows can't send these signals")


def rows() -> list[str]:
    cells = [line.split("|")[1].strip() for line in PAGE.read_text(encoding="utf-8").splitlines() if "|" in line]
    return [cell for cell in cells if cell not in ("when", "---")]


def test_rows_and_tests_match_one_to_one() -> None:
    names = {"test_" + re.sub(r"\W+", "_", row.lower()).strip("_") for row in rows()}
    tests = {name for name in globals() if name.startswith("test_")} - {"test_rows_and_tests_match_one_to_one"}
    assert names == tests
    assert len(rows()) == len(names)


def account(runs: list[Run]) -> list[tuple[float, str, str | None]]:
    return [(offset(run.scheduled_at), str(run.outcome), run.reason) for run in runs]


async def nothing() -> None: ...


def fail() -> None:
    raise ValueError("no")


async def deaf(seconds: float) -> None:
    """Take that long and ignore every cancellation."""
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    while loop.time() < end:
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(end - loop.time())


# Runs that go wrong


def test_the_body_raises(caplog: pytest.LogCaptureFixture) -> None:
    app = AioClock()
    app.task(trigger=Every(seconds=10), name="work")(fail)
    with simulated(app) as sim:
        sim.advance(seconds=25)
    assert account(sim.runs()) == [(10, "failed", None), (20, "failed", None)]
    error = sim.runs()[0].error
    assert error is not None
    assert (error.type, error.message) == ("ValueError", "no")
    assert "Traceback" in caplog.text


def test_the_body_hangs() -> None:
    app = AioClock()
    app.task(trigger=Every(seconds=10), name="limited", timeout=5)(asyncio.Event().wait)
    app.task(trigger=Every(seconds=10), name="unlimited")(asyncio.Event().wait)
    with simulated(app) as sim:
        sim.advance(seconds=35)
        assert account(sim.runs("limited")) == [
            (10, "timed_out", None),
            (20, "timed_out", None),
            (30, "timed_out", None),
        ]
        assert account(sim.runs("unlimited")) == [(20, "skipped", "overlap"), (30, "skipped", "overlap")]


def test_the_body_ignores_its_cancellation() -> None:
    app, stuck = AioClock(), []
    app.task(trigger=Every(seconds=10), name="work", timeout=2)(partial(deaf, 25))
    app.on(RunStuck)(lambda: stuck.append(1))
    with simulated(app) as sim:
        sim.advance(seconds=45)
        [first, *_] = sim.runs()
    assert account(sim.runs())[:4] == [
        (10, "timed_out", None), (20, "skipped", "overlap"), (30, "skipped", "overlap"), (40, "timed_out", None),
    ]  # fmt: skip
    assert offset(first.finished_at) == 10 + 2 + 5
    assert stuck == [1, 1]


def test_the_body_overruns_its_period() -> None:
    app = AioClock()
    app.task(trigger=Every(seconds=10), name="work")(partial(asyncio.sleep, 15))
    with simulated(app) as sim:
        sim.advance(seconds=45)
        assert account(sim.runs()) == [
            (10, "succeeded", None), (20, "skipped", "overlap"), (30, "succeeded", None), (40, "skipped", "overlap"),
        ]  # fmt: skip


def test_the_body_fails_again_and_again() -> None:
    app, notes = AioClock(), []
    app.task(trigger=Every(seconds=10), name="stubborn")(fail)
    app.task(trigger=Every(seconds=10), name="careful", pause_after_failures=2)(fail)

    @app.on(TaskPaused)
    async def hear(event: TaskPaused) -> None:
        notes.append(event.note)

    with simulated(app) as sim:
        sim.advance(seconds=40)
        assert {run.outcome for run in sim.runs("stubborn")} == {"failed"}
        assert [run.outcome for run in sim.runs("careful")] == ["failed", "failed", "skipped", "skipped"]
        assert notes == ["paused after 2 failures in a row"]


def test_a_dependency_fails() -> None:
    app, ran = AioClock(), []

    @app.task(trigger=Every(seconds=10))
    async def work(value: Annotated[None, Depends(fail)]) -> None:
        ran.append(1)

    with simulated(app) as sim:
        sim.advance(seconds=25)
    assert account(sim.runs()) == [(10, "failed", None), (20, "failed", None)]
    assert ran == []


def test_a_thread_ignores_its_timeout() -> None:
    app, free = AioClock(timeout=0.05, shutdown_timeout=None), threading.Event()

    @app.task(trigger=Every(seconds=0.1, first_run_strategy="immediate"))
    def work() -> None:
        free.wait(10)

    async def watch() -> list[Run]:
        async with app.running():
            while len(app.runs()) < 3:  # noqa: ASYNC110 - real time: no virtual time passes while a thread works
                await asyncio.sleep(0.01)
            free.set()
            return app.runs()[::-1]

    first, *others = asyncio.run(watch())
    assert first.outcome == "timed_out"
    assert {(str(run.outcome), run.reason) for run in others} == {("skipped", "overlap")}


def test_a_worker_process_dies() -> None:
    app = AioClock(executor="process")
    app.task(trigger=Once(), name="doomed")(partial(os._exit, 3))
    app.task(trigger=Every(seconds=10), name="healthy")(partial(pow, 2, 10))
    with simulated(app) as sim:
        sim.advance(seconds=10)
        [doomed], [healthy] = sim.runs("doomed"), sim.runs("healthy")
    assert doomed.outcome == "lost"
    assert doomed.error is not None
    assert "exit code 3" in doomed.error.message
    assert healthy.outcome == "succeeded"


# Ticks that come late, or for nothing


def test_the_event_loop_is_blocked() -> None:
    app = AioClock()
    app.task(trigger=Every(seconds=10), name="work")(nothing)
    with simulated(app) as sim:
        sim.advance(seconds=15)
        sim.run(block(37))
        sim.advance(seconds=10)
        late = sim.runs()[1]
        assert account(sim.runs()) == [(10, "succeeded", None), (50, "succeeded", None), (60, "succeeded", None)]
    assert (late.missed, late.lateness_s) == (3, 2)


def test_a_tick_comes_late_beyond_grace() -> None:
    app = AioClock()
    app.task(trigger=Every(seconds=10), name="work", grace=1)(nothing)
    with simulated(app) as sim:
        sim.advance(seconds=15)
        sim.run(block(37))
        sim.advance(seconds=10)
        late = sim.runs()[1]
        assert account(sim.runs()) == [(10, "succeeded", None), (50, "skipped", "missed"), (60, "succeeded", None)]
    assert (late.missed, late.lateness_s) == (3, 2)


def clock_moved_by(hours: float) -> tuple[Simulation, list[float]]:
    """Serve from midnight; move the wall clock at 01:30; return what came until five real hours were over."""
    app, steps = AioClock(), []
    for hour in range(10):
        app.task(trigger=At(hour=hour, tz="UTC"), name=f"at {hour}")(nothing)
    app.task(trigger=Every(hours=1), name="every hour")(nothing)

    @app.on(ClockStepped)
    async def hear(event: ClockStepped) -> None:
        steps.append(round(event.step_s / 3600, 3))

    with simulated(app) as sim:
        sim.advance(hours=1, minutes=30)
        sim.run(set_wall_clock(timedelta(hours=hours)))
        sim.advance(hours=3, minutes=30)
    return sim, steps


def lateness_on_the_wall_clock(sim: Simulation) -> dict[str, float]:
    """Return how late each tick of the wall clock was answered, in seconds."""
    runs = [run for run in sim.runs() if run.task_key != "every hour"]
    assert len({run.key for run in runs}) == len(runs)
    return {run.task_key: run.lateness_s for run in runs}


def test_the_machine_sleeps() -> None:
    # As on Linux: the clock of the event loop stands still meanwhile, so on waking the wall clock has jumped ahead.
    sim, steps = clock_moved_by(2)
    lateness = lateness_on_the_wall_clock(sim)
    assert list(lateness) == ["at 1", "at 2", "at 3", "at 4", "at 5", "at 6", "at 7"]
    assert 90 * 60 <= lateness.pop("at 2") <= 91 * 60
    assert 30 * 60 <= lateness.pop("at 3") <= 31 * 60
    assert set(lateness.values()) == {0}
    assert len(sim.runs("every hour")) == 5  # hours awake
    assert steps == [2]


def test_the_clock_jumps_ahead() -> None:
    app = AioClock()
    app.task(trigger=At(hour=2, tz="UTC"), name="daily")(nothing)
    with simulated(app) as sim:
        sim.advance(hours=1)
        sim.run(set_wall_clock(timedelta(hours=60)))  # past three ticks: of today, of tomorrow and of the day after
        sim.advance(minutes=2)
        [run] = sim.runs()
    assert (run.scheduled_at, run.missed) == (datetime(2026, 1, 3, 2, tzinfo=UTC), 2)
    assert run.outcome == "succeeded"


def test_the_clock_jumps_back() -> None:
    sim, steps = clock_moved_by(-1)
    # At 01:30 it shows 00:30 again: 01:00 has been answered and is not repeated.
    assert lateness_on_the_wall_clock(sim) == {"at 1": 0, "at 2": 0, "at 3": 0, "at 4": 0}
    assert len(sim.runs("every hour")) == 5
    assert steps == [-1]


def test_the_task_is_paused() -> None:
    app = AioClock()
    app.task(trigger=Every(seconds=10), name="work")(nothing)
    with simulated(app) as sim:
        sim.advance(seconds=15)
        app.pause("work", note="maintenance")
        sim.advance(seconds=20)
        app.resume("work")
        sim.advance(seconds=10)
        assert account(sim.runs()) == [
            (10, "succeeded", None), (20, "skipped", "paused"), (30, "skipped", "paused"), (40, "succeeded", None),
        ]  # fmt: skip


class Broken(BaseTrigger[Literal["BROKEN"]]):
    """Raises three times, then is due every hour."""

    type_: Literal["BROKEN"] = "BROKEN"
    errors: list[int]

    def next_after(self, moment: datetime, anchor: datetime) -> datetime:
        if len(self.errors) < 3:
            self.errors.append(1)
            raise ValueError("no next tick")
        return moment + timedelta(hours=1)


def test_a_trigger_raises(caplog: pytest.LogCaptureFixture) -> None:
    app = AioClock()
    app.task(trigger=Broken(errors=[]), name="broken")(nothing)
    app.task(trigger=Every(seconds=10), name="other")(nothing)
    with simulated(app) as sim:
        sim.advance(hours=1, minutes=1)
        assert len(sim.runs("other")) == 6 * 61
        assert [run.outcome for run in sim.runs("broken")] == ["succeeded"]
    delays = [record.delay_s for record in caplog.records if "the trigger of broken failed" in record.getMessage()]
    assert delays == [0.1, 0.2, 0.4]


# Listeners


def test_a_listener_raises(caplog: pytest.LogCaptureFixture) -> None:
    app, told = AioClock(), []
    app.task(trigger=Every(seconds=10), name="work")(nothing)
    app.on(RunSucceeded)(fail)
    app.on(RunSucceeded)(lambda: told.append(1))
    with simulated(app) as sim:
        sim.advance(seconds=25)
        assert {run.outcome for run in sim.runs()} == {"succeeded"}
    assert told == [1, 1]
    assert caplog.text.count("listener 'fail' failed") == 2


def test_a_listener_hangs(caplog: pytest.LogCaptureFixture) -> None:
    app, began, told = AioClock(), [], []
    app.task(trigger=Every(seconds=10), name="work")(nothing)

    @app.on(RunSucceeded)
    async def hang() -> None:
        began.append(asyncio.get_running_loop().time())
        await asyncio.Event().wait()

    app.on(RunSucceeded)(lambda: told.append(1))
    with simulated(app) as sim:
        sim.advance(seconds=55)
        assert [run.lateness_s for run in sim.runs()] == [0] * 5
        assert told == [1] * 5
        assert [round(moment) for moment in began] == [10, 40]
    assert "listener 'hang' hangs" in caplog.text


# The end


PROGRAM = """
import asyncio, os, signal, sys
from aioclock import AioClock, Once
from aioclock.events import RunCancelled, RunSucceeded

def say(*words):
    os.write(1, (" ".join(map(str, words)) + "\\n").encode())

app = AioClock()

@app.on(RunSucceeded, RunCancelled)
async def tell(event: RunSucceeded | RunCancelled):
    say(type(event).__name__)

def listen():
    # Says when a signal has arrived, after the handler that was there before has done its work.
    before = signal.getsignal(signal.SIGTERM)
    def handler(*args):
        before(*args)
        say("heard")
    signal.signal(signal.SIGTERM, handler)

@app.task(trigger=Once(), name="work")
async def work():
    listen()
    say("runs known:", len(app.runs()))
    say("running")
    await asyncio.sleep(float(sys.argv[1]))

if __name__ == "__main__":
    try:
        app.run() if sys.argv[2:] else asyncio.run(app.serve())
    except KeyboardInterrupt:
        say("interrupted")
    say(*[str(run.outcome) for run in app.runs()])
"""

Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start a program whose run takes so many seconds."""
    script = tmp_path / "program.py"
    processes: list[subprocess.Popen[str]] = []
    script.write_text(PROGRAM)
    # Without a handler here the child would ignore Ctrl+C, if these tests run in the background of a shell.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)

    def started(seconds: float, *arguments: str) -> "subprocess.Popen[str]":
        process = subprocess.Popen(
            [sys.executable, str(script), str(seconds), *arguments],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )  # fmt: skip
        processes.append(process)
        return process

    yield started
    signal.signal(signal.SIGINT, before)
    for process in processes:
        process.kill()
        process.communicate()


def lines_until(process: "subprocess.Popen[str]", word: str) -> list[str]:
    assert process.stdout is not None
    said = []
    for line in process.stdout:
        said.append(line.strip())
        if line.strip() == word:
            return said
    raise AssertionError(f"the program ended without saying {word!r}: {process.communicate()[1]}")


def end_of(process: "subprocess.Popen[str]") -> list[str]:
    # Not communicate() alone: it would lose what has been read ahead with an earlier line.
    assert process.stdout is not None
    out = process.stdout.read()
    _, errors = process.communicate(timeout=10)
    assert process.returncode == 0, errors
    return out.splitlines()


@needs_signals
def test_the_process_gets_sigterm(start: Start) -> None:
    process = start(0.2)
    lines_until(process, "running")
    process.send_signal(signal.SIGTERM)
    assert end_of(process) == ["heard", "RunSucceeded", "succeeded"]


@needs_signals
def test_a_second_sigterm_comes(start: Start) -> None:
    process = start(60)
    lines_until(process, "running")
    for _ in range(2):
        process.send_signal(signal.SIGTERM)
        lines_until(process, "heard")
    assert end_of(process) == ["RunCancelled", "cancelled"]


@needs_signals
def test_ctrl_c(start: Start) -> None:
    served, run = start(60), start(60, "by app.run()")
    for process in (served, run):
        lines_until(process, "running")
        process.send_signal(signal.SIGINT)
    assert end_of(served) == ["RunCancelled", "interrupted", "cancelled"]
    assert end_of(run) == ["RunCancelled", "cancelled"]


@needs_signals
def test_the_process_dies_kill_9(start: Start) -> None:
    process = start(60)
    assert lines_until(process, "running") == ["runs known: 0", "running"]
    process.kill()
    assert process.communicate()[0] == ""
    assert process.returncode == -signal.SIGKILL
    assert end_of(start(0)) == ["runs known: 0", "running", "RunSucceeded", "succeeded"]


# With a store: several processes on one virtual clock, which share a store in memory. Leases are of six seconds.


def works(trigger: BaseTrigger, takes_s: float = 0.0) -> Callable[[AioClock, Node], object]:
    """Return what declares a task "work" in each process."""
    return lambda app, node: app.task(trigger=trigger, name="work")(node.job(takes_s))


def accounts(records: list[RunRecord]) -> list[tuple[float, str, str | None]]:
    return [(offset(datetime.fromtimestamp(run.tick / 1e6, UTC)), run.state, run.reason) for run in records]


def caller_and_other(nodes: list[Node], call: Call) -> tuple[Node, Node]:
    one, other = nodes
    return (one, other) if call.node == one.name else (other, one)


def test_two_processes_serve_one_app() -> None:
    with cluster() as world:
        world.start(2, works(Every(seconds=10)))
        world.advance(65)
        assert world.called("work") == [10, 20, 30, 40, 50, 60]
        assert world.ticks("work", state="succeeded") == [10, 20, 30, 40, 50, 60]


@pytest.mark.parametrize("on_lost", ["fail", "rerun"])
def test_a_process_dies_during_a_run(on_lost: Literal["fail", "rerun"]) -> None:
    with cluster() as world:
        nodes = world.start(2, works(Every(seconds=5), takes_s=2), on_lost=on_lost)
        world.advance(6)
        victim, survivor = caller_and_other(nodes, world.calls[0])
        victim.kill()
        world.advance(26)
        first, second, *others = accounts(world.records("work"))
        assert (first, second) == (
            (5, "lost" if on_lost == "fail" else "succeeded", first[2]),
            (10, "skipped", "overlap"),
        )
        assert [outcome for _, outcome, _ in others][-2:] == ["succeeded", "succeeded"]
        assert world.called("work").count(5) == (1 if on_lost == "fail" else 2)
        assert len(survivor.saw(RunLost)) == (1 if on_lost == "fail" else 0)


@pytest.mark.parametrize("on_lost", ["fail", "rerun"])
def test_a_process_stands_still_for_longer_than_its_lease(on_lost: Literal["fail", "rerun"]) -> None:
    with cluster() as world:
        nodes = world.start(2, works(Every(seconds=30), takes_s=20), on_lost=on_lost)
        world.advance(31)
        sleeper, other = caller_and_other(nodes, world.calls[0])
        sleeper.freeze()
        world.advance(10)
        sleeper.thaw()
        world.advance(18)
        assert world.calls[0].cancelled
        assert sleeper.app.runs("work")[0].outcome == "lost"
        assert accounts(world.records("work"))[0][1] == ("lost" if on_lost == "fail" else "succeeded")
        world.advance(35)
        reruns = [] if on_lost == "fail" else [other.name]
        assert [call.node for call in world.calls if call.tick == 30] == [sleeper.name, *reruns]
        assert {60, 90} <= set(world.called("work"))
        assert sleeper.app.health.ok


def test_a_process_dies_between_two_runs() -> None:
    with cluster() as world:
        nodes = world.start(2, works(Every(seconds=10)))
        world.advance(15)
        caller_and_other(nodes, world.calls[0])[0].kill()
        world.advance(40)
        assert world.called("work") == [10, 20, 30, 40, 50]


def test_the_app_was_down() -> None:
    with cluster() as world:
        first = world.node(works(Every(seconds=10)))
        world.advance(15)
        first.stop()
        world.advance(30)
        second = world.node(works(Every(seconds=10)))
        world.advance(10)
        assert world.called("work") == [10, 40, 50]
        made_up_for = second.app.runs("work")[1]
    assert (made_up_for.kind, made_up_for.missed, made_up_for.outcome) == ("catch_up", 2, "succeeded")


def test_the_store_can_t_be_reached() -> None:
    with cluster() as world:
        node = world.node(works(Every(seconds=10)))
        world.advance(15)
        node.store.outage = "refused"
        world.advance(30)
        assert world.called("work") == [10]
        assert len(node.saw(StoreUnreachable)) == 1
        assert not node.app.health.ok
        node.store.outage = None
        world.advance(10)
        assert world.called("work") == [10, 40, 50]
        assert len(node.saw(StoreRecovered)) == 1
        assert node.app.runs("work")[1].missed == 2


@pytest.mark.parametrize(("outage_s", "outcome"), [(4, "succeeded"), (12, "lost")])
def test_the_store_can_t_be_reached_when_a_run_ends(outage_s: float, outcome: str) -> None:
    with cluster() as world:
        nodes = world.start(2, works(Every(seconds=60), takes_s=2))
        world.advance(61)
        node, _ = caller_and_other(nodes, world.calls[0])
        node.store.outage = "refused"
        world.advance(outage_s)
        assert node.app.runs("work") == []
        node.store.outage = None
        world.advance(10)
        assert [run.outcome for run in node.app.runs("work")] == [outcome]
        assert accounts(world.records("work"))[0][1] == outcome


def test_the_store_can_t_be_reached_at_the_start() -> None:
    with cluster() as world:
        node = world.node(works(Every(seconds=1)), serve=False)
        node.store.outage = "refused"
        with pytest.raises(StoreUnavailableError, match="could not be reached for 10 s"):
            world.run(node.app.serve(), within=node)
        assert 5 < world.now <= 10
        assert world.calls == []


def test_the_clock_of_a_machine_is_wrong() -> None:
    with cluster() as world:
        world.node(works(Every(seconds=10)), clock_offset_s=5)
        world.node(works(Every(seconds=10)), clock_offset_s=-5)
        world.advance(65)
        assert world.called("work") == [10, 20, 30, 40, 50, 60]
        assert all(call.began == pytest.approx(call.tick) for call in world.calls)


def test_one_process_pauses_a_task() -> None:
    with cluster() as world:
        one, other = world.start(2, works(Every(seconds=10)))
        world.advance(15)
        one.do(lambda app: app.pause("work", "maintenance"))
        world.advance(1.5)
        assert other.app.paused == {"work": "maintenance"}
        world.advance(10)
        for node in (one, other):
            node.stop()
        world.advance(5)
        third = world.node(works(Every(seconds=10)))
        world.advance(2)
        third.do(lambda app: app.resume("work"))
        world.advance(10)
        assert accounts(world.records("work"))[:2] == [(10, "succeeded", None), (20, "skipped", "paused")]
        assert accounts(world.records("work"))[-1] == (40, "succeeded", None)


def test_a_deploy_edits_a_schedule(caplog: pytest.LogCaptureFixture) -> None:
    with cluster() as world:
        old = world.node(works(Every(seconds=10)))
        world.advance(15)
        new = world.node(works(Every(seconds=7)))
        world.advance(15)
        assert world.called("work") == [10, 22, 29]
        assert [call.node for call in world.calls] == [old.name, new.name, new.name]
    assert "another process declares another schedule for work" in caplog.text


def test_the_holder_of_a_forever_task_dies() -> None:
    with cluster() as world:
        nodes = world.start(2, works(Forever(), takes_s=1))
        world.advance(5)
        assert len({call.node for call in world.calls}) == 1
        holder, other = caller_and_other(nodes, world.calls[0])
        holder.kill()
        world.advance(10)
        assert world.calls[-1].node == other.name
        assert world.records("work") == []
        assert other.app.runs("work")[0].outcome == "succeeded"
