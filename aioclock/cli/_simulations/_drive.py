"""Driving an app through virtual time."""

import logging
import random
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from datetime import datetime
from functools import partial
from typing import NamedTuple

from aioclock.app import AioClock
from aioclock.cli._simulations._tally import Tally
from aioclock.logger import logger
from aioclock.runs import RunFacts
from aioclock.testing import VirtualEventLoop, simulate
from aioclock.utils import running_loop

__all__ = ["Course", "drive"]

STEPS = 200
"""How often somebody is told how far it is."""


class Course(NamedTuple):
    """How a simulation went."""

    reached: datetime
    interrupted: bool
    """Whether somebody pressed Ctrl+C."""


def drive(
    app: AioClock, tally: Tally, start: datetime, end: datetime, *, seed: int, tell: Callable[[float], None]
) -> Course:
    """Serve *app* from *start* to *end* on virtual time, or until *tally* is full or somebody presses Ctrl+C.

    Args:
        seed: Of the random numbers, such as those of jitter.
        tell: Is told now and then which part of the time has passed, from 0 to 1.

    Raises:
        Exception: what `app.serve()` raises.
    """
    random.seed(seed)
    observers = app._roster.runner.ledger.observers
    count = partial(_count, tally)
    observers.append(count)
    try:
        with _quiet(), _interruptible() as interruption, simulate(app, start=start) as sim:
            for step in range(1, STEPS + 1):
                sim.run_until(start + (end - start) * (step / STEPS))
                sim._runs.clear()  # they are counted, and a million of them would fill the memory
                tell(step / STEPS)
                if tally.full or interruption.asked_for:
                    break
            reached = sim.now
    finally:
        observers.remove(count)
    tally.finish()
    return Course(reached, interruption.asked_for)


def _count(tally: Tally, facts: RunFacts) -> None:
    tally.add(facts)
    if tally.full:
        _stop_here()


def _stop_here() -> None:
    loop = running_loop()
    if isinstance(loop, VirtualEventLoop):
        loop.interrupt()


class _Interruption:
    """Ctrl+C, which would end whatever function runs just then, ends the simulation; the second time it is as usual."""

    asked_for = False

    def on_signal(self, number: int, frame: object) -> None:
        if self.asked_for:
            raise KeyboardInterrupt
        self.asked_for = True
        _stop_here()


@contextmanager
def _interruptible() -> Iterator[_Interruption]:
    interruption = _Interruption()
    if threading.current_thread() is not threading.main_thread():
        yield interruption
        return
    before = signal.signal(signal.SIGINT, interruption.on_signal)
    try:
        yield interruption
    finally:
        signal.signal(signal.SIGINT, before or signal.SIG_DFL)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep stdout for what the command says; what becomes of runs is told by the report, and not by the log."""
    logger.addFilter(_is_about_no_task)
    try:
        with redirect_stdout(sys.stderr):
            yield
    finally:
        logger.removeFilter(_is_about_no_task)


def _is_about_no_task(record: logging.LogRecord) -> bool:
    return not (hasattr(record, "task") or hasattr(record, "tasks"))
