"""One process's way to a store that others share, which fails in every way that a network has."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import fields
from typing import Any, Literal, TypeAlias, TypeVar

from aioclock.exceptions import StoreUnavailableError
from aioclock.stores import (
    Change,
    Claim,
    Claimed,
    Finish,
    Finished,
    Note,
    Pulse,
    PulseAnswer,
    Reaped,
    Registration,
    RunQuery,
    RunRecord,
    Store,
    TaskState,
)

__all__ = ["Fault", "FaultyStore"]

T = TypeVar("T")

Fault: TypeAlias = Literal["refused", "lost answer", "no answer", "lost in silence"]
"""An error before or after the effect; or no answer ever, without the effect or with it."""


class FaultyStore:
    """Hands calls on to *store*, when and if it wants to.

    Args:
        latency_s: How long a call takes, half of it on the way there.
    """

    keeps_virtual_time = True

    def __init__(self, store: Store, latency_s: float | Callable[[], float] = 0.0) -> None:
        self.store = store
        self.name = store.name
        self.latency_s = latency_s
        self.outage: Fault | None = None
        """What happens to every call."""
        self.faults: list[tuple[str, Fault]] = []
        """What happens to the next call of a method, once each."""
        self.calls: Counter[str] = Counter()
        self.open_now = False

    def fail_next(self, method: str, fault: Fault, times: int = 1) -> None:
        self.faults += [(method, fault)] * times

    async def _through(self, method: str, operation: Callable[[], Awaitable[T]]) -> T:
        self.calls[method] += 1
        fault = self._fault_of(method)
        way_s = (self.latency_s if isinstance(self.latency_s, float | int) else self.latency_s()) / 2
        if way_s:
            await asyncio.sleep(way_s)
        fault = fault or self.outage
        if fault == "refused":
            raise StoreUnavailableError(f"{method} was refused")
        if fault == "no answer":
            await _for_ever()
        answer = await operation()
        if way_s:
            await asyncio.sleep(way_s)
        fault = fault or self.outage
        if fault in ("lost answer", "refused"):
            raise StoreUnavailableError(f"the answer to {method} got lost")
        if fault is not None:
            await _for_ever()
        return answer

    def _fault_of(self, method: str) -> Fault | None:
        for place, (name, fault) in enumerate(self.faults):
            if name == method:
                del self.faults[place]
                return fault
        return self.outage

    async def open(self) -> None:
        await self._through("open", self.store.open)
        self.open_now = True

    async def close(self) -> None:
        self.open_now = False

    async def register(self, tasks: Sequence[Registration], *, by: str) -> list[TaskState]:
        return await self._through("register", lambda: self.store.register(tasks, by=by))

    async def claim(self, claims: Sequence[Claim]) -> list[Claimed]:
        for claim in claims:
            _be_plain(claim)
        return await self._through("claim", lambda: self.store.claim(claims))

    async def finish(self, ends: Sequence[Finish]) -> list[Finished]:
        for end in ends:
            _be_plain(end)
        return await self._through("finish", lambda: self.store.finish(ends))

    async def pulse(self, pulse: Pulse) -> PulseAnswer:
        return await self._through("pulse", lambda: self.store.pulse(pulse))

    async def reap(self, *, owner: str, keys: Sequence[str], lease: int, limit: int = 100) -> list[Reaped]:
        return await self._through("reap", lambda: self.store.reap(owner=owner, keys=keys, lease=lease, limit=limit))

    async def leave(self, node_id: str) -> None:
        await self._through("leave", lambda: self.store.leave(node_id))

    async def change(self, changes: Sequence[Change]) -> list[TaskState | None]:
        return await self._through("change", lambda: self.store.change(changes))

    async def tasks(self, keys: Sequence[str] | None = None) -> list[TaskState]:
        return await self._through("tasks", lambda: self.store.tasks(keys))

    async def runs(self, query: RunQuery) -> list[RunRecord]:
        return await self._through("runs", lambda: self.store.runs(query))

    async def notes(self, *, after: int = 0, limit: int = 100) -> list[Note]:
        return await self._through("notes", lambda: self.store.notes(after=after, limit=limit))

    async def prune(self, *, before: int) -> int:
        return await self._through("prune", lambda: self.store.prune(before=before))

    async def restore(self, tasks: Sequence[TaskState], *, replace: bool = False) -> None:
        await self._through("restore", lambda: self.store.restore(tasks, replace=replace))


def _be_plain(told: Claim | Finish) -> None:
    """Make sure that no number is a bool: to Python it is one as well, but no server takes it."""
    for field in fields(told):
        value = getattr(told, field.name)
        assert not isinstance(value, bool) or field.type is bool, f"{field.name} is {value!r}"


async def _for_ever() -> Any:
    await asyncio.get_running_loop().create_future()
