"""What a store keeps of tasks, as a document that people can read."""

import json
from collections.abc import Sequence
from datetime import datetime
from math import inf
from typing import Any, Literal

import yaml

from aioclock.cli._stores._words import moment_at
from aioclock.stores import TaskState
from aioclock.stores._words import EXHAUSTED

__all__ = ["EXHAUSTED_WORD", "VERSION", "VERSION_KEY", "document_of", "written"]

VERSION_KEY = "aioclock_state"

VERSION = 1
"""Of the document. A key that is added does not change it; one that means something else does."""

EXHAUSTED_WORD = "exhausted"


def document_of(tasks: Sequence[TaskState], *, store: str, at: datetime) -> dict[str, Any]:
    """Return the document; the values are those of JSON.

    Who holds a task, and since when things are as they are, is left out: it means nothing in another store.

    Args:
        store: The name of the store that the tasks are from.
        at: Aware, in UTC.
    """
    return {
        VERSION_KEY: VERSION,
        "exported_at": at.isoformat(timespec="microseconds"),
        "store": store,
        "tasks": [_task(task) for task in tasks],
    }


def _task(task: TaskState) -> dict[str, Any]:
    return {
        "key": task.key,
        "anchor": _time(task.anchor),
        "cursor": EXHAUSTED_WORD if task.cursor == EXHAUSTED else _time(task.cursor),
        "fence": task.fence,
        "generation": task.generation,
        "fired": task.fired,
        "paused": task.paused,
        "note": task.note,
        "override": task.override,
        "fingerprint": task.fingerprint,
        "last_success": None if task.last_success is None else _time(task.last_success),
        "failures": task.failures,
    }


def _time(micros: int) -> str:
    return moment_at(micros).isoformat(timespec="microseconds")


def written(document: dict[str, Any], form: Literal["json", "yaml"], *, any_letter: bool = True) -> str:
    """Return *document* as the text of a file.

    Args:
        any_letter: Whether it may have others than those of ASCII.
    """
    if form == "json":
        return json.dumps(document, indent=2, ensure_ascii=not any_letter) + "\n"
    return yaml.dump(document, Dumper=_Dumper, sort_keys=False, allow_unicode=any_letter, width=inf)


class _Dumper(yaml.SafeDumper):
    """Puts all values that are texts in quotes: what is plain means different things to different readers."""

    def represent_mapping(self, tag: str, mapping: Any, flow_style: bool | None = None) -> yaml.MappingNode:
        node = super().represent_mapping(tag, mapping, flow_style)
        for _, value in node.value:
            if value.tag == "tag:yaml.org,2002:str":
                value.style = '"'
        return node
