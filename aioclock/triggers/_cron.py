"""Ticks described by a cron expression, read in a zone of its own."""

from functools import lru_cache
from typing import Any, Literal

from pydantic import field_validator

from aioclock.custom_types import Triggers
from aioclock.triggers._calendar import WallClockTrigger
from aioclock.triggers._expression import parse_cron

__all__ = ["Cron"]

# Parsing is the dear part, patterns are immutable, and many tasks share an expression.
_parsed = lru_cache(maxsize=512)(parse_cron)


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
        _parsed(value)
        return value

    def model_post_init(self, context: Any, /) -> None:
        super().model_post_init(context)
        self._read_in_zone(_parsed(self.cron))
