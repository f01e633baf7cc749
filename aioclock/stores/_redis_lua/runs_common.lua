-- Runs and where they are listed: `history` by claim (of all and of each task), `ticks` of each task, `finished` by
-- time; while they are open `open` by lease, and `running` or `waiting` (by tick) of their task.

local OPEN = { running = true, waiting = true }

local function run_of(id)
  local run = read(base .. 'run:' .. id, RUN_FIELDS)
  if run then run.id = id end
  return run
end

-- Runs that were taken over are known by their first claim and by the present one.
local function claimed_run(claim_id)
  return run_of(claim_id) or run_of(redis.call('HGET', base .. 'claims', claim_id) or '')
end

local function told_run(run)
  return told(run.id, run, RUN_FIELDS)
end

local function tick_name(run)
  return run.kind .. ':' .. run.tick
end

local function enlist(run)
  redis.call('ZADD', base .. 'open', run.lease_until, run.id)
  if run.state == 'running' then
    redis.call('SADD', base .. 'running:' .. run.task_key, run.id)
  else
    redis.call('ZADD', base .. 'waiting:' .. run.task_key, run.tick, run.id)
  end
end

local function strike(run)
  redis.call('ZREM', base .. 'open', run.id)
  redis.call('SREM', base .. 'running:' .. run.task_key, run.id)
  redis.call('ZREM', base .. 'waiting:' .. run.task_key, run.id)
end

local function write_run(run, changes)
  write(base .. 'run:' .. run.id, run, changes)
end

local function create_run(id, fields)
  local run = { id = id }
  write_run(run, fields)
  local place = redis.call('INCR', base .. 'sequence')
  redis.call('ZADD', base .. 'history', place, run.id)
  redis.call('ZADD', base .. 'history:' .. run.task_key, place, run.id)
  redis.call('SADD', base .. 'ticks:' .. run.task_key, tick_name(run))
  if OPEN[run.state] then
    enlist(run)
  else
    redis.call('ZADD', base .. 'finished', run.finished, run.id)
  end
  return run
end

local function renew(run, lease)
  write_run(run, { lease_until = plus(now, lease) })
  redis.call('ZADD', base .. 'open', run.lease_until, run.id)
end

local function end_run(run, changes)
  changes.lease_until = '0'
  write_run(run, changes)
  strike(run)
  redis.call('ZADD', base .. 'finished', run.finished, run.id)
end

local function counts(task_key)
  return redis.call('SCARD', base .. 'running:' .. task_key), redis.call('ZCARD', base .. 'waiting:' .. task_key)
end

-- Ask for the end of what is running, and end what waits.
local function ask_to_end(task_key, state, reason)
  for _, id in ipairs(redis.call('SMEMBERS', base .. 'running:' .. task_key)) do
    redis.call('HSET', base .. 'run:' .. id, 'cancel_requested', '1')
  end
  for _, id in ipairs(redis.call('ZRANGE', base .. 'waiting:' .. task_key, 0, -1)) do
    end_run(run_of(id), { state = state, reason = reason, finished = now })
  end
end

-- Let the task know how *run* has ended; return how often it has failed in a row.
local function settle(run)
  local task = task_of(run.task_key)
  if not task then return '0', nil end
  if FAILURES[run.state] then
    write_task(task, { failures = plus(task.failures, 1) })
  elseif run.state == 'succeeded' then
    local last = task.last_success
    if run.kind ~= 'manual' then last = last and later(last, run.tick) or run.tick end
    write_task(task, { last_success = last, failures = '0' })
  end
  return task.failures, task
end

local function forget_run(run)
  strike(run)
  redis.call('DEL', base .. 'run:' .. run.id)
  redis.call('HDEL', base .. 'claims', run.claim_id)
  redis.call('ZREM', base .. 'history', run.id)
  redis.call('ZREM', base .. 'history:' .. run.task_key, run.id)
  redis.call('SREM', base .. 'ticks:' .. run.task_key, tick_name(run))
  redis.call('ZREM', base .. 'finished', run.id)
end
