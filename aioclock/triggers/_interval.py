"""Ticks at a fixed interval, counted in elapsed time."""

from datetime import datetime, timedelta
from functools import lru_cache
from typing import ClassVar, Literal, Self

from pydantic import ConfigDict, model_validator

from aioclock.custom_types import PositiveNumber, Triggers
from aioclock.triggers._base import LoopController, require_aware

__all__ = ["Every"]

LONGEST_PERIOD = timedelta(days=36_525)


class Every(LoopController):
    """A tick every sum-of-units seconds, on a grid that begins when serving starts.

    A slow run never moves the grid. Ticks that pass while the event loop is blocked become one late run.

    ```python
    from aioclock import Every

    assert Every(minutes=1, seconds=30).total_seconds == 90
    ```
    """

    # Nearly every program uses it, and the first task should not take longer to add than the others.
    model_config = ConfigDict(defer_build=False)

    counts_elapsed_time: ClassVar[bool] = True

    type_: Literal[Triggers.EVERY] = Triggers.EVERY
    first_run_strategy: Literal["immediate", "wait"] = "wait"
    """`"wait"`: the first tick is one period after the start; `"immediate"`: it is the start."""
    mode: Literal["fixed_rate", "fixed_delay"] = "fixed_rate"
    """`"fixed_rate"`: ticks at `start + n * period`; `"fixed_delay"`: one period after the end of each run."""
    seconds: PositiveNumber | None = None
    minutes: PositiveNumber | None = None
    hours: PositiveNumber | None = None
    days: PositiveNumber | None = None
    weeks: PositiveNumber | None = None

    @model_validator(mode="after")
    def _has_a_period(self) -> Self:
        _ = self.period
        return self

    @property
    def period(self) -> timedelta:
        """Time between two ticks; zero for no pause at all."""
        return _sum(self.weeks, self.days, self.hours, self.minutes, self.seconds)

    @property
    def total_seconds(self) -> float:
        """The period in seconds."""
        return self.period.total_seconds()

    @property
    def pause_after_run(self) -> timedelta | None:
        # A period of zero has no grid: nothing but the end of a run can say when the next is due.
        period = self.period
        return period if self.mode == "fixed_delay" or not period else None

    def next_after(self, moment: datetime, anchor: datetime) -> datetime | None:
        moment, anchor = require_aware(moment), require_aware(anchor)  # within one zone Python counts wall time
        first = self.first_tick(anchor)
        if moment < first:
            return first
        period = self.period
        if not period:
            return moment + timedelta.resolution
        return anchor + ((moment - anchor) // period + 1) * period

    def first_tick(self, anchor: datetime) -> datetime:
        anchor = require_aware(anchor)
        return anchor if self.first_run_strategy == "immediate" else anchor + self.period

    def latest_between(self, after: datetime, until: datetime, anchor: datetime) -> tuple[datetime, int] | None:
        first, until = self.next_after(after, anchor), require_aware(until)
        if first is None or first > until:
            return None
        period = self.period
        if not period:
            return until, 1
        steps = (until - first) // period
        return first + steps * period, steps + 1

    def _upcoming(self, now: datetime) -> datetime | None:
        if not self.period:
            return now
        if self._anchor is None and self._current_loop_count:
            return now + self.period
        return super()._upcoming(now)


@lru_cache(maxsize=1024)
def _sum(
    weeks: float | None, days: float | None, hours: float | None, minutes: float | None, seconds: float | None
) -> timedelta:
    units = {"weeks": weeks, "days": days, "hours": hours, "minutes": minutes, "seconds": seconds}
    given = {name: value for name, value in units.items() if value is not None}
    if not given:
        raise ValueError("no unit is given; set at least one of seconds, minutes, hours, days, weeks")
    try:
        period = timedelta(**given)
    except OverflowError:
        period = timedelta.max
    if period > LONGEST_PERIOD:
        raise ValueError(f"the period of {given} is too long; the longest is {LONGEST_PERIOD.days} days")
    if not period and any(given.values()):
        raise ValueError(f"the period of {given} is too short; use 0 (no pause at all) or at least one microsecond")
    return period
