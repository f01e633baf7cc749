"""A store in Redis: for the processes of many machines."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeVar
from uuid import uuid4

from aioclock.stores._redis_forms import (
    Argument,
    change_arguments,
    claim_arguments,
    claimed_from,
    finish_arguments,
    finished_from,
    list_arguments,
    note_from,
    plain,
    pulse_answer_from,
    reaped_from,
    record_from,
    state_arguments,
    task_from,
    text_from,
)
from aioclock.stores._redis_link import Link
from aioclock.stores._redis_package import Client
from aioclock.stores._redis_schema import SCHEMA, bring_up_to_date, refuse_newer_version, refuse_other_version
from aioclock.stores._redis_server import look_at, refuse_or_warn
from aioclock.stores._redis_url import location_at, location_of
from aioclock.stores._words import (
    MOST_RERUNS,
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
    TaskState,
)

__all__ = ["RedisStore"]

T = TypeVar("T")
R = TypeVar("R")

# A server does nothing else while a script runs: one for about this many things takes it a few milliseconds.
BATCH = 100
LOOK_AT = 1000


class RedisStore:
    """Keeps tasks and runs in Redis 6 or newer, for all processes that reach the server.

    ```python
    from aioclock import AioClock
    from aioclock.stores import store_at

    app = AioClock(store=store_at("redis://user:password@localhost:6379/0?prefix=shop"))
    ```

    Args:
        where: A URL (`redis://`, or `rediss://` for TLS), or your own `redis.asyncio.Redis` or `RedisCluster`, which
            stays open when the store is closed.
        prefix: What all keys begin with, `{aioclock}` if left out. Stores of different prefixes know nothing of each
            other. What stands in braces, or else all of it, is the hash tag: a cluster keeps all keys in one place.

    The server's clock decides. It must keep what it has (`appendonly yes`, `maxmemory-policy noeviction`): one that
    drops keys when it is full is refused, one that writes nothing to disk is warned of.
    """

    def __init__(self, where: str | Client, *, prefix: str | None = None) -> None:
        location = location_at(where, prefix) if isinstance(where, str) else location_of(where, prefix)
        self.name = location.name
        self._link = Link(location)

    async def open(self) -> None:
        if self._link.is_open:
            return
        self._link.open()
        try:
            server = await look_at(self._link)
            refuse_or_warn(server, self.name)
            refuse_other_version(server.schema, self.name)
            await bring_up_to_date(self._link, server.schema)
        except BaseException:
            await self._link.close()
            raise

    async def close(self) -> None:
        await self._link.close()

    async def upgrade(self) -> list[int]:
        """Bring what an older version has kept up to date; return the versions that were gone through."""
        async with self._connected():
            server = await look_at(self._link)
            refuse_newer_version(server.schema, self.name)
            return await bring_up_to_date(self._link, server.schema)

    async def check(self) -> list[str]:
        """Return what is wrong with the server and with what it keeps, in words; an empty list if nothing is."""
        async with self._connected():
            server = await look_at(self._link)
            faults = [*server.faults(), *server.remarks()]
            if server.schema != SCHEMA:
                return [*faults, f"the schema's version is {server.schema}, not {SCHEMA}"]
            return faults + [text_from(fault) for fault in await self._walk("check", b"+inf")]

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[None]:
        if self._link.is_open:
            yield
            return
        self._link.open()
        try:
            yield
        finally:
            await self._link.close()

    # Tasks

    async def register(self, tasks: Sequence[Registration], *, by: str) -> list[TaskState]:
        def told(task: Registration) -> list[Argument]:
            return [plain(task.key), plain(task.fingerprint)]

        return await self._each("register", tasks, told, task_from, plain(by))

    async def change(self, changes: Sequence[Change]) -> list[TaskState | None]:
        return await self._each("change", changes, change_arguments, _task_or_none)

    async def tasks(self, keys: Sequence[str] | None = None) -> list[TaskState]:
        if keys is None:
            keys = [text_from(key) for key in await self._link.call("keys")]
        found = await self._each("tasks", sorted(set(keys)), lambda key: [plain(key)], _task_or_none)
        return [task for task in found if task is not None]

    async def restore(self, tasks: Sequence[TaskState], *, replace: bool = False) -> None:
        arguments = [argument for task in tasks for argument in state_arguments(task)]
        await self._link.call("restore", [b"1" if replace else b"", len(tasks), *arguments])

    # Runs

    async def claim(self, claims: Sequence[Claim]) -> list[Claimed]:
        return await self._each("claim", claims, claim_arguments, claimed_from)

    async def finish(self, ends: Sequence[Finish]) -> list[Finished]:
        return await self._each("finish", ends, finish_arguments, finished_from)

    async def reap(self, *, owner: str, keys: Sequence[str], lease: int, limit: int = 100) -> list[Reaped]:
        fresh = uuid4().bytes[:12].hex()  # of claim ids; the script counts in the rest
        arguments = [plain(owner), lease, limit, MOST_RERUNS, plain(fresh), *list_arguments(keys)]
        return [reaped_from(told) for told in await self._link.call("reap", arguments)]

    async def runs(self, query: RunQuery) -> list[RunRecord]:
        keys, states = query.task_keys, query.states
        index = "history" if keys is None or len(keys) != 1 else f"history:{keys[0]}"
        filters: list[Argument] = [
            plain(index),
            query.limit,
            b"" if query.since is None else query.since,
            b"1" if states is None else b"",
            b"1" if keys is None else b"",
            *list_arguments(states or ()),
            *list_arguments(keys or ()),
        ]
        return [record_from(told) for told in await self._walk("runs", b"+inf", *filters, most=query.limit)]

    # Processes

    async def pulse(self, pulse: Pulse) -> PulseAnswer:
        node = pulse.node
        lists = [*list_arguments(pulse.claims), *list_arguments(pulse.holds)]
        arguments = [plain(node.id), plain(node.label), pulse.lease, pulse.since, *lists]
        return pulse_answer_from(await self._link.call("pulse", arguments))

    async def leave(self, node_id: str) -> None:
        await self._link.call("leave", [plain(node_id)])

    # What was done

    async def notes(self, *, after: int = 0, limit: int = 100) -> list[Note]:
        return [note_from(told) for told in await self._link.call("notes", [max(after, 0), max(limit, 1)])][:limit]

    async def prune(self, *, before: int) -> int:
        pruned = 0
        while gone := await self._link.call("prune", [before, LOOK_AT]):
            pruned += gone
        await self._walk("prune_notes", b"-", before)
        return pruned

    async def _each(
        self,
        script: str,
        items: Sequence[T],
        arguments_of: Callable[[T], list[Argument]],
        told: Callable[[Any], R],
        *first: Argument,
    ) -> list[R]:
        """Return what *script* answers to each of *items*, of which it takes so many at a time."""
        answers: list[R] = []
        for start in range(0, len(items), BATCH):
            some = items[start : start + BATCH]
            arguments = [argument for item in some for argument in arguments_of(item)]
            answers += map(told, await self._link.call(script, [*first, len(some), *arguments]))
        return answers

    async def _walk(self, script: str, start: bytes, *arguments: Argument, most: int | None = None) -> list[Any]:
        """Return what *script* finds from *start* on, of which it looks at so many at a time."""
        found: list[Any] = []
        place: bytes | None = start
        while place is not None and (most is None or len(found) < most):
            place, some = await self._link.call(script, [place, LOOK_AT, *arguments])
            found += some
        return found[:most]


def _task_or_none(told: Any) -> TaskState | None:
    return None if told is None else task_from(told)
