"""All listeners of an app: what each has yet to be told, and the calls that tell it."""

import asyncio
from collections import deque
from collections.abc import Callable
from contextvars import ContextVar, copy_context
from typing import Any, NamedTuple

from anyio import CapacityLimiter
from fast_depends import Provider

from aioclock._engine.listener import Listener
from aioclock.events import Event
from aioclock.executors import cancel
from aioclock.logger import logger
from aioclock.utils import running_loop

__all__ = ["CALL_LIMIT_S", "MOST_WAITING", "Listeners", "in_listener"]

CALL_LIMIT_S = 30.0
"""How long a listener may take for one event."""

MOST_WAITING = 50_000
"""How many events may wait for one listener."""

MOST_THREADS = 10
"""How many sync listeners of an app run at once. The threads of tasks are others, so hanging listeners stop no task."""

in_listener: "ContextVar[Listeners | None]" = ContextVar("in_listener", default=None)
"""Whose listener this is part of, in all that it calls or starts."""


class Listeners:
    """Tells events to functions.

    Each listener gets its events in order and one at a time, beside the runs: nobody waits for it, and what it raises
    or how long it takes concerns no other listener and no task. Errors are logged. A call that takes more than
    `CALL_LIMIT_S` is cancelled; what ignores that holds up its own listener only. While `MOST_WAITING` events wait for
    a listener, newer ones are lost to it, which is logged.

    Events are told on the event loop that serves. Announced elsewhere, they wait for `wake`.
    """

    def __init__(self, provider: Provider) -> None:
        self.wanted: frozenset[type[Event]] = frozenset()
        """The concrete event classes that somebody listens to."""
        self._provider = provider
        self._inboxes: list[_Inbox] = []
        self._by_kind: dict[type[Event], list[_Inbox]] = {}
        self._home: _Home | None = None

    def add(self, func: Callable[..., Any], kinds: tuple[type[Event], ...], *, task: str | None = None) -> None:
        """Tell *func* every event of *kinds* from now on; with *task*, a glob, those of tasks with such a key.

        Raises:
            TaskDeclarationError: there is nothing to tell, or *func* can't be told.
            DependencyError: a parameter of *func* can't be filled.
        """
        listener = Listener(func, kinds, task=task, provider=self._provider)
        inbox = _Inbox(listener, self)
        self._inboxes.append(inbox)
        for kind in listener.kinds:
            self._by_kind.setdefault(kind, []).append(inbox)
        self.wanted = frozenset(self._by_kind)

    def prepare(self) -> None:
        """Check that every listener can be called.

        Raises:
            DependencyError: a parameter can't be filled.
        """
        for inbox in self._inboxes:
            inbox.listener.prepare()

    def announce(self, event: Event) -> None:
        """Let those who listen know, soon; never raises."""
        for inbox in self._by_kind.get(type(event), ()):
            if inbox.listener.wants(event):
                inbox.put(event)
                if (home := self._home_here()) is not None:
                    inbox.tell_next(home)

    def _home_here(self) -> "_Home | None":
        """Return the home if this is it; the first event loop becomes one, and so does the next when it is closed.

        A home that does not run just now, as between two steps of virtual time, is within reach from anywhere.
        """
        loop, home = running_loop(), self._home
        if home is not None and not home.loop.is_closed():
            return home if home.loop is loop or not home.loop.is_running() else None
        if loop is not None:
            self._home = _Home(loop, CapacityLimiter(MOST_THREADS))
        return self._home if loop is not None else None

    def wake(self) -> None:
        """Tell events on the running event loop from now on, those first that have waited."""
        loop = asyncio.get_running_loop()
        if self._home is None or self._home.loop is not loop:
            self._home = _Home(loop, CapacityLimiter(MOST_THREADS))
        for inbox in self._inboxes:
            inbox.tell_next(self._home)

    async def drain(self, *, patience_s: float) -> None:
        """Return when all is told, or after *patience_s* seconds: calls are cancelled then and waiting events dropped.

        Called from within a listener, this leaves that one alone: it would wait for itself.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + patience_s
        inboxes = [inbox for inbox in self._inboxes if inbox is not _present_inbox.get()]
        try:
            while loop.time() < deadline:
                self.wake()
                calls = [inbox.call for inbox in inboxes if inbox.call is not None]
                if not calls:
                    break
                # Their ends begin new calls, and what listeners do may be an event for others. So look again then.
                await asyncio.wait(calls, timeout=deadline - loop.time())
        finally:
            for inbox in inboxes:
                inbox.give_up()
        await asyncio.sleep(0)  # the turn of the loop in which what was cancelled cleans up


class _Home(NamedTuple):
    """Where listeners are called."""

    loop: asyncio.AbstractEventLoop
    threads: CapacityLimiter
    """Made anew for each event loop: a thread that hangs on from a past one takes no place in the next."""


class _Inbox:
    """What one listener has yet to be told, and the call that is telling it.

    The end of a call begins the next, so a listener that has nothing to do costs nothing.
    """

    def __init__(self, listener: Listener, owner: Listeners) -> None:
        self.listener = listener
        self._waiting: deque[Event] = deque()
        self._lost = 0
        self._call: asyncio.Task[None] | None = None
        self._cancelled = False
        self._timer: asyncio.TimerHandle | None = None
        self._facts = {"listener": listener.name}
        # The context of whoever announces is that of one run, which is no business of the listener's.
        self._context = copy_context()
        self._context.run(in_listener.set, owner)
        self._context.run(_present_inbox.set, self)

    @property
    def call(self) -> "asyncio.Task[None] | None":
        """The call that goes on; one that was left behind on a closed event loop never ends and does not count."""
        return None if self._call is None or self._call.get_loop().is_closed() else self._call

    def put(self, event: Event) -> None:
        """Let *event* wait for its turn, if there is room."""
        if len(self._waiting) < MOST_WAITING:
            self._waiting.append(event)
            return
        if not self._lost:
            logger.warning("listener %r is too slow: newer events are lost", self.listener.name, extra=self._facts)
        self._lost += 1

    def tell_next(self, home: _Home) -> None:
        """Begin a call for the event that has waited longest, unless there is none or a call goes on."""
        if not self._waiting or self.call is not None:
            return
        event = self._waiting.popleft()
        self._cancelled = False
        # Not loop.create_task: a factory for eager tasks would call the function at once, within the announcement.
        self._call = call = asyncio.Task(
            self.listener.tell(event, home.threads),
            loop=home.loop,
            name=f"aioclock listener {self.listener.name}",
            context=self._context.copy(),
        )
        self._timer = home.loop.call_later(CALL_LIMIT_S, self._expire, call, event, context=self._context)
        call.add_done_callback(lambda call: self._ended(call, home), context=self._context)

    def _expire(self, call: "asyncio.Task[None]", event: Event) -> None:
        logger.error(
            "listener %r hangs: it has taken more than %g s for a %s and is cancelled; until it ends, its events wait",
            self.listener.name, CALL_LIMIT_S, type(event).__name__,
            extra=self._facts,
        )  # fmt: skip
        self._cancelled = True
        cancel(call)

    def _ended(self, call: "asyncio.Task[None]", home: _Home) -> None:
        self._stop_timer()
        self._call = None
        self._report(call)
        if not self._waiting:
            self._report_lost()
        # Others cancel when the event loop ends, as asyncio.run does. What waits then is kept for the next one.
        if self._cancelled or not call.cancelling():
            self.tell_next(home)

    def _report(self, call: "asyncio.Task[None]") -> None:
        if not call.cancelled() and (error := call.exception()) is not None:
            logger.error("listener %r failed", self.listener.name, exc_info=error, extra=self._facts)
        elif call.cancelled() and not self._cancelled:
            logger.warning("listener %r was cancelled", self.listener.name, extra=self._facts)

    def _report_lost(self) -> None:
        if self._lost:
            facts = {**self._facts, "lost": self._lost}
            logger.warning("listener %r has lost %d event(s)", self.listener.name, self._lost, extra=facts)
            self._lost = 0

    def give_up(self) -> None:
        """Cancel the call that goes on and drop what waits."""
        cut_off = 0 if self.call is None or self.call.done() else 1
        dropped = len(self._waiting) + cut_off
        self._waiting.clear()
        if self.call is not None and cut_off:
            self._stop_timer()
            self._cancelled = True
            cancel(self.call)
        if dropped:
            logger.warning(
                "listener %r was not done in time: %d event(s) are dropped", self.listener.name, dropped,
                extra={**self._facts, "dropped": dropped},
            )  # fmt: skip
        self._report_lost()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()


_present_inbox: ContextVar[_Inbox | None] = ContextVar("present_inbox", default=None)
"""Whose call this is part of."""
