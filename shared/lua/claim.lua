-- Take due jobs: lease each, and raise its attempt, which fences whoever had it before.
--
-- ARGV  1 queue  2 how many at most  3 lease in ms  4 the worker's nonce
--       5 '' to take whatever is due; else only what was queued at most this many ms ago: what is older
--         may be another worker's, whose lease lapsed, or whose claim was lost, while the broker was away
-- gives for each: id, lease, log length, then the record as a flat list of names and values
local queue, limit, lease_ms, nonce, newest_ms = QUEUE .. ARGV[1], tonumber(ARGV[2]), ARGV[3], ARGV[4], tonumber(ARGV[5])
pass_memory_limit()
local now = now_ms()
local claimed = {}
for _, id in ipairs(redis.call('ZRANGEBYSCORE', queue, '-inf', now, 'LIMIT', 0, newest_ms and 1000 or limit)) do
  if #claimed == limit then break end
  local r = redis.call('HMGET', RECORD .. id, 'state', 'attempt', 'queued_ms')
  if not r[1] or is_terminal(r[1]) then
    redis.call('ZREM', queue, id)
    redis.call('DEL', JOB .. id)
  elseif not newest_ms or (r[1] == 'queued' and now - (tonumber(r[3]) or 0) <= newest_ms) then
    local attempt = tonumber(r[2]) or 0
    local top = redis.call('XREVRANGE', LOG .. id, '+', '-', 'COUNT', 1)[1]
    if top then attempt = math.max(attempt, tonumber(string.match(top[1], '^%d+'))) end
    attempt = attempt + 1
    local lease = attempt .. ':' .. nonce
    if r[1] == 'running' then redis.call('HINCRBY', RECORD .. id, 'lost', 1) end
    redis.call('HSET', RECORD .. id, 'state', 'running', 'attempt', attempt, 'lease', lease)
    redis.call('HSETNX', RECORD .. id, 'started_ms', now)
    redis.call('ZADD', queue, now + lease_ms, id)
    claimed[#claimed + 1] = {id, lease, redis.call('XLEN', LOG .. id), redis.call('HGETALL', RECORD .. id)}
  end
end
return claimed
