-- Frees what a process still has.

local node = take()

for _, id in ipairs(redis.call('ZRANGE', base .. 'open', 0, -1)) do
  local run = base .. 'run:' .. id
  if redis.call('HGET', run, 'owner') == node then
    redis.call('HSET', run, 'lease_until', '0')
    redis.call('ZADD', base .. 'open', 0, id)
  end
end

for _, key in ipairs(redis.call('SMEMBERS', base .. 'held')) do
  local task = task_of(key)
  if task.holder == node then write_task(task, { holder = false, held_until = '0' }) end
end

if redis.call('ZREM', base .. 'nodes', node) == 1 then
  redis.call('DEL', base .. 'node:' .. node)
  note('left', nil, nil, node)
end
