"""CPU of finding one next tick of a calendar trigger, from each tick to the one after it.

usage: python next_tick.py {bare|aioclock|apscheduler|aioclock03} STEPS

bare        croniter, by hand
aioclock    the pure method, `next_after`
aioclock03  the only public way there was: `get_waiting_time_till_next_trigger(now=...)`
"""

import json
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

ZONE = "Europe/Berlin"
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
CRONS = ["*/5 * * * *", "0 12 * * 1-5", "30 2 * * *"]
Step = Callable[[datetime], datetime]


def bare() -> dict[str, Step]:
    from croniter import croniter

    def step(cron: str) -> Step:
        return lambda moment: croniter(cron, moment.astimezone(zone)).get_next(datetime)

    zone = ZoneInfo(ZONE)
    return {cron: step(cron) for cron in CRONS}


def aioclock() -> dict[str, Step]:
    from aioclock import At, Cron

    def step(trigger: At | Cron) -> Step:
        return lambda moment: trigger.next_after(moment, BEGIN)

    steps = {cron: step(Cron(cron=cron, tz=ZONE)) for cron in CRONS}
    return steps | {"At": step(At(hour=12, minute=30, at="every friday", tz=ZONE))}


def apscheduler() -> dict[str, Step]:
    from apscheduler.triggers.cron import CronTrigger

    def step(cron: str) -> Step:
        trigger = CronTrigger.from_crontab(cron, timezone=ZONE)
        # Its answer may be the moment itself, so it is asked from a microsecond later.
        return lambda moment: trigger.get_next_fire_time(None, moment + timedelta(microseconds=1))

    return {cron: step(cron) for cron in CRONS}


def aioclock03() -> dict[str, Step]:
    from aioclock import At, Cron

    def step(trigger: At | Cron) -> Step:
        def ask(moment: datetime) -> datetime:
            try:
                trigger.get_waiting_time_till_next_trigger(now=moment).send(None)
            except StopIteration as answer:
                return moment + timedelta(seconds=answer.value)
            raise AssertionError("it waited")

        return ask

    steps = {cron: step(Cron(cron=cron, tz=ZONE)) for cron in CRONS}
    return steps | {"At": step(At(hour=12, minute=30, at="every friday", tz=ZONE))}


def microseconds(step: Step, steps: int) -> float:
    moment = step(BEGIN)  # what is made once is not counted
    start = time.process_time()
    for _ in range(steps):
        moment = step(moment)
    return (time.process_time() - start) / steps * 1e6


if __name__ == "__main__":
    chosen = {"bare": bare, "aioclock": aioclock, "apscheduler": apscheduler, "aioclock03": aioclock03}[sys.argv[1]]
    print(json.dumps({name: microseconds(step, int(sys.argv[2])) for name, step in chosen().items()}))
