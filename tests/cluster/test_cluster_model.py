"""Random processes, schedules and misfortunes, and what must hold of the records whatever happens.

Each story is played on virtual time. What is compared: the ticks that the trigger itself counts out, what the store has
on record, what the functions saw, and what was logged.
"""

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from random import Random
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aioclock import AioClock, CatchUp, Every, Jitter, Overlap
from aioclock.stores import Claim, RunRecord
from aioclock.stores._ledger import Ledger
from cluster import Call, Cluster, Node, cluster, offset
from faulty_store import Fault

LEASE_S = 5.0

LONGEST_STOP_S = 40.0
"""Five seconds for claims on their way, ten for runs, five for their ends, ten for the rest; and a store is slow."""


@dataclass(frozen=True)
class Plan:
    """A task."""

    period_s: int
    takes_s: float
    fails_each: int
    """Each so manieth call fails; 0: none."""
    policies: dict[str, Any]


@dataclass(frozen=True)
class Misfortune:
    """What happens to a process."""

    after_s: float
    node: int
    kind: str
    seconds: float
    fault: Fault
    method: str


plans = st.builds(
    Plan,
    period_s=st.integers(2, 15),
    takes_s=st.sampled_from([0.125, 1.25, 6.25, 13.0]),
    fails_each=st.sampled_from([0, 0, 2, 3]),
    policies=st.fixed_dictionaries(
        {"on_lost": st.sampled_from(["fail", "rerun"])},
        optional={
            "overlap": st.one_of(
                st.sampled_from(["skip", "cancel"]),
                st.builds(Overlap, st.sampled_from(["allow", "queue"]), limit=st.integers(1, 3)),
            ),
            "catch_up": st.one_of(
                st.sampled_from(["latest", "none"]), st.builds(CatchUp, st.just("all"), limit=st.integers(1, 5))
            ),
            "grace": st.sampled_from([1.0, 8.0]),
            "jitter": st.just(Jitter(2)),
            "timeout": st.sampled_from([3.0, 30.0]),
        },
    ),
)
faults: st.SearchStrategy[Fault] = st.sampled_from(["refused", "lost answer", "no answer", "lost in silence"])
misfortunes = st.builds(
    Misfortune,
    after_s=st.sampled_from([0.0, 0.125, 1.0, 3.5, 9.0]),
    node=st.integers(0, 9),
    kind=st.sampled_from(
        ["kill", "freeze", "outage", "fault", "fault", "fault", "stop", "join", "run_now", "cancel", "pause", "resume"]
    ),
    seconds=st.sampled_from([0.5, 3.0, 7.0, 20.0]),
    fault=faults,
    method=st.sampled_from(["claim", "claim", "finish", "pulse", "reap", "change", "tasks", "leave", "register"]),
)


@dataclass
class Story:
    plans: list[Plan]
    all_: Cluster
    latencies: list[float]
    claims: dict[str, list[Claim]] = field(default_factory=lambda: defaultdict(list))
    """Those of schedules that were granted, by task."""
    most_running: Counter[str] = field(default_factory=Counter)
    """How many runs of a task the store had as running at once."""
    ends: Counter[tuple[str, str, int]] = field(default_factory=Counter)
    """How often the end of a run was accepted that was open before, by task, kind and tick."""
    stood_still: bool = False
    wakes: list[tuple[float, Node]] = field(default_factory=list)

    def declare(self, app: AioClock, node: Node) -> None:
        for number, plan in enumerate(self.plans):
            app.task(trigger=Every(seconds=plan.period_s), name=f"task {number}", **plan.policies)(
                node.job(plan.takes_s, fails=self._fails(plan))
            )

    def _fails(self, plan: Plan) -> Any:
        def fails(call: Call) -> bool:
            return bool(plan.fails_each) and len(self.all_.calls) % plan.fails_each == 0

        return fails

    def join(self) -> Node:
        latency_s = self.latencies[len(self.all_.nodes) % len(self.latencies)]
        random = Random(len(self.all_.nodes))
        return self.all_.node(
            self.declare,
            latency_s=lambda: latency_s * random.uniform(0.5, 1.5),
            clock_offset_s=random.choice([0.0, 4.0, -4.0]),
            shutdown_timeout=10.0,
        )

    @property
    def serving(self) -> list[Node]:
        return [node for node in self.all_.nodes if node.alive and not node.done]

    def watch(self) -> None:
        """Note what the store does, with a look at it after each step."""
        ledger = self.all_.store._ledger
        write, drop_in = ledger.write, Ledger.write

        def noted(record: RunRecord) -> None:
            before = ledger.runs.get(record.id)
            drop_in(ledger, record)
            if before is None and record.state != "skipped" and record.kind != "manual":
                self.claims[record.task_key].append(record)  # type: ignore[arg-type]
            if before is not None and before.state in ("running", "waiting"):
                self.ends[record.task_key, record.kind, record.tick] += record.state not in ("running", "waiting")
            running = sum(run.state == "running" for run in ledger.open_runs(record.task_key))
            self.most_running[record.task_key] = max(self.most_running[record.task_key], running)

        assert write is not None
        ledger.write = noted  # type: ignore[method-assign]

    def suffer(self, misfortune: Misfortune) -> None:
        self.pass_time(misfortune.after_s)
        serving = self.serving
        if misfortune.kind == "join" or not serving:
            if len(serving) < 4:
                self.join()
            return
        self.stood_still |= misfortune.kind in ("kill", "freeze")
        node = serving[misfortune.node % len(serving)]
        key = f"task {misfortune.node % len(self.plans)}"
        if misfortune.kind == "kill":
            node.kill()
        elif misfortune.kind == "freeze":
            node.freeze()
            self.wakes.append((self.all_.now + misfortune.seconds, node))
        elif misfortune.kind == "outage":
            node.store.outage = misfortune.fault
            self.wakes.append((self.all_.now + misfortune.seconds, node))
        elif misfortune.kind == "fault":
            node.store.fail_next(misfortune.method, misfortune.fault)
        elif misfortune.kind == "stop":
            node.stop()
        elif not node.frozen:
            self.command(node, misfortune.kind, key)

    def command(self, node: Node, kind: str, key: str) -> None:
        if kind == "run_now":
            node.run_now(key).add_done_callback(lambda running: running.cancelled() or running.exception())
        elif kind == "cancel":
            node.do(lambda app: app.cancel(key))
        elif kind == "pause":
            node.do(lambda app: app.pause(key))
        else:
            node.do(lambda app: app.resume(key))

    def pass_time(self, seconds: float) -> None:
        until = self.all_.now + seconds
        while self.wakes and (earliest := min(self.wakes, key=lambda wake: wake[0]))[0] <= until:
            self.wakes.remove(earliest)
            self.all_.until(max(earliest[0], self.all_.now))
            if earliest[1].alive:
                earliest[1].thaw()
                earliest[1].store.outage = None
        self.all_.until(until)

    def play(self, misfortunes: list[Misfortune], count: int) -> None:
        self.watch()
        for _ in range(count):
            self.join()
        self.pass_time(3)
        for misfortune in misfortunes:
            self.suffer(misfortune)
        self.pass_time(25)  # all wake again, and what is left of the dead is dealt with
        if not self.serving:
            self.join()
        self.pass_time(40)

    def stop(self) -> None:
        serving = self.serving
        for node in serving:
            node.stop()
        self.pass_time(LONGEST_STOP_S)
        assert all(node.done for node in serving), "a stop has an end"


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.too_slow])
@given(
    plans=st.lists(plans, min_size=1, max_size=3),
    count=st.integers(2, 4),
    latencies=st.lists(st.sampled_from([0.0, 0.03, 0.4]), min_size=1, max_size=3),
    misfortunes=st.lists(misfortunes, max_size=12),
)
def test_whatever_happens_each_tick_is_answered_once(
    plans: list[Plan], count: int, latencies: list[float], misfortunes: list[Misfortune]
) -> None:
    with cluster(lease=LEASE_S) as all_:
        story = Story(plans, all_, latencies)
        story.play(misfortunes, count)
        story.stop()
        for number, plan in enumerate(plans):
            check(story, f"task {number}", plan)


def check(story: Story, key: str, plan: Plan) -> None:
    all_ = story.all_
    records = [record for record in all_.records(key) if record.kind != "manual"]
    task, period = all_.task(key), plan.period_s * 1_000_000

    # On the grid, and each tick covered by exactly one record: its own or a later one.
    assert all((record.tick - task.anchor) % period == 0 for record in records)
    ticks = range(task.anchor + period, task.cursor + 1, period)
    spans = [range(record.covers_from + 1, record.tick + 1) for record in records]
    assert Counter(tick for tick in ticks for span in spans if tick in span) == Counter(ticks)
    # The schedule went on to the end: at most what nobody could take is open.
    assert offset(task.cursor) >= all_.now - LONGEST_STOP_S - 3 * plan.period_s - 10

    # Claimed once, ended once.
    claimed = Counter(record.tick for record in story.claims[key])
    assert set(claimed.values()) <= {1}
    assert all(times <= 1 for (task, _, _), times in story.ends.items() if task == key)

    # Nobody ran what was not his: each call is of a run on record, by who had it, and with a fence of its own.
    by_fence: dict[int | None, list[Call]] = defaultdict(list)
    for call in all_.calls_of(key):
        by_fence[call.run.fence].append(call)
    assert all(len(calls) == 1 for calls in by_fence.values())
    starts = Counter((call.run.kind, call.tick) for call in all_.calls_of(key))
    assert max(starts.values(), default=0) <= (1 if plan.policies["on_lost"] == "fail" else 6)

    # At once, by the store's view.
    overlap = plan.policies.get("overlap")
    most = overlap.most_going if isinstance(overlap, Overlap) else 1
    assert story.most_running[key] <= most
    if not story.stood_still:  # a process that stands still, or is dead, gives nothing up in time
        assert all_.most_at_once(key) <= most

    # What succeeded on record did run, and what ran to its end while its process had it is on record.
    succeeded = {(record.kind, record.tick) for record in all_.records(key, state="succeeded")}
    ran = {(call.run.kind, round((call.run.scheduled_at.timestamp()) * 1e6)) for call in all_.calls_of(key)}
    assert succeeded <= ran
    assert {record.state for record in records} <= {
        "succeeded", "failed", "skipped", "cancelled", "timed_out", "lost", "running", "waiting",
    }  # fmt: skip
