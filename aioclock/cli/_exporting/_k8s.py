"""Kubernetes: a CronJob (batch/v1) for each task. Needs 1.27 or newer, for `timeZone`."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import yaml

from aioclock.cli._exporting._calendar import Calendar
from aioclock.cli._exporting._clock_changes import Touch, require_agreement, touches
from aioclock.cli._exporting._cron_lines import cron_line, interval_line
from aioclock.cli._exporting._plan import Interval, Plan
from aioclock.cli._exporting._policies import overlap_of, require_no_jitter, require_no_pause
from aioclock.cli._exporting._refusal import Refusal
from aioclock.cli._exporting._units import File, Invocation, Unit, one_line
from aioclock.cli._exporting._zones import moved

__all__ = ["Kubernetes"]

_TARGET = "a CronJob"
_UTC = "Etc/UTC"
_OVERLAP = {"skip": "Forbid", "allow": "Allow", "cancel": "Replace"}
LEAST_DEADLINE_S = 10
"""The controller looks at its CronJobs every ten seconds; with less it may never start one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kubernetes:
    """CronJobs that run the task in a container of *image*."""

    invocation: Invocation
    now: datetime
    image: str
    namespace: str | None
    ignore_clock_changes: bool

    def unit(self, plan: Plan, name: str) -> Unit:
        require_no_pause(plan)
        require_no_jitter(plan, _TARGET)
        concurrency = overlap_of(plan, _OVERLAP, _TARGET)
        if len(plan.parts) > 1:
            raise Refusal(f"{plan.said}: a CronJob has one schedule, and several of them would not know of each other")
        calendar, notes = self._calendar(next(iter(plan.parts)))
        document = {
            "apiVersion": "batch/v1",
            "kind": "CronJob",
            "metadata": {
                "name": name,
                **({} if self.namespace is None else {"namespace": self.namespace}),
                "annotations": {"aioclock/task": plan.key},
            },
            "spec": {
                "schedule": cron_line(calendar, _TARGET),
                "timeZone": calendar.zone,
                "concurrencyPolicy": concurrency,
                **_deadline(plan),
                "jobTemplate": {"spec": self._job(plan.key)},
            },
        }
        text = yaml.safe_dump(document, sort_keys=False, width=120)
        comments = [f"# {one_line(plan.said)}", *(f"# not exact: {one_line(note)}" for note in notes)]
        return Unit(task=plan.key, files=(File(f"{name}.yaml", "\n".join((*comments, text))),), notes=notes)

    def _calendar(self, part: Interval | Calendar) -> tuple[Calendar, tuple[str, ...]]:
        if isinstance(part, Interval):
            return interval_line(part, _UTC, _TARGET), ()
        if any(map(_disagreement, touches(part, self.now))):
            part = moved(part, _UTC, self.now) or part
        return part, require_agreement(part, self.now, _disagreement, ignored=self.ignore_clock_changes)

    def _job(self, key: str) -> dict[str, Any]:
        container = {
            "name": "task",
            "image": self.image,
            # Kubernetes replaces $(NAME), and takes $$ for a dollar.
            "command": [word.replace("$", "$$") for word in self.invocation.argv(key)],
            **({} if self.invocation.folder is None else {"workingDir": self.invocation.folder}),
        }
        # One attempt: retries are the task's own, and `aioclock trigger` keeps them.
        return {"backoffLimit": 0, "template": {"spec": {"restartPolicy": "Never", "containers": [container]}}}


def _deadline(plan: Plan) -> dict[str, int]:
    grace = plan.policies.grace
    if grace is None:
        return {}
    if grace < LEAST_DEADLINE_S or grace % 1:
        raise Refusal(
            f"grace={grace:g}: startingDeadlineSeconds is a whole number, at least {LEAST_DEADLINE_S}, for the "
            f"controller looks only every {LEAST_DEADLINE_S} s"
        )
    return {"startingDeadlineSeconds": int(grace)}


def _disagreement(touch: Touch) -> str | None:
    if touch.is_gap:
        return "Kubernetes leaves it out" if touch.fixed and not touch.at_end else None
    return "Kubernetes documents no rule for that"
