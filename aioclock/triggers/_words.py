"""Triggers in words, for people."""

from collections.abc import Callable
from typing import Any

from aioclock.triggers._base import BaseTrigger
from aioclock.triggers._calendar import At
from aioclock.triggers._combine import OrTrigger
from aioclock.triggers._cron import Cron
from aioclock.triggers._interval import Every
from aioclock.triggers._lifecycle import Forever, Once, OnShutDown, OnStartUp

__all__ = ["in_words"]

# Where a subclass replaces one of these, the words for its base would be wrong.
DECISIVE = frozenset(
    {"next_after", "first_tick", "trigger_next", "should_trigger", "pattern", "period", "pause_after_run"}
)
UNITS = ("weeks", "days", "hours", "minutes", "seconds")


def in_words(trigger: BaseTrigger) -> str:
    """Return *trigger* in plain English, zone included.

    A trigger of the user's own is told by its `__str__` if its class has one, else by its name. Cron expressions need
    the package cron-descriptor (extra `cli`); without it they are shown as they are.

    ```python
    from aioclock import At, Every
    from aioclock.triggers._words import in_words

    assert in_words(At(hour=9, at="every monday", tz="Europe/Berlin")) == "every Monday at 09:00, Europe/Berlin"
    assert in_words(Every(minutes=45, max_loop_count=3)) == "every 45 minutes, at most 3 times"
    ```
    """
    kind = type(trigger)
    for place, base in enumerate(kind.__mro__):
        own = kind.__mro__[:place]
        if base in _WORDS and not any(DECISIVE & vars(derived).keys() for derived in own):
            return _WORDS[base](trigger) + _limit(trigger)
        if base in _WORDS or base is BaseTrigger:
            break
        if "__str__" in vars(base):
            return str(trigger)
    return kind.__name__ + _limit(trigger)


def _limit(trigger: BaseTrigger) -> str:
    most: int | None = getattr(trigger, "max_loop_count", None)
    if most is None:
        return ""
    return ", at most once" if most == 1 else f", at most {most} times"


def _at(trigger: At) -> str:
    day = "every day" if trigger.at == "every day" else f"every {trigger.at.removeprefix('every ').capitalize()}"
    second = f":{trigger.second:02}" if trigger.second else ""
    return f"{day} at {trigger.hour:02}:{trigger.minute:02}{second}, {trigger.tz}"


def _cron(trigger: Cron) -> str:
    try:
        from aioclock.triggers._cron_words import cron_in_words

        return f"{cron_in_words(trigger.cron, trigger.pattern)}, {trigger.tz}"
    except ModuleNotFoundError as error:
        if error.name != "cron_descriptor":
            raise
        return f"{trigger.cron}, {trigger.tz}"


def _every(trigger: Every) -> str:
    given = {unit: value for unit in UNITS if (value := getattr(trigger, unit))}
    if not given:
        return "again as soon as the last run has ended"
    if trigger.mode == "fixed_delay":
        words = f"{_span(given)} after the end of each run"
    else:
        words = f"every {_span(given, single=True)}"
    return words + (", the first time at once" if trigger.first_run_strategy == "immediate" else "")


def _span(given: dict[str, float], *, single: bool = False) -> str:
    # "Every day" would be a time of day to most readers, but this is elapsed time.
    if given in ({"days": 1}, {"weeks": 1}):
        return "24 hours" if "days" in given else "7 days"
    if single and len(given) == 1 and 1 in given.values():
        return next(iter(given)).removesuffix("s")
    parts = [f"{value:.15g} {unit if value != 1 else unit.removesuffix('s')}" for unit, value in given.items()]
    return " and ".join(filter(None, (", ".join(parts[:-1]), parts[-1])))


def _or(trigger: OrTrigger) -> str:
    parts = [in_words(part) for part in trigger.triggers]
    nested = [
        f"({words})" if isinstance(part, OrTrigger) and part.max_loop_count is not None else words
        for part, words in zip(trigger.triggers, parts, strict=True)
    ]
    words = (", or " if any("," in part for part in nested) else " or ").join(nested)
    return f"({words})" if trigger.max_loop_count is not None and len(parts) > 1 else words


_WORDS: dict[type[BaseTrigger], Callable[[Any], str]] = {
    At: _at,
    Cron: _cron,
    Every: _every,
    Forever: lambda _: "again as soon as the last run has ended",
    Once: lambda _: "once, when serving starts",
    OnStartUp: lambda _: "when the app starts",
    OnShutDown: lambda _: "when the app stops",
    OrTrigger: _or,
}
