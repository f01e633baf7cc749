"""How the model of a store decides claims and ends: the docstrings of `Claim` and `Finish`, line by line."""

from aioclock.stores import Claim, Claimed, Finish, Finished, Verdict
from aioclock.testing._store_model_records import NOW, ModelBase, RunModel, TaskModel

__all__ = ["ClaimModel"]


class ClaimModel(ModelBase):
    def claim(self, claim: Claim) -> Claimed:
        """Return the answer, but for the task, which is to be as it is on record."""
        for run in self.runs.values():
            if claim.id in (run.id, run.claim_id):
                return self._claim_again(claim, run)
        task = self.tasks.get(claim.task_key)
        refusal = Verdict.STALE if task is None else self._refusal(claim, task)
        if task is None or refusal is not None:
            return Claimed(verdict=refusal or Verdict.STALE)
        return self._grant(claim, task)

    def _refusal(self, claim: Claim, task: TaskModel) -> Verdict | None:
        manual = claim.kind == "manual"
        if not manual and claim.generation != task.generation:
            return Verdict.STALE
        if any((run.task_key, run.kind, run.tick) == (task.key, claim.kind, claim.tick) for run in self.runs.values()):
            return Verdict.TAKEN
        if manual:
            return None
        if task.cursor >= claim.tick:
            return Verdict.TAKEN
        if claim.floor is not None and task.cursor < claim.floor:
            return Verdict.BEHIND
        if claim.most_fired is not None and task.fired >= claim.most_fired:
            return Verdict.EXHAUSTED
        return None

    def _grant(self, claim: Claim, task: TaskModel) -> Claimed:
        state, reason = self._first_state(claim, task)
        if state == "waiting" and claim.replaces:
            self.ask_to_end(task.key, "skipped", "overlap")
        task.fence += 1
        run = self.runs[claim.id] = RunModel(
            claim.id,
            claim.id,
            task.key,
            claim.kind,
            claim.tick,
            task.fence,
            claim.owner,
            state,
            claim.on_lost,
            task.cursor,
            claim.missed,
            task.last_success,
            reason=reason,
            finished=NOW if state == "skipped" else None,
        )
        if claim.kind != "manual":
            task.cursor = claim.tick
            task.fired += run.is_open
        self.lease(run, claim.lease)
        return self._answer(run)

    def _first_state(self, claim: Claim, task: TaskModel) -> tuple[str, str | None]:
        states = [run.state for run in self.open_runs(task.key)]
        if task.paused and claim.kind != "manual":
            return "skipped", "paused"
        if claim.skip is not None:
            return "skipped", claim.skip
        if "waiting" not in states and len(states) < claim.most_running:
            return "running", None
        if claim.replaces or states.count("waiting") < claim.most_waiting:
            return "waiting", None
        return "skipped", "overlap"

    def _claim_again(self, claim: Claim, run: RunModel) -> Claimed:
        if claim.id != run.claim_id or not (run.is_open or run.state == "skipped"):
            return Claimed(verdict=Verdict.TAKEN)
        if run.state == "waiting":
            others = self.open_runs(run.task_key)
            places = sorted((other.tick, other.fence) for other in others if other.state == "waiting")
            room = sum(other.state == "running" for other in others) < claim.most_running
            if room and places[0] == (run.tick, run.fence):
                run.state = "running"
        self.lease(run, claim.lease)
        return self._answer(run)

    def _answer(self, run: RunModel) -> Claimed:
        verdicts = {"running": Verdict.RUN, "waiting": Verdict.WAITING, "skipped": Verdict.SKIPPED}
        return Claimed(
            verdict=verdicts[run.state],
            reason=run.reason,
            fence=run.fence,
            attempt=run.attempt,
            covers_from=run.covers_from,
        )

    # Ends

    def finish(self, end: Finish) -> Finished:
        run = self.held_by(end.claim_id)
        task = self.tasks.get(end.task_key)
        if run is None or task is None or run.fence != end.fence:
            return Finished(accepted=self._has_ended_so(end), failures=task.failures if task else 0)
        run.state, run.started, run.finished = end.outcome, end.started, end.finished
        run.attempt, run.missed, run.reason = end.attempt, end.missed, end.reason
        self.count(run, task)
        return Finished(accepted=True, failures=task.failures)

    def _has_ended_so(self, end: Finish) -> bool:
        told = (end.claim_id, end.fence, end.outcome, end.started, end.finished)
        return any(
            told == (run.claim_id, run.fence, run.state, run.started, run.finished) for run in self.runs.values()
        )
