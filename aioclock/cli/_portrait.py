"""One task as `list` and `show` describe it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from aioclock.app import AioClock
from aioclock.cli._facts import Place, command_of, place_of, policies_as_json, policies_in_words
from aioclock.cli._moments import shown_moment
from aioclock.cli._remarks import Remark, remarks_on
from aioclock.cli._timeline import Row, timeline, zone_of
from aioclock.task import Task, default_key
from aioclock.triggers._words import in_words

__all__ = ["Portrait", "portrait_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Portrait:
    """What can be told of a task.

    Attributes:
        rows: Its next ticks as of *start* (UTC), those that a gap swallows among them.
        remarks: What the rows don't tell.
        failed: Whether its trigger could not be asked.
    """

    task: Task
    start: datetime
    trigger: str
    place: Place | None
    rows: list[Row]
    remarks: list[Remark]
    failed: bool

    @property
    def next_tick(self) -> datetime | None:
        return next((row.at for row in self.rows if row.fires), None)

    def next_in_words(self) -> str:
        """Return the next tick, or in brackets why there is none."""
        zone, tick = zone_of(self.task), self.next_tick
        if tick is not None:
            return shown_moment(tick, zone, seconds=bool(tick.second))
        return f"({self.remarks[0].reason})" if self.remarks else ""

    def policies_in_words(self) -> str:
        """Return the policies that are set, and whether the task is paused."""
        words = [f"{name} {said}" for name, said in policies_in_words(self.task).items()]
        return ", ".join([*words, *("paused" for remark in self.remarks if remark.kind == "paused")])

    def as_json(self) -> dict[str, Any]:
        zone, tick, place = zone_of(self.task), self.next_tick, self.place
        command = command_of(self.task.func)
        return {
            "key": self.task.key,
            "id": str(self.task.id),
            "name": self.task.name,
            "function": default_key(self.task.func) if command is None else None,
            "command": None if command is None else command.shown,
            "trigger": self.trigger,
            "trigger_type": type(self.task.trigger).__name__,
            "zone": None if zone is None else zone.key,
            "next_tick": tick,
            "next_tick_local": None if tick is None else tick.astimezone(zone),
            "policies": policies_as_json(self.task),
            "executor": self.task.executor if command is None else "process",
            "paused": any(remark.kind == "paused" for remark in self.remarks),
            "defined_at": None if place is None else {"file": place.shown_file, "line": place.line},
            "remarks": [{"kind": remark.kind, "reason": remark.reason} for remark in self.remarks],
        }


def portrait_of(
    clock: AioClock, task: Task, start: datetime, *, paused: Mapping[str, str | None], count: int = 1
) -> Portrait:
    """Return what can be told of *task*, with *count* ticks of a serving that would begin at *start* (aware)."""
    shown = timeline(clock, [task], start=start, count=count)
    return Portrait(
        task=task,
        start=shown.start,
        trigger=in_words(task.trigger),
        place=place_of(task.func),
        rows=shown.rows,
        remarks=remarks_on(shown, [task], paused),
        failed=bool(shown.broken),
    )
