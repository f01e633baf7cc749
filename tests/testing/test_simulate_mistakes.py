"""`simulate`: what it refuses, and how it says so."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from aioclock import AioClock, Cron, Every
from aioclock.exceptions import ServingError
from aioclock.testing import simulate

START = "2026-01-01T00:00:00+00:00"
MIDNIGHT = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def app() -> AioClock:
    app = AioClock()

    @app.task(trigger=Every(minutes=10), name="poll")
    async def poll_source() -> None: ...

    @app.task(trigger=Cron(cron="0 * * * *", tz="UTC"))
    async def report() -> None: ...

    return app


@pytest.mark.parametrize("start", ["2026-01-01T00:00:00", "2026-01-01", datetime(2026, 1, 1)])  # noqa: DTZ001 - naive is the point
def test_a_naive_start_is_refused(app: AioClock, start: datetime | str) -> None:
    with pytest.raises(ValueError, match="start needs a time zone"):
        simulate(app, start=start)


def test_a_start_that_is_no_time_is_refused(app: AioClock) -> None:
    with pytest.raises(ValueError, match=r"must be ISO 8601 .* got 'tomorrow'"):
        simulate(app, start="tomorrow")
    with pytest.raises(TypeError, match="aware datetime or ISO 8601 text, got 5"):
        simulate(app, start=5)  # type: ignore[arg-type]


def test_time_never_goes_back(app: AioClock) -> None:
    with simulate(app, start=START) as sim:
        sim.advance(hours=1)
        with pytest.raises(ValueError, match="can't advance by -1 day"):
            sim.advance(seconds=-1)
        with pytest.raises(ValueError, match="is before 2026-01-01T01:00"):
            sim.run_until(MIDNIGHT)
        with pytest.raises(ValueError, match="moment needs a time zone"):
            sim.run_until(datetime(2026, 1, 2))  # noqa: DTZ001 - naive is the point


def test_advance_wants_one_timedelta_or_its_parts(app: AioClock) -> None:
    with simulate(app, start=START) as sim:
        with pytest.raises(TypeError, match="one timedelta, or its keyword arguments"):
            sim.advance()
        with pytest.raises(TypeError, match="one timedelta, or its keyword arguments"):
            sim.advance(timedelta(1), days=1)
        with pytest.raises(TypeError, match="seconds=5"):
            sim.advance(5)  # type: ignore[arg-type]


def test_code_on_virtual_time_can_not_move_it(app: AioClock) -> None:
    with simulate(app, start=START) as sim:

        async def meddle() -> None:
            sim.advance(days=1)

        with pytest.raises(ServingError, match="can't move it"):
            sim.run(meddle())


def test_a_simulation_moves_inside_its_block_only(app: AioClock) -> None:
    sim = simulate(app, start=START)
    assert sim.now == MIDNIGHT
    with pytest.raises(ServingError, match="inside its `with` block only"):
        sim.advance(days=1)
    with sim:
        sim.advance(hours=1)
    assert sim.now == MIDNIGHT + timedelta(hours=1)
    assert len(sim.runs()) == 7
    with pytest.raises(ServingError, match="inside its `with` block only"):
        sim.run(asyncio.sleep(1))
    with pytest.raises(ServingError, match="entered once"), sim:
        pass
