"""Policies that are about what several processes share."""

from collections.abc import Iterator

from aioclock.app import AioClock
from aioclock.cli._checks._problem import Problem
from aioclock.cli._facts import place_of
from aioclock.task import Task

__all__ = ["of_sharing"]

OF_CLAIMS = ("on_lost", "catch_up")
"""Policies of ticks that one process claims before the others."""

_WHY_NOT = {
    "node": "each process runs every tick of it by itself; leave it out, or choose scope='cluster'",
    "held": "one process has the whole task and claims no ticks, as they come too fast or nobody can tell them ahead; "
    "leave it out",
}


def of_sharing(task: Task, app: AioClock) -> Iterator[Problem]:
    """Yield which policies of *task*, or of its groups, mean nothing, for none of its ticks is claimed."""
    stored = app._roster.entries[task.key].stored
    if stored is None or stored.mode == "ticks":
        return
    for name in OF_CLAIMS:
        # The app says it for all tasks, and means those that it fits.
        if getattr(task.policies, name) is not None and getattr(app._policies, name) is None:
            yield Problem("AC241", task.key, f"{name} never matters: {_WHY_NOT[stored.mode]}", place_of(task.func))
