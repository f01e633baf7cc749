"""What aioclock.yaml schedules: plain functions, which know nothing of it."""


async def greet() -> None:
    print("hello")


def report() -> str:
    return "42 orders"
