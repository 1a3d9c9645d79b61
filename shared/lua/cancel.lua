-- The durable intent to stop a generation, and the push that stops it now.
--
-- ARGV  1 id  2 owner, '' for any  3 reason
-- gives 'missing' | 'ended' | 'pushed' (its worker will end it) | 'unheld' (no worker has it: close it)
local id, owner, reason = ARGV[1], ARGV[2], ARGV[3]
pass_memory_limit()
local r = redis.call('HMGET', RECORD .. id, 'state', 'owner', 'queue')
if not r[1] or (owner ~= '' and r[2] ~= owner) then return 'missing' end
if is_terminal(r[1]) then return 'ended' end
redis.call('HSETNX', RECORD .. id, 'cancel', reason)
local due = tonumber(redis.call('ZSCORE', QUEUE .. r[3], id))
if r[1] == 'queued' or not due or due <= now_ms() then return 'unheld' end
redis.call('PUBLISH', CANCEL, id .. ' ' .. reason)
return 'pushed'
