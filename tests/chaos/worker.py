"""A process to which things happen: it serves tasks that write down each run.

usage: python worker.py ORDERS      where ORDERS is JSON, with the fields of `Orders`
"""

import asyncio
import json
import os
import random
import socket
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from aioclock import AioClock, CurrentRun, Every
from aioclock.clock import SystemClock
from aioclock.events import ServingStarted
from aioclock.policies import Overlap
from aioclock.stores import Claim, Claimed, Finish, Finished, Reaped, Store, Verdict, store_at
from journal import Journal

__all__ = ["INSERT", "TASKS", "Orders", "period_s"]

TASKS: dict[str, dict[str, Any]] = {
    "once": {"on_lost": "fail"},
    "again": {"on_lost": "rerun"},
    "each": {"on_lost": "rerun", "catch_up": "all"},
    "never late": {"on_lost": "fail", "catch_up": "none"},
    "in line": {"on_lost": "rerun", "overlap": Overlap("queue", limit=3)},
    "effect": {"on_lost": "rerun"},
}
"""Names of tasks and their policies; `effect` is there only where the store has transactions."""

INSERT = "INSERT INTO effect (tick, fence) VALUES (:tick, :fence)"

LONGEST_S = 1.4
"""How long a run takes at most: less than a period on average, but long enough to be struck while it goes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Orders:
    """What a worker is told."""

    store: str
    journal: str
    lease_s: float = 2.0
    period_s: float = 1.0
    effects: bool = False
    """Whether there is a table for `INSERT`."""
    clock: str | None = None
    """A file that says by how many seconds the wall clock of this process is wrong."""
    alike: bool = False
    """Whether it calls itself what all others do."""
    blocks_s: float = 0.0
    """For how long a run blocks the event loop now and then."""


def period_s(task: str, orders: Orders) -> float:
    """Return how often *task* is due: none as often as another, or one process would always get all of them."""
    return orders.period_s * (1 + list(TASKS).index(task) / 16)


def app_by(orders: Orders, journal: Journal) -> AioClock:
    store = store_at(orders.store)
    _watch(store, journal)
    app = AioClock(store=store, lease=orders.lease_s)

    def block_now_and_then() -> None:
        if random.random() < 0.15:
            time.sleep(orders.blocks_s)

    async def work(run: CurrentRun) -> None:
        journal.write_of("started", run)
        await asyncio.sleep(random.uniform(0, LONGEST_S))
        block_now_and_then()
        journal.write_of("ended", run)

    async def effect(run: CurrentRun) -> None:
        journal.write_of("started", run)
        block_now_and_then()
        async with run.transaction() as connection:
            tick = round(run.scheduled_at.timestamp() * 1_000_000)
            await connection.execute(_statement(orders.store), {"tick": tick, "fence": run.fence})
            await asyncio.sleep(random.uniform(0, LONGEST_S / 7))  # nobody else can write to a file in the meantime
            block_now_and_then()
        journal.write_of("committed", run)

    for name, policies in TASKS.items():
        if name != "effect" or orders.effects:
            function = effect if name == "effect" else work
            app.add_task(function, trigger=Every(seconds=period_s(name, orders)), name=name, **policies)

    @app.on(ServingStarted)
    def tell(_: ServingStarted) -> None:
        journal.write("serving")

    return app


def _statement(store: str) -> Any:
    if store.startswith("sqlite:"):
        return INSERT
    from sqlalchemy import text

    return text(INSERT)


def _watch(store: Store, journal: Journal) -> None:
    """Write down what *store* grants and accepts."""
    claim, reap, finish = store.claim, store.reap, store.finish

    async def watched_claim(claims: Sequence[Claim]) -> list[Claimed]:
        answers = await claim(claims)
        for asked, got in zip(claims, answers, strict=True):
            if got.verdict is Verdict.RUN:
                journal.write("claimed", asked.task_key, tick=asked.tick, fence=got.fence, attempt=got.attempt)
        return answers

    async def watched_reap(**options: Any) -> list[Reaped]:
        found = await reap(**options)
        for run in (reaped.record for reaped in found if reaped.record.state == "running"):
            journal.write("taken", run.task_key, tick=run.tick, fence=run.fence, attempt=run.attempt)
        return found

    async def watched_finish(ends: Sequence[Finish]) -> list[Finished]:
        answers = await finish(ends)
        for end in (end for end, got in zip(ends, answers, strict=True) if got.accepted):
            journal.write("accepted", end.task_key, fence=end.fence, attempt=end.attempt, text=end.outcome)
        return answers

    for name, watched in (("claim", watched_claim), ("reap", watched_reap), ("finish", watched_finish)):
        setattr(store, name, watched)


def _go_wrong(file: Path) -> None:
    """Let the wall clock of this process be wrong by as much as *file* says."""

    def now(self: SystemClock) -> datetime:
        return datetime.now(UTC) + timedelta(seconds=float(file.read_text()))

    SystemClock.now = now  # type: ignore[method-assign] # nobody reads the real clock but by this


def main(text: str) -> None:
    orders = Orders(**json.loads(text))
    journal = Journal(Path(orders.journal))
    if orders.clock is not None:
        _go_wrong(Path(orders.clock))
    if orders.alike:
        socket.gethostname = lambda: "localhost"
        os.getpid = lambda: 1
    app_by(orders, journal).run()


if __name__ == "__main__":
    main(sys.argv[1])
