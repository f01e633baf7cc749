-- Makes tasks known.

local function register(key, fingerprint, by)
  local task = task_of(key)
  if not task then
    task = { key = key }
    write_task(task, {
      anchor = now, cursor = plus(now, -1), fence = '0', generation = '0', fired = '0', fingerprint = fingerprint,
      failures = '0', held_until = '0', changed_at = now,
    })
    note('registered', key, nil, by)
  elseif task.fingerprint ~= fingerprint then
    begin_anew(task, { override = false, fingerprint = fingerprint })
    note('edited', key, nil, by)
  end
  return told_task(task)
end

local by, answers = take(), {}
for n = 1, tonumber(take()) do answers[n] = register(take(), take(), by) end
return answers
