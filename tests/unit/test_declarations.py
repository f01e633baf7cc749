"""What is refused when it is declared, and how tasks are named."""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import nullcontext
from functools import partial
from typing import Any, Literal

import pytest
from anyio import CapacityLimiter

from aioclock import AioClock, Every, Group, Once
from aioclock.api import get_metadata_of_all_tasks
from aioclock.exceptions import TaskDeclarationError
from aioclock.task import Task, default_key
from aioclock.triggers import BaseTrigger
from aioclock.utils import callable_name, is_async_callable


async def work(number: int = 0) -> int:
    return number


class Nothing(BaseTrigger[Literal["NOTHING"]]):
    """Says nothing about when it is due."""

    type_: Literal["NOTHING"] = "NOTHING"


def generator() -> Iterator[int]:
    yield 1


async def async_generator() -> AsyncIterator[int]:
    yield 1


NAN, INFINITY = float("nan"), float("inf")


# Tasks


@pytest.mark.parametrize("timeout", [0, -1, NAN, INFINITY, True, "5"])
@pytest.mark.parametrize("owner", [AioClock().task, Group().task])
def test_a_timeout_that_is_no_positive_number_is_refused(owner: Any, timeout: Any) -> None:
    with pytest.raises(TaskDeclarationError, match=r"task '.*:work': timeout must be a positive number of seconds"):
        owner(trigger=Once(), timeout=timeout)(work)
    with pytest.raises(TaskDeclarationError, match=r"Group: timeout must be a positive number"):
        Group(timeout=timeout)


@pytest.mark.parametrize("func", [None, 5, "work"])
def test_what_is_no_function_can_not_be_a_task(func: Any) -> None:
    with pytest.raises(TaskDeclarationError, match=f"a task is made of a function, got {func!r}"):
        AioClock().task(trigger=Once())(func)


@pytest.mark.parametrize("func", [generator, async_generator])
def test_a_generator_function_can_not_be_a_task(func: Any) -> None:
    with pytest.raises(TaskDeclarationError, match=f"{func.__name__}'.*nothing would iterate it"):
        AioClock().task(trigger=Once())(func)


@pytest.mark.parametrize("name", ["", "  ", 5])
def test_a_name_that_says_nothing_is_refused(name: Any) -> None:
    with pytest.raises(TaskDeclarationError, match="must be a non-empty string"):
        AioClock().task(trigger=Once(), name=name)(work)


@pytest.mark.parametrize("trigger", [None, 5, "* * * * *", Every])
def test_what_is_no_trigger_is_refused_with_an_example(trigger: Any) -> None:
    with pytest.raises(TaskDeclarationError, match=r"must be a trigger such as Every\(seconds=5\), got"):
        AioClock().task(trigger=trigger)(work)


def test_a_trigger_that_says_nothing_about_when_is_refused_by_name() -> None:
    with pytest.raises(TaskDeclarationError, match="Nothing must implement next_after or trigger_next"):
        AioClock().task(trigger=Nothing())(work)


def test_a_refused_task_leaves_no_trace() -> None:
    app, group = AioClock(), Group()
    app.include_group(group)
    app.task(trigger=Once(), name="taken")(work)
    for refused in (
        lambda: app.task(trigger=Once(), name="taken")(work),
        lambda: group.task(trigger=Once(), name="taken")(work),
        lambda: group.task(trigger=Once(), timeout=-1)(work),
    ):
        with pytest.raises(TaskDeclarationError):
            refused()
    assert [task.key for task in app._tasks] == ["taken"]
    assert list(group.declarations()) == []


# Names


def test_a_partial_is_named_after_its_function_and_runs_as_it() -> None:
    func = partial(partial(work, 1))
    assert (callable_name(func), default_key(func)) == ("work", f"{__name__}:work")
    assert is_async_callable(func)


async def test_a_partial_is_a_task_under_the_name_of_its_function() -> None:
    app = AioClock()
    app.task(trigger=Once())(partial(work, 1))
    [metadata] = await get_metadata_of_all_tasks(app)
    assert metadata.task_name == "work"


def test_an_object_that_can_be_called_is_named_after_its_class() -> None:
    class Job:
        def __call__(self) -> None: ...

    assert callable_name(Job()) == "Job"
    assert default_key(Job()).endswith("<locals>.Job")


def test_one_function_given_to_several_unnamed_tasks_makes_tasks_with_numbered_keys() -> None:
    app = AioClock()
    for _ in range(3):
        app.task(trigger=Once())(work)
    key = f"{__name__}:work"
    assert [task.key for task in app._tasks] == [key, f"{key}#2", f"{key}#3"]
    assert len({task.id for task in app._tasks}) == 3


def test_a_name_in_two_groups_is_refused_where_they_meet() -> None:
    app, groups = AioClock(), (Group(), Group())
    for group in groups:
        group.task(trigger=Once(), name="work")(work)
    app.include_group(groups[0])
    with pytest.raises(TaskDeclarationError, match="'work' is given to two tasks"):
        app.include_group(groups[1])


def test_a_name_is_given_once_in_a_group() -> None:
    group = Group()
    group.task(trigger=Once(), name="work")(work)
    with pytest.raises(TaskDeclarationError, match="'work' is given to two tasks"):
        group.task(trigger=Once(), name="work")(work)


def test_a_task_that_is_no_part_of_an_app_has_the_key_that_it_would_have_there() -> None:
    app = AioClock()
    app.task(trigger=Once())(work)
    assert Task(func=work, trigger=Once()).id == app._tasks[0].id


# Apps and groups


@pytest.mark.parametrize("seconds", [-1, NAN, True, "5"])
async def test_a_shut_down_time_that_is_no_number_of_seconds_is_refused(seconds: Any) -> None:
    with pytest.raises(TaskDeclarationError, match="shutdown_timeout must be a number of seconds, 0 or more, or None"):
        AioClock(shutdown_timeout=seconds)
    with pytest.raises(TaskDeclarationError, match="timeout must be a number of seconds, 0 or more, or None"):
        await AioClock().stop(timeout=seconds)


@pytest.mark.parametrize("limiter", [5, "many", object()])
@pytest.mark.parametrize("kind", [AioClock, Group])
def test_a_limiter_that_is_none_is_refused(kind: Callable[..., Any], limiter: Any) -> None:
    with pytest.raises(TaskDeclarationError, match=r"limiter must be an anyio.CapacityLimiter, got"):
        kind(limiter=limiter)


def test_a_limiter_may_be_made_where_no_event_loop_runs() -> None:
    limiter = CapacityLimiter(3)
    app, group = AioClock(limiter=limiter), Group(limiter=limiter)
    app.include_group(group)
    group.task(trigger=Once())(work)
    assert app._tasks[0].limiter is limiter


@pytest.mark.parametrize("including", [AioClock, Group])
def test_what_is_no_group_can_not_be_included(including: Callable[[], Any]) -> None:
    with pytest.raises(TaskDeclarationError, match="only a Group can be included, got"):
        including().include_group(AioClock())


@pytest.mark.parametrize("including", [AioClock, Group])
def test_a_group_is_included_once(including: Callable[[], Any]) -> None:
    owner, group = including(), Group()
    owner.include_group(group)
    with pytest.raises(TaskDeclarationError, match="included already; its tasks would run twice"):
        owner.include_group(group)


def test_a_group_can_not_contain_itself_through_others() -> None:
    outer, middle, inner = Group(), Group(), Group()
    outer.include_group(middle)
    middle.include_group(inner)
    with pytest.raises(TaskDeclarationError, match="can't include itself"):
        inner.include_group(outer)


@pytest.mark.parametrize(
    ("lifespan", "message"),
    [
        (5, "must be a function that returns a context manager, got 5"),
        (nullcontext(), "must be a function that returns a context manager"),
        (generator, "'generator' must be decorated with @contextmanager"),
        (async_generator, "'async_generator' must be decorated with @asynccontextmanager"),
    ],
)
def test_a_lifespan_that_can_give_no_context_manager_is_refused(lifespan: Any, message: str) -> None:
    with pytest.raises(TaskDeclarationError, match=message):
        AioClock(lifespan=lifespan)
