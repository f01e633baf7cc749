-- Tells what the server says of itself, as far as this user may ask, and the version of what is kept.

local answers = { redis.call('GET', base .. 'schema') }
for n, section in ipairs({ 'server', 'replication', 'memory', 'persistence' }) do
  local info = redis.pcall('INFO', section)
  answers[n + 1] = type(info) == 'string' and info
end
return answers
