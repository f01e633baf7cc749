"""The pytest plugin: async tests on virtual time.

pytest loads it in every run where aioclock is installed, so it imports nothing of aioclock until a test asks for it.
"""

import asyncio
import functools
import inspect
from collections.abc import Callable, Generator
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from aioclock.testing import VirtualClock, VirtualEventLoop

__all__ = ["VirtualTime", "virtual_time"]

NAME = "virtual_time"
"""Of the fixture and of the marker."""

RUNNER = "_function_scoped_runner"
"""The fixture in which pytest-asyncio (since 1.0) keeps the loop of one test and of its async fixtures."""


class VirtualTime:
    """The value of the `virtual_time` fixture."""

    def __init__(self, clock: "Callable[[], VirtualClock]") -> None:
        self._clock = clock

    @property
    def start(self) -> datetime:
        """When virtual time began: aware, UTC."""
        return self._clock().start

    @property
    def now(self) -> datetime:
        """The virtual present: aware, UTC."""
        return self._clock().now()

    async def sleep_until(self, deadline: datetime) -> None:
        """Return once it is *deadline* (aware)."""
        await self._clock().sleep_until(deadline)


@pytest.fixture
def virtual_time(request: pytest.FixtureRequest) -> VirtualTime:
    """Virtual time for an async test: the whole test runs on it, so that waiting takes no real time.

    The marker `@pytest.mark.virtual_time(start="2026-03-28T22:00:00+01:00")` sets its beginning.
    """
    item = request.node
    if not _is_async(getattr(item, "obj", None)):
        raise pytest.UsageError(f"{NAME} is for async tests; in a plain one use aioclock.testing.simulate()")
    if _belongs_to_pytest_asyncio(item):
        _require_virtual(request)
    return VirtualTime(_running_clock)


def _require_virtual(request: pytest.FixtureRequest) -> None:
    from aioclock.testing import VirtualEventLoop

    try:
        loop = request.getfixturevalue(RUNNER).get_loop()
    except pytest.FixtureLookupError:
        loop = None
    if not isinstance(loop, VirtualEventLoop):
        raise pytest.UsageError(f"{NAME} needs pytest-asyncio 1.0 or later, or none at all")


def _running_clock() -> "VirtualClock":
    loop = asyncio.get_running_loop()
    clock: VirtualClock | None = getattr(loop, "clock", None)
    if clock is None:
        raise RuntimeError(f"{NAME} does not reach here: {loop!r} runs on real time")
    return clock


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", f"{NAME}(start): run the async test on virtual time that begins at *start*")


@pytest.hookimpl(hookwrapper=True, trylast=True)
def pytest_pycollect_makeitem(collector: Any) -> Generator[None, Any, None]:
    """Hand async tests on virtual time to pytest-asyncio if it is there, on a loop of their own.

    With `trylast` this sees the collected tests before pytest-asyncio does, which takes what bears its marker.
    """
    outcome = yield
    if not collector.config.pluginmanager.hasplugin("asyncio"):
        return
    found = outcome.get_result()
    for item in found if isinstance(found, list) else [found]:
        if isinstance(item, pytest.Function) and _is_wanted(item) and not item.get_closest_marker("anyio"):
            item.add_marker(pytest.mark.asyncio(loop_scope="function"), append=False)


@pytest.hookimpl(hookwrapper=True)
def pytest_fixture_setup(fixturedef: Any, request: Any) -> Generator[None, Any, None]:
    """Give pytest-asyncio's runner a virtual loop where a test wants one."""
    if fixturedef.argname != RUNNER or not _is_wanted(request.node):
        yield
        return
    # pytest-asyncio has a hook for event loops, but whoever implements it answers for each and every test.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(asyncio.Runner, "__init__", _on_loop_of(request.node, asyncio.Runner.__init__))
        yield


def _on_loop_of(item: pytest.Item, init: Callable[..., None]) -> Callable[..., None]:
    def init_virtual(runner: asyncio.Runner, **options: Any) -> None:
        init(runner, **{**options, "loop_factory": lambda: _make_loop(item)})

    return init_virtual


@pytest.hookimpl(hookwrapper=True, tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, Any, None]:
    """Run an async test on virtual time where pytest-asyncio does not."""
    if not _is_wanted(pyfuncitem) or _belongs_to_pytest_asyncio(pyfuncitem):
        yield
        return
    # To every other plugin it is a plain test, so none of them, such as anyio's, takes it to a loop of its own.
    target, name = _holder_of(pyfuncitem)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(target, name, _as_plain(getattr(target, name), pyfuncitem))
        yield


def _as_plain(test: Callable[..., Any], item: pytest.Item) -> Callable[..., None]:
    @functools.wraps(test)
    def plain(*args: Any, **kwargs: Any) -> None:
        with asyncio.Runner(loop_factory=lambda: _make_loop(item)) as runner:
            runner.run(test(*args, **kwargs))

    return plain


def _holder_of(item: Any) -> tuple[Any, str]:
    """Return where the coroutine function is kept: in the item, or in hypothesis, which calls it many times."""
    hypothesis = getattr(item.obj, "hypothesis", None)
    return (item, "obj") if hypothesis is None else (hypothesis, "inner_test")


def _make_loop(item: pytest.Item) -> "VirtualEventLoop":
    from aioclock.testing._clock import DEFAULT_START, as_moment
    from aioclock.testing._loop import VirtualEventLoop

    def start_of(start: Any = DEFAULT_START) -> Any:
        return start

    marker = item.get_closest_marker(NAME)
    start = start_of() if marker is None else start_of(*marker.args, **marker.kwargs)
    return VirtualEventLoop(as_moment(start, name=f"start of {NAME}"))


def _is_wanted(item: Any) -> bool:
    """Tell whether *item* is an async test that uses the fixture, or bears the marker alone."""
    if not isinstance(item, pytest.Function) or not _is_async(item.obj):
        return False
    return NAME in item.fixturenames or item.get_closest_marker(NAME) is not None


def _is_async(func: Any) -> bool:
    return inspect.iscoroutinefunction(getattr(getattr(func, "hypothesis", None), "inner_test", func))


def _belongs_to_pytest_asyncio(item: Any) -> bool:
    return item.config.pluginmanager.hasplugin("asyncio") and item.get_closest_marker("asyncio") is not None
