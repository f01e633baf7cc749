"""Virtual time where it meets what others bring: sockets, old plugins, its own end."""

import asyncio
import socket

import pytest

from aioclock import AioClock, Every
from aioclock.testing import VirtualEventLoop, simulate

pytest_plugins = ["pytester"]

START = "2026-01-01T00:00:00+00:00"


def test_a_socket_may_be_watched_for_reading_and_for_writing_at_once() -> None:
    async def watched() -> list[str]:
        loop, seen = asyncio.get_running_loop(), list[str]()
        near, far = socket.socketpair()
        with near, far:
            read = loop.create_future()
            loop.add_reader(near, lambda: read.done() or read.set_result(near.recv(9)))
            loop.add_writer(near, lambda: (seen.append("writable"), loop.remove_writer(near)))
            await asyncio.sleep(1)
            far.send(b"message")
            seen.append((await read).decode())
            loop.remove_reader(near)
        return seen

    with asyncio.Runner(loop_factory=VirtualEventLoop) as runner:
        assert runner.run(watched()) == ["writable", "message"]


def test_a_simulation_that_was_left_may_be_left_again() -> None:
    app = AioClock()
    app.task(trigger=Every(seconds=10), name="work")(lambda: None)
    with simulate(app, start=START) as sim:
        sim.advance(seconds=25)
    end = sim.now
    sim.__exit__(None, None, None)
    assert (sim.now, len(sim.runs())) == (end, 2)


TEST = """
async def test_it(virtual_time): ...
"""

OTHER_RUNNER = """
import asyncio
import pytest

@pytest.fixture
def _function_scoped_runner():
    class Older(asyncio.Runner):
        def get_loop(self):
            return None
    with Older() as runner:
        yield runner
"""

NO_RUNNER = """
import pytest

class OldPlugin:
    def pytest_collection_modifyitems(self, items):
        for item in items:
            item.add_marker(pytest.mark.asyncio)

def pytest_configure(config):
    config.addinivalue_line("markers", "asyncio: as of old")
    config.pluginmanager.register(OldPlugin(), "asyncio")
"""


@pytest.mark.parametrize(
    ("conftest", "plugins"),
    [
        pytest.param(OTHER_RUNNER, ["-p", "asyncio", "-o", "asyncio_mode=auto"], id="another runner"),
        pytest.param(NO_RUNNER, [], id="no runner"),
    ],
)
def test_a_pytest_asyncio_without_a_runner_that_can_be_given_a_loop_is_told_as_too_old(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, conftest: str, plugins: list[str]
) -> None:
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    pytester.makeconftest(conftest)
    pytester.makepyfile(TEST)
    result = pytester.runpytest_subprocess(
        "-q", "-p", "no:cacheprovider", "-p", "aioclock.testing.plugin", *plugins, timeout=60
    )
    result.stdout.fnmatch_lines_random(["*virtual_time needs pytest-asyncio 1.0 or later, or none at all*"])
    assert result.ret == pytest.ExitCode.TESTS_FAILED
