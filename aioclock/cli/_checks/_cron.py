"""Cron expressions that rarely mean what their author meant."""

import re
from collections.abc import Iterator

from aioclock.cli._checks._problem import Problem
from aioclock.cli._checks._ticks import leaves_of
from aioclock.cli._facts import place_of
from aioclock.task import Task
from aioclock.triggers import Cron
from aioclock.triggers._expression import _PlainDays

__all__ = ["of_cron"]

UNITS = {0: ("minute", 60), 1: ("hour", 24), 5: ("second", 60)}
"""By the place of the field: what it counts, and how many of them there are."""


def of_cron(task: Task) -> Iterator[Problem]:
    """Yield what looks like a slip in the expressions of *task*."""
    for leaf in leaves_of(task.trigger):
        if isinstance(leaf, Cron):
            for code, text in (*_either_day(leaf), *_uneven_steps(leaf), *_in_a_row(leaf)):
                yield Problem(code, task.key, f"{leaf.cron!r} {text}", place_of(task.func))


def _either_day(cron: Cron) -> Iterator[tuple[str, str]]:
    days = cron.pattern.days
    if isinstance(days, _PlainDays) and days.waits and (days.monthdays or days.last):
        yield (
            "AC221",
            (
                "is due on the days of the month and on the weekdays, not on days that are both; "
                "if that is meant, two tasks or an OrTrigger say it, and the first Monday is '1#1'"
            ),
        )


def _uneven_steps(cron: Cron) -> Iterator[tuple[str, str]]:
    for place, field in enumerate(cron.cron.split()):
        step = re.fullmatch(r"\*/(\d+)", field)
        unit, whole = UNITS.get(place, ("", 0))
        if step is None or not whole or not whole % (size := int(step[1])):
            continue
        last = (whole - 1) // size * size
        yield (
            "AC222",
            (
                f"has steps of {size} {unit}s, which begin anew: after {last} comes 0, {whole - last} {unit}"
                f"{'s' if whole - last > 1 else ''} later; Every({unit}s={size}) keeps the interval"
            ),
        )


def _in_a_row(cron: Cron) -> Iterator[tuple[str, str]]:
    fields = cron.cron.split()
    if len(fields) > 5 and fields[5] == "*" and fields[0].isdigit():
        wanted = " ".join((*fields[1:6], fields[0], *fields[6:]))
        yield "AC223", f"is due in all 60 seconds of a minute; the seconds come last here: {wanted!r}"
    elif len(fields) == 5 and fields[0] == "*" and fields[1].isdigit():
        wanted = " ".join(("0", *fields[1:]))
        yield "AC223", f"is due in all 60 minutes of the hour; once is {wanted!r}"
