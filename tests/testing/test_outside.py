"""What works outside the loop holds virtual time back: threads, executors, real input and output."""

import asyncio
import socket
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any

import anyio
import pytest
from anyio import from_thread, to_thread

from aioclock import AioClock, Depends, Every
from aioclock.runs import Outcome
from aioclock.testing import VirtualEventLoop, VirtualTimeError, _loop, simulate

START = "2026-01-01T00:00:00+00:00"
REAL_S = 0.03
"""The tests of threads have to wait a little for real."""


@pytest.fixture
def loop() -> Iterator[VirtualEventLoop]:
    with asyncio.Runner(loop_factory=VirtualEventLoop) as runner:
        yield runner.get_loop()


async def beside_a_timer(work: Any) -> float:
    """Return the virtual seconds that *work* takes while timers tempt the loop to go on."""
    loop = asyncio.get_running_loop()
    timer = asyncio.ensure_future(asyncio.sleep(0.001))
    began = loop.time()
    async with asyncio.timeout(0.002):
        await work
    took_s = loop.time() - began
    await timer
    return took_s


def nap() -> str:
    time.sleep(REAL_S)
    return threading.current_thread().name


def test_a_busy_anyio_thread_holds_time(loop: VirtualEventLoop) -> None:
    assert loop.run_until_complete(beside_a_timer(to_thread.run_sync(nap))) == 0


def test_a_busy_thread_of_the_default_executor_holds_time(loop: VirtualEventLoop) -> None:
    assert loop.run_until_complete(beside_a_timer(asyncio.to_thread(nap))) == 0


def test_a_busy_thread_of_any_executor_holds_time(loop: VirtualEventLoop) -> None:
    with ThreadPoolExecutor() as executor:
        assert loop.run_until_complete(beside_a_timer(loop.run_in_executor(executor, nap))) == 0


def test_the_default_executor_can_be_replaced(loop: VirtualEventLoop) -> None:
    loop.set_default_executor(ThreadPoolExecutor(thread_name_prefix="mine"))
    assert loop.run_until_complete(asyncio.to_thread(nap)).startswith("mine")


def test_a_job_that_nobody_waits_for_any_more_holds_time(loop: VirtualEventLoop) -> None:
    async def forsake() -> bool:
        ended = threading.Event()
        job = loop.run_in_executor(None, lambda: (time.sleep(REAL_S), ended.set()))
        await asyncio.sleep(0)
        job.cancel()
        await asyncio.sleep(1)
        return ended.is_set()

    assert loop.run_until_complete(forsake())


def test_an_error_in_a_thread_reaches_its_caller_and_lets_time_go_on(loop: VirtualEventLoop) -> None:
    async def fail() -> None:
        with pytest.raises(ZeroDivisionError):
            await asyncio.to_thread(lambda: 1 / 0)
        await asyncio.sleep(1)

    loop.run_until_complete(fail())
    assert loop.time() == 1


def test_ending_the_default_executor_waits_for_its_threads() -> None:
    ended = threading.Event()
    with asyncio.Runner(loop_factory=VirtualEventLoop) as runner:
        runner.get_loop().run_in_executor(None, lambda: (time.sleep(REAL_S), ended.set()))
    assert ended.is_set()


def test_a_thread_that_waits_for_the_loop_lets_time_go_on(loop: VirtualEventLoop) -> None:
    def ask() -> None:
        from_thread.run(anyio.sleep, 60)
        time.sleep(REAL_S)

    async def answer() -> None:
        async with asyncio.timeout(61):
            await to_thread.run_sync(ask)

    loop.run_until_complete(answer())
    assert loop.time() == 60


def test_waiting_long_for_a_thread_is_logged(
    loop: VirtualEventLoop, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(_loop, "BUSY_POLL_S", 0.001)
    monkeypatch.setattr(_loop, "WARN_AFTER_S", 0.01)
    loop.run_until_complete(to_thread.run_sync(nap))
    assert "virtual time has waited for a worker thread" in caplog.text


def test_a_thread_of_somebody_else_does_not_hold_time(loop: VirtualEventLoop) -> None:
    end = threading.Event()
    thread = threading.Thread(target=end.wait)
    thread.start()
    loop.run_until_complete(asyncio.sleep(60))
    end.set()
    thread.join()


def test_sync_tasks_run_in_threads_and_take_no_virtual_time() -> None:
    app = AioClock()
    names: list[str] = []

    @app.task(trigger=Every(minutes=1), timeout=0.001)
    def work() -> None:
        names.append(nap())

    with simulate(app, start=START) as sim:
        for _ in range(3):
            sim.advance(minutes=1)
        runs = sim.runs(work)
    assert [run.outcome for run in runs] == [Outcome.SUCCEEDED] * 3
    assert all(run.started_at == run.finished_at == run.scheduled_at for run in runs)
    assert threading.current_thread().name not in names


def test_sync_dependencies_and_their_clean_up_take_no_virtual_time() -> None:
    app = AioClock()
    steps: list[str] = []

    def connection() -> Iterator[str]:
        nap()
        yield "connected"
        nap()
        steps.append("closed")

    @app.task(trigger=Every(minutes=1), timeout=0.001)
    async def work(link: str = Depends(connection)) -> None:
        steps.append(link)

    with simulate(app, start=START) as sim:
        sim.advance(minutes=1)
        assert steps == ["connected", "closed"]
        assert sim.runs()[0].outcome is Outcome.SUCCEEDED


def test_threads_end_with_their_simulation() -> None:
    app = AioClock()
    for group in range(3):
        app.task(trigger=Every(seconds=1), name=f"t{group}")(lambda: time.sleep(0.001))
    before = set(threading.enumerate())
    for _ in range(2):
        with simulate(app, start=START) as sim:
            sim.advance(seconds=5)
            sim.advance(seconds=5)
            sim.run(asyncio.to_thread(nap))
        assert set(threading.enumerate()) == before
        assert len(sim.runs()) == 30


def test_virtual_time_waits_for_a_lively_socket(loop: VirtualEventLoop) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write((await reader.readline()).upper())
        await writer.drain()
        writer.close()

    async def ask() -> bytes:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        async with server, asyncio.timeout(0.5):
            reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
            writer.write(b"hello\n")
            answer = await reader.readline()
            writer.close()
            await writer.wait_closed()
        return answer

    assert loop.run_until_complete(ask()) == b"HELLO\n"
    assert loop.time() == 0


def test_an_idle_socket_does_not_stop_time(loop: VirtualEventLoop) -> None:
    async def wait() -> None:
        server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
        async with server:
            for _ in range(10):
                await asyncio.sleep(3600)

    loop.run_until_complete(wait())
    assert loop.time() == 36000


def test_without_timers_only_real_silence_ends_the_wait_for_a_socket(
    loop: VirtualEventLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_loop, "IO_PATIENCE_S", 0.05)
    near, far = socket.socketpair()
    with closing(near), closing(far):
        near.setblocking(False)
        with pytest.raises(VirtualTimeError, match="nothing can happen"):
            loop.run_until_complete(loop.sock_recv(near, 1))


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has subprocesses on its proactor loop only")
@pytest.mark.parametrize("shell", [False, True])
def test_virtual_time_waits_for_a_child_process(loop: VirtualEventLoop, shell: bool) -> None:
    async def call() -> bytes:
        code = "import time; time.sleep(0.1); print('done')"
        if shell:
            child = await asyncio.create_subprocess_shell("sleep 0.1; echo done", stdout=asyncio.subprocess.PIPE)
        else:
            child = await asyncio.create_subprocess_exec(sys.executable, "-c", code, stdout=asyncio.subprocess.PIPE)
        async with asyncio.timeout(0.05):
            return (await child.communicate())[0].strip()

    assert loop.run_until_complete(call()) == b"done"


def test_a_child_process_without_pipes_is_waited_for(loop: VirtualEventLoop) -> None:
    async def call() -> int:
        child = await asyncio.create_subprocess_exec(sys.executable, "-c", "raise SystemExit(3)")
        return await child.wait()

    assert loop.run_until_complete(call()) == 3
