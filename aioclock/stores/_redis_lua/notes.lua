-- Tells entries of the sequence of events.

local after, limit = take(), take()
return redis.call('XRANGE', base .. 'notes', after .. '-1', '+', 'COUNT', limit)
