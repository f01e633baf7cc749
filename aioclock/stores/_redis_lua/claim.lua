-- Decides claims as `Claim` tells, one after the other.

local VERDICTS = { running = 'run', waiting = 'waiting', skipped = 'skipped' }

local function answer(verdict, task, run)
  run = run or {}
  return { verdict, run.reason or false, run.fence or '0', run.attempt or '1', run.covers_from or '0', told_task(task) }
end

local function comes_before(one, other)
  if one.tick ~= other.tick then return less(one.tick, other.tick) end
  return less(one.fence, other.fence)
end

local function oldest_waiting(task_key)
  local waiting = base .. 'waiting:' .. task_key
  local score = redis.call('ZRANGE', waiting, 0, 0, 'WITHSCORES')[2]
  -- Ticks of far centuries may share one score.
  local oldest
  for _, id in ipairs(redis.call('ZRANGEBYSCORE', waiting, score, score)) do
    local run = run_of(id)
    if not oldest or comes_before(run, oldest) then oldest = run end
  end
  return oldest
end

local function decide_again(claim, run, task)
  if run.claim_id ~= claim.id then return answer('taken', task) end
  if run.state == 'skipped' then return answer('skipped', task, run) end
  if not OPEN[run.state] then return answer('taken', task) end
  local running = counts(run.task_key)
  if run.state == 'waiting' and running < claim.most_running and oldest_waiting(run.task_key).id == run.id then
    write_run(run, { state = 'running' })
    strike(run)
    enlist(run)
  end
  renew(run, claim.lease)
  return answer(VERDICTS[run.state], task, run)
end

local function refusal(claim, task)
  local twin = redis.call('SISMEMBER', base .. 'ticks:' .. claim.task_key, tick_name(claim)) == 1
  if claim.kind == 'manual' then return twin and 'taken' end
  if claim.generation ~= task.generation then return 'stale' end
  if twin or not less(task.cursor, claim.tick) then return 'taken' end
  if claim.floor and less(task.cursor, claim.floor) then return 'behind' end
  if claim.most_fired and not less(task.fired, claim.most_fired) then return 'exhausted' end
  return false
end

local function first_state(claim, task)
  if task.paused and claim.kind ~= 'manual' then return 'skipped', 'paused' end
  if claim.skip then return 'skipped', claim.skip end
  local running, waiting = counts(claim.task_key)
  if running < claim.most_running and waiting == 0 then return 'running', false end
  if waiting < claim.most_waiting or claim.replaces then return 'waiting', false end
  return 'skipped', 'overlap'
end

local function advance(claim, task, runs_at_all)
  local changes = { fence = plus(task.fence, 1) }
  if claim.kind ~= 'manual' then
    changes.cursor = claim.tick
    if runs_at_all then changes.fired = plus(task.fired, 1) end
  end
  write_task(task, changes)
end

local function grant(claim, task)
  local state, reason = first_state(claim, task)
  local runs_at_all, before = state ~= 'skipped', task.cursor
  if state == 'waiting' and claim.replaces then ask_to_end(claim.task_key, 'skipped', 'overlap') end
  advance(claim, task, runs_at_all)
  local run = create_run(claim.id, {
    task_key = claim.task_key, kind = claim.kind, tick = claim.tick, attempt = '1', fence = task.fence,
    claim_id = claim.id, state = state, owner = claim.owner, on_lost = claim.on_lost, covers_from = before,
    missed = claim.missed, created = now, reason = reason, previous_success = task.last_success,
    lease_until = runs_at_all and plus(now, claim.lease) or '0', finished = not runs_at_all and now,
  })
  return answer(VERDICTS[state], task, run)
end

local function take_claim()
  return {
    id = take(), task_key = take(), kind = take(), tick = take(), generation = take(), owner = take(), lease = take(),
    on_lost = take(), missed = take(), skip = take_text(), floor = take_number(), most_fired = take_number(),
    most_running = tonumber(take()), most_waiting = tonumber(take()), replaces = take_number(),
  }
end

local function decide(claim)
  local task, known = task_of(claim.task_key), claimed_run(claim.id)
  if known then return decide_again(claim, known, task) end
  if not task then return answer('stale') end
  local refused = refusal(claim, task)
  return refused and answer(refused, task) or grant(claim, task)
end

local answers = {}
for n = 1, tonumber(take()) do answers[n] = decide(take_claim()) end
return answers
