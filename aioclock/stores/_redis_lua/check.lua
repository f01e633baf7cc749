-- Looks for what does not fit together, in so many runs as one call may look at. Returns where to go on, and faults.

local from, look_at = take(), tonumber(take())

local function is_listed(run)
  if run.state == 'running' and redis.call('SISMEMBER', base .. 'running:' .. run.task_key, run.id) == 0 then
    return false
  end
  if run.state == 'waiting' and not redis.call('ZSCORE', base .. 'waiting:' .. run.task_key, run.id) then
    return false
  end
  return redis.call('ZSCORE', base .. (OPEN[run.state] and 'open' or 'finished'), run.id)
end

local function fault_of(id)
  local run = run_of(id)
  if not run then return 'run ' .. id .. ' is listed but gone' end
  if not task_of(run.task_key) then return 'run ' .. id .. ' belongs to a task that is gone: ' .. run.task_key end
  return not is_listed(run) and 'run ' .. id .. ' is ' .. run.state .. ' but not listed as such'
end

local entries = redis.call('ZREVRANGEBYSCORE', base .. 'history', from, '-inf', 'WITHSCORES', 'LIMIT', 0, look_at)
local faults = {}
for n = 1, #entries, 2 do
  local fault = fault_of(entries[n])
  if fault then faults[#faults + 1] = fault end
end
return { #entries == 2 * look_at and '(' .. entries[#entries], faults }
