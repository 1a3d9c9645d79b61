-- Let go of all that was said in a room, in its log and in the conversation that the model remembers. Its reply under way ends
-- with it, and what waited for one is answered no more.
--
-- KEYS  1 the clock of the cell
-- ARGV  1 room, 2 ttl_ms, 3 owner and 4 name of its conversation, 5 the entry that says so, 6 the one that ends a reply: its
--       `{id}` is that reply's, 7 terminal event and 8 closing as JSON of what is stopped before it has begun
-- gives what was stopped: id, what `stop` gave, … | nil where there is no such room
local room, ttl = ARGV[1], ARGV[2]
local key, log = ROOM .. room, ROOM_LOG .. room
pass_memory_limit()
if redis.call('EXISTS', key) == 0 then return nil end

local function say(entry)
  local n = redis.call('HINCRBY', key, 'top', 1)
  redis.call('XADD', log, '1-' .. n, 'e', entry)
  redis.call(PUBLISH, LIVE .. room, '1-' .. n .. ' ' .. entry)
  return n
end

local active = redis.call('HGET', key, 'active')
if active then say((string.gsub(ARGV[6], '{id}', active))) end
redis.call('HDEL', key, 'active', 'said', 'from', 'stopper')
local n = say(ARGV[5])
redis.call('XTRIM', log, 'MINID', '1-' .. n)
redis.call('HSET', key, 'pending', n, 'answered', n, 'waiting', 0)
redis.call('PEXPIRE', key, ttl)
redis.call('PEXPIRE', log, ttl)
return remove(ARGV[3], ARGV[4], ARGV[7], ARGV[8]) or {}
