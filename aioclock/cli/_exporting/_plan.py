"""What is due when, in the terms that other schedulers know: calendars in a zone and steady intervals."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from aioclock._engine import LIFECYCLE
from aioclock.cli._exporting._calendar import Calendar, calendar_of
from aioclock.cli._exporting._refusal import Refusal
from aioclock.policies import Policies
from aioclock.task import Task
from aioclock.triggers import At, BaseTrigger, Cron, Every, Forever, Once, OrTrigger
from aioclock.triggers._calendar import DAYS
from aioclock.triggers._wall import next_instant

__all__ = ["Interval", "Plan", "has_schedule", "in_words", "plan_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """A steady period of elapsed time; when it begins is up to the target."""

    period: timedelta
    immediate: bool
    after_each_run: bool
    said: str

    @property
    def whole_seconds(self) -> int:
        """The period in seconds.

        Raises:
            Refusal: it has a fraction of a second.
        """
        if self.period % timedelta(seconds=1):
            raise Refusal(f"{self.said}: the period is no number of whole seconds")
        return self.period // timedelta(seconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A task's schedule and policies: due whenever one of its parts is."""

    key: str
    parts: tuple[Interval | Calendar, ...]
    policies: Policies
    trigger: BaseTrigger
    said: str


def has_schedule(task: Task) -> bool:
    """Tell whether time has to do with when *task* is due; not so at start-up and shut-down."""
    return task.trigger.type_ not in LIFECYCLE


def plan_of(task: Task, now: datetime) -> Plan:
    """Return when *task* is due from *now* (aware) on.

    Raises:
        Refusal: no scheduler but the one of its own app can tell.
    """
    if not has_schedule(task):
        raise Refusal(f"{type(task.trigger).__name__} belongs to the life of the app, not to a schedule")
    parts = tuple(_parts(task.trigger, now))
    if len(parts) > 1 and any(isinstance(part, Interval) and part.after_each_run for part in parts):
        raise Refusal("one of its several triggers follows the end of each run, which only the app itself can follow")
    said = in_words(task.trigger)
    return Plan(key=task.key, parts=parts, policies=task.policies, trigger=task.trigger, said=said)


def in_words(trigger: BaseTrigger) -> str:
    """Return *trigger* as one writes it, on one line."""
    if isinstance(trigger, OrTrigger):
        return f"OrTrigger({', '.join(map(in_words, trigger.triggers))})"
    fields = trigger.model_dump(exclude_defaults=True)
    if "tz" in fields:
        fields["tz"] = fields.pop("tz")  # last, as one writes it
    return f"{type(trigger).__name__}({', '.join(f'{name}={value!r}' for name, value in fields.items())})"


def _parts(trigger: BaseTrigger, now: datetime) -> Iterator[Interval | Calendar]:
    if getattr(trigger, "max_loop_count", None) is not None:
        raise Refusal(f"{in_words(trigger)}: max_loop_count counts the runs of one serving; leave it out")
    kind = type(trigger)  # a subclass may mean anything
    if kind is OrTrigger and isinstance(trigger, OrTrigger):
        for part in trigger.triggers:
            yield from _parts(part, now)
    elif kind is Every and isinstance(trigger, Every):
        yield _interval(trigger)
    elif kind is Cron and isinstance(trigger, Cron):
        calendar = calendar_of(trigger.cron, trigger.tz, in_words(trigger))
        if next_instant(calendar.pattern, calendar.tzinfo, now) is None:
            raise Refusal(f"{calendar.said}: its years are over")
        yield calendar
    elif kind is At and isinstance(trigger, At):
        day = "*" if trigger.at == "every day" else DAYS.index(trigger.at) % 7  # "every monday" is 1
        expression = f"{trigger.minute} {trigger.hour} * * {day} {trigger.second}"
        yield calendar_of(expression, trigger.tz, in_words(trigger))
    elif kind is Once:
        raise Refusal("Once() is due when an app starts serving; run it with `aioclock trigger` where that happens")
    elif kind is Forever:
        raise Refusal("Forever() begins again when a run ends; serve it with `aioclock run`")
    else:
        raise Refusal(
            f"{kind.__name__} is a trigger of your own, which only the app knows; serve it with `aioclock run`"
        )


def _interval(trigger: Every) -> Interval:
    if not trigger.period:
        raise Refusal(f"{in_words(trigger)} begins again when a run ends; serve it with `aioclock run`")
    return Interval(
        period=trigger.period,
        immediate=trigger.first_run_strategy == "immediate",
        after_each_run=trigger.pause_after_run is not None,
        said=in_words(trigger),
    )
