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

from importlib import import_module
from typing import TYPE_CHECKING

from aioclock.testing._clock import VirtualClock
from aioclock.testing._loop import VirtualEventLoop, VirtualTimeError
from aioclock.testing._simulation import Simulation, simulate

if TYPE_CHECKING:
    from aioclock.testing.stores import StoreContract

__all__ = ["Simulation", "StoreContract", "VirtualClock", "VirtualEventLoop", "VirtualTimeError", "simulate"]

if not TYPE_CHECKING:  # for a checker, a `__getattr__` would make every name right

    def __getattr__(name):
        # Few tests are of stores, and the others need not wait until all that the contract consists of is imported.
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(import_module("aioclock.testing.stores"), name)
