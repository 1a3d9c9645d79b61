-- Make a room, unless it is there.
--
-- KEYS  1 the clock of the cell
-- ARGV  1 room, 2 ttl_ms, then its fields and their values
-- gives all its fields as they are now, and as the last whether it is new
local room, ttl = ROOM .. ARGV[1], ARGV[2]
local new = redis.call('EXISTS', room) == 0
if new then
  redis.call('HSET', room, 'top', 0, 'pending', 0, 'answered', 0, 'life', wall_ms())
  redis.call('DEL', ROOM_LOG .. ARGV[1], ROOM_MEMBERS .. ARGV[1])
  for i = 3, #ARGV, 2 do redis.call('HSET', room, ARGV[i], ARGV[i + 1]) end
end
redis.call('PEXPIRE', room, ttl)
return {redis.call('HGETALL', room), new and 1 or 0}
