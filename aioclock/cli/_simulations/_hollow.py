"""An app like another one, whose functions do nothing."""

from typing import NamedTuple

from aioclock._engine import LIFECYCLE
from aioclock.app import AioClock
from aioclock.custom_types import Triggers
from aioclock.task import Task
from aioclock.triggers import BaseTrigger, OrTrigger
from aioclock.triggers._base import is_pure_trigger

__all__ = ["Hollow", "hollow"]

WAITS = "its trigger waits by itself, for what nobody can know"
FOLLOWS = "it runs again as soon as a run has ended, and here runs take no time"


class Hollow(NamedTuple):
    """The copy of an app."""

    app: AioClock
    left_out: dict[str, str]
    """The keys of tasks that it lacks, and why."""
    partly: dict[str, str]
    """The keys of tasks that it has without a part of their trigger, and why."""


def hollow(app: AioClock) -> Hollow:
    """Return a copy of *app*: the same keys, triggers, policies and pauses, and functions that do nothing.

    It has no lifespan, no dependencies, no listeners, and no tasks of start-up and shut-down.
    """
    copy = Hollow(AioClock(history=1, handle_signals=False), {}, {})
    for key, task in app.tasks.items():
        trigger, reason = _foreseeable(task.trigger)
        if trigger is None:
            copy.left_out[key] = reason or WAITS
            continue
        if reason is not None:
            copy.partly[key] = f"a part of its trigger: {reason}"
        _add(copy.app, key, task, trigger)
    for key, note in app.paused.items():
        if key in copy.app.tasks:
            copy.app.pause(key, note)
    return copy


def _add(app: AioClock, key: str, task: Task, trigger: BaseTrigger) -> None:
    # What is left out here takes effect while a function runs, or after it failed.
    policies = task.policies
    app.add_task(
        _nothing, trigger=trigger, name=key, overlap=policies.overlap, grace=policies.grace, jitter=policies.jitter
    )


async def _nothing() -> None:
    """Stands for the functions of all tasks."""


def _foreseeable(trigger: BaseTrigger) -> tuple[BaseTrigger | None, str | None]:
    """Return the part of *trigger* that goes on by itself, and why there is no more of it."""
    if isinstance(trigger, OrTrigger):
        parts = [_foreseeable(child) for child in trigger.triggers]
        kept = [part for part, _ in parts if part is not None]
        reason = next((reason for _, reason in parts if reason is not None), None)
        return (trigger.model_copy(update={"triggers": kept}) if kept else None), reason
    reason = _why_not(trigger)
    return (trigger if reason is None else None), reason


def _why_not(trigger: BaseTrigger) -> str | None:
    if trigger.type_ in LIFECYCLE:
        return f"it runs when the app {'starts' if trigger.type_ == Triggers.ON_START_UP else 'stops'}"
    if not is_pure_trigger(trigger):
        return WAITS
    pause = trigger.pause_after_run
    return FOLLOWS if pause is not None and not pause else None
