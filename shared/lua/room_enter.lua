-- Let somebody go by an id in a room: one that nobody else goes by who is there, or has just come in.
--
-- KEYS  1 the clock of the cell
-- ARGV  1 room, 2 for how many ms they may come in, 3 1 where the id is theirs whoever has it, 4 how many of the following tell
--       who it is, each; then the ids that would do, the best first, each with the name that is shown with it, and with
--       what is put after that where somebody else is called so, both folded
-- gives the id, by what it is held, and how often that is put there; nil where all are somebody else's
local room, lease, proofs = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[4])
local key = ROOM .. room
if redis.call('EXISTS', key) == 0 then return {ARGV[5 + proofs], ARGV[5], 0} end
local now, there = now_ms(), {}
for _, place in ipairs(redis.call('ZRANGEBYSCORE', ROOM_MEMBERS .. room, '(' .. now, '+inf')) do
  there[string.match(place, ' (.*)$')] = true
end

-- Who was let in and never came holds nothing any more.
local fields = redis.call('HGETALL', key)
for i = 1, #fields, 2 do
  local id = string.match(fields[i], '^held:(.*)$')
  if id and not there[id] and tonumber(string.match(fields[i + 1], ' (%d+)$')) <= now then
    redis.call('HDEL', key, fields[i])
  end
end

-- Also where the room has not been told yet that they are there.
local function is_called(name, id)
  local is_so = false
  for i = 1, #fields, 2 do
    local other = string.match(fields[i], '^named:(.*)$')
    if other and not there[other] and redis.call('HEXISTS', key, 'held:' .. other) == 0 then
      redis.call('HDEL', key, fields[i])
    elseif other and other ~= id and fields[i + 1] == name then
      is_so = true
    end
  end
  return is_so
end

for i = 5 + proofs, #ARGV, 3 do
  local held = redis.call('HGET', key, 'held:' .. ARGV[i])
  local by = held and string.match(held, '^(%S+)')
  if not by or ARGV[3] == '1' then by = ARGV[5] end
  for p = 5, 4 + proofs do
    if ARGV[p] == by then
      -- Somebody may have called themselves what another is called with a mark.
      local name, marks = ARGV[i + 1], 0
      while is_called(name, ARGV[i]) do
        name, marks = name .. ARGV[i + 2], marks + 1
      end
      redis.call('HSET', key, 'held:' .. ARGV[i], by .. ' ' .. now + lease, 'named:' .. ARGV[i], name)
      return {ARGV[i], by, marks}
    end
  end
end
return nil
