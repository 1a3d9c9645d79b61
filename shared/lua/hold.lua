-- Hold a place for an open stream, or keep holding it: of each level that has a limit of them, or of none.
--
-- KEYS  1 the clock of the cell
-- ARGV  1 the tenant  2 the stream's id  3 for how long in ms  4 'open' | 'keep' | 'close', then of each level: name, most
-- gives '' or the name of the level that has no place
local tenant, id, lives_ms, step = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4]
local now = wall_ms()
for i = 5, #ARGV, 2 do
  local all = USE .. tenant .. ':' .. ARGV[i] .. ':streams'
  redis.call('ZREMRANGEBYSCORE', all, '-inf', now)
  if step == 'open' and redis.call('ZCARD', all) >= tonumber(ARGV[i + 1]) then return ARGV[i] end
end
for i = 5, #ARGV, 2 do
  local all = USE .. tenant .. ':' .. ARGV[i] .. ':streams'
  if step == 'close' then
    redis.call('ZREM', all, id)
  else
    redis.call('ZADD', all, now + lives_ms, id)
    redis.call('PEXPIRE', all, lives_ms)
  end
end
return ''
