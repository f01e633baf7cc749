-- Records the end of runs as `Finish` tells.


local function take_end()
  local claim_id, task_key, fence = take(), take(), take()
  local changes = {
    state = take(), started = take_number(), finished = take(), attempt = take(), missed = take(),
    reason = take_text(), error_type = take_text(), error_message = take_text(), error_traceback = take_text(),
    output = take_text(),
  }
  return claim_id, task_key, fence, changes
end

local function is_same(run, changes)
  return run.state == changes.state and run.started == changes.started and run.finished == changes.finished
end

local function finish()
  local claim_id, task_key, fence, changes = take_end()
  local run = claimed_run(claim_id)
  local mine = run and run.claim_id == claim_id and run.fence == fence
  if not (mine and OPEN[run.state]) then
    local failures = redis.call('HGET', base .. 'task:' .. task_key, 'failures')
    return { mine and is_same(run, changes) and 1 or 0, failures or '0' }
  end
  end_run(run, changes)
  local failures = settle(run)
  if FAILURES[run.state] then note(run.state, task_key, run.id, run.owner, run.error_message) end
  return { 1, failures }
end

local answers = {}
for n = 1, tonumber(take()) do answers[n] = finish() end
return answers
