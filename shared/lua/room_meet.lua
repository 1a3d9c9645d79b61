-- Who is in a room: some of this gateway's are there for a while longer, some have left, and those that no gateway
-- renews are gone. Their coming and going is said in the log. One gateway with members there carries the reply
-- over from its log into the room's; which, and for half as long, is decided here.
--
-- KEYS  1 the clock of the cell
-- ARGV  1 room, 2 gateway, 3 for how long in ms, 4 ttl_ms, 5 most entries, 6 how many of the following are there; then for
--       each who is there, and each who left: id, its `user_joined` and its `user_left` as JSON, by what its id is held ('' where anybody may have it)
-- gives {1 if this gateway carries, the number of the room's last entry or -1 without a room, which life of the room it is,
--        each member's `user_joined`, …}
local room, gateway, lease, ttl, most, here = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4], ARGV[5], tonumber(ARGV[6])
local key, members = ROOM .. room, ROOM_MEMBERS .. room
if redis.call('EXISTS', key) == 0 then return {0, -1, ''} end
local now = now_ms()

local function say(entry)
  local n = redis.call('HINCRBY', key, 'top', 1)
  redis.call('XADD', ROOM_LOG .. room, 'MAXLEN', '~', most, '1-' .. n, 'e', entry)
  redis.call(PUBLISH, LIVE .. room, '1-' .. n .. ' ' .. entry)
end

-- How many gateways have that member.
local function places(id)
  local count = 0
  for _, place in ipairs(redis.call('ZRANGE', members, 0, -1)) do
    if string.match(place, ' (.*)$') == id then count = count + 1 end
  end
  return count
end

local function leave(place, id)
  if redis.call('ZREM', members, place) == 0 or places(id) > 0 then return end
  local left = redis.call('HGET', key, 'left:' .. id)
  redis.call('HDEL', key, 'joined:' .. id, 'left:' .. id, 'held:' .. id, 'named:' .. id)
  if left then say(left) end
end

for i = 7, #ARGV, 4 do
  local id, joined, left = ARGV[i], ARGV[i + 1], ARGV[i + 2]
  local place = gateway .. ' ' .. id
  if (i - 7) / 4 < here then
    local new = places(id) == 0
    redis.call('ZADD', members, now + lease, place)
    redis.call('HSET', key, 'joined:' .. id, joined, 'left:' .. id, left)
    if ARGV[i + 3] == '' then
      redis.call('HDEL', key, 'held:' .. id)
    else
      redis.call('HSET', key, 'held:' .. id, ARGV[i + 3] .. ' 0')
    end
    if new then say(joined) end
  else
    leave(place, id)
  end
end
for _, place in ipairs(redis.call('ZRANGEBYSCORE', members, '-inf', now)) do
  leave(place, string.match(place, ' (.*)$'))
end

local r = redis.call('HMGET', key, 'carrier', 'carries_until')
local carries = here > 0 and (r[1] == gateway or not r[1] or tonumber(r[2]) <= now)
if carries then
  redis.call('HSET', key, 'carrier', gateway, 'carries_until', now + lease / 2)
elseif r[1] == gateway then
  redis.call('HDEL', key, 'carrier', 'carries_until')
end
for _, name in ipairs({key, members, ROOM_LOG .. room}) do redis.call('PEXPIRE', name, ttl) end

local place = redis.call('HMGET', key, 'top', 'life')
local answer, seen = {carries and 1 or 0, tonumber(place[1]), place[2] or ''}, {}
for _, place in ipairs(redis.call('ZRANGE', members, 0, -1)) do
  local id = string.match(place, ' (.*)$')
  if not seen[id] then
    seen[id] = true
    answer[#answer + 1] = redis.call('HGET', key, 'joined:' .. id)
  end
end
return answer
