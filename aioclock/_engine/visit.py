"""A session without schedules, for what is run or told by hand while nothing is served."""

import asyncio

from aioclock._engine.runner import Runner
from aioclock._engine.session import Session

__all__ = ["Visit"]


class Visit:
    """Joins the other processes with its first guest and leaves them after its last."""

    def __init__(self, session: Session, runner: Runner) -> None:
        self.session = session
        self.guests = 0
        self._runner = runner
        self._joining = asyncio.create_task(self._join(), name="aioclock: join")

    async def _join(self) -> None:
        await self.session.join()
        self.session.keep_up()
        if self._runner.schedules is None:  # else a serving has begun in the meantime
            self._runner.claims = self.session.claims

    async def joined(self) -> None:
        """Return when the store knows the app's tasks.

        Raises:
            StoreError: it can't work, or could not be reached.
        """
        await asyncio.shield(self._joining)

    async def end(self) -> None:
        """Leave."""
        if self._runner.claims is self.session.claims:
            self._runner.claims = None
        await asyncio.wait((self._joining,))
        if self.session.joined:
            await self.session.leave()
