"""Scripts about runs: claim, finish, reap."""

from collections.abc import Collection, Sequence
from itertools import islice

from aioclock.stores._sql._dialects import Dialect
from aioclock.stores._sql._records import OPEN, Sheet, locked_tasks, runs_about, some_tasks
from aioclock.stores._sql._rows import RUN_COLUMNS, runs_in
from aioclock.stores._sql._statements import Rows, Script, ask, batches, begin, clock
from aioclock.stores._words import MOST_RERUNS, Claim, Claimed, Finish, Finished, Reaped, RunRecord, Verdict

__all__ = ["claim", "finish", "reap"]


def claim(dialect: Dialect, claims: Sequence[Claim]) -> Script[list[Claimed]]:
    """Decide *claims*, at most a batch of them."""
    refused = yield from _plain_refusals(dialect, claims)
    rest = [claim for claim in claims if claim.id not in refused]
    decided = iter((yield from _decided(dialect, rest)) if rest else [])
    return [refused[claim.id] if claim.id in refused else next(decided) for claim in claims]


def _plain_refusals(dialect: Dialect, claims: Sequence[Claim]) -> Script[dict[str, Claimed]]:
    """Return the answers to claims that come too late, without locking anything.

    Of many processes that claim a tick all but one are told so. They must not queue up.
    """
    tasks = yield from some_tasks(claim.task_key for claim in claims)
    strangers = Sheet(tasks)
    late = [claim.id for claim in claims if _refusal(strangers, claim) is not None]
    if not late:
        return {}
    # In this order: whoever sees the cursor that a claim has moved sees the run as well.
    _, known = yield from runs_about(dialect, claims=late)
    sheet = Sheet(tasks, known)
    refusals = {claim.id: _refusal(sheet, claim) for claim in claims}
    # Claims of one task are decided in order: an earlier one may change what a later one is told.
    undecided = {claim.task_key for claim in claims if refusals[claim.id] is None}
    return {
        claim.id: refusal
        for claim in claims
        if (refusal := refusals[claim.id]) is not None and claim.task_key not in undecided
    }


def _refusal(sheet: Sheet, claim: Claim) -> Claimed | None:
    if claim.kind == "manual" or sheet.going(claim.id) is not None:
        return None
    decision = sheet.decide(claim, now=0)
    return decision.answer if decision.answer.verdict in (Verdict.TAKEN, Verdict.STALE) else None


def _decided(dialect: Dialect, claims: Sequence[Claim]) -> Script[list[Claimed]]:
    yield from begin(dialect)
    keys = sorted({claim.task_key for claim in claims})
    tasks = yield from locked_tasks(dialect, keys)
    now, runs = yield from runs_about(
        dialect, keys=keys, claims=[claim.id for claim in claims], ticks=sorted({claim.tick for claim in claims})
    )
    sheet = Sheet(tasks, runs)
    answers = [sheet.claim(claim, now=now) for claim in claims]
    yield from sheet.written()
    return answers


def finish(dialect: Dialect, ends: Sequence[Finish]) -> Script[list[Finished]]:
    """Record *ends*, at most a batch of them."""
    yield from begin(dialect)
    tasks = yield from locked_tasks(dialect, [end.task_key for end in ends])
    now, runs = yield from runs_about(dialect, claims=[end.claim_id for end in ends])
    sheet = Sheet(tasks, runs)
    answers = [sheet.finish(end, now=now) for end in ends]
    yield from sheet.written()
    return answers


def reap(dialect: Dialect, owner: str, keys: Collection[str], lease: int, limit: int) -> Script[list[Reaped]]:
    """Deal with runs whose lease has passed."""
    now = yield from clock(dialect)
    rows = yield from ask(
        f"SELECT id, task_key, state, on_lost, attempt FROM aioclock_run WHERE {OPEN} AND lease_until < :now "
        "ORDER BY tick, fence",
        now=now,
    )
    chosen = dict(islice(_chosen(rows, keys).items(), limit))
    if not chosen:
        return []
    yield from begin(dialect)
    tasks = yield from locked_tasks(dialect, chosen.values())
    # Their owners may renew the leases at this moment: from here on they wait.
    sheet = Sheet(tasks, (yield from _locked_runs(dialect, chosen)))
    now = yield from clock(dialect)
    dealt = [
        sheet.reap(run, owner=owner, takes_over=run.task_key in keys, lease=lease, now=now)
        for run in sheet.expired(now)
        if run.task_key in sheet.tasks
    ]
    yield from sheet.written()
    return [reaped for reaped in dealt if reaped is not None]


def _chosen(rows: Rows, keys: Collection[str]) -> dict[str, str]:
    return {
        run_id: key
        for run_id, key, state, on_lost, attempt in rows
        if key in keys or (state == "running" and (on_lost == "fail" or attempt > MOST_RERUNS))
    }


def _locked_runs(dialect: Dialect, ids: Collection[str]) -> Script[list[RunRecord]]:
    runs: list[RunRecord] = []
    for some in batches(sorted(ids)):
        rows = yield from ask(
            f"SELECT {RUN_COLUMNS} FROM aioclock_run WHERE id IN :ids ORDER BY number{dialect.for_update}", ids=some
        )
        runs += runs_in(rows)
    return runs
