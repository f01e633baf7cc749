"""What goes wrong: each scenario does something to workers or to their store for some seconds."""

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from aioclock.exceptions import StoreUnavailableError
from fleet import Fleet, set_clock
from places import FilePlace, Place, ServerPlace

__all__ = ["LEASE_S", "SCENARIOS", "Scenario", "Stage", "scenario"]

LEASE_S = 1.5
"""Short, so that it passes often within seconds; a pulse comes four times in it."""

LONGER_S = 1.6 * LEASE_S
"""Longer than a lease by more than a process may take to notice."""

HOUR_S = 3
"""An hour of the scenario whose tasks are hourly: deployments come faster than ticks."""


@dataclass(frozen=True, kw_only=True)
class Stage:
    """What a scenario plays with."""

    fleet: Fleet
    place: Any
    size: int
    """How many workers there should be."""
    until_s: float
    """When it is enough, on the monotonic clock."""
    seen: dict[str, Any] = field(default_factory=dict)
    """Runs by their ids as they were seen before they may have been pruned."""

    def goes_on(self) -> bool:
        return time.monotonic() < self.until_s

    def wait(self, least_s: float, most_s: float | None = None) -> None:
        time.sleep(self.fleet.random.uniform(least_s, most_s or least_s))


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """Something that goes wrong.

    Args:
        orders: Fields of `Orders` that differ.
        only: The kind of place that it is for.
        wrong_clock: Whether the store's own clock is among what goes wrong.
    """

    name: str
    trouble: Callable[[Stage], None]
    orders: dict[str, Any] = field(default_factory=dict)
    only: type[Place] = Place
    wrong_clock: bool = False

    def fits(self, place: Place) -> bool:
        return isinstance(place, self.only)

    def orders_for(self, effects: bool) -> dict[str, Any]:
        return {"lease_s": LEASE_S, "effects": effects, **self.orders}


# Processes


def kill(stage: Stage) -> None:
    while stage.goes_on():
        stage.wait(0.2, 1.0)
        stage.fleet.victim().kill()
        stage.fleet.start()


def stand_still(stage: Stage) -> None:
    while stage.goes_on():
        frozen = [stage.fleet.victim() for _ in range(stage.fleet.random.randint(1, stage.size))]
        for worker in frozen:
            worker.freeze()
        stage.wait(LONGER_S, 1.3 * LONGER_S)
        for worker in frozen:
            worker.thaw()
        stage.wait(0.3, 0.8)


def do_nothing(stage: Stage) -> None:
    while stage.goes_on():
        stage.wait(0.2)


def deploy(stage: Stage) -> None:
    """End all and start new ones: sometimes with a gap, sometimes the new ones first."""
    fleet = stage.fleet
    while stage.goes_on():
        before = fleet.alive()
        if fleet.random.random() < 0.4:
            fleet.start(stage.size)
            fleet.end(before)
        else:
            fleet.end(before)
            stage.wait(fleet.random.choice([0.0, 1.0, 1.2 * HOUR_S]))
            fleet.start(stage.size)
        stage.wait(0.0, 1.5)


# Clocks


def skew(stage: Stage) -> None:
    """Let clocks of workers be up to 5 s wrong, and jump; now and then by an hour."""
    random = stage.fleet.random
    while stage.goes_on():
        for worker in stage.fleet.alive():
            set_clock(worker.clock, random.choice([-5.0, 5.0, -3600.0, 3600.0, random.uniform(-5, 5)]))
        stage.wait(0.5, 1.5)


def jump(stage: Stage) -> None:
    """Set the clock that all of a machine share, ahead and back."""
    while stage.goes_on():
        wrong_s = stage.fleet.random.uniform(-4, 4)
        for worker in stage.fleet.workers:
            set_clock(worker.clock, wrong_s)
        stage.wait(0.8, 1.6)


# Stores


def restart(stage: Stage) -> None:
    place: ServerPlace = stage.place
    while stage.goes_on():
        stage.wait(0.7, 1.5)
        place.restart(down_s=stage.fleet.random.choice([0.0, 0.5, LONGER_S]))


def cut(stage: Stage) -> None:
    place: ServerPlace = stage.place
    while stage.goes_on():
        stage.wait(0.05, 0.4)
        place.cut()


def freeze_server(stage: Stage) -> None:
    place: ServerPlace = stage.place
    while stage.goes_on():
        stage.wait(0.5, 1.0)
        place.server.freeze()
        stage.wait(0.5 * LEASE_S, 2 * LEASE_S)
        place.server.thaw()


def lock(stage: Stage) -> None:
    place: FilePlace = stage.place
    while stage.goes_on():
        stage.wait(0.3, 1.0)
        with place.locked():
            stage.wait(0.5 * LEASE_S, 2 * LEASE_S)


def fill_disk(stage: Stage) -> None:
    """Let no file of the store grow, as on a disk that is full, and make room again."""
    place: FilePlace = stage.place
    while stage.goes_on():
        stage.wait(0.3, 1.0)
        size = max(place.size(), 2 * stage.fleet.journal.stat().st_size)  # that of the journal goes on
        for worker in stage.fleet.alive():
            worker.limit_files(size)
        stage.wait(LONGER_S, 2 * LONGER_S)
        for worker in stage.fleet.alive():
            worker.limit_files(None)


def prune(stage: Stage) -> None:
    """Forget what has ended, again and again, while one of the processes lags behind."""
    while stage.goes_on():
        stage.wait(0.0, 0.5)
        lagging = stage.fleet.victim()
        lagging.freeze()
        for _ in range(4):
            stage.wait(LONGER_S / 4)
            with suppress(StoreUnavailableError):  # it was stopped within a transaction, which locks a file
                before = round((time.time() - 0.3) * 1_000_000)
                stage.seen.update((run.id, run) for run in stage.place.look().runs)  # all that can be pruned now
                stage.place.prune(before=before)
        lagging.thaw()


SCENARIOS = (
    Scenario(name="kill -9", trouble=kill),
    Scenario(name="kill -9, all named alike", trouble=kill, orders={"alike": True}),
    Scenario(name="stopped longer than the lease", trouble=stand_still),
    Scenario(name="event loop blocked", trouble=do_nothing, orders={"blocks_s": LONGER_S}),
    Scenario(name="deployed every few seconds", trouble=deploy, orders={"period_s": HOUR_S}),
    Scenario(name="clocks of processes wrong", trouble=skew, orders={"clock": "its own"}, only=ServerPlace),
    Scenario(
        name="clock of the machine set", trouble=jump, orders={"clock": "its own"}, only=FilePlace, wrong_clock=True
    ),
    Scenario(name="server killed", trouble=restart, only=ServerPlace),
    Scenario(name="connections cut", trouble=cut, only=ServerPlace),
    Scenario(name="server stopped", trouble=freeze_server, only=ServerPlace),
    Scenario(name="file locked", trouble=lock, only=FilePlace),
    Scenario(name="disk full", trouble=fill_disk, only=FilePlace),
    Scenario(name="history pruned", trouble=prune),
)


def scenario(name: str) -> Scenario:
    """Return the scenario of that name."""
    [found] = [one for one in SCENARIOS if one.name == name]
    return found
