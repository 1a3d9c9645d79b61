-- Hand a job back unfinished: another worker can take it at once, and no attempt counts as lost.
--
-- KEYS  1 the clock of the cell
-- ARGV  1 queue  2 id  3 lease
-- gives 1 handed back | 0 it was no longer ours
local queue, id, lease = ARGV[1], ARGV[2], ARGV[3]
pass_memory_limit()
local r = redis.call('HMGET', RECORD .. id, 'lease', 'state')
if r[1] ~= lease or is_terminal(r[2]) then return 0 end
redis.call('HSET', RECORD .. id, 'state', 'queued', 'lease', attempt_of(lease) .. ':')
redis.call('ZREM', LEASED .. queue, TAG .. id)
enqueue(queue, id, 'LPUSH')
return 1
