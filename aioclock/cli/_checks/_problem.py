"""What a check finds, and the codes by which it is told. A code once given keeps its meaning."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

from aioclock.cli._facts import Place

__all__ = ["CODES", "Problem", "Severity"]

Severity: TypeAlias = Literal["error", "warning"]

CODES = {
    "AC101": "a declaration is refused",
    "AC102": "a dependency can't be filled",
    "AC103": "a function can't be sent to a process",
    "AC104": "a listener can't be called",
    "AC105": "the lifespan can't be entered",
    "AC106": "never due",
    "AC107": "a trigger fails",
    "AC201": "no tasks",
    "AC202": "a group is included nowhere",
    "AC203": "a key depends on the order of declarations",
    "AC204": "a deprecated trigger",
    "AC211": "hardly ever due",
    "AC212": "one of several triggers is never due",
    "AC213": "a long interval begins anew with every start",
    "AC214": "a clock change moves a tick",
    "AC215": "a clock change drops ticks",
    "AC216": "a clock change doubles ticks",
    "AC217": "many tasks at one instant",
    "AC221": "either of two days",
    "AC222": "uneven steps",
    "AC223": "due many times in a row",
    "AC231": "a timeout longer than the period",
    "AC232": "retries that can never fit",
    "AC233": "a grace that can never matter",
    "AC234": "a jitter longer than the period",
    "AC235": "a timeout that can't strike",
    "AC236": "a sync function blocks the event loop",
    "AC237": "a task that never pauses",
    "AC241": "a policy of claims for ticks that nobody claims",
}
"""Every code and what it is about; from 101 on errors, from 201 on warnings."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One finding: *message* says what is wrong and the way out, without the name of the task."""

    code: str
    task: str | None
    message: str
    place: Place | None = None

    @property
    def severity(self) -> Severity:
        return "error" if self.code.startswith("AC1") else "warning"
