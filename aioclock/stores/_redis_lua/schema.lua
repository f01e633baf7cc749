-- Writes down the version of what is kept.

redis.call('SET', base .. 'schema', take())
