"""Stores in a file with runs in them, and the apps that have them."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from aioclock.runs import RunError
from aioclock.stores import Claim, Finish, Registration, Store, store_at

__all__ = ["SHOP", "STORE", "Past", "fill", "in_store"]

STORE = "sqlite:///clock.db"

SHOP = f"""
from aioclock import AioClock, At

app = AioClock(store="{STORE}")


@app.task(trigger=At(hour=9, tz="UTC"), name="report")
async def send_report():
    return "sent"


@app.task(trigger=At(hour=3, tz="UTC"), name="backup")
async def backup():
    return "saved"
"""
"""A module `shop`, whose tasks are never due while a test lasts."""

_ids = count(1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """A run that a store is to have on record; *tick* is in microseconds after that of the task's registration."""

    key: str = "report"
    outcome: str | None = "succeeded"
    tick: int = 1
    late: int = 0
    took: int = 1_000_000
    error: RunError | None = None
    skip: str | None = None


def in_store(folder: Path) -> Store:
    """Return the store of the file in *folder*."""
    return store_at(f"sqlite:///{folder / 'clock.db'}")


def fill(folder: Path, runs: Iterable[Past] = (), *, keys: Iterable[str] = ("report", "backup")) -> int:
    """Put *runs* into the store in *folder*, in their order; return when its tasks were registered."""
    return asyncio.run(_filled(in_store(folder), list(runs), list(keys)))


async def _filled(store: Store, runs: list[Past], keys: list[str]) -> int:
    await store.open()
    try:
        states = await store.register([Registration(key=key, fingerprint="1") for key in keys], by="test")
        for run in runs:
            await _put(store, run, states[0].anchor)
    finally:
        await store.close()
    return states[0].anchor


async def _put(store: Store, run: Past, anchor: int) -> None:
    claim = Claim(
        id=f"{next(_ids):032x}",
        task_key=run.key,
        tick=anchor + run.tick,
        owner="a process",
        lease=60_000_000,
        most_running=1000,
        skip=run.skip,
    )
    [claimed] = await store.claim([claim])
    if run.outcome is None or run.skip is not None:
        return
    started = claim.tick + run.late
    end = Finish(
        claim_id=claim.id,
        task_key=run.key,
        fence=claimed.fence,
        outcome=run.outcome,
        started=started,
        finished=started + run.took,
        error=run.error,
    )
    await store.finish([end])
