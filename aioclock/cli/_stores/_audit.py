"""A store's sequence of events."""

from collections import deque
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from aioclock.cli._stores._runs import STYLES, first_line
from aioclock.cli._stores._words import micros_of, moment_at, shown_at
from aioclock.cli._tables import print_table
from aioclock.stores import Note, Store

__all__ = ["Audit", "latest_notes", "note_as_json", "print_notes"]

PAGE = 1_000
TITLES = ("at", "event", "task", "by", "what")
ALWAYS = 2


@dataclass(frozen=True, slots=True)
class Audit:
    """Some events, newest first, and what the processes are called that are named in them by their ids."""

    notes: Sequence[Note]
    labels: Mapping[str, str]

    def by(self, note: Note) -> str:
        return self.labels.get(note.node or "", note.node or "")


async def latest_notes(store: Store, *, keys: Collection[str] | None, since: datetime | None, limit: int) -> Audit:
    """Return the latest events.

    Args:
        keys: Only what was done to these tasks; None: all.
    """
    earliest = None if since is None else micros_of(since)
    latest: deque[Note] = deque(maxlen=limit)
    labels: dict[str, str] = {}
    async for note in _notes(store):
        if note.kind == "joined" and note.node and note.text:
            labels[note.node] = note.text
        if (keys is None or note.task_key in keys) and (earliest is None or note.at >= earliest):
            latest.appendleft(note)
    return Audit(list(latest), labels)


async def _notes(store: Store) -> AsyncIterator[Note]:
    # A store tells its events from the oldest on only.
    after = 0
    while page := await store.notes(after=after, limit=PAGE):
        for note in page:
            yield note
        after = page[-1].sequence


def note_as_json(note: Note) -> dict[str, Any]:
    return {
        "sequence": note.sequence,
        "at": moment_at(note.at),
        "event": note.kind,
        "task": note.task_key,
        "run": note.run_id,
        "by": note.node,
        "text": note.text,
    }


def print_notes(audit: Audit) -> None:
    rows = [
        (shown_at(note.at), note.kind, note.task_key or "", audit.by(note), _what(note, audit)) for note in audit.notes
    ]
    print_table(TITLES, rows, always=ALWAYS, styles=STYLES)


def _what(note: Note, audit: Audit) -> str:
    what = first_line(note.text or "")
    return "" if what == audit.by(note) else what
