-- Tells the keys of all tasks.

return redis.call('ZRANGE', base .. 'tasks', 0, -1)
