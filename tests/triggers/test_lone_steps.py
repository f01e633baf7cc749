"""Triggers of users that break the one rule of `next_after`."""

from datetime import UTC, datetime, timedelta
from typing import Literal

import pytest

from aioclock.triggers import BaseTrigger

START = datetime(2026, 1, 1, tzinfo=UTC)


class Stuck(BaseTrigger[Literal["STUCK"]]):
    """Good for its first thousand ticks, then it answers with the moment that it was asked about."""

    type_: Literal["STUCK"] = "STUCK"

    def next_after(self, moment: datetime, anchor: datetime) -> datetime | None:
        return moment + timedelta(seconds=1) if moment < anchor + timedelta(seconds=2000) else moment


def test_a_tick_that_is_not_later_is_an_error_and_not_an_endless_search() -> None:
    with pytest.raises(ValueError, match="must be strictly later"):
        Stuck().latest_between(START, START + timedelta(days=1), START)
