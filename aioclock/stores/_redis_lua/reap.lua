-- Deals with runs whose lease has passed.

local owner, lease, limit, most_reruns, fresh = take(), take(), tonumber(take()), tonumber(take()), take()
local known = set_of(take_list())

local function lose(run)
  end_run(run, { state = 'lost', reason = 'lease', finished = now })
  local _, task = settle(run)
  note('lost', run.task_key, run.id, run.owner)
  return { told_run(run), told_task(task) }
end

local function take_over(run, task, claim_id)
  local before = run.owner
  write_task(task, { fence = plus(task.fence, 1) })
  redis.call('HSET', base .. 'claims', claim_id, run.id)
  redis.call('HDEL', base .. 'claims', run.claim_id)
  local attempt = run.state == 'waiting' and run.attempt or plus(run.attempt, 1)
  write_run(run, { owner = owner, claim_id = claim_id, fence = task.fence, attempt = attempt })
  renew(run, lease)
  note('rerun', run.task_key, run.id, before)
  return { told_run(run), told_task(task) }
end

local function reap(run, number)
  local is_lost = run.on_lost == 'fail' or tonumber(run.attempt) > most_reruns
  if run.state == 'running' and is_lost then return lose(run) end
  local task = known[run.task_key] and task_of(run.task_key)
  return task and take_over(run, task, fresh .. string.format('%08x', number)) or nil
end

local function expired()
  local runs = {}
  for _, id in ipairs(redis.call('ZRANGEBYSCORE', base .. 'open', '-inf', '(' .. now)) do
    runs[#runs + 1] = run_of(id)
  end
  table.sort(runs, function(one, other)
    if one.tick ~= other.tick then return less(one.tick, other.tick) end
    return less(one.fence, other.fence)
  end)
  return runs
end

local dealt = {}
for _, run in ipairs(expired()) do
  if #dealt >= limit then break end
  dealt[#dealt + 1] = reap(run, #dealt)
end
return dealt
