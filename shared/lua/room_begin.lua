-- Begin the reply to what was said in a room since the last one began, unless one is under way.
--
-- KEYS  1 the clock of the cell
-- ARGV  1 room, 2 the new generation's id, 3 ttl_ms, 4 the entry that says so as JSON, 5 most entries
-- gives {generation, from, to, said}: the one under way, the entries it answers, its last position in the room's log; {} when nobody waits
local room, id, ttl = ARGV[1], ARGV[2], ARGV[3]
local key = ROOM .. room
local r = redis.call('HMGET', key, 'active', 'from', 'answered', 'pending', 'said')
if r[1] then return {r[1], r[2], r[3], r[5] or ''} end
if not r[4] or tonumber(r[4]) <= tonumber(r[3]) then return {} end
local from = tonumber(r[3]) + 1
redis.call('HSET', key, 'active', id, 'from', from, 'answered', r[4], 'waiting', 0)
local n = redis.call('HINCRBY', key, 'top', 1)
redis.call('XADD', ROOM_LOG .. room, 'MAXLEN', '~', ARGV[5], '1-' .. n, 'e', ARGV[4])
redis.call('PEXPIRE', ROOM_LOG .. room, ttl)
redis.call(PUBLISH, LIVE .. room, '1-' .. n .. ' ' .. ARGV[4])
return {id, tostring(from), r[4], ''}
