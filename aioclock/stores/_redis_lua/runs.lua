-- Tells of runs, those claimed last first: of so many as one call may look at, and where to go on.

local from, look_at, index, limit = take(), tonumber(take()), take(), tonumber(take())
local since, any_state, any_task = take_number(), take_number(), take_number()
local states, task_keys = set_of(take_list()), set_of(take_list())

local function is_wanted(run)
  return (any_task or task_keys[run.task_key]) and (any_state or states[run.state])
    and not (since and less(run.tick, since))
end

local entries = redis.call('ZREVRANGEBYSCORE', base .. index, from, '-inf', 'WITHSCORES', 'LIMIT', 0, look_at)
local found, last = {}, false
for n = 1, #entries, 2 do
  if #found == limit then break end
  local run = run_of(entries[n])
  last = '(' .. entries[n + 1]
  if run and is_wanted(run) then found[#found + 1] = told_run(run) end
end
return { #entries == 2 * look_at and last, found }
