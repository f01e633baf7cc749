"""Claims and finishes of runs per second, in a store and with processes that do nothing else.

usage: python stores.py {memory|sqlite|postgresql|mariadb|redis} PROCESSES SECONDS

Each process has tasks of its own and answers tick after tick: of one task, then of many at once, as an app sends them
whose tasks are due together. The servers are those of the tests: they answer before the disk has what they were told.
"""

import asyncio
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
AT_ONCE = {"one_per_s": 1, "many_per_s": 50}
"""How many tasks are claimed together, by the names of the numbers in the report."""


async def answer(url: str, name: str, at_once: int, seconds: float) -> float:
    """Return how many runs of *at_once* tasks were claimed and finished per second."""
    from aioclock.stores import Claim, Finish, Registration, Verdict, store_at

    store = store_at(url)
    await store.open()
    keys = [f"{name} {number}" for number in range(at_once)]
    await store.register([Registration(key=key, fingerprint="") for key in keys], by=name)
    rounds, tick = 0, time.time_ns() // 1000 + 1_000_000
    end = (began := time.perf_counter()) + seconds
    while time.perf_counter() < end:
        rounds, tick = rounds + 1, tick + 1
        claims = [Claim(id=f"{key} {tick}", task_key=key, tick=tick, owner=name, lease=30_000_000) for key in keys]
        claimed = await store.claim(claims)
        assert all(one.verdict is Verdict.RUN for one in claimed)
        ends = [
            Finish(
                claim_id=claim.id, task_key=claim.task_key, fence=one.fence, outcome="succeeded",
                started=tick, finished=tick,
            )
            for claim, one in zip(claims, claimed, strict=True)
        ]  # fmt: skip
        assert all(one.accepted for one in await store.finish(ends))
    took_s = time.perf_counter() - began
    await store.close()
    return rounds * at_once / took_s


def worker(url: str, number: str, at_once: str, seconds: str) -> None:
    """Answer as soon as a line comes in."""
    import aioclock.stores  # noqa: F401 - so that all begin at the same time

    print("ready", flush=True)
    sys.stdin.readline()
    print(asyncio.run(answer(url, f"{at_once} {number}", int(at_once), float(seconds))), flush=True)


def rate(url: str, processes: int, at_once: int, seconds: float) -> float:
    """Return how many runs per second all *processes* answer together."""
    workers = [
        subprocess.Popen(
            [sys.executable, __file__, "worker", url, f"{number}", f"{at_once}", f"{seconds}"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )
        for number in range(processes)
    ]  # fmt: skip
    for process in workers:
        assert process.stdout is not None
        process.stdout.readline()
    for process in workers:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    return sum(float(process.communicate()[0]) for process in workers)


@contextmanager
def address_of(kind: str) -> Iterator[str]:
    """Give the URL of an empty store, whose server is there for the block."""
    if kind == "memory":
        yield "memory://"
        return
    with (
        tempfile.TemporaryDirectory(prefix="aioclock-bench-") as folder,
        places().place_at(kind, Path(folder), safe=False) as place,
    ):
        yield place.url


def why_not(kind: str) -> str | None:
    """Return why there is no store of this *kind* here; None: there is."""
    return None if kind == "memory" else places().why_not(kind)


@cache
def places() -> Any:
    """Return the module that knows how servers are started."""
    sys.path += [str(HERE.parent / "tests" / part) for part in ("support", "chaos")]
    return import_module("places")


def main(kind: str, processes: str, seconds: str) -> None:
    reason = why_not(kind)
    if reason is not None:
        print(json.dumps({"reason": reason}))
        return
    with address_of(kind) as url:
        asyncio.run(answer(url, "first", 1, 0))  # makes the tables
        rates = {name: rate(url, int(processes), at_once, float(seconds)) for name, at_once in AT_ONCE.items()}
    print(json.dumps(rates))


if __name__ == "__main__":
    worker(*sys.argv[2:]) if sys.argv[1] == "worker" else main(*sys.argv[1:])
