"""Virtual time: days of schedule in a moment, the same every time.

```python
from aioclock import AioClock, Cron
from aioclock.testing import simulate

app = AioClock()


@app.task(trigger=Cron(cron="30 2 * * *", tz="Europe/Berlin"))
async def report() -> None: ...


with simulate(app, start="2026-03-01T00:00:00+01:00") as sim:
    sim.advance(days=7)
    assert len(sim.runs(report)) == 7
```
"""

from aioclock.testing._clock import VirtualClock
from aioclock.testing._loop import VirtualEventLoop, VirtualTimeError
from aioclock.testing._simulation import Simulation, simulate

__all__ = ["Simulation", "VirtualClock", "VirtualEventLoop", "VirtualTimeError", "simulate"]
