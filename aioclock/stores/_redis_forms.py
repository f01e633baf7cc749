"""What stores are told and tell, as the texts that Redis takes and gives.

Every argument is a text of its own, so no number is rounded and no character lost on the way. One that may be left out
is empty then; a text that may be empty as well is marked with `+`.
"""

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from aioclock.runs import RunError
from aioclock.stores._words import (
    Change,
    Claim,
    Claimed,
    Finish,
    Finished,
    Note,
    PulseAnswer,
    Reaped,
    RunRecord,
    TaskState,
    Verdict,
)

__all__ = [
    "Argument",
    "change_arguments",
    "claim_arguments",
    "claimed_from",
    "finish_arguments",
    "finished_from",
    "list_arguments",
    "note_from",
    "plain",
    "pulse_answer_from",
    "reaped_from",
    "record_from",
    "state_arguments",
    "task_from",
    "text_from",
]

Argument: TypeAlias = bytes | int


def plain(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def text_from(told: bytes) -> str:
    return told.decode("utf-8", "surrogatepass")


def _marked(text: str | None) -> bytes:
    return b"" if text is None else b"+" + plain(text)


def _number(number: int | None) -> Argument:
    return b"" if number is None else number


def _flag(flag: bool | None) -> bytes:
    return b"1" if flag else b""


def list_arguments(texts: Sequence[str]) -> list[Argument]:
    return [len(texts), *(plain(text) for text in texts)]


def claim_arguments(claim: Claim) -> list[Argument]:
    return [
        plain(claim.id),
        plain(claim.task_key),
        plain(claim.kind),
        claim.tick,
        claim.generation,
        plain(claim.owner),
        claim.lease,
        plain(claim.on_lost),
        claim.missed,
        _marked(claim.skip),
        _number(claim.floor),
        _number(claim.most_fired),
        claim.most_running,
        claim.most_waiting,
        _flag(claim.replaces),
    ]


def finish_arguments(end: Finish) -> list[Argument]:
    error = end.error
    return [
        plain(end.claim_id),
        plain(end.task_key),
        end.fence,
        plain(end.outcome),
        _number(end.started),
        end.finished,
        end.attempt,
        end.missed,
        _marked(end.reason),
        _marked(None if error is None else error.type),
        _marked(None if error is None else error.message),
        _marked(None if error is None else error.traceback),
        _marked(end.output),
    ]


def change_arguments(change: Change) -> list[Argument]:
    return [
        plain(change.key),
        b"" if change.paused is None else b"1" if change.paused else b"0",
        _marked(change.note),
        _marked(change.override),
        _flag(change.cancel),
        _flag(change.exhausted),
        plain(change.by),
    ]


def state_arguments(task: TaskState) -> list[Argument]:
    return [
        plain(task.key),
        task.anchor,
        task.cursor,
        task.fence,
        task.generation,
        task.fired,
        _flag(task.paused),
        _marked(task.note),
        _marked(task.override),
        plain(task.fingerprint),
        _number(task.last_success),
        task.failures,
    ]


_Fields: TypeAlias = tuple[tuple[str, Callable[[bytes], Any]], ...]

_TASK: _Fields = (
    ("key", text_from),
    ("anchor", int),
    ("cursor", int),
    ("fence", int),
    ("generation", int),
    ("fired", int),
    ("paused", bool),
    ("note", text_from),
    ("override", text_from),
    ("fingerprint", text_from),
    ("last_success", int),
    ("failures", int),
    ("holder", text_from),
    ("held_until", int),
    ("changed_at", int),
)
_RUN: _Fields = (
    ("id", text_from),
    ("task_key", text_from),
    ("kind", text_from),
    ("tick", int),
    ("attempt", int),
    ("fence", int),
    ("claim_id", text_from),
    ("state", text_from),
    ("owner", text_from),
    ("lease_until", int),
    ("on_lost", text_from),
    ("cancel_requested", bool),
    ("covers_from", int),
    ("missed", int),
    ("created", int),
    ("started", int),
    ("finished", int),
    ("reason", text_from),
    ("error_type", text_from),
    ("error_message", text_from),
    ("error_traceback", text_from),
    ("output", text_from),
    ("previous_success", int),
)


def _fields(fields: _Fields, told: bytes) -> dict[str, Any]:
    """Take *told* apart: the length of each value, `-` for one that is not there, a line feed, and the values."""
    lengths, _, values = told.partition(b"\n")
    found: dict[str, Any] = {}
    start = 0
    for (name, read), length in zip(fields, lengths.split(), strict=True):
        if length != b"-":
            found[name] = read(values[start : (start := start + int(length))])
    return found


def task_from(told: bytes) -> TaskState:
    return TaskState(**_fields(_TASK, told))


def record_from(told: bytes) -> RunRecord:
    fields = _fields(_RUN, told)
    error = {part: fields.pop(f"error_{part}", None) for part in ("type", "message", "traceback")}
    if None not in error.values():
        fields["error"] = RunError(**error)
    return RunRecord(**fields)


def claimed_from(told: Sequence[Any]) -> Claimed:
    verdict, reason, fence, attempt, covers_from, task = told
    return Claimed(
        verdict=Verdict(text_from(verdict)),
        reason=None if reason is None else text_from(reason),
        fence=int(fence),
        attempt=int(attempt),
        covers_from=int(covers_from),
        task=None if task is None else task_from(task),
    )


def finished_from(told: Sequence[Any]) -> Finished:
    accepted, failures = told
    return Finished(accepted=bool(accepted), failures=int(failures))


def pulse_answer_from(told: Sequence[Any]) -> PulseAnswer:
    now, lost, cancelled, held, changed = told
    return PulseAnswer(
        now=int(now),
        lost=frozenset(map(text_from, lost)),
        cancelled=frozenset(map(text_from, cancelled)),
        held=frozenset(map(text_from, held)),
        changed=tuple(map(task_from, changed)),
    )


def reaped_from(told: Sequence[Any]) -> Reaped:
    record, task = told
    return Reaped(record=record_from(record), task=task_from(task))


def note_from(told: Sequence[Any]) -> Note:
    entry, values = told
    fields: dict[str, Any] = {
        text_from(name): text_from(value) for name, value in zip(*[iter(values)] * 2, strict=True)
    }
    return Note(sequence=int(entry.partition(b"-")[0]), **{**fields, "at": int(fields["at"])})
