"""Several apps on one virtual event loop, as if each were a process of its own, with one store."""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from contextvars import Context, ContextVar, copy_context
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, TypeAlias, TypeVar

from aioclock import AioClock, current_run
from aioclock.clock import current_clock
from aioclock.events import Event
from aioclock.runs import Run
from aioclock.stores import MemoryStore, RunRecord, TaskState
from aioclock.testing import VirtualClock, VirtualEventLoop
from aioclock.triggers import BaseTrigger
from faulty_store import FaultyStore

__all__ = ["START", "Call", "Cluster", "Declare", "Node", "cluster", "task"]

T = TypeVar("T")

START = datetime(2026, 1, 1, tzinfo=UTC)

LONGEST_END_S = 120.0
"""How long the longest possible end of a serving takes: runs, hooks, and a store that does not answer."""

_node: "ContextVar[Node | None]" = ContextVar("node", default=None)
"""The process that this code is part of; None: the world around."""


class ClusterLoop(VirtualEventLoop):
    """A virtual event loop on which a process can stand still, and has a wall clock of its own."""

    def __init__(self) -> None:
        super().__init__(START)
        self.clock = ClockOfNode(START, self.time)

    def call_soon(self, callback: Any, *args: Any, context: Context | None = None) -> asyncio.Handle:
        wait = _Wait(callback, copy_context() if context is None else context)
        wait.handle = super().call_soon(wait, *args, context=wait.context)
        return wait.handle

    def call_at(self, when: float, callback: Any, *args: Any, context: Context | None = None) -> asyncio.TimerHandle:
        wait = _Wait(callback, copy_context() if context is None else context)
        wait.handle = handle = super().call_at(when, wait, *args, context=wait.context)
        return handle


class _Wait:
    """Calls *callback* unless its process stands still; then it is called when the process goes on."""

    __slots__ = ("callback", "context", "handle")

    handle: asyncio.Handle

    def __init__(self, callback: Any, context: Context) -> None:
        self.callback = callback
        self.context = context

    def __call__(self, *args: Any) -> None:
        node = self.context.get(_node)
        if node is None or not node.frozen:
            self.callback(*args)
        else:
            node.held_back.append(partial(self._later, args))

    def _later(self, args: tuple[Any, ...]) -> None:
        if not self.handle.cancelled():
            self.context.run(self.callback, *args)


class ClockOfNode(VirtualClock):
    def now(self) -> datetime:
        node = _node.get()
        return super().now() + timedelta(seconds=0.0 if node is None else node.clock_offset_s)


class TrueStore(MemoryStore):
    """A store in memory whose time is that of no process."""

    offset_s = 0.0

    def _now(self) -> int:
        token = _node.set(None)
        try:
            return round((current_clock().now().timestamp() + self.offset_s) * 1_000_000)
        finally:
            _node.reset(token)


@dataclass(kw_only=True)
class Call:
    """What one call of a task's function saw."""

    task: str
    node: str
    run: Run
    began: float
    """Seconds since START, as `ended`."""
    ended: float | None = None
    cancelled: bool = False

    @property
    def tick(self) -> float:
        return (self.run.scheduled_at - START).total_seconds()


Declare: TypeAlias = "Callable[[AioClock, Node], object]"
"""Adds tasks to the app of a process."""


def task(
    trigger: BaseTrigger[Any], takes_s: float = 0.25, *, fails: Callable[[Call], bool] | bool = False, **policies: Any
) -> Declare:
    """Return what declares one task, `t`, which takes *takes_s* and may fail."""

    def declare(app: AioClock, node: Node) -> None:
        app.task(trigger=trigger, name="t", **policies)(node.job(takes_s, fails=fails))

    return declare


@dataclass(repr=False)
class Node:
    """One process."""

    name: str
    app: AioClock
    store: FaultyStore
    cluster: "Cluster"
    clock_offset_s: float = 0.0
    frozen: bool = False
    alive: bool = True
    held_back: list[Callable[[], None]] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    serving: "asyncio.Task[None] | None" = None

    def __post_init__(self) -> None:
        @self.app.on(Event)
        async def listen(event: Event) -> None:
            if self.alive:
                self.events.append(event)

    def __repr__(self) -> str:
        return self.name

    def job(self, takes_s: float = 0.0, *, fails: Callable[[Call], bool] | bool = False) -> Callable[[], Any]:
        """Return a function for a task, which notes its calls, takes *takes_s* and may fail."""

        async def work() -> float:
            with self.cluster.noted(self) as call:
                if takes_s:
                    await asyncio.sleep(takes_s)
                if fails is True or (fails and fails(call)):
                    raise RuntimeError("as told")
            return takes_s

        return work

    @property
    def done(self) -> bool:
        """Whether it has served and serves no longer."""
        return self.serving is not None and self.serving.done()

    def serve(self) -> "Node":
        """Begin to serve (once more)."""
        self.serving = self.start(self.app.serve())
        return self

    def start(self, coroutine: Coroutine[Any, Any, T]) -> "asyncio.Task[T]":
        """Run *coroutine* in this process, beside everything else."""
        loop = self.cluster.loop
        context = copy_context()
        context.run(_node.set, self)
        return loop.create_task(coroutine, context=context)

    def do(self, command: Callable[[AioClock], T]) -> T:
        """Give a command in this process."""

        async def give() -> T:
            return command(self.app)

        return self.cluster.run(give(), within=self)

    def run_now(self, key: str) -> "asyncio.Task[Any]":
        return self.start(self.app.run_now(key))

    def stop(self, **options: Any) -> "asyncio.Task[None]":
        """Ask for a stop in order."""
        return self.start(self.app.stop(**options))

    def freeze(self) -> None:
        """Let the process stand still, as SIGSTOP does."""
        self.frozen = True

    def thaw(self) -> None:
        self.frozen = False
        held_back, self.held_back = self.held_back, []
        for callback in held_back:
            self.cluster.loop.call_soon(callback)

    def kill(self) -> None:
        """Let the process do nothing any more, as SIGKILL does."""
        self.freeze()
        self.alive = False
        self.store.outage = "refused"

    def saw(self, *kinds: type[Event]) -> list[Any]:
        return [event for event in self.events if isinstance(event, kinds)]


class Cluster:
    """All processes, their store, and the time."""

    def __init__(self, loop: ClusterLoop, *, lease: float) -> None:
        self.loop = loop
        self.lease = lease
        self.store = TrueStore()
        self.nodes: list[Node] = []
        self.calls: list[Call] = []

    def node(self, declare: Callable[[AioClock, Node], object], *, serve: bool = True, **settings: Any) -> Node:
        """Start one more process, whose tasks are what *declare* adds."""
        latency_s = settings.pop("latency_s", 0.0)
        clock_offset_s = settings.pop("clock_offset_s", 0.0)
        store = FaultyStore(self.store, latency_s)
        app = AioClock(store=store, **{"lease": self.lease, **settings})
        node = Node(f"node {len(self.nodes)}", app, store, self, clock_offset_s)
        self.nodes.append(node)
        declare(app, node)
        return node.serve() if serve else node

    def start(self, count: int, declare: Callable[[AioClock, Node], object], **settings: Any) -> list[Node]:
        """Start *count* processes that are all alike."""
        return [self.node(declare, **settings) for _ in range(count)]

    @contextmanager
    def noted(self, node: Node) -> Iterator[Call]:
        run = current_run()
        call = Call(task=run.task_key, node=node.name, run=run, began=self.now)
        if not node.alive:
            yield call
            return
        self.calls.append(call)
        try:
            yield call
        except asyncio.CancelledError:
            call.cancelled = True
            raise
        finally:
            if node.alive:
                call.ended = self.now

    # Time

    @property
    def now(self) -> float:
        """Seconds since START."""
        return self.loop.time()

    def advance(self, seconds: float) -> None:
        self.until(self.now + seconds)

    def until(self, seconds: float) -> None:
        self.loop.run_to(seconds)

    def run(self, coroutine: Coroutine[Any, Any, T], *, within: Node | None = None) -> T:
        task = self.loop.create_task(coroutine) if within is None else within.start(coroutine)
        return self.loop.run_until_complete(task)

    # Looking

    def records(self, key: str | None = None, *, state: str | None = None) -> list[RunRecord]:
        """Return the runs on record, those claimed first in front."""
        runs = self.store._ledger.runs.values()
        return [run for run in runs if key in (None, run.task_key) and state in (None, run.state)]

    def ticks(self, key: str | None = None, *, state: str | None = None) -> list[float]:
        return [offset(record.tick) for record in self.records(key, state=state)]

    def task(self, key: str) -> TaskState:
        return self.store._ledger.tasks[key]

    def calls_of(self, key: str) -> list[Call]:
        return [call for call in self.calls if call.task == key]

    def called(self, key: str) -> list[float]:
        """Return the ticks for which the function was called, in the order of the calls."""
        return [call.tick for call in self.calls_of(key)]

    def most_at_once(self, key: str) -> int:
        """Return how many calls went on at one moment at most."""
        spans = [(call.began, self.now + 1 if call.ended is None else call.ended) for call in self.calls_of(key)]
        return max((sum(began <= moment < ended for began, ended in spans) for moment, _ in spans), default=0)

    # The end

    def end(self) -> None:
        """Stop all processes, and make sure that each comes to its end."""
        for node in self.nodes:
            if not node.alive:
                node.thaw()
                if node.serving is not None:
                    node.serving.cancel()
            elif node.serving is not None and not node.done:
                node.thaw()
                node.stop()
        servings = [node.serving for node in self.nodes if node.serving is not None]
        if servings:
            self.run(_ended(servings))
        for node in self.nodes:
            assert node.serving is None or node.done, f"{node.name} never ends"


async def _ended(servings: list["asyncio.Task[None]"]) -> None:
    await asyncio.wait(servings, timeout=LONGEST_END_S)


def offset(micros: int) -> float:
    """Return the seconds from START to *micros* since the epoch."""
    return (micros - round(START.timestamp() * 1e6)) / 1e6


class _Alarms(logging.Handler):
    """Notes what must never be logged: whatever asyncio complains of, and work of the engine that died."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if record.name == "asyncio" or record.levelno >= logging.CRITICAL:
            self.texts.append(self.format(record))


@contextmanager
def cluster(*, lease: float = 6.0) -> Iterator[Cluster]:
    """Give a cluster without processes; at the end of the block all of them must stop in order."""
    alarms = _Alarms()
    loggers = [logging.getLogger(name) for name in ("aioclock", "asyncio")]
    for logger in loggers:
        logger.addHandler(alarms)
    try:
        with asyncio.Runner(loop_factory=ClusterLoop) as runner:
            loop = runner.get_loop()
            assert isinstance(loop, ClusterLoop)
            whole = Cluster(loop, lease=lease)
            try:
                yield whole
                whole.end()
            finally:
                for node in whole.nodes:
                    node.thaw()
    finally:
        for logger in loggers:
            logger.removeHandler(alarms)
    assert not alarms.texts, "\n".join(alarms.texts)
