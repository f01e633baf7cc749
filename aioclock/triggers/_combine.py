"""Ticks of several triggers together."""

import asyncio
from collections.abc import Mapping
from datetime import datetime
from functools import cache
from typing import Annotated, Any, Literal, Self, TypeAlias

from pydantic import Field, PlainValidator, PrivateAttr, SerializeAsAny, TypeAdapter, ValidationError, WithJsonSchema

from aioclock.custom_types import Triggers
from aioclock.triggers._base import BaseTrigger, LoopController
from aioclock.triggers._calendar import At
from aioclock.triggers._cron import Cron
from aioclock.triggers._interval import Every
from aioclock.triggers._lifecycle import Forever, Once, OnShutDown, OnStartUp

__all__ = ["OrTrigger", "TriggerT"]


def _as_trigger(value: Any) -> BaseTrigger:
    if isinstance(value, BaseTrigger):
        trigger = value
    else:
        try:
            trigger = _trigger_adapter().validate_python(value)
        except ValidationError as error:
            # Pydantic forbids one ValidationError inside another; the text keeps field and value.
            raise ValueError(str(error)) from error
    if isinstance(trigger, OnStartUp | OnShutDown):
        raise ValueError(
            f"{type(trigger).__name__} belongs to the life of the app and can't be one of several triggers"
        )
    return trigger


AnyTrigger: TypeAlias = Annotated[
    SerializeAsAny[BaseTrigger], PlainValidator(_as_trigger), WithJsonSchema({"type": "object", "title": "Trigger"})
]
"""A trigger, the user's own included, or a mapping that describes a built-in one."""


class OrTrigger(LoopController):
    """A tick whenever one of *triggers* has one; exhausted when all are. Each keeps its own grid and its own count.

    Ticks of several triggers at one instant are one tick.

    ```python
    from aioclock import At, Every, OrTrigger

    OrTrigger(triggers=[Every(hours=6), At(hour=9, tz="Europe/Berlin")])
    ```
    """

    type_: Literal[Triggers.OR] = Triggers.OR
    triggers: list[AnyTrigger] = Field(min_length=1)

    # A wait that lost the race is kept for the next call: what it has taken from a queue must not be lost.
    _waits: dict[int, asyncio.Task[None]] = PrivateAttr(default_factory=dict)

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """Return a copy whose triggers are copies too: what they count by themselves is not shared."""
        copy = super().model_copy(update=update, deep=deep)
        copy._waits = {}
        if update is None or "triggers" not in update:
            copy.triggers = [trigger.model_copy(deep=deep) for trigger in self.triggers]
        return copy

    def next_after(self, moment: datetime, anchor: datetime) -> datetime | None:
        """Return the first tick of any of the triggers strictly after *moment* (aware), or None."""
        ticks = (trigger.next_after(moment, anchor) for trigger in self.triggers)
        return min((tick for tick in ticks if tick is not None), default=None)

    def first_tick(self, anchor: datetime) -> datetime | None:
        ticks = (trigger.first_tick(anchor) for trigger in self.triggers)
        return min((tick for tick in ticks if tick is not None), default=None)

    def should_trigger(self) -> bool:
        return self.loops_left and (bool(self._waits) or any(trigger.should_trigger() for trigger in self.triggers))

    async def trigger_next(self) -> None:
        waits = self._waits
        for place, trigger in enumerate(self.triggers):
            if place not in waits and trigger.should_trigger():
                waits[place] = asyncio.ensure_future(trigger.trigger_next())
        if not waits:
            return
        try:
            await asyncio.wait(waits.values(), return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            self._drop_waits()
            raise
        first = next(place for place, wait in waits.items() if wait.done())
        waits.pop(first).result()
        self._increment_loop_counter()
        if not self.loops_left:
            self._drop_waits()

    async def get_waiting_time_till_next_trigger(self, now: datetime | None = None) -> float | None:
        """Return the seconds until the first of the triggers is due, or None when none will be.

        Args:
            now: Unused by triggers of the user's own; aware, the present when left out.
        """
        if not self.loops_left:
            return None
        if any(wait.done() for wait in self._waits.values()):
            return 0.0
        waits = [await _ask(trigger, now) for trigger in self.triggers if trigger.should_trigger()]
        return min((wait for wait in waits if wait is not None), default=None)

    def _drop_waits(self) -> None:
        for wait in self._waits.values():
            wait.cancel()
        self._waits.clear()


async def _ask(trigger: BaseTrigger, now: datetime | None) -> float | None:
    # Triggers written for AioClock 0.3 take no argument.
    if now is None:
        return await trigger.get_waiting_time_till_next_trigger()
    return await trigger.get_waiting_time_till_next_trigger(now)


TriggerT: TypeAlias = Annotated[
    Forever | Once | Every | OnStartUp | OnShutDown | At | Cron | OrTrigger, Field(discriminator="type_")
]
"""Any built-in trigger, told apart by `type_`."""


@cache
def _trigger_adapter() -> TypeAdapter[Any]:
    return TypeAdapter(TriggerT)
