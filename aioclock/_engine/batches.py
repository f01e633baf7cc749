"""Many small requests of one kind, sent together."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from aioclock.exceptions import StoreError, StoreUnavailableError

__all__ = ["Batches"]

I = TypeVar("I")  # noqa: E741 - what goes in
O = TypeVar("O")  # noqa: E741 - what comes out

MOST_AT_ONCE = 500


class Batches(Generic[I, O]):
    """Sends what is put in while another batch is on its way, or in one turn of the event loop, as one batch.

    Args:
        send: Returns the answers in the order of what it is given.
    """

    def __init__(self, send: Callable[[Sequence[I]], Awaitable[Sequence[O]]], *, name: str) -> None:
        self._send = send
        self._name = name
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[tuple[I, asyncio.Future[O]]] = deque()
        self._on_its_way: list[tuple[I, asyncio.Future[O]]] = []
        self._sender: asyncio.Task[None] | None = None

    def put(self, item: I) -> "asyncio.Future[O]":
        """Return where the answer to *item* will be: a StoreError if there is none."""
        # Virtual time stands still between two steps, and commands may come then as well.
        answer: asyncio.Future[O] = self._loop.create_future()
        self._waiting.append((item, answer))
        if self._sender is None:
            self._sender = self._loop.create_task(self._run(), name=self._name)
        return answer

    @property
    def idle(self) -> bool:
        """Whether no answer is outstanding."""
        return self._sender is None

    async def _run(self) -> None:
        try:
            while self._waiting:
                self._on_its_way = [self._waiting.popleft() for _ in range(min(len(self._waiting), MOST_AT_ONCE))]
                await self._deliver(self._on_its_way)
        finally:
            self._sender = None
            self._fail_all()

    async def _deliver(self, batch: list[tuple[I, asyncio.Future[O]]]) -> None:
        try:
            answers = await self._send([item for item, _ in batch])
        except StoreError as error:
            if len(batch) > 1:  # one that the store can't take must not keep the others from it
                for single in batch:
                    await self._deliver([single])
                return
            _set(batch[0][1], error)
            return
        for (_, answer), value in zip(batch, answers, strict=True):
            if not answer.done():
                answer.set_result(value)

    async def settled(self) -> None:
        """Return when all has been answered that was put in so far."""
        while self._sender is not None:
            await asyncio.wait((self._sender,))

    def give_up(self) -> None:
        """Fail what has no answer yet."""
        if self._sender is not None:
            self._sender.cancel()

    async def close(self) -> None:
        """Fail what has no answer yet, and return when nothing is on its way."""
        self.give_up()
        await self.settled()

    def _fail_all(self) -> None:
        for _, answer in (*self._on_its_way, *self._waiting):
            _set(answer, StoreUnavailableError("the store did not answer before the app stopped"))
        self._on_its_way = []
        self._waiting.clear()


def _set(answer: "asyncio.Future[O]", error: Exception) -> None:
    if not answer.done():
        answer.set_exception(error)
