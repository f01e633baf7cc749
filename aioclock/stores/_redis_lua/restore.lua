-- Writes tasks as given.

local function forget_task(key)
  for _, id in ipairs(redis.call('ZRANGE', base .. 'history:' .. key, 0, -1)) do forget_run(run_of(id)) end
  redis.call('DEL', base .. 'task:' .. key)
  redis.call('ZREM', base .. 'tasks', key)
  redis.call('SREM', base .. 'held', key)
end

local function forget_others(kept)
  for _, key in ipairs(redis.call('ZRANGE', base .. 'tasks', 0, -1)) do
    if not kept[key] then forget_task(key) end
  end
end

local function take_task()
  return take(), {
    anchor = take(), cursor = take(), fence = take(), generation = take(), fired = take(), paused = take_number(),
    note = take_text(), override = take_text(), fingerprint = take(), last_success = take_number(), failures = take(),
    holder = false, held_until = '0', changed_at = now,
  }
end

local function restore(key, given)
  local task = task_of(key)
  if task then
    given.cursor = later(given.cursor, task.cursor)
    given.fence = later(given.fence, task.fence)
    given.generation = plus(later(given.generation, task.generation), 1)
  end
  write_task(task or { key = key }, given)
  note('restored', key)
end

local replaces, tasks, kept = take_number(), {}, {}
for n = 1, tonumber(take()) do
  local key, given = take_task()
  tasks[n], kept[key] = { key, given }, true
end
if replaces then forget_others(kept) end
for _, task in ipairs(tasks) do restore(unpack(task)) end
