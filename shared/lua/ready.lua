-- Do once what accepting and answering a message does, and leave nothing behind.
--
-- KEYS  1 the clock of the cell
-- ARGV  1 '' for who accepts messages, which a full broker refuses; else it is let pass
-- gives now, in ms
if ARGV[1] ~= '' then pass_memory_limit() end
redis.call(PUBLISH, LIVE .. 'ready', '')
redis.call(PUBLISH, CANCEL, 'ready user')
local keys = {RECORD .. 'ready', LOG .. 'ready', QUEUE .. 'ready', NEXT .. 'ready', JOB .. 'ready'}
redis.call('SET', JOB .. 'ready', '1', 'PX', 1000)
redis.call('HSET', RECORD .. 'ready', 'state', 'done')
redis.call('PEXPIRE', RECORD .. 'ready', 1000)
redis.call('XADD', LOG .. 'ready', '1-0', 'e', '')
redis.call('PEXPIRE', LOG .. 'ready', 1000)
redis.call('ZADD', QUEUE .. 'ready', 1, 'ready')
redis.call('PEXPIRE', QUEUE .. 'ready', 1000)
redis.call('RPUSH', NEXT .. 'ready', 'ready')
redis.call('PEXPIRE', NEXT .. 'ready', 1000)
redis.call('HGETALL', RECORD .. 'ready')
redis.call('XRANGE', LOG .. 'ready', '-', '+')
redis.call('DEL', unpack(keys))
return now_ms()
