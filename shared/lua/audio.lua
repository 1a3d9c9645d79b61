-- Keep pieces of a speech's sound. It does not pass the memory limit: what is written may go on, sound waits.
--
-- KEYS  1 the clock of the cell
-- ARGV  1 id  2 lease  3 number of the first piece, of those of this attempt from 1, then the pieces
-- gives status ('ok' | 'fenced' | 'short': pieces before the first are missing | 'missing': so is the record),
--   and how many pieces of this attempt there are
local id, lease, first = ARGV[1], ARGV[2], tonumber(ARGV[3])
local key, attempt, count = AUDIO .. id, attempt_of(lease), 0
local top = redis.call('XREVRANGE', key, '+', '-', 'COUNT', 1)[1]
if top then
  local of, number = string.match(top[1], '^(%d+)-(%d+)$')
  if tonumber(of) == attempt then count = tonumber(number) end
end
local record = redis.call('HMGET', RECORD .. id, 'lease', 'state')
if not record[2] then return {'missing', count} end
if not holds(id, lease, record[1], record[2]) then return {'fenced', count} end
if count < first - 1 then return {'short', count} end
for i = 4 + count - (first - 1), #ARGV do
  count = count + 1
  redis.call('XADD', key, attempt .. '-' .. count, 'e', ARGV[i])
end
redis.call('PEXPIRE', key, AUDIO_TTL_MS)
return {'ok', count}
