-- Take one generation whose end is to be told now, or say that one has been told.
--
-- KEYS  1 the clock of the cell
-- ARGV  1 'take' | 'told'  2 the id, of 'told'; of 'take' the wait before the second try in ms  3 the longest in ms
-- gives of 'take' {id, tries so far, this one among them} | nil where none is due; its next try is written in the
-- same step, so that whoever dies in this one loses nothing. One whose record has expired is let go.
if ARGV[1] == 'told' then return redis.call('ZREM', HOOKS, ARGV[2]) end
pass_memory_limit()
local now = now_ms()
while true do
  local id = redis.call('ZRANGEBYSCORE', HOOKS, '-inf', now, 'LIMIT', 0, 1)[1]
  if not id then return nil end
  if redis.call('EXISTS', RECORD .. id) == 1 then
    local tries = redis.call('HINCRBY', RECORD .. id, 'told', 1)
    local wait = math.min(tonumber(ARGV[3]), tonumber(ARGV[2]) * 2 ^ math.min(tries - 1, 30))
    redis.call('ZADD', HOOKS, now + wait, id)
    redis.call('PEXPIRE', HOOKS, RECORD_TTL_MS)
    return {id, tries}
  end
  redis.call('ZREM', HOOKS, id)
end
