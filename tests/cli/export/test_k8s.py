"""CronJobs of Kubernetes, checked by a schema written from the API's reference."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from aioclock import At, Cron, Every, OrTrigger
from aioclock.cli._exporting._k8s import Kubernetes
from aioclock.cli._exporting._refusal import Refusal
from aioclock.cli._exporting._units import Invocation
from aioclock.policies import Overlap
from aioclock.triggers import BaseTrigger
from other_crons import CronLine, literal_runs
from schedules import NOW, moments, plan_for, schedules, ticks_until

RUN = Invocation(command=("aioclock",), app="shop:app", factory=False, folder=None)
BERLIN = "Europe/Berlin"


def closed(properties: dict[str, Any], *optional: str) -> dict[str, Any]:
    required = [name for name in properties if name not in optional]
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


NAME = {"type": "string", "pattern": r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", "maxLength": 52}
CONTAINER = closed(
    {
        "name": {"type": "string", "pattern": r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", "maxLength": 63},
        "image": {"type": "string", "minLength": 1},
        "command": {"type": "array", "items": {"type": "string"}, "minItems": 1},
        "workingDir": {"type": "string"},
    },
    "workingDir",
)
POD = closed(
    {
        "restartPolicy": {"enum": ["Never", "OnFailure"]},  # what a Job may have
        "containers": {"type": "array", "items": CONTAINER, "minItems": 1},
    }
)
CRON_JOB = closed(
    {
        "apiVersion": {"const": "batch/v1"},
        "kind": {"const": "CronJob"},
        "metadata": closed(
            {
                "name": NAME,
                "namespace": {"type": "string"},
                "annotations": {"type": "object", "additionalProperties": {"type": "string"}},
            },
            "namespace",
        ),
        "spec": closed(
            {
                "schedule": {"type": "string", "pattern": r"^\S+( \S+){4}$"},
                "timeZone": {"type": "string", "minLength": 1},
                "concurrencyPolicy": {"enum": ["Allow", "Forbid", "Replace"]},
                "startingDeadlineSeconds": {"type": "integer", "minimum": 0},
                "jobTemplate": closed(
                    {
                        "spec": closed(
                            {"backoffLimit": {"type": "integer", "minimum": 0}, "template": closed({"spec": POD})}
                        )
                    }
                ),
            },
            "startingDeadlineSeconds",
        ),
    }
)


def export(trigger: BaseTrigger, run: Invocation = RUN, key: str = "report", **given: Any) -> dict[str, Any]:
    """Return the document, which is what the schema says."""
    options = {name: given.pop(name, None) for name in ("namespace", "ignore_clock_changes")}
    exporter = Kubernetes(invocation=run, now=NOW, image="shop:1.4", **options)
    [file] = exporter.unit(plan_for(trigger, key, **given), "aioclock-report").files
    document: dict[str, Any] = yaml.safe_load(file.content)
    Draft202012Validator(CRON_JOB).validate(document)
    return document


@given(schedule=schedules(special=False, longer=False), after=moments())
@settings(max_examples=80, deadline=None)
@example(Cron(cron="*/15 * * * *", tz="Australia/Lord_Howe"), datetime(2024, 4, 6, 10, tzinfo=UTC))
@example(Cron(cron="*/15 2 * * *", tz=BERLIN), datetime(2024, 10, 26, 12, tzinfo=UTC))
def test_a_cron_job_is_due_when_the_task_is(schedule: Any, after: datetime) -> None:
    try:
        spec = export(schedule)["spec"]
    except Refusal:
        return
    until = after + timedelta(days=3)
    runs = literal_runs(CronLine(spec["schedule"]), ZoneInfo(spec["timeZone"]), after, until)
    assert runs == Counter(ticks_until(schedule, after, until))


@pytest.mark.parametrize(
    ("trigger", "schedule", "zone"),
    [
        (Every(minutes=15), "*/15 * * * *", "Etc/UTC"),
        (Every(hours=12), "0 */12 * * *", "Etc/UTC"),
        (Every(weeks=1), "0 0 * * 0", "Etc/UTC"),
        (At(hour=9, at="every monday", tz=BERLIN), "0 9 * * 1", BERLIN),
        (Cron(cron="@hourly", tz=BERLIN), "0 * * * *", "Etc/UTC"),
        (Cron(cron="0 0 */2 * mon", tz="UTC"), "0 0 1,3,5,7,9,11,13,15,17,19,21,23,25,27,29,31 * 1", "UTC"),
    ],
)
def test_what_a_cron_job_says(trigger: BaseTrigger, schedule: str, zone: str) -> None:
    spec = export(trigger)["spec"]
    assert (spec["schedule"], spec["timeZone"]) == (schedule, zone)


@pytest.mark.parametrize(
    ("overlap", "word"), [(None, "Forbid"), ("skip", "Forbid"), ("allow", "Allow"), ("cancel", "Replace")]
)
def test_overlap_is_the_concurrency_policy(overlap: Any, word: str) -> None:
    assert export(Every(hours=1), overlap=overlap)["spec"]["concurrencyPolicy"] == word


@pytest.mark.parametrize(
    ("trigger", "policies", "reason"),
    [
        (Every(minutes=45), {}, "a CronJob begins anew with every hour, and 45 minutes don't divide 60"),
        (Every(hours=1), {"overlap": "queue"}, "overlap='queue': a CronJob has only 'skip' or 'allow' or 'cancel'"),
        (Every(hours=1), {"overlap": Overlap("allow", limit=2)}, "can't hold its limit of 2"),
        (Every(hours=1), {"jitter": 9}, "a CronJob has no random delay"),
        (Every(hours=1), {"grace": 5}, "startingDeadlineSeconds is a whole number, at least 10"),
        (Every(hours=1), {"grace": 30.5}, "startingDeadlineSeconds is a whole number"),
        (Every(hours=1), {"pause_after_failures": 2}, "nobody counts failures in a row"),
        (At(hour=2, minute=30, tz=BERLIN), {}, "which skips a time of it, and Kubernetes leaves it out"),
        (At(hour=1, minute=30, tz="America/New_York"), {}, "repeats a time of it, and Kubernetes documents no rule"),
        (Cron(cron="0 0 L * *", tz="UTC"), {}, "a CronJob has no word for L, W or #"),
        (At(second=5, tz="UTC"), {}, "has no seconds"),
        (OrTrigger(triggers=[At(hour=9, tz="UTC"), At(hour=17, tz="UTC")]), {}, "a CronJob has one schedule"),
    ],
)
def test_what_a_cron_job_cannot_say_is_refused(trigger: BaseTrigger, policies: dict[str, Any], reason: str) -> None:
    with pytest.raises(Refusal) as raised:
        export(trigger, **policies)
    assert reason in str(raised.value)


def test_grace_is_the_deadline_for_starting() -> None:
    assert export(Every(hours=1), grace=300)["spec"]["startingDeadlineSeconds"] == 300


def test_the_namespace_and_the_key() -> None:
    metadata = export(Every(hours=1), key="etl: orders #1", namespace="shop")["metadata"]
    assert metadata == {
        "name": "aioclock-report",
        "namespace": "shop",
        "annotations": {"aioclock/task": "etl: orders #1"},
    }


@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), min_size=1).filter(str.strip))
@settings(max_examples=50)
def test_the_container_gets_the_key_as_it_is(key: str) -> None:
    run = Invocation(command=("aioclock",), app="shop:app", factory=True, folder="/srv")
    [container] = export(Every(hours=1), run, key=key)["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"]
    # Kubernetes takes $$ for a dollar, and would replace $(NAME).
    words = [word.replace("$$", "$") for word in container["command"]]
    assert words == ["aioclock", "trigger", "--factory", *(["--"] if key.startswith("-") else []), "shop:app", key]
    assert "$(" not in "".join(container["command"]).replace("$$", "")
    assert container["workingDir"] == "/srv"
