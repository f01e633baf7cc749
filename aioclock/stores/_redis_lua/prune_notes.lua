-- Forgets entries and processes from before a time; entries: so many as one call may look at. Returns where to go on.

local from, look_at, before = take(), tonumber(take()), take()

local function at(fields)
  for n = 1, #fields, 2 do
    if fields[n] == 'at' then return fields[n + 1] end
  end
end

local entries = redis.call('XRANGE', base .. 'notes', from, '+', 'COUNT', look_at)
for _, entry in ipairs(entries) do
  if less(at(entry[2]), before) then redis.call('XDEL', base .. 'notes', entry[1]) end
end
for _, node in ipairs(redis.call('ZRANGEBYSCORE', base .. 'nodes', '-inf', '(' .. before)) do
  redis.call('DEL', base .. 'node:' .. node)
  redis.call('ZREM', base .. 'nodes', node)
end
return { #entries == look_at and (entries[#entries][1]:gsub('%-0$', '-1')), {} }
