"""What functions that listen to events may rely on."""

import asyncio
import functools
import inspect
import logging
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import suppress
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Annotated, Any

import pytest
from typing_extensions import TypeAliasType

from aioclock import Depends
from aioclock._engine import listeners as module
from aioclock._engine.listeners import CALL_LIMIT_S, MOST_WAITING, Listeners, in_listener
from aioclock.events import (
    ClockStepped,
    Event,
    RunEvent,
    RunFailed,
    RunStarted,
    RunSucceeded,
    RunTimedOut,
    ServingStarted,
    ServingStopped,
    TaskEvent,
    TaskPaused,
    TaskResumed,
)
from aioclock.exceptions import DependencyError, TaskDeclarationError
from aioclock.provider import DependencyProvider
from aioclock.runs import Run
from aioclock.testing import VirtualEventLoop

AT = datetime(2026, 1, 1, tzinfo=UTC)

Go = Callable[[Coroutine[Any, Any, Any]], Any]


def failed(task: str = "etl.load") -> RunFailed:
    return RunFailed(at=AT, run=Run(task_key=task, scheduled_at=AT))


def paused(task: str = "etl.load") -> TaskPaused:
    return TaskPaused(at=AT, task_key=task, note=None)


@pytest.fixture
def provider() -> DependencyProvider:
    return DependencyProvider()


@pytest.fixture
def told(provider: DependencyProvider) -> Listeners:
    return Listeners(provider)


@pytest.fixture
def go() -> Iterator[Go]:
    with asyncio.Runner(loop_factory=VirtualEventLoop) as runner:
        yield runner.run


async def announce(told: Listeners, *events: Event) -> None:
    """Announce *events* and wait until they are told."""
    for event in events:
        told.announce(event)
    await told.drain(patience_s=3600)


def now_s() -> float:
    return asyncio.get_running_loop().time()


def warnings_of(caplog: pytest.LogCaptureFixture, listener: str) -> list[str]:
    records = [record for record in caplog.records if getattr(record, "listener", None) == listener]
    return [record.getMessage() for record in records if record.levelno >= logging.WARNING]


# What is listened to


def test_nothing_is_wanted_without_listeners(told: Listeners) -> None:
    assert told.wanted == frozenset()
    told.announce(failed())


def test_wanted_are_the_classes_somebody_listens_to(told: Listeners) -> None:
    told.add(lambda: None, (RunFailed,))
    told.add(lambda: None, (RunTimedOut, RunFailed))
    assert told.wanted == {RunFailed, RunTimedOut}


@pytest.mark.parametrize("family", [Event, RunEvent, TaskEvent])
def test_a_family_stands_for_the_events_below_it(told: Listeners, family: type[Event]) -> None:
    told.add(lambda: None, (family,))
    everything = {RunStarted, RunFailed, TaskPaused, TaskResumed, ServingStopped, ClockStepped}
    assert told.wanted & everything == {kind for kind in everything if issubclass(kind, family)}
    assert not told.wanted & {Event, RunEvent, TaskEvent}


def test_only_events_listened_to_are_told(told: Listeners, go: Go) -> None:
    seen: list[Event] = []

    async def listen(event: RunFailed | TaskPaused) -> None:
        seen.append(event)

    told.add(listen, (RunFailed, TaskPaused))
    wanted = [failed(), paused()]
    go(announce(told, ServingStarted(at=AT), wanted[0], TaskResumed(at=AT, task_key="etl.load"), wanted[1]))
    assert seen == wanted


def test_a_pattern_selects_tasks_by_key_and_case(told: Listeners, go: Go) -> None:
    seen: list[str] = []

    async def listen(event: RunEvent | TaskEvent) -> None:
        seen.append(event.task_key)

    told.add(listen, (RunEvent, TaskEvent), task="etl.*")
    go(announce(told, failed("etl.a"), failed("web.b"), failed("ETL.c"), paused("etl.d"), paused("web.e")))
    assert seen == ["etl.a", "etl.d"]


def test_with_a_pattern_events_of_no_task_are_left_out(told: Listeners, go: Go) -> None:
    seen: list[Event] = []

    async def listen(event: Event) -> None:
        seen.append(event)

    told.add(listen, (Event,), task="etl.*")
    assert ServingStarted not in told.wanted
    event = failed()
    go(announce(told, ServingStarted(at=AT), event))
    assert seen == [event]


@pytest.mark.parametrize(
    ("kinds", "task", "message"),
    [
        ((), None, "nothing to listen to; name an event's class"),
        ((int,), None, "events are told by their classes, as in @app.on.RunFailed., got <class 'int'>"),
        ((failed(),), None, "events are told by their classes, as in @app.on.RunFailed., got RunFailed"),
        (("RunFaild",), None, "got 'RunFaild'; did you mean 'RunFailed'"),
        ((ServingStarted, ClockStepped), "etl.*", r"task='etl.\*' can't match.* ClockStepped, ServingStarted; leave"),
        ((RunFailed,), "", "task must be a pattern of task keys such as 'etl.*', got ''"),
        ((RunFailed,), 3, "task must be a pattern .*, got 3"),
    ],
)
def test_what_can_not_be_listened_to_is_refused(told: Listeners, kinds: Any, task: Any, message: str) -> None:
    def listen() -> None: ...

    with pytest.raises(TaskDeclarationError, match=f"listener 'listen'.*{message}"):
        told.add(listen, kinds, task=task)
    assert told.wanted == frozenset()


def generator() -> Iterator[None]:
    yield


async def async_generator() -> AsyncIterator[None]:
    yield


@pytest.mark.parametrize(
    ("func", "message"),
    [
        (3, "a listener is a function, got 3"),
        (generator, "'generator': a generator function can't listen"),
        (async_generator, "'async_generator': a generator function can't listen"),
    ],
)
def test_what_can_not_listen_is_refused(told: Listeners, func: Any, message: str) -> None:
    with pytest.raises(TaskDeclarationError, match=message):
        told.add(func, (RunFailed,))


# Parameters

type_forms = [RunFailed, RunEvent, Event, RunFailed | RunTimedOut, RunFailed | None, Annotated[RunFailed, "of a task"]]
alias = TypeAliasType("alias", RunFailed | RunTimedOut)
text_forms = ["RunFailed", "RunFailed | RunTimedOut", "Annotated[RunFailed, 'of a task'] | None"]


@pytest.mark.parametrize("injected", [False, True])
@pytest.mark.parametrize("annotation", [*type_forms, *text_forms, Annotated["RunFailed", 1], alias], ids=str)
def test_the_event_arrives_as_it_is_in_the_parameter_annotated_so(
    told: Listeners, go: Go, annotation: Any, injected: bool
) -> None:
    seen: list[Any] = []

    async def plain(text: str = "x", *, what) -> None:  # type: ignore[no-untyped-def]
        seen.append(what)

    async def with_dependency(what, number: int = Depends(lambda: 3)) -> None:  # type: ignore[no-untyped-def]
        seen.append(what)

    listen = with_dependency if injected else plain
    listen.__annotations__["what"] = annotation
    told.add(listen, (RunFailed,))
    event = failed()
    go(announce(told, event))
    assert len(seen) == 1
    assert seen[0] is event


def test_without_such_a_parameter_it_is_called_without_the_event(told: Listeners, go: Go) -> None:
    seen: list[int] = []

    async def listen(number: int = 7, *args: int, **kwargs: int) -> None:
        seen.append(number)

    told.add(listen, (Event,))
    go(announce(told, failed()))
    assert seen == [7]


def test_a_name_that_is_local_to_the_declaration_is_understood(told: Listeners, go: Go) -> None:
    seen: list[Event] = []

    def declare() -> None:
        from aioclock.events import RunFailed as Local

        async def listen(event: "Local", n: Annotated["int", Depends(number)]) -> None:
            seen.append(event)

        told.add(listen, (RunFailed,))

    declare()
    told.prepare()
    go(announce(told, failed()))
    assert len(seen) == 1


class Notifier:
    def __init__(self) -> None:
        self.seen: list[Any] = []

    def by_method(self, event: "RunFailed") -> None:
        self.seen.append(event)

    async def __call__(self, event: "RunFailed", prefix: str = "") -> None:
        self.seen.append(event)


@pytest.mark.parametrize(
    "form",
    [
        lambda notifier: notifier,
        lambda notifier: notifier.by_method,
        lambda notifier: functools.partial(notifier, prefix="x"),
        lambda notifier: functools.partial(notifier.by_method),
    ],
    ids=["object", "method", "partial of an object", "partial of a method"],
)
def test_methods_objects_and_partials_listen_too(told: Listeners, go: Go, form: Any) -> None:
    notifier, event = Notifier(), failed()
    told.add(form(notifier), (RunFailed,))
    go(announce(told, event))
    assert notifier.seen == [event]


def takes_two(event: RunFailed, other: Event) -> None: ...
def takes_too_little(event: RunFailed) -> None: ...
def takes_one_of_two(event: RunFailed | RunStarted) -> None: ...
def takes_unannotated(event) -> None: ...  # type: ignore[no-untyped-def]
def takes_number(event: RunFailed, number: int) -> None: ...
def takes_by_position(event: RunFailed, /) -> None: ...
def takes_nonsense(event: "Run Failed") -> None: ...  # type: ignore[valid-type]  # noqa: F722


def unfilled(number: int) -> int:
    return number


def asks_for_unfilled(number: int = Depends(unfilled)) -> None: ...


@pytest.mark.parametrize(
    ("func", "kinds", "message"),
    [
        (takes_two, (RunFailed,), "only one parameter can be the event, got event, other"),
        (takes_too_little, (RunFailed, RunTimedOut), "parameter 'event' does not accept RunTimedOut"),
        (takes_too_little, (Event,), "parameter 'event' does not accept ClockStepped, .*base class"),
        (takes_one_of_two, (RunFailed, RunSucceeded), "parameter 'event' does not accept RunSucceeded"),
        (takes_unannotated, (RunFailed,), "'event' has neither .* annotate it with the event's class"),
        (takes_number, (RunFailed,), "'number' has neither a default nor Depends"),
        (takes_by_position, (RunFailed,), "'event' is filled by name; take the `/` after it away"),
        (takes_nonsense, (RunFailed,), "annotation 'Run Failed' of parameter 'event' can't be understood"),
        (asks_for_unfilled, (RunFailed,), "'number' of dependency 'unfilled' has neither"),
        (type, (RunFailed,), "parameters can't be read; wrap it in a function"),
    ],
)
def test_parameters_that_can_not_be_filled_are_refused_at_once(
    told: Listeners, func: Any, kinds: Any, message: str
) -> None:
    with pytest.raises(DependencyError, match=f"listener '{func.__name__}'.*{message}"):
        told.add(func, kinds)
    assert told.wanted == frozenset()


def takes_what_comes_later(event: "Later") -> None: ...  # type: ignore[name-defined]  # noqa: F821
def depends_on_later(thing: "Later") -> None: ...  # type: ignore[name-defined]  # noqa: F821
def asks_for_later(thing: None = Depends(depends_on_later)) -> None: ...


def test_a_name_may_be_defined_after_the_listener(told: Listeners, go: Go, monkeypatch: pytest.MonkeyPatch) -> None:
    told.add(takes_what_comes_later, (RunFailed,))
    monkeypatch.setitem(globals(), "Later", RunFailed)
    told.prepare()


def test_a_name_that_never_comes_is_refused_by_prepare(told: Listeners) -> None:
    told.add(takes_what_comes_later, (RunFailed,))
    with pytest.raises(DependencyError, match="listener 'takes_what_comes_later': the annotation 'Later' of parameter"):
        told.prepare()


def test_a_name_that_comes_later_is_held_against_the_rules(told: Listeners, monkeypatch: pytest.MonkeyPatch) -> None:
    told.add(takes_what_comes_later, (RunFailed,))
    monkeypatch.setitem(globals(), "Later", RunTimedOut)
    with pytest.raises(DependencyError, match="'event' does not accept RunFailed"):
        told.prepare()


def test_a_dependency_may_name_what_is_defined_later(told: Listeners, monkeypatch: pytest.MonkeyPatch) -> None:
    told.add(asks_for_later, (RunFailed,))
    with pytest.raises(DependencyError, match="'Later' of parameter 'thing' of dependency 'depends_on_later'"):
        told.prepare()
    monkeypatch.setitem(globals(), "Later", int)
    with pytest.raises(DependencyError, match="parameter 'thing' of dependency 'depends_on_later' has neither"):
        told.prepare()


class EvaluatedLate:
    """A function as Python 3.14 has it: its annotations are evaluated when somebody looks at them."""

    def __call__(self) -> None: ...

    @property
    def __signature__(self) -> inspect.Signature:
        return inspect.Signature([inspect.Parameter("event", inspect.Parameter.KEYWORD_ONLY, annotation=Later)])  # type: ignore[name-defined]  # noqa: F821


def test_a_name_may_come_later_where_annotations_are_evaluated_late(
    told: Listeners, monkeypatch: pytest.MonkeyPatch
) -> None:
    told.add(EvaluatedLate(), (RunFailed,))
    with pytest.raises(
        DependencyError, match=r"listener 'EvaluatedLate': an annotation .* name 'Later' is not defined"
    ):
        told.prepare()
    monkeypatch.setitem(globals(), "Later", RunFailed)
    told.prepare()


def test_a_dependency_on_itself_is_refused_at_once(told: Listeners, provider: DependencyProvider) -> None:
    def again(n: int = Depends(number)) -> None: ...

    def listen(n: int = Depends(number)) -> None: ...

    with provider.scope(number, again), pytest.raises(DependencyError, match="depends on itself: again -> again"):
        told.add(listen, (RunFailed,))


def test_a_listener_that_was_never_prepared_fails_when_told(
    told: Listeners, go: Go, caplog: pytest.LogCaptureFixture
) -> None:
    told.add(takes_what_comes_later, (RunFailed,))
    go(announce(told, failed()))
    (record,) = caplog.records
    assert record.getMessage() == "listener 'takes_what_comes_later' failed"
    assert record.exc_info is not None
    assert isinstance(record.exc_info[1], DependencyError)


def number() -> int:
    return 1


@pytest.mark.parametrize("sync", [False, True])
def test_dependencies_fill_other_parameters_and_overrides_hold(
    told: Listeners, provider: DependencyProvider, go: Go, sync: bool
) -> None:
    seen: list[object] = []

    async def in_async(event: RunFailed, n: int = Depends(number)) -> None:
        seen.append((event.task_key, n))

    def in_thread(n: Annotated[int, Depends(number)], event: RunFailed) -> None:
        seen.append((event.task_key, n))

    told.add(in_thread if sync else in_async, (RunFailed,))
    told.prepare()
    go(announce(told, failed("a")))
    with provider.scope(number, lambda: 2):
        go(announce(told, failed("b")))
    assert seen == [("a", 1), ("b", 2)]


def test_prepare_considers_overrides(told: Listeners, provider: DependencyProvider) -> None:
    def listen(n: int = Depends(number)) -> None: ...

    told.add(listen, (RunFailed,))
    with (
        provider.scope(number, unfilled),
        pytest.raises(DependencyError, match="listener 'listen': parameter 'number' of dependency 'unfilled'"),
    ):
        told.prepare()
    told.prepare()


mine = failed("mine")


def make_mine() -> RunFailed:
    return mine


@pytest.mark.parametrize("by_default", [False, True])
def test_an_event_that_depends_fills_is_not_the_one_told(told: Listeners, go: Go, by_default: bool) -> None:
    seen: list[tuple[Event, Event]] = []

    async def by_annotation(event: Event, other: Annotated[RunFailed, Depends(make_mine)]) -> None:
        seen.append((event, other))

    async def by_marker(event: Event, other: RunFailed = Depends(make_mine)) -> None:  # noqa: B008 - it is immutable
        seen.append((event, other))

    told.add(by_marker if by_default else by_annotation, (Event,))
    event = failed()
    go(announce(told, event))
    assert seen == [(event, mine)]


def test_a_dependency_may_ask_for_the_event_by_its_name(told: Listeners, go: Go) -> None:
    def key(event: RunFailed) -> str:
        return event.task_key

    seen: list[str] = []

    async def listen(event: RunFailed, task: str = Depends(key)) -> None:
        seen.append(task)

    told.add(listen, (RunFailed,))
    go(announce(told, failed("etl.x")))
    assert seen == ["etl.x"]


def test_a_generator_dependency_is_closed_after_each_call(told: Listeners, go: Go) -> None:
    steps: list[str] = []

    async def session() -> AsyncIterator[str]:
        steps.append("open")
        yield "session"
        steps.append("close")

    async def listen(event: RunFailed, session: str = Depends(session)) -> None:
        steps.append(event.task_key)

    told.add(listen, (RunFailed,))
    go(announce(told, failed("a"), failed("b")))
    assert steps == ["open", "a", "close", "open", "b", "close"]


# Calls


def test_events_are_told_in_order_and_one_at_a_time(told: Listeners, go: Go) -> None:
    steps: list[str] = []

    async def listen(event: RunFailed) -> None:
        steps.append(f"{event.task_key} begins")
        await asyncio.sleep(1)
        steps.append(f"{event.task_key} ends")

    told.add(listen, (RunFailed,))
    go(announce(told, failed("a"), failed("b")))
    assert steps == ["a begins", "a ends", "b begins", "b ends"]


def test_announcing_calls_nothing_yet_even_where_tasks_are_eager(told: Listeners, go: Go) -> None:
    seen: list[Event] = []

    async def listen(event: Event) -> None:
        seen.append(event)

    async def main() -> None:
        if factory := getattr(asyncio, "eager_task_factory", None):
            asyncio.get_running_loop().set_task_factory(factory)
        told.announce(failed())
        assert seen == []
        await told.drain(patience_s=1)
        assert len(seen) == 1

    told.add(listen, (Event,))
    go(main())


def test_nothing_is_parked_for_a_listener_that_has_nothing_to_do(told: Listeners, go: Go) -> None:
    async def main() -> None:
        others = asyncio.all_tasks()
        told.announce(failed())
        assert len(asyncio.all_tasks() - others) == 1
        await asyncio.sleep(1)
        assert asyncio.all_tasks() == others

    async def listen() -> None: ...

    told.add(listen, (Event,))
    told.add(listen, (RunTimedOut,))
    go(main())


def test_sync_functions_run_in_threads(told: Listeners, go: Go) -> None:
    threads: list[threading.Thread] = []
    told.add(lambda: threads.append(threading.current_thread()), (Event,))
    go(announce(told, failed()))
    assert len(threads) == 1
    assert threads[0] is not threading.main_thread()


def test_the_threads_of_listeners_are_their_own(told: Listeners, go: Go) -> None:
    from anyio.to_thread import current_default_thread_limiter

    begun, let_go = threading.Semaphore(0), threading.Event()

    def listen() -> None:
        begun.release()
        let_go.wait(5)

    async def main() -> None:
        told.announce(failed())
        for _ in range(module.MOST_THREADS):
            await asyncio.to_thread(begun.acquire, timeout=5)
        others = current_default_thread_limiter().borrowed_tokens
        told.wake()  # again, which changes nothing
        told.announce(ServingStarted(at=AT))
        eleventh = await asyncio.to_thread(begun.acquire, timeout=0.05)
        let_go.set()
        await told.drain(patience_s=60)
        assert others == 0
        assert not eleventh

    for _ in range(module.MOST_THREADS):
        told.add(listen, (RunFailed,))
    told.add(listen, (ServingStarted,))
    go(main())


def test_an_error_is_logged_and_the_next_event_follows(
    told: Listeners, go: Go, caplog: pytest.LogCaptureFixture
) -> None:
    seen: list[str] = []

    async def listen(event: RunFailed) -> None:
        seen.append(event.task_key)
        if event.task_key == "a":
            raise ValueError("no")

    told.add(listen, (RunFailed,))
    go(announce(told, failed("a"), failed("b")))
    assert seen == ["a", "b"]
    (record,) = caplog.records
    assert record.getMessage() == "listener 'listen' failed"
    assert record.levelname == "ERROR"
    assert record.listener == "listen"  # type: ignore[attr-defined]
    assert record.exc_info is not None
    assert isinstance(record.exc_info[1], ValueError)


def test_a_listener_that_gives_itself_up_is_told_the_next_event(
    told: Listeners, go: Go, caplog: pytest.LogCaptureFixture
) -> None:
    seen: list[str] = []

    async def listen(event: RunFailed) -> None:
        seen.append(event.task_key)
        raise asyncio.CancelledError

    told.add(listen, (RunFailed,))
    go(announce(told, failed("a"), failed("b")))
    assert seen == ["a", "b"]
    assert warnings_of(caplog, "listen") == ["listener 'listen' was cancelled"] * 2


def test_a_call_that_hangs_is_cancelled_and_the_next_event_follows(
    told: Listeners, go: Go, caplog: pytest.LogCaptureFixture
) -> None:
    seen: list[tuple[str, float]] = []

    async def listen(event: RunFailed) -> None:
        seen.append((event.task_key, now_s()))
        await asyncio.sleep(1000 if event.task_key == "a" else CALL_LIMIT_S - 1)

    told.add(listen, (RunFailed,))
    go(announce(told, failed("a"), failed("b")))
    assert seen == [("a", 0), ("b", CALL_LIMIT_S)]
    (message,) = warnings_of(caplog, "listen")
    assert "'listen' hangs: it has taken more than 30 s for a RunFailed and is cancelled" in message


def test_a_call_after_one_that_hung_is_no_less_reported(
    told: Listeners, go: Go, caplog: pytest.LogCaptureFixture
) -> None:
    async def listen(event: RunFailed) -> None:
        if event.task_key == "a":
            await asyncio.sleep(1000)
        raise asyncio.CancelledError

    told.add(listen, (RunFailed,))
    go(announce(told, failed("a"), failed("b")))
    assert [message.split()[2] for message in warnings_of(caplog, "listen")] == ["hangs:", "was"]


def test_a_call_that_ignores_its_cancellation_holds_up_nobody_else_and_is_reported_once(
    told: Listeners, go: Go, caplog: pytest.LogCaptureFixture
) -> None:
    stubborn_saw: list[tuple[str, float]] = []
    other_saw: list[tuple[str, float]] = []

    async def stubborn(event: RunFailed) -> None:
        stubborn_saw.append((event.task_key, now_s()))
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(1000)
        await asyncio.sleep(100 if event.task_key == "a" else 0)

    async def other(event: RunFailed) -> None:
        other_saw.append((event.task_key, now_s()))

    told.add(stubborn, (RunFailed,))
    told.add(other, (RunFailed,))
    go(announce(told, failed("a"), failed("b")))
    assert stubborn_saw == [("a", 0), ("b", CALL_LIMIT_S + 100)]
    assert other_saw == [("a", 0), ("b", 0)]
    assert len(warnings_of(caplog, "stubborn")) == 2  # one for each event
    assert warnings_of(caplog, "other") == []


def test_a_thread_that_hangs_is_reported_once_and_ends_in_its_own_time(
    told: Listeners, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "CALL_LIMIT_S", 0.05)
    let_go, seen = threading.Event(), []

    def listen(event: RunFailed) -> None:
        let_go.wait(5)
        seen.append(event.task_key)

    async def main() -> None:
        told.announce(failed("a"))
        told.announce(failed("b"))
        while not caplog.records:  # noqa: ASYNC110 - a log is what it waits for
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.1)
        assert seen == []
        monkeypatch.setattr(module, "CALL_LIMIT_S", 30)  # the call of "b" is in time, however slow the machine
        let_go.set()
        await told.drain(patience_s=30)

    told.add(listen, (RunFailed,))
    asyncio.run(main())  # virtual time would wait for the thread
    assert seen == ["a", "b"]
    assert len(warnings_of(caplog, "listen")) == 1


def test_events_beyond_the_bound_are_lost_and_counted(
    told: Listeners, go: Go, caplog: pytest.LogCaptureFixture
) -> None:
    seen: list[str] = []

    async def listen(event: RunFailed) -> None:
        seen.append(event.task_key)

    async def episode() -> None:
        for number in range(MOST_WAITING + 4):  # the first one is being told, so it does not wait
            told.announce(failed(str(number)))
        await told.drain(patience_s=1)

    told.add(listen, (RunFailed,))
    go(episode())
    assert seen == [str(number) for number in range(MOST_WAITING + 1)]
    once = ["listener 'listen' is too slow: newer events are lost", "listener 'listen' has lost 3 event(s)"]
    assert warnings_of(caplog, "listen") == once
    go(episode())
    assert warnings_of(caplog, "listen") == once * 2


def test_while_a_listener_lags_losses_add_up_to_one_report(
    told: Listeners, go: Go, caplog: pytest.LogCaptureFixture
) -> None:
    async def listen() -> None:
        await asyncio.sleep(1)

    async def main() -> None:
        for _ in range(MOST_WAITING + 4):
            told.announce(failed())
        await asyncio.sleep(1.5)
        for _ in range(3):  # one finds room, two do not
            told.announce(failed())
        await told.drain(patience_s=patience_s)

    told.add(listen, (RunFailed,))
    patience_s = 2000.0
    go(main())
    report = [message for message in warnings_of(caplog, "listen") if "lost" in message]
    assert report == ["listener 'listen' is too slow: newer events are lost", "listener 'listen' has lost 5 event(s)"]
    caplog.clear()
    patience_s = 2.0
    go(main())
    assert [message for message in warnings_of(caplog, "listen") if "lost" in message] == report


def test_drain_reports_what_a_listener_that_never_ends_has_lost(
    told: Listeners, go: Go, caplog: pytest.LogCaptureFixture
) -> None:
    async def stubborn() -> None:
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(1000)
        await asyncio.sleep(1000)

    async def main() -> None:
        for _ in range(MOST_WAITING + 4):
            told.announce(failed())
        await told.drain(patience_s=1)
        assert warnings_of(caplog, "stubborn")[-1] == "listener 'stubborn' has lost 3 event(s)"

    told.add(stubborn, (RunFailed,))
    go(main())


def test_as_many_events_as_may_wait_are_no_overflow(told: Listeners, go: Go, caplog: pytest.LogCaptureFixture) -> None:
    calls: list[None] = []

    async def listen() -> None:
        calls.append(None)

    told.add(listen, (RunFailed,))
    go(announce(told, *[failed()] * (MOST_WAITING + 1)))
    assert len(calls) == MOST_WAITING + 1
    assert warnings_of(caplog, "listen") == []


# Contexts

request: ContextVar[str] = ContextVar("request", default="none")


@pytest.mark.parametrize("sync", [False, True])
def test_the_context_is_that_of_the_declaration_and_says_in_listener(told: Listeners, go: Go, sync: bool) -> None:
    seen: list[tuple[str, bool]] = []

    def look() -> None:
        seen.append((request.get(), in_listener.get() is told))
        request.set("changed by a listener")

    async def look_async() -> None:
        look()

    async def main() -> None:
        request.set("announcing")
        await announce(told, failed(), failed())
        assert in_listener.get() is None

    before = request.set("declaring")
    told.add(look if sync else look_async, (Event,))
    request.reset(before)
    go(main())
    assert seen == [("declaring", True)] * 2


def test_what_is_logged_about_a_listener_is_logged_in_its_context(told: Listeners, go: Go) -> None:
    seen: list[str] = []

    class Look(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            seen.append(request.get())

    async def listen() -> None:
        try:
            await asyncio.sleep(1000)
        finally:
            raise ValueError

    async def main() -> None:
        request.set("announcing")
        await announce(told, failed())

    told.add(listen, (Event,))
    handler = Look()
    logging.getLogger("aioclock").addHandler(handler)
    try:
        go(main())
    finally:
        logging.getLogger("aioclock").removeHandler(handler)
    assert seen == ["none", "none"]  # it hangs, it fails


def test_an_announcement_by_a_log_handler_does_not_start_a_second_call(told: Listeners, go: Go) -> None:
    going: list[int] = [0]
    most: list[int] = []

    class Announce(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            told.announce(failed("b"))

    async def listen(event: RunFailed) -> None:
        going[0] += 1
        most.append(going[0])
        await asyncio.sleep(1)
        going[0] -= 1
        if event.task_key == "a":
            raise ValueError

    handler = Announce()
    told.add(listen, (RunFailed,))
    logging.getLogger("aioclock").addHandler(handler)
    try:
        go(announce(told, failed("a"), failed("c"), failed("d")))
    finally:
        logging.getLogger("aioclock").removeHandler(handler)
    assert most == [1, 1, 1, 1]


# Event loops


class Recorder:
    def __init__(self) -> None:
        self.seen: list[str] = []

    async def __call__(self, event: RunFailed) -> None:
        self.seen.append(event.task_key)
        if event.task_key == "long":
            await asyncio.sleep(20)


@pytest.fixture
def recorder(told: Listeners) -> Recorder:
    recorder = Recorder()
    told.add(recorder, (RunFailed,))
    return recorder


def test_events_announced_before_there_is_a_loop_wait_for_wake(told: Listeners, recorder: Recorder, go: Go) -> None:
    async def main() -> None:
        told.wake()
        await asyncio.sleep(1)

    told.announce(failed("a"))
    told.announce(failed("b"))
    assert recorder.seen == []
    go(main())
    assert recorder.seen == ["a", "b"]


def test_events_announced_while_the_loop_stands_still_are_told_when_it_goes_on(
    told: Listeners, recorder: Recorder, go: Go
) -> None:
    async def serving() -> None:
        told.wake()

    async def elsewhere() -> None:
        told.announce(failed("a"))
        await asyncio.sleep(0.01)

    go(serving())
    asyncio.run(elsewhere())
    assert recorder.seen == []
    go(asyncio.sleep(1))
    assert recorder.seen == ["a"]


def test_the_next_loop_goes_on_after_one_was_closed_in_the_middle_of_a_call(
    told: Listeners, recorder: Recorder, go: Go
) -> None:
    async def main() -> None:
        told.announce(failed("long"))
        told.announce(failed("b"))
        await asyncio.sleep(0)

    async def on_the_next() -> None:
        told.announce(failed("c"))
        await asyncio.sleep(1)

    loop = VirtualEventLoop()
    loop.run_until_complete(main())
    loop.close()
    assert recorder.seen == ["long"]
    go(on_the_next())
    assert recorder.seen == ["long", "b", "c"]


def test_what_waits_when_a_loop_ends_is_told_on_the_next(told: Listeners, recorder: Recorder, go: Go) -> None:
    async def main() -> None:
        told.announce(failed("long"))
        told.announce(failed("b"))
        await asyncio.sleep(0)

    asyncio.run(main())  # cancels what is left, and must not find that something new begins then
    assert recorder.seen == ["long"]
    go(announce(told))
    assert recorder.seen == ["long", "b"]


def test_a_thread_left_behind_on_a_past_loop_takes_no_place_on_the_next(
    told: Listeners, go: Go, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_THREADS", 1)
    let_go, begun, seen = threading.Event(), threading.Event(), []

    def listen(event: RunFailed) -> None:
        seen.append(event.task_key)
        begun.set()
        if event.task_key == "hangs":
            let_go.wait(10)

    loop = asyncio.new_event_loop()

    async def main() -> None:
        told.announce(failed("hangs"))
        await asyncio.to_thread(begun.wait, 5)

    told.add(listen, (RunFailed,))
    loop.run_until_complete(main())
    loop.close()
    go(announce(told, failed("b")))
    let_go.set()
    assert seen == ["hangs", "b"]


# The end


def test_drain_returns_when_all_is_told(told: Listeners, recorder: Recorder, go: Go) -> None:
    async def main() -> float:
        await announce(told, failed("long"), failed("long"), failed("b"))
        return now_s()

    assert go(main()) == 40
    assert recorder.seen == ["long", "long", "b"]


def test_drain_waits_for_events_that_listeners_cause(told: Listeners, recorder: Recorder, go: Go) -> None:
    async def cause() -> None:
        await asyncio.sleep(5)
        told.announce(failed("caused"))

    told.add(cause, (ServingStopped,))
    go(announce(told, ServingStopped(at=AT)))
    assert recorder.seen == ["caused"]


def test_drain_without_anything_to_tell_takes_no_time(told: Listeners, recorder: Recorder, go: Go) -> None:
    async def main() -> float:
        await told.drain(patience_s=10)
        return now_s()

    assert go(main()) == 0


def test_drain_loses_patience_cancels_and_drops_with_a_warning(
    told: Listeners, go: Go, caplog: pytest.LogCaptureFixture
) -> None:
    steps: list[str] = []

    async def slow(event: RunFailed) -> None:
        try:
            await asyncio.sleep(20)
        finally:
            steps.append(f"{event.task_key} ended at {now_s():g}")

    async def main() -> None:
        for key in "abc":
            told.announce(failed(key))
        await told.drain(patience_s=25)
        assert now_s() == 25
        assert steps == ["a ended at 20", "b ended at 25"]
        await asyncio.sleep(100)

    told.add(slow, (RunFailed,))
    go(main())
    assert steps == ["a ended at 20", "b ended at 25"]
    assert warnings_of(caplog, "slow") == ["listener 'slow' was not done in time: 2 event(s) are dropped"]


def test_drain_waits_for_no_call_that_ignores_its_cancellation_and_reports_it_once(
    told: Listeners, go: Go, caplog: pytest.LogCaptureFixture
) -> None:
    seen: list[str] = []

    async def stubborn(event: RunFailed) -> None:
        seen.append(event.task_key)
        if event.task_key == "a":
            with suppress(asyncio.CancelledError):
                await asyncio.sleep(20)
            await asyncio.sleep(CALL_LIMIT_S + 1)

    async def main() -> None:
        told.announce(failed("a"))
        await told.drain(patience_s=1)
        assert now_s() == 1
        told.announce(failed("b"))
        await asyncio.sleep(100)

    told.add(stubborn, (RunFailed,))
    go(main())
    assert seen == ["a", "b"]
    assert warnings_of(caplog, "stubborn") == ["listener 'stubborn' was not done in time: 1 event(s) are dropped"]


def test_a_thread_that_outlives_the_drain_still_occupies_its_listener(told: Listeners) -> None:
    let_go, begun, steps = threading.Event(), threading.Event(), []

    def listen(event: RunFailed) -> None:
        steps.append(f"{event.task_key} begins")
        begun.set()
        let_go.wait(5)
        steps.append(f"{event.task_key} ends")

    async def main() -> None:
        told.announce(failed("a"))
        await asyncio.to_thread(begun.wait, 5)
        await told.drain(patience_s=0.01)
        told.announce(failed("b"))
        await asyncio.sleep(0.05)
        let_go.set()
        await told.drain(patience_s=30)

    told.add(listen, (RunFailed,))
    asyncio.run(main())  # virtual time would wait for the thread
    assert steps == ["a begins", "a ends", "b begins", "b ends"]


def test_a_call_that_ends_just_in_time_is_not_called_dropped(
    told: Listeners, recorder: Recorder, go: Go, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        told.announce(failed("long"))
        await asyncio.sleep(1)
        await told.drain(patience_s=19)

    go(main())
    assert warnings_of(caplog, "Recorder") == []


def test_a_drain_that_is_cancelled_leaves_nothing_behind(told: Listeners, recorder: Recorder, go: Go) -> None:
    async def main() -> None:
        draining = asyncio.create_task(announce(told, failed("long"), failed("b")))
        await asyncio.sleep(1)
        draining.cancel()
        await asyncio.sleep(100)

    go(main())
    assert recorder.seen == ["long"]


@pytest.mark.parametrize("in_child_task", [False, True])
def test_drain_from_within_a_listener_does_not_wait_for_that_one(
    told: Listeners, recorder: Recorder, go: Go, in_child_task: bool, caplog: pytest.LogCaptureFixture
) -> None:
    drained: list[float] = []

    async def stop() -> None:
        draining = told.drain(patience_s=25)
        await (asyncio.create_task(draining) if in_child_task else draining)
        drained.append(now_s())

    told.add(stop, (ServingStopped,))
    go(announce(told, failed("long"), ServingStopped(at=AT), ServingStopped(at=AT)))
    assert drained == [20, 20]
    assert recorder.seen == ["long"]
    assert warnings_of(caplog, "stop") == []


def test_listening_goes_on_after_a_drain(told: Listeners, recorder: Recorder, go: Go) -> None:
    go(announce(told, failed("a")))
    go(announce(told, failed("b")))
    assert recorder.seen == ["a", "b"]
