-- Changes tasks as `Change` tells.

local function pause(task, paused, why)
  local changes = { paused = paused == '1' and '1', note = paused == '1' and why, changed_at = now }
  if task.paused and paused ~= '1' then changes.cursor = later(task.cursor, plus(now, -1)) end
  write_task(task, changes)
end

local function kinds_of(change)
  local kinds = {}
  if change.paused then kinds[1] = change.paused == '1' and 'paused' or 'resumed' end
  if change.override then kinds[#kinds + 1] = 'rescheduled' end
  if change.cancel then kinds[#kinds + 1] = 'cancelled' end
  if change.exhausted then kinds[#kinds + 1] = 'exhausted' end
  return kinds
end

local function take_change()
  return {
    key = take(), paused = take_number(), note = take_text(), override = take_text(), cancel = take_number(),
    exhausted = take_number(), by = take_number(),
  }
end

local function apply(change)
  local task = task_of(change.key)
  if not task then return false end
  if change.override then begin_anew(task, { override = change.override ~= '' and change.override }) end
  if change.paused then pause(task, change.paused, change.note) end
  if change.exhausted then
    write_task(task, { cursor = EXHAUSTED, holder = false, held_until = '0', changed_at = now })
  end
  if change.cancel then ask_to_end(change.key, 'cancelled', false) end
  for _, kind in ipairs(kinds_of(change)) do note(kind, change.key, nil, change.by, change.note) end
  return told_task(task)
end

local answers = {}
for n = 1, tonumber(take()) do answers[n] = apply(take_change()) end
return answers
