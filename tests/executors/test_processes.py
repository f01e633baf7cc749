"""Functions in worker processes.

Processes, signals and the clock are real here: what is promised is what the operating system does in the end. So the
tests share a pool of two workers wherever they leave them alive.
"""

import asyncio
import gc
import inspect
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from aioclock.exceptions import TaskDeclarationError, WorkerDiedError
from aioclock.executors import ProcessPool, as_process_call
from aioclock.executors._pickling import require_picklable
from aioclock.runs import Run, run_source
from aioclock.testing import VirtualEventLoop
from processes import PATIENCE_S, exists, runs, wait_until

JOBS = '''
import asyncio, os, signal, subprocess, sys, threading, time
from pathlib import Path

class Picky(Exception):
    def __init__(self, code, text):
        super().__init__(text)
        self.code = code

class Locked(Exception):
    def __init__(self):
        super().__init__("locked in")
        self.lock = threading.Lock()

class ReadOnce:
    def __reduce__(self):
        return int, ("no number",)

def same(*args, **kwargs):
    return args, kwargs

def add(first, second=2):
    return first + second

async def add_async(first, second):
    await asyncio.sleep(0.001)
    return first + second

def pid():
    return os.getpid()

def look_up(key):
    raise LookupError(f"no {key}")

def raise_picky():
    raise Picky(3, "too picky")

def raise_locked():
    raise Locked

def raise_exit():
    sys.exit(3)

def raise_interrupt():
    raise KeyboardInterrupt

def give_lock():
    return threading.Lock()

def give_unreadable():
    return ReadOnce()

def die(path):
    Path(path).open("a").write("once")
    os._exit(3)

def be_killed(path):
    Path(path).open("a").write("once")
    os.kill(os.getpid(), signal.SIGKILL)

def note_and_hang(path, data=b""):
    note(path, os.getpid())
    time.sleep(60)

def start_program_and_hang(path):
    program = subprocess.Popen(["sleep", "60"])
    note(path, program.pid)
    program.wait()

def end_program():
    program = subprocess.Popen(["sleep", "60"])
    program.terminate()
    return program.wait()

def note(path, pid):
    Path(path + ".new").write_text(str(pid))
    os.rename(path + ".new", path)

def be_told_to_stop():
    os.kill(os.getpid(), signal.SIGINT)
    os.kill(os.getpid(), signal.SIGTERM)
    return os.getpid()

def nap(seconds):
    time.sleep(seconds)

def crowd(folder):
    """Return how many were here at most, once two have met."""
    here, most = Path(folder, str(time.time_ns())), 0
    here.touch()
    give_up = time.monotonic() + 10
    while most < 2 and not Path(folder, "met").exists() and time.monotonic() < give_up:
        most = max(most, sum(path.name != "met" for path in Path(folder).iterdir()))
    time.sleep(0.05)
    most = max(most, sum(path.name != "met" for path in Path(folder).iterdir()))
    Path(folder, "met").touch()
    here.unlink()
    return most

def run_key():
    from aioclock.runs import current_run
    return current_run().key

def write_out(text):
    print(text)

def undecorated():
    pass

hidden = undecorated
undecorated = add
'''


@pytest.fixture(scope="module")
def pool(jobs: Any) -> Iterator[ProcessPool]:
    pool = ProcessPool(2)
    yield pool
    pool.close()


@pytest.fixture(scope="module")
def mortal_pool(jobs: Any) -> Iterator[ProcessPool]:
    pool = ProcessPool(1)
    yield pool
    pool.close()


def run(pool: ProcessPool, func: Callable[..., Any], *args: Any, **kwargs: Any) -> Coroutine[Any, Any, Any]:
    return pool.run(func, args, kwargs)


async def noted(path: Path) -> int:
    await asyncio.to_thread(wait_until, path.exists)
    return int(await asyncio.to_thread(path.read_text))


async def begin(pool: ProcessPool, func: Callable[..., Any], path: Path, *args: Any) -> "tuple[asyncio.Task[Any], int]":
    """Return the call as a task, and the pid that it noted in *path*."""
    call = asyncio.ensure_future(run(pool, func, str(path), *args))
    return call, await noted(path)


# Calls


async def test_a_function_runs_in_another_process_that_serves_again(pool: ProcessPool, jobs: Any) -> None:
    pids = {await run(pool, jobs.pid) for _ in range(3)}
    assert len(pids) == 1
    assert pids != {os.getpid()}


async def test_arguments_and_results_cross_the_border(pool: ProcessPool, jobs: Any) -> None:
    assert await run(pool, jobs.same, 1, "two", three=[3]) == ((1, "two"), {"three": [3]})


async def test_an_async_function_runs_on_a_loop_of_the_worker(pool: ProcessPool, jobs: Any) -> None:
    assert await run(pool, jobs.add_async, 1, second=2) == 3


async def test_the_call_has_the_signature_of_its_function(pool: ProcessPool, jobs: Any) -> None:
    call = as_process_call(jobs.add, pool, owner="task 'x'")
    assert inspect.iscoroutinefunction(call)
    assert inspect.signature(call) == inspect.signature(jobs.add)
    assert await call(1, second=3) == 4


async def test_current_run_is_known_in_the_worker(pool: ProcessPool, jobs: Any) -> None:
    sent = Run(task_key="far", scheduled_at=datetime(2026, 1, 1, tzinfo=UTC))

    class Source:
        def snapshot(self) -> Run:
            return sent

    token = run_source.set(Source())
    try:
        assert await run(pool, jobs.run_key) == sent.key
    finally:
        run_source.reset(token)
    with pytest.raises(RuntimeError, match="no run is going on here"):
        await run(pool, jobs.run_key)


async def test_output_goes_where_the_parents_goes_at_once(
    jobs: Any, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PYTHONUNBUFFERED", raising=False)
    fresh = ProcessPool(1)  # one that inherits what pytest has put in place of stdout
    await run(fresh, jobs.write_out, "hello")
    assert capfd.readouterr() == ("hello\n", "")
    fresh.close()


async def test_no_more_calls_work_at_once_than_the_pool_has_places(
    pool: ProcessPool, jobs: Any, tmp_path: Path
) -> None:
    crowds = await asyncio.gather(*(run(pool, jobs.crowd, str(tmp_path)) for _ in range(5)))
    assert max(crowds) == 2


def test_a_pool_serves_one_event_loop_after_another(pool: ProcessPool, jobs: Any) -> None:
    async def ask() -> list[int]:
        return await asyncio.gather(*(run(pool, jobs.add, i) for i in range(4)))

    assert [asyncio.run(ask()) for _ in range(2)] == [[2, 3, 4, 5]] * 2


def test_a_pool_has_at_least_one_place() -> None:
    with pytest.raises(TaskDeclarationError, match="at least 1, got 0"):
        ProcessPool(0)


# Errors, after all of which the worker is still the same


@contextmanager
def no_worker_lost(pool: ProcessPool, jobs: Any) -> Iterator[None]:
    before = asyncio.run(run(pool, jobs.pid))
    yield
    assert asyncio.run(run(pool, jobs.pid)) == before


def test_an_exception_comes_with_the_workers_traceback(pool: ProcessPool, jobs: Any) -> None:
    with no_worker_lost(pool, jobs), pytest.raises(LookupError, match="no luck") as caught:
        asyncio.run(run(pool, jobs.look_up, "luck"))
    text = "".join(traceback.format_exception(caught.value))
    assert "jobs_of_processes.py" in text
    assert 'raise LookupError(f"no {key}")' in text


@pytest.mark.parametrize(
    ("job", "error", "message"),
    [
        ("raise_locked", RuntimeError, "'raise_locked' raised Locked: locked in"),
        ("raise_exit", RuntimeError, "'raise_exit' raised SystemExit: 3"),
        ("raise_interrupt", RuntimeError, "'raise_interrupt' raised KeyboardInterrupt: "),
        ("give_lock", TypeError, "the result, of type lock, can't be sent back"),
        ("give_unreadable", TypeError, "the result of 'give_unreadable' can't be read back"),
    ],
)
def test_what_cannot_be_sent_back_is_told(
    pool: ProcessPool, jobs: Any, job: str, error: type[Exception], message: str
) -> None:
    with no_worker_lost(pool, jobs), pytest.raises(error, match=message) as caught:
        asyncio.run(run(pool, getattr(jobs, job)))
    if error is RuntimeError:
        assert "jobs_of_processes.py" in "".join(traceback.format_exception(caught.value))


def test_an_exception_whose_constructor_asks_for_more_than_its_args_comes_back_as_it_was(
    pool: ProcessPool, jobs: Any
) -> None:
    with no_worker_lost(pool, jobs), pytest.raises(jobs.Picky, match="too picky") as caught:
        asyncio.run(run(pool, jobs.raise_picky))
    assert (caught.value.args, caught.value.code) == (("too picky",), 3)


def test_an_argument_that_cannot_be_sent_is_named(pool: ProcessPool, jobs: Any) -> None:
    with no_worker_lost(pool, jobs), pytest.raises(TypeError, match="parameter 'second', of type lock, of 'add'"):
        asyncio.run(run(pool, jobs.add, 1, second=threading.Lock()))


def test_a_function_that_the_worker_cannot_find_is_told(pool: ProcessPool, jobs: Any) -> None:
    jobs.lately = type("lately", (), {"__module__": jobs.__name__, "__qualname__": "lately"})
    with no_worker_lost(pool, jobs), pytest.raises(AttributeError, match="lately") as caught:
        asyncio.run(run(pool, jobs.lately))
    assert "could not load the function" in "".join(traceback.format_exception(caught.value))


def test_a_worker_leaves_signals_to_its_parent(pool: ProcessPool, jobs: Any) -> None:
    with no_worker_lost(pool, jobs):
        asyncio.run(run(pool, jobs.be_told_to_stop))


def test_programs_that_a_function_starts_are_not_deaf_to_signals(pool: ProcessPool, jobs: Any) -> None:
    assert asyncio.run(run(pool, jobs.end_program)) == -signal.SIGTERM


# Death


async def test_cancelling_kills_the_worker_and_frees_its_place(
    jobs: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    pool = ProcessPool(1)
    call, pid = await begin(pool, jobs.note_and_hang, tmp_path / "pid", bytes(10_000_000))
    began = time.monotonic()
    call.cancel()
    await asyncio.sleep(0)
    call.cancel()  # does not hurry it
    with pytest.raises(asyncio.CancelledError):
        await call
    assert time.monotonic() - began < 1
    assert not exists(pid)
    call, pid = await begin(pool, jobs.start_program_and_hang, tmp_path / "program")
    call.cancel()
    await asyncio.wait({call})
    await asyncio.to_thread(wait_until, lambda: not runs(pid))
    call = asyncio.ensure_future(run(pool, jobs.pid))
    await asyncio.sleep(0.02)  # it is starting
    call.cancel()
    await asyncio.wait({call})
    assert call.cancelled()
    assert await run(pool, jobs.add, 1) == 3
    pool.close()
    gc.collect()
    assert caplog.text == ""


async def test_a_call_that_waits_for_a_place_can_be_cancelled(jobs: Any, tmp_path: Path) -> None:
    pool = ProcessPool(1)
    call, pid = await begin(pool, jobs.note_and_hang, tmp_path / "pid")
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await run(pool, jobs.pid)
    assert not call.done()
    pool.close()
    with pytest.raises(WorkerDiedError, match=f"worker process {pid} died in 'note_and_hang'"):
        await call
    assert not exists(pid)


@pytest.mark.parametrize(("job", "how"), [("die", "exit code 3"), ("be_killed", "killed by SIGKILL")])
async def test_a_dead_worker_is_told_and_replaced_and_its_call_not_repeated(
    mortal_pool: ProcessPool, jobs: Any, tmp_path: Path, job: str, how: str
) -> None:
    log = tmp_path / "log"
    with pytest.raises(WorkerDiedError, match=rf"worker process \d+ died in '{job}' \({how}\)"):
        await run(mortal_pool, getattr(jobs, job), str(log))
    assert await asyncio.to_thread(log.read_text) == "once"
    assert await run(mortal_pool, jobs.add, 1) == 3


async def test_the_death_of_an_idle_worker_goes_unnoticed(mortal_pool: ProcessPool, jobs: Any) -> None:
    for pause_s in (0.0, 0.001, 0.2):  # before and after anybody can notice
        pid = await run(mortal_pool, jobs.pid)
        os.kill(pid, signal.SIGKILL)
        await asyncio.sleep(pause_s)
        assert await run(mortal_pool, jobs.pid) != pid


def test_closing_leaves_nothing_behind_and_the_pool_usable(jobs: Any) -> None:
    threads = set(threading.enumerate())
    pool = ProcessPool(1)
    for _ in range(2):
        pid = asyncio.run(run(pool, jobs.pid))
        pool.close()
        wait_until(lambda pid=pid: not exists(pid), seconds=5)
        wait_until(lambda: set(threading.enumerate()) <= threads, seconds=5)


# Virtual time


def test_virtual_time_stands_still_while_a_process_works_and_only_then(pool: ProcessPool, jobs: Any) -> None:
    async def work() -> None:
        async with asyncio.timeout(0.001):
            await run(pool, jobs.nap, 0.05)
        assert asyncio.get_running_loop().time() == 0
        for _ in range(100):
            await asyncio.sleep(3600)

    began = time.monotonic()
    with asyncio.Runner(loop_factory=VirtualEventLoop) as runner:
        runner.run(work())
        assert runner.get_loop().time() == 360_000
    assert time.monotonic() - began < PATIENCE_S


def test_a_call_can_be_cancelled_on_virtual_time(jobs: Any, tmp_path: Path) -> None:
    pool = ProcessPool(1)

    async def work() -> int:
        call, pid = await begin(pool, jobs.note_and_hang, tmp_path / "pid")
        call.cancel()
        await asyncio.wait({call})
        await asyncio.sleep(3600)
        return pid

    with asyncio.Runner(loop_factory=VirtualEventLoop) as runner:
        assert not exists(runner.run(work()))


# Declarations


class Keeper:
    def __init__(self) -> None:
        self.lock = threading.Lock()

    def keep(self) -> None: ...


def test_functions_of_a_module_can_be_sent(jobs: Any) -> None:
    for func in (jobs.add, jobs.add_async, partial(jobs.add, 1), print):
        require_picklable(func, owner="task 'x'")


def test_what_cannot_be_sent_is_refused_with_the_reason(jobs: Any) -> None:
    def local() -> None: ...

    refused: list[tuple[Callable[..., Any], str]] = [
        (lambda: None, "it is a lambda"),
        (local, "it is defined inside another function"),
        (partial(local), "it is defined inside another function"),
        (Keeper().keep, "lock"),
        (partial(jobs.add, threading.Lock()), "lock"),
        (jobs.hidden, "means something else, perhaps what a decorator made of it"),
    ]
    for func, reason in refused:
        with pytest.raises(TaskDeclarationError, match=rf"^task 'x': .*{reason}.*; use a function at the top level"):
            require_picklable(func, owner="task 'x'")


def test_functions_of_a_main_module_that_cannot_be_imported_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    main = sys.modules["__main__"]

    def job() -> None: ...

    job.__module__, job.__qualname__ = "__main__", "job"
    monkeypatch.setattr(main, "job", job, raising=False)
    monkeypatch.setattr(main, "__spec__", None)
    monkeypatch.setattr(main, "__file__", "script.py", raising=False)
    require_picklable(job, owner="task 'x'")
    monkeypatch.delattr(main, "__file__")
    with pytest.raises(TaskDeclarationError, match="can't import this __main__"):
        require_picklable(partial(job), owner="task 'x'")
