"""What the state machine may ask of a store: small choices, so that requests often meet."""

from dataclasses import asdict, dataclass, replace
from typing import Literal

from hypothesis import strategies as st

from aioclock.stores import Change, Claim, TaskState
from aioclock.stores._words import EXHAUSTED, ClaimKind
from aioclock.testing._store_model import Model
from aioclock.testing._store_model_records import LONG, SHORT, TaskModel

__all__ = ["KEYS", "OUTCOMES", "Wish", "changes", "claims", "keys", "leases", "nodes", "restored", "some_keys", "which"]

KEYS = ("a", "b", "nobody's")
OUTCOMES = ("succeeded", "failed", "timed_out", "cancelled", "skipped", "lost")
AN_HOUR = 3600_000_000

keys = st.sampled_from((*["a"] * 5, *["b"] * 3, "nobody's"))
some_keys = st.lists(st.sampled_from(KEYS), unique=True, max_size=3)
nodes = st.sampled_from(("1" * 32, "2" * 32, "3" * 32))
which = st.integers(0, 20)
"""Which of those that there are."""
leases = st.sampled_from((LONG, LONG, SHORT))


@dataclass(frozen=True, slots=True)
class Wish:
    """A claim in terms of what its task will be like then."""

    key: str
    kind: ClaimKind
    ahead: int
    """How far the tick lies after the cursor; of a manual claim, after the anchor."""
    owner: str
    lease: int
    on_lost: Literal["rerun", "fail"]
    overlap: tuple[int, int, bool]
    """*most_running*, *most_waiting* and *replaces*."""
    generation: int = 0
    """How far it is off."""
    floor: int | None = None
    """How far it lies after the cursor."""
    most_fired: int | None = None
    skip: str | None = None
    missed: int = 0

    def claim(self, claim_id: str, model: Model) -> Claim:
        task = model.tasks.get(self.key, TaskModel(self.key, ""))
        base = task.anchor if self.kind == "manual" or task.cursor == EXHAUSTED else task.cursor
        running, waiting, replaces = self.overlap
        return Claim(
            id=claim_id,
            task_key=self.key,
            kind=self.kind,
            tick=base + self.ahead,
            generation=task.generation + self.generation,
            owner=self.owner,
            lease=self.lease,
            on_lost=self.on_lost,
            missed=self.missed,
            skip=self.skip,
            floor=None if self.floor is None else base + self.floor,
            most_fired=self.most_fired,
            most_running=running,
            most_waiting=waiting,
            replaces=replaces,
        )


claims = st.builds(
    Wish,
    key=keys,
    kind=st.sampled_from(("schedule", "schedule", "catch_up", "manual")),
    ahead=st.sampled_from((1, 1, 1, 2, 1_000_000, 0, -1, AN_HOUR)),
    owner=nodes,
    lease=leases,
    on_lost=st.sampled_from(("rerun", "fail")),
    overlap=st.tuples(st.integers(1, 2), st.integers(0, 2), st.booleans()),
    generation=st.sampled_from((*[0] * 12, -1, 1)),
    floor=st.sampled_from((*[None] * 5, 0, 1)),
    most_fired=st.sampled_from((*[None] * 5, 1, 3)),
    skip=st.sampled_from((*[None] * 9, "missed")),
    missed=st.integers(0, 2),
)

changes = st.builds(
    Change,
    key=keys,
    paused=st.sampled_from((None, None, True, False, False)),
    note=st.sampled_from((None, "why")),
    override=st.sampled_from((*[None] * 6, "", "{}")),
    cancel=st.sampled_from((False, False, True)),
    exhausted=st.sampled_from((*[False] * 9, True)),
    by=st.just("somebody"),
)


def restored(key: str, task: TaskModel | None, *, back: bool, paused: bool) -> TaskState:
    """Return a task to restore: like *task*, but somewhat behind or ahead of it."""
    by = -5 if back else 5
    if task is None:
        return TaskState(key=key, anchor=1, cursor=1_000_000_000 + by, fence=by + 5, fingerprint="first", paused=paused)
    known = TaskState(**asdict(task))
    return replace(
        known,
        cursor=task.cursor if task.cursor == EXHAUSTED else task.cursor + by,
        fence=max(0, task.fence + by),
        generation=max(0, task.generation + by),
        paused=paused,
        last_success=None if back else task.last_success,
    )
