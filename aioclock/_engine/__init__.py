"""The engine: turns ticks into runs. Nothing in here is public."""

from aioclock._engine.lifespan import Lifespan, lifespan_opener, require_lifespan
from aioclock._engine.run import LiveRun
from aioclock._engine.runner import RunObserver
from aioclock._engine.serving import Serving, run_by_hand

__all__ = ["Lifespan", "LiveRun", "RunObserver", "Serving", "lifespan_opener", "require_lifespan", "run_by_hand"]
