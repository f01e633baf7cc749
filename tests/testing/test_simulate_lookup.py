"""`sim.runs`: a task is found by whatever a test has at hand."""

import pytest

from aioclock import AioClock, Cron, Every, Group
from aioclock.exceptions import TaskIdNotFound
from aioclock.testing import simulate

START = "2026-01-01T00:00:00+00:00"


@pytest.fixture
def app() -> AioClock:
    app = AioClock()

    @app.task(trigger=Every(minutes=10), name="poll")
    async def poll_source() -> None: ...

    @app.task(trigger=Cron(cron="0 * * * *", tz="UTC"))
    async def report() -> None: ...

    return app


def test_a_task_is_found_by_key_id_function_and_name(app: AioClock) -> None:
    poll, report = app._tasks
    with simulate(app, start=START) as sim:
        sim.advance(hours=1)
        by_key = sim.runs("poll")
        assert len(by_key) == 6
        assert by_key == sim.runs(poll.id) == sim.runs(poll.func) == sim.runs("poll_source")
        assert len(sim.runs(report.key)) == len(sim.runs("report")) == 1
        assert len(sim.runs()) == 7


def test_a_task_without_runs_has_an_empty_list(app: AioClock) -> None:
    with simulate(app, start=START) as sim:
        assert sim.runs("poll") == []


def test_an_unknown_name_is_an_error_with_a_hint(app: AioClock) -> None:
    async def repord() -> None: ...

    with simulate(app, start=START) as sim:
        with pytest.raises(TaskIdNotFound, match=r"'repor'; did you mean 'report'\?"):
            sim.runs("repor")
        with pytest.raises(TaskIdNotFound, match="did you mean 'report'"):
            sim.runs(repord)
        with pytest.raises(TaskIdNotFound):
            sim.runs(AioClock.task.__class__)
        with pytest.raises(TypeError, match="told by its key"):
            sim.runs(5)  # type: ignore[arg-type]


def test_an_id_of_another_app_is_an_error(app: AioClock) -> None:
    other = AioClock()
    other.task(trigger=Every(seconds=1), name="other")(print)
    with simulate(app, start=START) as sim, pytest.raises(TaskIdNotFound, match=str(other._tasks[0].id)):
        sim.runs(other._tasks[0].id)


def test_an_ambiguous_name_lists_its_candidates(app: AioClock) -> None:
    group = Group()

    @group.task(trigger=Every(seconds=1), name="second")
    async def report() -> None: ...

    app.include_group(group)
    with simulate(app, start=START) as sim:
        with pytest.raises(TaskIdNotFound, match=r"of 2 tasks; use a key: 'second', '.*report'"):
            sim.runs("report")
        sim.advance(seconds=1)
        assert len(sim.runs(report)) == 1


def test_the_function_of_two_tasks_gives_the_runs_of_both() -> None:
    app = AioClock()

    @app.task(trigger=Every(seconds=1))
    @app.task(trigger=Every(seconds=2))
    async def work() -> None: ...

    with simulate(app, start=START) as sim:
        sim.advance(seconds=2)
        assert len(sim.runs(work)) == 3
