-- Write into a room's log, each thing once: a message by its sender's id, a piece of a reply by its position.
--
-- KEYS  1 the clock of the cell
-- ARGV  1 room, 2 ttl_ms, 3 most entries, 4 the generation that says it or '', then for each entry:
--       its JSON; its position in that generation, or a message's own id and the digest of what it says, or ''; 'asks', 'ends',
--       'fleeting' or ''
-- gives the room's last entry's number, and how many were written; -1 without a room, -2 where too many wait for an answer,
--       -3 where another message had that id
local room, ttl, most, generation = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local key = ROOM .. room
if redis.call('EXISTS', key) == 0 then return {-1, 0} end
local written = 0
for i = 5, #ARGV, 3 do
  local entry, once, flag = ARGV[i], ARGV[i + 1], ARGV[i + 2]
  local new = true
  if flag == 'fleeting' then
    redis.call(PUBLISH, LIVE .. room, '- ' .. entry)
    new = false
  elseif generation ~= '' then
    local r = redis.call('HMGET', key, 'active', 'said')
    local attempt, seq = string.match(once, '^(%d+)%-(%d+)$')
    local said_attempt, said_seq = string.match(r[2] or '0-0', '^(%d+)%-(%d+)$')
    attempt, seq, said_attempt, said_seq = tonumber(attempt), tonumber(seq), tonumber(said_attempt), tonumber(said_seq)
    new = r[1] == generation and (attempt > said_attempt or (attempt == said_attempt and seq > said_seq))
    if new then redis.call('HSET', key, 'said', once) end
  elseif flag == 'asks' and tonumber(redis.call('HGET', key, 'waiting') or 0) >= MAX_ROOM_WAITING then
    return {-2, written}
  elseif once ~= '' then
    local name, digest = string.match(once, '^(%S+) ?(.*)$')
    new = redis.call('SET', ROOM_ONCE .. room .. ':' .. name, digest, 'NX', 'PX', ttl) and true or false
    if not new and redis.call('GET', ROOM_ONCE .. room .. ':' .. name) ~= digest then return {-3, written} end
  end
  if new then
    local n = redis.call('HINCRBY', key, 'top', 1)
    redis.call('XADD', ROOM_LOG .. room, 'MAXLEN', '~', most, '1-' .. n, 'e', entry)
    if flag == 'asks' then
      redis.call('HSET', key, 'pending', n)
      redis.call('HINCRBY', key, 'waiting', 1)
    end
    if flag == 'ends' then redis.call('HDEL', key, 'active', 'said', 'from') end
    redis.call(PUBLISH, LIVE .. room, '1-' .. n .. ' ' .. entry)
    written = written + 1
  end
end
redis.call('PEXPIRE', key, ttl)
redis.call('PEXPIRE', ROOM_LOG .. room, ttl)
return {tonumber(redis.call('HGET', key, 'top')), written}
