"""aioclock beside FastAPI, in one process.

Start it with `uvicorn examples.with_fast_api:app` or `python examples/with_fast_api.py`, look at
http://127.0.0.1:8000/docs and end it with Ctrl+C. Both need the extra `fastapi` and the package `uvicorn`.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvicorn
from fastapi import FastAPI

from aioclock import AioClock, Every
from aioclock.ext.fast import make_fastapi_router

clock = AioClock(shutdown_timeout=5)
runs = 0


@clock.task(trigger=Every(seconds=2, first_run_strategy="immediate"), timeout=10)
async def count() -> dict[str, int]:
    global runs
    runs += 1
    print(f"run {runs}", flush=True)
    return {"runs": runs}


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    # At the end of the block the clock stops in order; runs get five seconds to finish.
    async with clock.running():
        yield


app = FastAPI(lifespan=lifespan)
# GET /clock/tasks lists the tasks, POST /clock/task/{id} runs one now.
app.include_router(make_fastapi_router(clock), prefix="/clock", tags=["clock"])


@app.get("/")
async def home() -> dict[str, int]:
    return {"runs": runs}


if __name__ == "__main__":
    uvicorn.run(app)
