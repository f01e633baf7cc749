"""A virtual year of a task that is due every minute.

usage: python year.py DAYS
"""

import json
import logging
import sys
import time

from aioclock import AioClock, Cron
from aioclock.testing import simulate

logging.disable(logging.CRITICAL)
app = AioClock()
fired = 0


@app.task(trigger=Cron(cron="* * * * *", tz="UTC"))
async def every_minute() -> None:
    global fired
    fired += 1


if __name__ == "__main__":
    days = int(sys.argv[1])
    start = time.perf_counter()
    with simulate(app, start="2025-01-01T00:00:00+00:00") as sim:
        sim.advance(days=days)
    year_s = (time.perf_counter() - start) * 365 / days
    assert fired == days * 24 * 60, f"fired {fired} of {days * 24 * 60}"
    print(json.dumps({"year_s": year_s}))
