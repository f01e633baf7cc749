"""How a store decides: pure functions from what it has on record to what it writes and answers."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from aioclock.stores._words import (
    EXHAUSTED,
    MOST_RERUNS,
    OPEN_STATES,
    Change,
    Claim,
    Claimed,
    Finish,
    Registration,
    RunRecord,
    TaskState,
    Verdict,
)

__all__ = [
    "Decision",
    "changed",
    "decide",
    "ended",
    "held",
    "is_accepted",
    "is_same_end",
    "kinds_of",
    "reaped",
    "registered",
    "restored",
    "task_after",
]

FAILURES = frozenset({"failed", "timed_out", "lost"})


@dataclass(frozen=True, slots=True)
class Decision:
    """What a store answers to a claim, and what it writes first."""

    answer: Claimed
    task: TaskState | None = None
    """To be written in place of the present one; None: as it is."""
    record: RunRecord | None = None
    """To be written, new or in place of the one with its id."""
    replaces: bool = False
    """The runs of the task that wait end as skipped, and those that are running are asked to end."""


def decide(
    claim: Claim,
    task: TaskState | None,
    runs: Sequence[RunRecord],
    *,
    known: RunRecord | None,
    twin: bool,
    now: int,
) -> Decision:
    """Decide *claim* as its class tells.

    Args:
        task: What is on record of its task.
        runs: The open runs of the task.
        known: The run on record whose `id` or `claim_id` is that of the claim.
        twin: Whether a run of the same task, kind and tick is on record.
    """
    if known is not None:
        return _decide_again(claim, task, runs, known, now)
    if task is None:
        return Decision(Claimed(verdict=Verdict.STALE))
    refusal = _refusal(claim, task, twin=twin)
    if refusal is not None:
        return Decision(Claimed(verdict=refusal, task=task))
    state, reason = _first_state(claim, task, runs)
    runs_at_all = state != "skipped"
    scheduled = claim.kind != "manual"
    after = replace(
        task,
        cursor=claim.tick if scheduled else task.cursor,
        fence=task.fence + 1,
        fired=task.fired + (scheduled and runs_at_all),
    )
    record = RunRecord(
        id=claim.id,
        claim_id=claim.id,
        task_key=claim.task_key,
        kind=claim.kind,
        tick=claim.tick,
        fence=after.fence,
        state=state,
        owner=claim.owner,
        lease_until=now + claim.lease if runs_at_all else 0,
        on_lost=claim.on_lost,
        covers_from=task.cursor,
        missed=claim.missed,
        created=now,
        finished=None if runs_at_all else now,
        reason=reason,
        previous_success=task.last_success,
    )
    return Decision(_answer(record, after), after, record, replaces=state == "waiting" and claim.replaces)


def _refusal(claim: Claim, task: TaskState, *, twin: bool) -> Verdict | None:
    if claim.kind == "manual":
        return Verdict.TAKEN if twin else None
    if claim.generation != task.generation:
        return Verdict.STALE
    # The cursor of a task that was exhausted starts anew at the present, which may lie before a tick that was claimed.
    if twin or task.cursor >= claim.tick:
        return Verdict.TAKEN
    if claim.floor is not None and task.cursor < claim.floor:
        return Verdict.BEHIND
    if claim.most_fired is not None and task.fired >= claim.most_fired:
        return Verdict.EXHAUSTED
    return None


def _first_state(claim: Claim, task: TaskState, runs: Sequence[RunRecord]) -> tuple[str, str | None]:
    if task.paused and claim.kind != "manual":
        return "skipped", "paused"
    if claim.skip is not None:
        return "skipped", claim.skip
    running = sum(run.state == "running" for run in runs)
    waiting = len(runs) - running
    if running < claim.most_running and not waiting:
        return "running", None
    if waiting < claim.most_waiting or claim.replaces:
        return "waiting", None
    return "skipped", "overlap"


def _decide_again(
    claim: Claim, task: TaskState | None, runs: Sequence[RunRecord], known: RunRecord, now: int
) -> Decision:
    if known.claim_id != claim.id or known.state not in (*OPEN_STATES, "skipped"):
        return Decision(Claimed(verdict=Verdict.TAKEN, task=task))
    if known.state == "skipped":
        return Decision(_answer(known, task))
    record = replace(known, lease_until=now + claim.lease)
    if known.state == "waiting":
        running = sum(run.state == "running" for run in runs)
        oldest = min((run for run in runs if run.state == "waiting"), key=_place)
        if oldest.id == known.id and running < claim.most_running:
            record = replace(record, state="running")
    return Decision(_answer(record, task), record=record)


def _place(run: RunRecord) -> tuple[int, int]:
    return run.tick, run.fence


_VERDICTS = {"running": Verdict.RUN, "waiting": Verdict.WAITING, "skipped": Verdict.SKIPPED}


def _answer(record: RunRecord, task: TaskState | None) -> Claimed:
    return Claimed(
        verdict=_VERDICTS[record.state],
        reason=record.reason,
        fence=record.fence,
        attempt=record.attempt,
        covers_from=record.covers_from,
        task=task,
    )


def registered(registration: Registration, task: TaskState | None, *, now: int) -> TaskState:
    """Return *task* as it is when *registration* is taken in; the same object if nothing changes."""
    if task is None:
        return TaskState(
            key=registration.key, anchor=now, cursor=now - 1, fingerprint=registration.fingerprint, changed_at=now
        )
    if task.fingerprint == registration.fingerprint:
        return task
    return replace(_begun_anew(task, now), override=None, fingerprint=registration.fingerprint)


def _begun_anew(task: TaskState, now: int) -> TaskState:
    cursor = now - 1 if task.cursor == EXHAUSTED else max(task.cursor, now - 1)
    return replace(task, anchor=now, cursor=cursor, fired=0, generation=task.generation + 1, changed_at=now)


def changed(change: Change, task: TaskState, *, now: int) -> TaskState:
    """Return *task* as it is after *change*."""
    if change.override is not None:
        task = replace(_begun_anew(task, now), override=change.override or None)
    if change.paused is not None:
        # Nobody may have skipped the ticks of the pause, for nobody served. They are not made up for all the same.
        cursor = max(task.cursor, now - 1) if task.paused and not change.paused else task.cursor
        note = change.note if change.paused else None
        task = replace(task, paused=change.paused, note=note, cursor=cursor, changed_at=now)
    if change.exhausted:
        task = replace(task, cursor=EXHAUSTED, holder=None, held_until=0, changed_at=now)
    return task


def restored(given: TaskState, task: TaskState | None, *, now: int) -> TaskState:
    """Return *given*, which is to be written in place of *task*, without moving anything back."""
    if task is None:
        return replace(given, holder=None, held_until=0, changed_at=now)
    return replace(
        given,
        cursor=max(given.cursor, task.cursor),
        fence=max(given.fence, task.fence),
        generation=max(given.generation, task.generation) + 1,
        holder=None,
        held_until=0,
        changed_at=now,
    )


def is_accepted(end: Finish, record: RunRecord | None) -> bool:
    """Tell whether *end* may end *record*."""
    return (
        record is not None
        and record.state in OPEN_STATES
        and record.claim_id == end.claim_id
        and record.fence == end.fence
    )


def is_same_end(end: Finish, record: RunRecord | None) -> bool:
    """Tell whether *end* has ended *record* already."""
    return (
        record is not None
        and record.claim_id == end.claim_id
        and record.fence == end.fence
        and (record.state, record.started, record.finished) == (end.outcome, end.started, end.finished)
    )


def ended(end: Finish, record: RunRecord) -> RunRecord:
    """Return *record* as *end* leaves it."""
    return replace(
        record,
        state=end.outcome,
        started=end.started,
        finished=end.finished,
        attempt=end.attempt,
        missed=end.missed,
        reason=end.reason,
        error=end.error,
        output=end.output,
        lease_until=0,
    )


def task_after(record: RunRecord, task: TaskState) -> TaskState:
    """Return *task* as it is after *record* has ended; the same object if nothing changes."""
    if record.state in FAILURES:
        return replace(task, failures=task.failures + 1)
    if record.state != "succeeded":
        return task
    last = task.last_success
    if record.kind != "manual" and (last is None or record.tick > last):
        last = record.tick
    if (last, 0) == (task.last_success, task.failures):
        return task
    return replace(task, last_success=last, failures=0)


def reaped(
    record: RunRecord, task: TaskState, *, owner: str, takes_over: bool, claim_id: str, lease: int, now: int
) -> tuple[RunRecord, TaskState] | None:
    """Return *record*, whose lease has passed, and its task as they are then; None: it is left to others.

    Args:
        takes_over: Whether *owner* knows the task and so may take the run over.
        claim_id: For the run, if it is taken over.
    """
    waits = record.state == "waiting"
    if not waits and (record.on_lost == "fail" or record.attempt > MOST_RERUNS):
        record = replace(record, state="lost", finished=now, reason="lease", lease_until=0)
        return record, task_after(record, task)
    if not takes_over:
        return None
    task = replace(task, fence=task.fence + 1)
    return replace(
        record,
        owner=owner,
        claim_id=claim_id,
        fence=task.fence,
        attempt=record.attempt + (not waits),
        lease_until=now + lease,
    ), task


def held(task: TaskState, *, owner: str, until: int, now: int) -> TaskState | None:
    """Return *task* as it is when *owner* holds it until *until*; None: it can't."""
    if task.cursor == EXHAUSTED or (task.holder not in (None, owner) and task.held_until >= now):
        return None
    return replace(task, holder=owner, held_until=until, fence=task.fence + (task.holder != owner))


def kinds_of(change: Change) -> list[str]:
    """Return what *change* is called in the sequence of events."""
    kinds = [] if change.paused is None else ["paused" if change.paused else "resumed"]
    if change.override is not None:
        kinds.append("rescheduled")
    return kinds + ["cancelled"] * change.cancel + ["exhausted"] * change.exhausted
