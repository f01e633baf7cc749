"""Stores that break a rule each, made of one that keeps them all."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from uuid import uuid4

from aioclock.stores import (
    Change,
    Claim,
    Claimed,
    Finish,
    Finished,
    MemoryStore,
    Pulse,
    PulseAnswer,
    Reaped,
    Registration,
    RunQuery,
    RunRecord,
    TaskState,
    Verdict,
)

__all__ = ["BROKEN"]


class MovesTheCursorBack(MemoryStore):
    async def change(self, changes: Sequence[Change]) -> list[TaskState | None]:
        await super().change(changes)
        if any(change.override is not None for change in changes):
            tasks = await self.tasks()
            await self.restore([], replace=True)
            await self.restore([replace(task, cursor=task.anchor - 1) for task in tasks])
        return [(await self.tasks([change.key]) or [None])[0] for change in changes]


class Wishes(MemoryStore):
    """Claims something else than it is asked for."""

    async def claim(self, claims: Sequence[Claim]) -> list[Claimed]:
        return [(await super(Wishes, self).claim([await self.instead(claim)]))[0] for claim in claims]

    async def instead(self, claim: Claim) -> Claim:
        raise NotImplementedError


class RunsPausedTasks(Wishes):
    async def instead(self, claim: Claim) -> Claim:
        paused = [task for task in await self.tasks([claim.task_key]) if task.paused]
        return replace(claim, kind="manual") if paused else claim


class ForgetsItsClaims(Wishes):
    async def instead(self, claim: Claim) -> Claim:
        known = {run.claim_id for run in await self.runs(RunQuery(limit=1000))}
        return replace(claim, id=uuid4().hex) if claim.id in known else claim


class IgnoresTheGeneration(Wishes):
    async def instead(self, claim: Claim) -> Claim:
        tasks = await self.tasks([claim.task_key])
        return replace(claim, generation=tasks[0].generation) if tasks else claim


class IgnoresTheFloor(Wishes):
    async def instead(self, claim: Claim) -> Claim:
        return replace(claim, floor=None)


class RunsForEver(Wishes):
    async def instead(self, claim: Claim) -> Claim:
        return replace(claim, most_fired=None)


class LetsAllRun(Wishes):
    async def instead(self, claim: Claim) -> Claim:
        return replace(claim, most_running=1000)


class LetsAllWait(Wishes):
    async def instead(self, claim: Claim) -> Claim:
        return replace(claim, most_waiting=1000)


class ReplacesNothing(Wishes):
    async def instead(self, claim: Claim) -> Claim:
        return replace(claim, replaces=False, most_waiting=1000 if claim.replaces else claim.most_waiting)


class ForgetsOnLost(Wishes):
    async def instead(self, claim: Claim) -> Claim:
        return replace(claim, on_lost="rerun")


class LooksBeforeItWrites(MemoryStore):
    """Not atomic: between the look at the cursor and the write, others get their turn."""

    async def claim(self, claims: Sequence[Claim]) -> list[Claimed]:
        tasks = {task.key: task for task in await self.tasks()}
        await asyncio.sleep(0)
        answers = await super().claim(claims)
        for n, claim in enumerate(claims):
            task = tasks.get(claim.task_key)
            if task and task.cursor < claim.tick and answers[n].verdict == Verdict.TAKEN:
                answers[n] = replace(answers[n], verdict=Verdict.RUN)
        return answers


class IgnoresTheFence(MemoryStore):
    async def finish(self, ends: Sequence[Finish]) -> list[Finished]:
        runs = {run.claim_id: run for run in await self.runs(RunQuery(limit=1000))}
        return await super().finish(
            [replace(end, fence=runs[end.claim_id].fence) if end.claim_id in runs else end for end in ends]
        )


class LetsTheFormerOwnerEnd(MemoryStore):
    async def finish(self, ends: Sequence[Finish]) -> list[Finished]:
        runs = {run.id: run for run in await self.runs(RunQuery(limit=1000))}
        known = [(end, runs.get(end.claim_id)) for end in ends]
        return await super().finish(
            [replace(end, claim_id=run.claim_id, fence=run.fence) if run else end for end, run in known]
        )


class RefusesAnEndToldAgain(MemoryStore):
    async def finish(self, ends: Sequence[Finish]) -> list[Finished]:
        told: set[Any] = self.__dict__.setdefault("told", set())
        answers = await super().finish(ends)
        again = [
            answer if end not in told else Finished(accepted=False) for end, answer in zip(ends, answers, strict=True)
        ]
        told.update(ends)
        return again


class CutsTexts(MemoryStore):
    async def finish(self, ends: Sequence[Finish]) -> list[Finished]:
        return await super().finish([replace(end, output=end.output and end.output[:255]) for end in ends])


class ReapsTooEarly(MemoryStore):
    async def reap(self, *, owner: str, keys: Sequence[str], lease: int, limit: int = 100) -> list[Reaped]:
        for run in await self.runs(RunQuery(limit=1000)):
            await self.leave(run.owner)
        return await super().reap(owner=owner, keys=keys, lease=lease, limit=limit)


class ReapsWhatItDoesNotKnow(MemoryStore):
    async def reap(self, *, owner: str, keys: Sequence[str], lease: int, limit: int = 100) -> list[Reaped]:
        known = [task.key for task in await self.tasks()]
        return await super().reap(owner=owner, keys=known, lease=lease, limit=limit)


class ReapsInAnyOrder(MemoryStore):
    async def reap(self, *, owner: str, keys: Sequence[str], lease: int, limit: int = 100) -> list[Reaped]:
        return (await super().reap(owner=owner, keys=keys, lease=lease, limit=limit))[::-1]


class RenewsNothing(MemoryStore):
    async def pulse(self, pulse: Pulse) -> PulseAnswer:
        mine = await super().pulse(pulse)
        for run in await self.runs(RunQuery(limit=1000)):
            if run.claim_id in pulse.claims:
                await self.leave(run.owner)
        return mine


class TellsNobodyOfLosses(MemoryStore):
    async def pulse(self, pulse: Pulse) -> PulseAnswer:
        return replace(await super().pulse(pulse), lost=frozenset())


class TellsNobodyOfCancellations(MemoryStore):
    async def pulse(self, pulse: Pulse) -> PulseAnswer:
        return replace(await super().pulse(pulse), cancelled=frozenset())


class TellsNobodyOfChanges(MemoryStore):
    async def pulse(self, pulse: Pulse) -> PulseAnswer:
        return replace(await super().pulse(pulse), changed=())


class LetsTwoHoldATask(MemoryStore):
    async def pulse(self, pulse: Pulse) -> PulseAnswer:
        return replace(await super().pulse(pulse), held=frozenset(pulse.holds))


class KeepsWhatWasLeft(MemoryStore):
    async def leave(self, node_id: str) -> None:
        pass


class PrunesTasks(MemoryStore):
    async def prune(self, *, before: int) -> int:
        count = await super().prune(before=before)
        kept = {run.task_key for run in await self.runs(RunQuery(limit=1000))}
        await self.restore(await self.tasks(list(kept)), replace=True)
        return count


class ReplacesNoTasks(MemoryStore):
    async def restore(self, tasks: Sequence[TaskState], *, replace: bool = False) -> None:
        await super().restore(tasks)


class FoldsKeys(MemoryStore):
    async def register(self, tasks: Sequence[Registration], *, by: str) -> list[TaskState]:
        return await super().register([replace(task, key=task.key.strip()) for task in tasks], by=by)


class DropsOverrides(MemoryStore):
    async def register(self, tasks: Sequence[Registration], *, by: str) -> list[TaskState]:
        await super().register([replace(task, fingerprint="") for task in tasks], by=by)
        return await super().register(tasks, by=by)


class ShowsTheOldestFirst(MemoryStore):
    async def runs(self, query: RunQuery) -> list[RunRecord]:
        return (await super().runs(replace(query, limit=10_000)))[::-1][: query.limit]


class ForgetsWhenClosed(MemoryStore):
    async def close(self) -> None:
        await self.restore([], replace=True)


BROKEN = {
    MovesTheCursorBack: "test_another_schedule_does_not_move_the_cursor_back",
    RunsPausedTasks: "test_the_ticks_of_a_paused_task_are_skipped",
    ForgetsItsClaims: "test_a_repeated_claim_gets_the_same_answer",
    IgnoresTheGeneration: "test_a_claim_for_another_generation_is_stale",
    IgnoresTheFloor: "test_a_claim_is_behind_while_the_cursor_is_before_its_floor",
    RunsForEver: "test_a_schedule_is_exhausted_once_it_has_had_its_runs",
    LetsAllRun: "test_a_tick_during_a_run_is_skipped",
    LetsAllWait: "test_as_many_wait_as_the_claim_lets",
    ReplacesNothing: "test_a_run_that_replaces_others_waits_until_they_have_ended",
    ForgetsOnLost: "test_a_run_that_must_not_run_twice_is_lost",
    LooksBeforeItWrites: "test_processes_that_claim_a_tick_at_once_get_it_once",
    IgnoresTheFence: "test_an_end_with_another_fence_is_refused",
    LetsTheFormerOwnerEnd: "test_an_end_after_the_run_was_taken_over_is_refused",
    RefusesAnEndToldAgain: "test_an_end_may_be_told_again",
    CutsTexts: "test_long_errors_and_outputs_are_kept",
    ReapsTooEarly: "test_no_run_is_reaped_before_its_lease_has_passed",
    ReapsWhatItDoesNotKnow: "test_only_a_process_that_knows_the_task_takes_a_run_over",
    ReapsInAnyOrder: "test_the_oldest_ticks_are_reaped_first",
    RenewsNothing: "test_a_pulse_renews_leases",
    TellsNobodyOfLosses: "test_a_pulse_tells_which_claims_are_lost",
    TellsNobodyOfCancellations: "test_a_pulse_tells_whose_cancellation_was_asked",
    TellsNobodyOfChanges: "test_a_pulse_tells_tasks_that_were_changed_since",
    LetsTwoHoldATask: "test_a_task_that_another_holds_is_refused",
    KeepsWhatWasLeft: "test_what_a_process_that_leaves_still_has_is_free_at_once",
    PrunesTasks: "test_a_tick_whose_run_was_deleted_is_not_claimed_again",
    ReplacesNoTasks: "test_other_tasks_are_forgotten_if_all_is_replaced",
    FoldsKeys: "test_keys_are_told_apart_to_the_letter",
    DropsOverrides: "test_an_override_outlasts_a_registration_of_the_same_schedule",
    ShowsTheOldestFirst: "test_runs_that_were_claimed_last_come_first",
    ForgetsWhenClosed: "test_it_remembers_what_was_there_when_it_was_closed",
}
"""Each with a test of the contract that it fails."""
