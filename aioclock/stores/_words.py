"""What a store is told and what it tells: frozen values, the same for every store.

All times are whole microseconds since the epoch, in UTC, and unless it says otherwise they are the store's: a store has
one clock, and all processes keep to it.
"""

from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from aioclock.runs import Run, RunError, RunFacts, RunKind, run_of
from aioclock.utils import StrEnum

__all__ = [
    "EXHAUSTED",
    "OPEN_STATES",
    "Change",
    "Claim",
    "ClaimKind",
    "Claimed",
    "Finish",
    "Finished",
    "Node",
    "Note",
    "Pulse",
    "PulseAnswer",
    "Reaped",
    "Registration",
    "RunQuery",
    "RunRecord",
    "TaskState",
    "Verdict",
    "micros",
    "run_from",
    "seconds",
]

ClaimKind: TypeAlias = RunKind
"""A claim's kind is that of its run."""

EXHAUSTED = 2**62
"""The cursor of a task that will never be due again, unless its schedule is edited."""

OPEN_STATES = ("running", "waiting")
"""States of a run that has no outcome yet; every other state is the value of an `Outcome`."""

MOST_RERUNS = 5
"""How often a run is taken over at most: a run that kills every process it gets into must not go round for ever."""


def micros(seconds: float) -> int:
    """Return *seconds* since the epoch as whole microseconds."""
    return round(seconds * 1_000_000)


def seconds(micros: int) -> float:
    """Return *micros* since the epoch as seconds; exact to a quarter of a microsecond."""
    return micros / 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """What a process says of a task when it joins."""

    key: str
    fingerprint: str
    """Stands for the schedule as the code declares it. Another one than before means that the schedule was edited."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskState:
    """What a store keeps of a task, for ever."""

    key: str
    anchor: int
    """Where the schedule began: `Every` counts from here, in all processes."""
    cursor: int
    """The latest tick that is accounted for. It only ever moves ahead: that no tick is answered twice rests on it."""
    fence: int = 0
    """Counts the runs that were handed out. Of two that hold fences of one task, the higher one is the later."""
    generation: int = 0
    """Counts the changes of the schedule. A claim that was made for another generation is `STALE`."""
    fired: int = 0
    """How many runs of the present schedule were handed out, those of kind `manual` left out."""
    paused: bool = False
    note: str | None = None
    """Why it is paused, in the words of who did it."""
    override: str | None = None
    """The trigger, as JSON, that it was given instead of the one that its code declares."""
    fingerprint: str = ""
    last_success: int | None = None
    """The latest tick whose run succeeded."""
    failures: int = 0
    """How many runs have failed, timed out or been lost in a row."""
    holder: str | None = None
    """The process that has the whole task to itself, by a long lease."""
    held_until: int = 0
    changed_at: int = 0
    """When somebody last changed what all processes must know: the schedule, or whether it is paused."""


class Verdict(StrEnum):
    """What came of a claim."""

    RUN = "run"
    """The run is the claimant's and may start: it is on record as running."""
    WAITING = "waiting"
    """The run is the claimant's but others must end first. It is on record as waiting: claim it again later."""
    SKIPPED = "skipped"
    """The tick is the claimant's and is on record as skipped, for the reason that comes along."""
    TAKEN = "taken"
    """The tick is accounted for already: another process has it, or had it, or it was skipped."""
    BEHIND = "behind"
    """Nothing was done: earlier ticks, which the claim demands to be accounted for, are not."""
    STALE = "stale"
    """Nothing was done: the schedule has been changed since, or nobody knows the task."""
    EXHAUSTED = "exhausted"
    """Nothing was done: the schedule has had as many runs as it may have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A process's request to be the one that answers a tick.

    The store decides, in one atomic step with what it writes, by the first of these rules that applies:

    1. A run with this claim's *id* is on record (its owner asks again, after an error or because it waits).
       If it is running: `RUN`, its lease renewed. If it waits: `RUN` if it is the oldest of its task that waits (of
       the lowest tick; of several, of the lowest fence) and fewer than *most_running* are running, else `WAITING`; its
       lease is renewed either way. If it has ended as skipped: `SKIPPED`. Otherwise, or when another process has taken
       it over since: `TAKEN`.
    2. The task is unknown or of another *generation*: `STALE`. (Manual claims don't look at the generation.)
    3. The task's cursor is at or past *tick*, or a run of this task, kind and tick is on record: `TAKEN`. The cursor is
       before *floor*: `BEHIND`. (Manual claims don't look at the cursor.)
    4. *most_fired* is given and the task has fired that often: `EXHAUSTED`. (Not for manual claims.)
    5. The tick is the claimant's: the cursor moves to *tick* and the fence is counted up (for manual claims only the
       fence), and the run is written with the fence, with `covers_from` the cursor before, and as
       - skipped with reason `paused`, if the task is paused (manual claims run all the same);
       - skipped with *skip* as its reason, if that is given;
       - running, if fewer than *most_running* of the task are running and none waits;
       - waiting, if fewer than *most_waiting* of the task wait; or if *replaces*, after those that waited were ended as
         skipped with reason `overlap` and cancellation was asked of those that are running;
       - skipped with reason `overlap`.
       A run that is running or waiting gets a lease of *lease* from now on; `fired` is counted up for it.

    Runs whose lease has passed still count as running or waiting until they are reaped.
    """

    id: str
    """A fresh uuid, in hexadecimal. A claim that got no answer may be made again, with the same id."""
    task_key: str
    kind: ClaimKind = "schedule"
    tick: int
    generation: int = 0
    owner: str
    """Id of the claiming process."""
    lease: int
    """Microseconds."""
    on_lost: Literal["rerun", "fail"] = "fail"
    """What becomes of the run if its lease passes."""
    missed: int = 0
    """How many earlier ticks the run stands for, as far as the claimant knows; `Finish` corrects it."""
    skip: str | None = None
    """Put the tick on record as skipped, for this reason, instead of running it."""
    floor: int | None = None
    """Claim the tick only if every tick up to this one is accounted for."""
    most_fired: int | None = None
    most_running: int = 1
    most_waiting: int = 0
    replaces: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimed:
    """The answer to a claim."""

    verdict: Verdict
    reason: str | None = None
    """Why it was skipped."""
    fence: int = 0
    """Of the run, if the tick is the claimant's."""
    attempt: int = 1
    covers_from: int = 0
    """The cursor before: ticks between it and the claimed one are answered by this run."""
    task: TaskState | None = None
    """The task as it is now; None if nobody knows it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finish:
    """The end of a run, as its owner tells it.

    It is accepted if the run is still on record as running or waiting with this claim id and fence, whether or not its
    lease has passed; else it is refused: another process has ended it or taken it over. An end that was accepted
    already is accepted again if outcome and times are the same, for its owner may have missed the answer.

    What a text holds does not keep a run from ending: characters that a store can't keep (NUL, lone surrogates) may
    come back as others.

    An accepted end moves the task's `last_success` ahead to the run's tick (outcome `succeeded`, not for manual runs
    and never back); `failures` becomes 0 on success and is counted up for `failed`, `timed_out` and `lost`.
    """

    claim_id: str
    task_key: str
    fence: int
    outcome: str
    started: int | None = None
    finished: int
    attempt: int = 1
    missed: int = 0
    reason: str | None = None
    error: RunError | None = None
    output: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """The answer to the end of a run."""

    accepted: bool
    failures: int = 0
    """How many runs of the task have failed in a row, this one included."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A process that serves."""

    id: str
    """A fresh uuid, in hexadecimal: two processes never share one, whatever their hosts are called."""
    label: str = ""
    """For people: host name and process id."""
    started_at: int = 0
    seen_at: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Pulse:
    """What a process tells every second or so, for all of its tasks at once.

    - The process was seen now.
    - The leases of *claims* are renewed to now + *lease* if they are still its own.
    - For each task of *holds* that nobody holds, whose holder's lease has passed, or that it holds itself, it is the
      holder until now + *lease*; a task that is paused, too. The fence is counted up when the holder changes. A task
      whose cursor is `EXHAUSTED` is not held.
    """

    node: Node
    lease: int
    """Microseconds."""
    claims: tuple[str, ...] = ()
    """Ids of the claims whose runs it has, those that wait included."""
    holds: tuple[str, ...] = ()
    """Keys of the tasks that it holds or wants to."""
    since: int = 0
    """Tasks whose `changed_at` is later than this are told; 0: none are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PulseAnswer:
    """The answer to a pulse."""

    now: int
    """The store's time, no later than the moment at which the answer left it."""
    lost: frozenset[str] = frozenset()
    """Those of the claims that are its own no longer."""
    cancelled: frozenset[str] = frozenset()
    """Those of the claims whose runs somebody wants cancelled."""
    held: frozenset[str] = frozenset()
    """Those of the tasks that it holds now."""
    changed: tuple[TaskState, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRecord:
    """What a store keeps of a run. (task_key, kind, tick) is unique."""

    id: str
    """The id of the claim that first got it."""
    task_key: str
    kind: ClaimKind
    tick: int
    attempt: int = 1
    fence: int = 0
    claim_id: str = ""
    """The id of the claim that has it now; another one after it was taken over."""
    state: str
    """`running`, `waiting`, or the value of an `Outcome`."""
    owner: str = ""
    lease_until: int = 0
    on_lost: Literal["rerun", "fail"] = "fail"
    cancel_requested: bool = False
    covers_from: int = 0
    missed: int = 0
    created: int = 0
    """When it was claimed."""
    started: int | None = None
    finished: int | None = None
    reason: str | None = None
    error: RunError | None = field(default=None, repr=False)
    output: str | None = field(default=None, repr=False)
    previous_success: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reaped:
    """A run whose lease had passed, as it is now."""

    record: RunRecord
    """Running, if it was taken over by whoever reaped it; else `lost`."""
    task: TaskState


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What somebody wants changed of a task; None leaves a thing as it is.

    It is noted in the store's sequence of events as `paused`, `resumed`, `rescheduled`, `cancelled` or `exhausted`.
    """

    key: str
    paused: bool | None = None
    """When a paused task is resumed, the cursor becomes now less a microsecond (but never moves back): what passed
    during the pause is not made up for."""
    note: str | None = None
    """With `paused=True`: why. Without one, and when the task is resumed, that of before goes."""
    override: str | None = None
    """A trigger as JSON that replaces the present one: the anchor becomes now, the cursor now less a microsecond (but
    never moves back, unless it is `EXHAUSTED`), `fired` 0, and a new generation begins. `""` takes an override away,
    with the same effect."""
    cancel: bool = False
    """Ask for the cancellation of all that is running, and end as `cancelled` what waits."""
    exhausted: bool = False
    """The schedule has ended for good: the cursor becomes `EXHAUSTED`."""
    by: str = ""
    """Who wants it, for the record: the label of a process, or of a person."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunQuery:
    """Which runs somebody wants to see; those that were claimed last come first."""

    task_keys: tuple[str, ...] | None = None
    """None: of all tasks."""
    states: tuple[str, ...] | None = None
    """None: all; else those in one of these states."""
    since: int | None = None
    """Only runs whose tick is at or after this."""
    limit: int = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """An entry of the store's sequence of events: what was done to tasks, and runs that went wrong.

    Kinds: `registered`, `edited`, `paused`, `resumed`, `rescheduled`, `cancelled`, `exhausted`, `joined`, `left`,
    `lost`, `rerun`, `failed`, `timed_out`, `restored`.
    """

    sequence: int
    """Later entries have higher numbers; there may be gaps."""
    at: int
    kind: str
    task_key: str | None = None
    run_id: str | None = None
    node: str | None = None
    """Whose doing it was: the id of a process (`lost`, `rerun`: of that which had the run), or who *by* names."""
    text: str | None = None
    """The note of a change, the message of a run's error, or the label of a process that joined."""


def run_from(record: RunRecord) -> Run:
    """Return *record* as users see it."""
    going = record.state in OPEN_STATES
    noted = record.created if record.finished is None else record.finished
    return run_of(
        RunFacts(
            record.task_key,
            seconds(record.tick),
            None if going else record.state,
            seconds(noted),
            None if record.started is None else seconds(record.started),
            record.reason,
            record.error,
            record.missed,
            record.kind,
            0 if record.state == "skipped" else record.attempt,
            None if record.previous_success is None else seconds(record.previous_success),
            record.output,
            record.fence,
            record.owner,
        )
    )
