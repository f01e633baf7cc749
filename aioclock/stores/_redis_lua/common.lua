-- What every script begins with. All keys begin with KEYS[1], whose hash tag puts them into one slot of a cluster.
-- Whole numbers stay text: ticks of far centuries and the cursor EXHAUSTED are more than a double holds exactly.

local EXHAUSTED = '4611686018427387904'
local FAILURES = { failed = true, timed_out = true, lost = true }
local TASK_FIELDS = {
  'anchor', 'cursor', 'fence', 'generation', 'fired', 'paused', 'note', 'override', 'fingerprint', 'last_success',
  'failures', 'holder', 'held_until', 'changed_at',
}
local RUN_FIELDS = {
  'task_key', 'kind', 'tick', 'attempt', 'fence', 'claim_id', 'state', 'owner', 'lease_until', 'on_lost',
  'cancel_requested', 'covers_from', 'missed', 'created', 'started', 'finished', 'reason', 'error_type',
  'error_message', 'error_traceback', 'output', 'previous_success',
}

local base = KEYS[1] .. ':'
local time = redis.call('TIME')
local now = time[1] .. string.format('%06d', time[2])

-- Exact for what is counted and for times of the present.
local function plus(number, more)
  return string.format('%.0f', tonumber(number) + tonumber(more))
end

local function less(one, other)
  if #one < 16 and #other < 16 then return tonumber(one) < tonumber(other) end
  local negative = one:sub(1, 1) == '-'
  if negative ~= (other:sub(1, 1) == '-') then return negative end
  if negative then one, other = other:sub(2), one:sub(2) end
  if #one ~= #other then return #one < #other end
  return one < other
end

local function later(one, other)
  return less(one, other) and other or one
end

-- Arguments are taken one after the other; one that is left out is '', and other texts that may be left out are marked.
local taken = 0

local function take()
  taken = taken + 1
  return ARGV[taken]
end

local function take_text()
  local text = take()
  return text ~= '' and text:sub(2)
end

local function take_number()
  local number = take()
  return number ~= '' and number
end

local function take_list()
  local list = {}
  for n = 1, tonumber(take()) do list[n] = take() end
  return list
end

local function set_of(list)
  local set = {}
  for _, member in ipairs(list) do set[member] = true end
  return set
end

-- Tasks and runs are hashes; a field that is None is not there, and false in Lua.
local function read(hash, fields)
  local values = redis.call('HMGET', hash, unpack(fields))
  if not values[1] then return nil end
  local found = {}
  for n, field in ipairs(fields) do found[field] = values[n] end
  return found
end

local function write(hash, present, changes)
  local set, gone = {}, {}
  for field, value in pairs(changes) do
    present[field] = value
    if value then
      set[#set + 1] = field
      set[#set + 1] = value
    else
      gone[#gone + 1] = field
    end
  end
  -- First what a server without memory refuses: nothing has been changed then.
  if #set > 0 then redis.call('HSET', hash, unpack(set)) end
  if #gone > 0 then redis.call('HDEL', hash, unpack(gone)) end
end

-- A task or a run is told as one text, for many small ones take the client long to read: first the length of each value,
-- - for one that is not there, then a line feed and the values.
local function told(name, present, fields)
  local lengths, values = { #name }, { name }
  for n, field in ipairs(fields) do
    local value = present[field]
    lengths[n + 1] = value and #value or '-'
    if value then values[#values + 1] = value end
  end
  return table.concat(lengths, ' ') .. '\n' .. table.concat(values)
end

local function task_of(key)
  local task = read(base .. 'task:' .. key, TASK_FIELDS)
  if task then task.key = key end
  return task
end

local function write_task(task, changes)
  write(base .. 'task:' .. task.key, task, changes)
  if changes.changed_at then redis.call('ZADD', base .. 'tasks', changes.changed_at, task.key) end
  if changes.holder then
    redis.call('SADD', base .. 'held', task.key)
  elseif changes.holder == false then
    redis.call('SREM', base .. 'held', task.key)
  end
end

local function told_task(task)
  return task and told(task.key, task, TASK_FIELDS) or false
end

local function note(kind, task_key, run_id, node, text)
  local entry = { 'at', now, 'kind', kind }
  for field, value in pairs({ task_key = task_key, run_id = run_id, node = node, text = text }) do
    if value then
      entry[#entry + 1] = field
      entry[#entry + 1] = value
    end
  end
  redis.call('XADD', base .. 'notes', redis.call('INCR', base .. 'sequence') .. '-0', unpack(entry))
end

-- The schedule of *task* was changed.
local function begin_anew(task, changes)
  local before = plus(now, -1)
  changes.anchor, changes.changed_at, changes.fired = now, now, '0'
  changes.cursor = task.cursor == EXHAUSTED and before or later(task.cursor, before)
  changes.generation = plus(task.generation, 1)
  write_task(task, changes)
end
