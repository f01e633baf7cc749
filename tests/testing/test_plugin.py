"""The pytest plugin, in test runs of its own: with pytest-asyncio in both modes, and without it."""

import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest

INSTALLED = any(point.value == "aioclock.testing.plugin" for point in entry_points(group="pytest11"))
ROOT = Path(__file__).parents[2]

PLAIN = """
import asyncio
import time
from datetime import datetime, timedelta

import hypothesis
import pytest
from aioclock import AioClock, Every

async def test_an_hour_passes_at_once(virtual_time):
    real = time.monotonic()
    await asyncio.sleep(3600)
    assert virtual_time.now == virtual_time.start + timedelta(hours=1)
    await virtual_time.sleep_until(virtual_time.start + timedelta(days=1))
    assert virtual_time.now == virtual_time.start + timedelta(days=1)
    assert time.monotonic() - real < 10

@pytest.mark.virtual_time(start="2026-03-28T22:00:00+01:00")
async def test_the_marker_sets_the_start(virtual_time):
    assert virtual_time.now.isoformat() == "2026-03-28T21:00:00+00:00"

@pytest.mark.virtual_time(start="2026-03-28T22:00:00+01:00")
async def test_the_marker_alone_will_do():
    await asyncio.sleep(86400)

@pytest.mark.usefixtures("virtual_time")
@pytest.mark.parametrize("days", [1, 2])
async def test_parameters_work(days):
    await asyncio.sleep(days * 86400)

class TestInAClass:
    async def test_a_method(self, virtual_time):
        await asyncio.sleep(86400)

async def test_serve_is_virtual(virtual_time):
    app = AioClock()
    times = []

    @app.task(trigger=Every(hours=1))
    async def tick():
        times.append(virtual_time.now)

    serving = asyncio.create_task(app.serve())
    await asyncio.sleep(86400)
    await app.stop()
    await serving
    assert len(times) in (23, 24)

async def test_a_timeout_is_virtual(virtual_time):
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(3600):
            await asyncio.Event().wait()

async def test_threads_take_no_virtual_time(virtual_time):
    await asyncio.to_thread(time.sleep, 0.01)
    assert virtual_time.now == virtual_time.start

@pytest.mark.virtual_time
@hypothesis.settings(max_examples=5, deadline=None)
@hypothesis.given(days=hypothesis.strategies.integers(1, 9))
async def test_hypothesis_works(days):
    await asyncio.sleep(days * 86400)

def test_a_plain_test_is_left_alone():
    pass
"""

FIXTURES = """
import asyncio
import pytest
import pytest_asyncio

@pytest_asyncio.fixture
async def resource(virtual_time):
    await asyncio.sleep(3600)
    yield asyncio.get_running_loop()
    await asyncio.sleep(3600)

@pytest_asyncio.fixture
async def other():
    return asyncio.get_running_loop()

async def test_fixtures_share_the_loop(virtual_time, resource, other):
    assert resource is other is asyncio.get_running_loop()
    assert (virtual_time.now - virtual_time.start).total_seconds() == 3600

@pytest.mark.asyncio(loop_scope="module")
async def test_other_tests_keep_real_time(other):
    for loop in (other, asyncio.get_running_loop()):
        assert "Virtual" not in type(loop).__name__

@pytest.mark.asyncio(loop_scope="module")
async def test_a_test_on_virtual_time_has_a_loop_of_its_own(virtual_time):
    await asyncio.sleep(86400)
"""

ASYNCIO = ["-o", "asyncio_default_fixture_loop_scope=function"]
AWAY = ["-p", "no:asyncio"]


def run(pytester: pytest.Pytester, *options: str) -> pytest.RunResult:
    """Run pytest as a user does: in a process of its own, where warnings are errors."""
    plugin = [] if INSTALLED else ["-p", "aioclock.testing.plugin"]
    return pytester.runpytest_subprocess("-q", "-W", "error", "-p", "no:cacheprovider", *plugin, *options, timeout=60)


@pytest.mark.parametrize(
    "options",
    [
        pytest.param([*ASYNCIO, "-o", "asyncio_mode=strict"], id="strict"),
        pytest.param([*ASYNCIO, "-o", "asyncio_mode=auto"], id="auto"),
        pytest.param([*ASYNCIO, "-o", "asyncio_default_test_loop_scope=session"], id="session loop"),
        pytest.param(AWAY, id="without pytest-asyncio"),
        pytest.param([*AWAY, "-p", "no:anyio"], id="without anyio's plugin"),
        pytest.param([*AWAY, "-o", "anyio_mode=auto"], id="anyio auto"),
    ],
)
def test_async_tests_run_on_virtual_time(pytester: pytest.Pytester, options: list[str]) -> None:
    pytester.makepyfile(PLAIN)
    outcomes = run(pytester, *options).parseoutcomes()
    assert outcomes.keys() == {"passed"}
    assert outcomes["passed"] >= 11  # anyio runs them once per backend


@pytest.mark.parametrize("mode", ["strict", "auto"])
def test_async_fixtures_share_the_virtual_loop_and_other_tests_do_not(pytester: pytest.Pytester, mode: str) -> None:
    pytester.makepyfile(FIXTURES)
    run(pytester, *ASYNCIO, "-o", f"asyncio_mode={mode}").assert_outcomes(passed=3)


def test_a_loop_factory_of_the_project_stands_back(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(
        "import asyncio\ndef pytest_asyncio_loop_factories():\n    return {'a': asyncio.new_event_loop}"
    )
    pytester.makepyfile(FIXTURES)
    run(pytester, *ASYNCIO).assert_outcomes(passed=3)


MISTAKES = """
import asyncio
import pytest

def test_plain(virtual_time): ...

@pytest.mark.virtual_time(start="2026-01-01")
async def test_naive(virtual_time): ...

async def test_endless(virtual_time):
    await asyncio.Event().wait()
"""


@pytest.mark.parametrize("options", [pytest.param(ASYNCIO, id="pytest-asyncio"), pytest.param(AWAY, id="without")])
def test_mistakes_are_told(pytester: pytest.Pytester, options: list[str]) -> None:
    pytester.makepyfile(MISTAKES)
    result = run(pytester, *options)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert "passed" not in result.parseoutcomes()
    for message in [
        "*for async tests; in a plain one use aioclock.testing.simulate()*",
        "*start of virtual_time needs a time zone*",
        "*nothing can happen any more*",
    ]:
        result.stdout.fnmatch_lines_random([message])


def test_virtual_time_says_where_it_does_not_reach(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import asyncio
        async def look(virtual_time):
            return virtual_time.now
        async def test_it(virtual_time):
            await asyncio.to_thread(asyncio.run, look(virtual_time))
        """
    )
    run(pytester, *AWAY).stdout.fnmatch_lines(["*virtual_time does not reach here*runs on real time*"])


def test_the_plugin_itself_imports_nothing_of_the_library() -> None:
    code = "import sys, types; sys.modules['aioclock'] = p = types.ModuleType('aioclock'); p.__path__ = []; "
    code += "sys.modules['aioclock.testing'] = t = types.ModuleType('aioclock.testing'); t.__path__ = [sys.argv[1]]; "
    code += "import aioclock.testing.plugin; print(sorted(m for m in sys.modules if m.startswith('aioclock')))"
    done = subprocess.run(
        [sys.executable, "-c", code, str(ROOT / "aioclock" / "testing")], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "['aioclock', 'aioclock.testing', 'aioclock.testing.plugin']"
