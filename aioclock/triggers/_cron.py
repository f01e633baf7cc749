"""Ticks described by a cron expression, read in a zone of its own."""

from functools import lru_cache
from typing import TYPE_CHECKING, Literal

from pydantic import field_validator

from aioclock.custom_types import Triggers
from aioclock.triggers._calendar import WallClockTrigger

if TYPE_CHECKING:
    from aioclock.triggers._expression import CronPattern

__all__ = ["Cron"]


# Parsing is the dear part, and many tasks share an expression. Kept here and not in the trigger, whose fields a copy
# may change.
@lru_cache(maxsize=4096)
def _parsed(expression: str) -> "CronPattern":
    from aioclock.triggers._expression import parse_cron  # with croniter, a fifth of what importing aioclock would take

    return parse_cron(expression)


class Cron(WallClockTrigger):
    """A tick whenever the clock in *tz* matches the expression *cron*.

    Five fields (minute, hour, day of month, month, day of week); a sixth is seconds and comes last; a seventh is the
    year. Names, ranges, steps, lists, `@daily` and its like, `L`, `15W`, `5#3` are understood.

    Where the minute or hour field starts with `*`, the expression follows real time across a clock change; every
    other one is due once a day: after the gap, or the first time only (the rules of Vixie and Debian cron).

    ```python
    from aioclock import Cron

    Cron(cron="0 9 * * mon-fri", tz="Europe/Berlin")
    ```
    """

    type_: Literal[Triggers.CRON] = Triggers.CRON
    cron: str

    @field_validator("cron")
    @classmethod
    def _parses(cls, value: str) -> str:
        expression = value.strip()
        _parsed(expression)
        return expression

    @property
    def pattern(self) -> "CronPattern":
        return _parsed(self.cron)
