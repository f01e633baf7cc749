"""Processes that race for the same ticks on one Redis server: each tick is run once."""

import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from subprocess import PIPE, Popen

from redis_server import RedisServer, needs_redis

pytestmark = needs_redis

RACER = """
import asyncio, random, sys
from uuid import uuid4

from aioclock.stores import Claim, Finish, Registration, Verdict, store_at


async def main(url, ticks):
    owner, chance = uuid4().hex, random.Random()
    clients = [store_at(url) for _ in range(2)]
    for store in clients:
        await store.open()
    [task] = await clients[0].register([Registration(key="task", fingerprint="f")], by=owner)
    print("ready", flush=True)
    sys.stdin.readline()

    async def race(store):
        for n in range(ticks):
            given = dict(task_key="task", owner=owner, lease=60_000_000, most_running=10**6)
            claims = [Claim(id=uuid4().hex, tick=task.anchor + n, **given)]
            claims += [Claim(id=uuid4().hex, tick=n, kind="manual", **given)] * chance.randrange(2)
            for claim, answer in zip(claims, await store.claim(claims)):
                if answer.verdict == Verdict.RUN:
                    print(claim.kind, claim.tick, answer.fence)
                    end = dict(claim_id=claim.id, fence=answer.fence, outcome="succeeded", finished=1)
                    [finished] = await store.finish([Finish(task_key="task", **end)])
                    assert finished.accepted

    await asyncio.gather(*map(race, clients))
    for store in clients:
        await store.close()


asyncio.run(main(sys.argv[1], int(sys.argv[2])))
"""


def test_each_tick_is_run_once(redis_server: RedisServer) -> None:
    command = [sys.executable, "-c", RACER, f"{redis_server.url}?prefix=race", "200"]
    racers = [Popen(command, stdin=PIPE, stdout=PIPE, text=True) for _ in range(4)]
    try:
        assert [next(iter(racer.stdout or ())) for racer in racers] == ["ready\n"] * 4
        with ThreadPoolExecutor() as pool:  # all at once
            outputs = [output for output, _ in pool.map(lambda racer: racer.communicate("go\n"), racers)]
    finally:
        for racer in racers:
            racer.kill()
    assert [racer.returncode for racer in racers] == [0] * 4
    lines = [line.split() for output in outputs for line in output.splitlines()]
    ticks = Counter((kind, tick) for kind, tick, _ in lines)
    assert set(ticks.values()) == {1}
    assert max(int(fence) for *_, fence in lines) == len(lines) == len({fence for *_, fence in lines})
    assert len([kind for kind, _ in ticks if kind == "schedule"]) > 100
