-- Forgets runs that ended before a time: so many as one call may look at. Returns how many these were.

local before, look_at = take(), take()
local gone = 0
for _, id in ipairs(redis.call('ZRANGEBYSCORE', base .. 'finished', '-inf', before, 'LIMIT', 0, look_at)) do
  local run = run_of(id)
  if not run then
    redis.call('ZREM', base .. 'finished', id)
  elseif less(run.finished, before) then
    forget_run(run)
    gone = gone + 1
  end
end
return gone
