-- Renews what a process has and tells what is new, as `Pulse` tells.

local function see(id, label)
  local node = base .. 'node:' .. id
  if redis.call('EXISTS', node) == 0 then
    redis.call('HSET', node, 'label', label, 'started_at', now)
    note('joined', nil, nil, id, label)
  end
  redis.call('ZADD', base .. 'nodes', now, id)
end

local function hold(key, owner, lease)
  local task = task_of(key)
  if not task or task.cursor == EXHAUSTED then return false end
  if task.holder and task.holder ~= owner and not less(task.held_until, now) then return false end
  local changes = { holder = owner, held_until = plus(now, lease) }
  if task.holder ~= owner then changes.fence = plus(task.fence, 1) end
  write_task(task, changes)
  return true
end

local function renew_claims(claims, lease)
  local lost, cancelled = {}, {}
  for _, claim_id in ipairs(claims) do
    local run = claimed_run(claim_id)
    if run and run.claim_id == claim_id and OPEN[run.state] then
      renew(run, lease)
      if run.cancel_requested then cancelled[#cancelled + 1] = claim_id end
    else
      lost[#lost + 1] = claim_id
    end
  end
  return lost, cancelled
end

local function changed_since(since)
  local changed = {}
  if since == '0' then return changed end
  for _, key in ipairs(redis.call('ZRANGEBYSCORE', base .. 'tasks', since, '+inf')) do
    local task = task_of(key)
    if less(since, task.changed_at) then changed[#changed + 1] = told_task(task) end
  end
  return changed
end

local node, label, lease, since = take(), take(), take(), take()
local claims, holds, held = take_list(), take_list(), {}
see(node, label)
local lost, cancelled = renew_claims(claims, lease)
for _, key in ipairs(holds) do
  if hold(key, node, lease) then held[#held + 1] = key end
end
return { now, lost, cancelled, held, changed_since(since) }
