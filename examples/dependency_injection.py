"""What a task needs is handed to it: nested dependencies, generators that clean up, and stand-ins for tests.

Start it with `python examples/dependency_injection.py`; it ends by itself.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Annotated

from aioclock import AioClock, Depends, Once
from aioclock.api import run_with_injected_deps

app = AioClock()


# A dependency is a function; what it returns fills the parameter.
def get_url() -> str:
    return "postgres://production"


# Dependencies may have dependencies. A generator cleans up after the run; by `finally` also after a failed one.
async def get_connection(url: Annotated[str, Depends(get_url)]) -> AsyncIterator[str]:
    print(f"  connect to {url}")
    try:
        yield f"connection to {url}"
    finally:
        print(f"  disconnect from {url}")


Connection = Annotated[str, Depends(get_connection)]


# Sync functions and generators run in a thread.
def get_users(connection: Connection) -> Iterator[list[str]]:
    print(f"  read users through the {connection}")
    yield ["Ada", "Grace"]
    print("  forget the users")


# Within one run each dependency is called once: the task and get_users share one connection.
@app.task(trigger=Once())
async def greet(connection: Connection, users: Annotated[list[str], Depends(get_users)]) -> str:
    greeting = f"hello {' and '.join(users)}"
    print(f"  {greeting}, sent through the {connection}")
    return greeting


def get_test_url() -> str:
    return "sqlite://memory"


async def main() -> None:
    print("served:")
    await app.serve()

    print("served with an override, which also reaches dependencies of dependencies:")
    with app.override_dependencies(get_url, get_test_url):
        await app.serve()

    print("called by hand with its dependencies:")
    print(f"  it returned {await run_with_injected_deps(greet)!r}")

    print("called as the plain function that it still is:")
    print(f"  it returned {await greet('line', ['you'])!r}")


if __name__ == "__main__":
    asyncio.run(main())
