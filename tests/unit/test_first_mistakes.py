"""What a newcomer gets wrong first, and what is said about it."""

import asyncio
import logging
import time
from typing import Annotated, Any

import fastapi
import pytest

from aioclock import AioClock, At, Cron, Depends, Every, Group, Once
from aioclock.exceptions import DependencyError, TaskDeclarationError
from aioclock.testing import simulate


async def test_a_stop_that_comes_before_the_serving_could_begin_holds() -> None:
    app, ran = AioClock(), []
    app.task(trigger=Every(seconds=0))(lambda: ran.append(1))
    serving = asyncio.create_task(app.serve())
    await app.stop()
    async with asyncio.timeout(2):
        await serving
    assert ran == []


async def test_a_stop_holds_for_what_was_asked_for_before_it_only() -> None:
    app, ran = AioClock(), []
    app.task(trigger=Once())(lambda: ran.append(1))
    await app.stop()
    await app.serve()
    assert ran == [1]


async def test_an_app_that_fails_in_the_background_says_so_at_once(caplog: pytest.LogCaptureFixture) -> None:
    app = AioClock()

    @app.task(trigger=Once(), name="nightly")
    async def nightly(session: str) -> None: ...

    serving = asyncio.create_task(app.serve())
    await asyncio.wait({serving})  # whose error nobody asks for
    assert "serving ended by an error: DependencyError: task 'nightly': parameter 'session'" in caplog.text
    assert isinstance(serving.exception(), DependencyError)


async def test_an_app_without_tasks_says_so(caplog: pytest.LogCaptureFixture) -> None:
    group = Group()
    group.task(trigger=Once())(lambda: None)
    await AioClock().serve()
    assert "the app has no tasks; a group's tasks are served where the group is included" in caplog.text


def get_session() -> str:
    return "session"


def plain_style() -> Any:
    depends = Depends(get_session)

    async def nightly(session: "Session" = depends) -> None: ...  # type: ignore[name-defined] # noqa: F821 - on purpose

    return nightly


def annotated_style() -> Any:
    async def nightly(session: "Annotated[Session, Depends(get_session)]") -> None: ...  # type: ignore[name-defined] # noqa: F821 - on purpose

    return nightly


@pytest.mark.parametrize("style", [plain_style, annotated_style])
async def test_a_type_that_is_imported_for_type_checkers_only_is_named_at_the_start(style: Any) -> None:
    app = AioClock()
    app.task(trigger=Once(), name="nightly")(style())
    with pytest.raises(DependencyError, match=r"'nightly': the annotation .*Session.* of parameter 'session' can't be"):
        await app.serve()


def default_marker() -> Any:
    depends = fastapi.Depends(get_session)

    async def nightly(session: str = depends) -> None: ...

    return nightly


def annotated_marker() -> Any:
    async def nightly(session: Annotated[str, fastapi.Depends(get_session)]) -> None: ...

    return nightly


@pytest.mark.parametrize("style", [default_marker, annotated_marker])
async def test_fastapis_depends_is_told_apart(style: Any) -> None:
    app = AioClock()
    app.task(trigger=Once(), name="nightly")(style())
    with pytest.raises(DependencyError, match=r"'nightly': parameter 'session' uses FastAPI's Depends; use aioclock"):
        await app.serve()


def test_a_blocked_event_loop_is_reported(caplog: pytest.LogCaptureFixture) -> None:
    app = AioClock()
    app.task(trigger=Every(seconds=1), name="poll")(sleepless)
    with simulate(app) as sim:
        sim.advance(seconds=1)
        loop: Any = sim._loop
        loop._now_s += 5  # as if somebody had blocked it
        sim.advance(seconds=1)
    assert "5 tick(s) of poll passed unanswered; one run answers them all" in caplog.text


async def sleepless() -> None: ...


def test_a_stuck_run_is_reported_by_name(caplog: pytest.LogCaptureFixture) -> None:
    app = AioClock()

    @app.task(trigger=Once(), timeout=1, name="stubborn")
    async def stubborn() -> None:
        end = asyncio.get_running_loop().time() + 60
        while (left := end - asyncio.get_running_loop().time()) > 0:
            try:
                await asyncio.sleep(left)
            except asyncio.CancelledError:
                continue

    with caplog.at_level(logging.INFO), simulate(app) as sim:
        sim.advance(minutes=5)
    assert "run of stubborn is stuck" in caplog.text


@pytest.mark.parametrize(
    ("expression", "advice"),
    [
        ("60 * * * *", "the minute field can't be understood"),
        ("0 9 * * monday", "the day-of-week field can't be understood"),
        ("* * 0 * *", "the day-of-month field can't be understood"),
        ("0 30 2 * * *", "the seconds come last here: '30 2 * * * 0'"),
        ("@reboot", "use the trigger Once()"),
        ("@every 5m", "use the trigger Every(minutes=5)"),
        ("CRON_TZ=UTC 0 9 * * *", "give the zone as tz="),
    ],
)
def test_a_cron_mistake_is_told_by_its_field(expression: str, advice: str) -> None:
    with pytest.raises(ValueError, match="invalid cron expression") as caught:
        Cron(cron=expression, tz="UTC")
    assert advice in str(caught.value)


def test_blanks_around_an_expression_do_not_count() -> None:
    assert Cron(cron=" @daily \n", tz="UTC").cron == "@daily"


@pytest.mark.parametrize(
    ("zone", "advice"),
    [
        ("utc", "did you mean 'UTC'"),
        ("europe/berlin", "did you mean 'Europe/Berlin'"),
        ("GMT+1", "write 'Etc/GMT-1'"),
        ("UTC+01:00", "write 'Etc/GMT-1'"),
        ("localtime", "is what the machine is set to"),
    ],
)
def test_a_zone_mistake_is_told_with_the_way_out(zone: str, advice: str) -> None:
    with pytest.raises(ValueError, match="zone") as caught:
        At(tz=zone)
    assert advice in str(caught.value)


def test_the_zone_of_the_standard_library_is_a_zone() -> None:
    from datetime import UTC

    assert At(tz=UTC).tz == "UTC"  # type: ignore[arg-type] # accepted beside a name


def test_handle_signals_is_yes_no_or_none() -> None:
    with pytest.raises(TaskDeclarationError, match="handle_signals must be True, False or None, got 'no'"):
        AioClock(handle_signals="no")  # type: ignore[arg-type] # on purpose


@pytest.mark.parametrize("wrong", [5, AioClock])
def test_only_an_app_is_simulated(wrong: Any) -> None:
    with pytest.raises(TypeError, match=r"simulate\(\) takes an AioClock app, got"):
        simulate(wrong)


def test_a_sync_function_that_gives_back_a_coroutine_is_awaited() -> None:
    ran = []

    async def job() -> None:
        await asyncio.sleep(1)
        ran.append(time.monotonic())

    app = AioClock()
    app.task(trigger=Once())(lambda: job())
    with simulate(app) as sim:
        sim.advance(seconds=2)
    assert len(ran) == 1
