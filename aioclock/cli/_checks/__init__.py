"""The rules of `aioclock check`, a module for each sort."""

from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime, timedelta

from aioclock.app import AioClock
from aioclock.cli._checks._clock_changes import of_clock_changes
from aioclock.cli._checks._cron import of_cron
from aioclock.cli._checks._declarations import of_import
from aioclock.cli._checks._herd import MANY, of_herds
from aioclock.cli._checks._problem import CODES, Problem
from aioclock.cli._checks._processes import of_sharing
from aioclock.cli._checks._running import of_lifespan, of_listeners, of_task
from aioclock.cli._checks._schedules import of_schedule
from aioclock.cli._checks._structure import of_groups, of_key, of_tasks
from aioclock.cli._checks._terms import of_function, of_terms
from aioclock.cli._checks._ticks import Outlook, TriggerFault
from aioclock.task import Task

__all__ = ["CODES", "MANY", "Problem", "of_import", "problems_of"]


def problems_of(app: AioClock, moment: datetime, *, many: int = MANY) -> list[Problem]:
    """Return what is wrong with *app* when it serves from *moment* (aware) on: errors first, then by task.

    Args:
        many: So many tasks at one instant are too many.
    """
    # No serving begins on a whole second, so what counts from its start meets nothing that goes by the wall clock.
    outlook = Outlook(moment.replace(microsecond=0) + timedelta(seconds=0.5))
    problems = [*of_tasks(app), *of_groups(app), *of_listeners(app), *of_lifespan(app)]
    for task in app.tasks.values():
        problems.extend(_of_one(task, app, outlook))
    problems.extend(of_herds(app.tasks.values(), outlook.moment, many))
    return sorted(problems, key=lambda problem: problem.severity)


def _of_one(task: Task, app: AioClock, outlook: Outlook) -> Iterator[Problem]:
    yield from of_task(task)
    yield from of_key(task, app)
    yield from of_schedule(task, outlook)
    yield from of_cron(task)
    yield from of_clock_changes(task, outlook.moment)
    with suppress(TriggerFault):  # which is told already
        yield from of_terms(task, outlook)
    yield from of_function(task)
    yield from of_sharing(task, app)
