"""CPU of an import.

usage: python imports.py {dependencies|aioclock|apscheduler}
"""

import importlib
import json
import sys
import time

MODULES = {
    # asyncio as well: no asyncio library does without it, and several of the others load it late.
    "dependencies": [
        "asyncio",
        "anyio.to_thread",
        "asyncer",
        "croniter",
        "dateutil",
        "fast_depends",
        "pydantic",
        "typing_extensions",
    ],
    "aioclock": ["aioclock"],
    "apscheduler": ["apscheduler.schedulers.asyncio"],
}

if __name__ == "__main__":
    start = time.process_time()
    for name in MODULES[sys.argv[1]]:
        module = importlib.import_module(name)
        if name == "aioclock":  # which loads what it promises with the first use
            vars(module).update({public: getattr(module, public) for public in module.__all__})
    print(json.dumps({"import_ms": (time.process_time() - start) * 1e3}))
