"""Types that triggers are declared with."""

from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from aioclock.utils import StrEnum

__all__ = ["EveryT", "HourT", "MinuteT", "PositiveNumber", "SecondT", "Triggers"]

EveryT: TypeAlias = Literal[
    "every day",
    "every monday",
    "every tuesday",
    "every wednesday",
    "every thursday",
    "every friday",
    "every saturday",
    "every sunday",
]
SecondT: TypeAlias = Annotated[int, Field(ge=0, le=59)]
MinuteT: TypeAlias = Annotated[int, Field(ge=0, le=59)]
HourT: TypeAlias = Annotated[int, Field(ge=0, le=23)]
PositiveNumber: TypeAlias = Annotated[int | Annotated[float, Field(allow_inf_nan=False)], Field(ge=0)]
"""A finite number of units, zero included."""


class Triggers(StrEnum):
    """The value of `type_` in each built-in trigger."""

    CRON = "CRON"
    EVERY = "EVERY"
    ONCE = "ONCE"
    FOREVER = "FOREVER"
    ON_START_UP = "ON_START_UP"
    ON_SHUT_DOWN = "ON_SHUT_DOWN"
    AT = "AT"
    OR = "OR"
