-- Take due jobs: lease each, and raise its attempt, which fences whoever had it before.
--
-- ARGV  1 queue  2 how many at most  3 lease in ms  4 the worker's nonce
--       5 '1' to take over generations whose lease ran out, '0' to leave them to their workers
-- gives for each: id, lease, log length, then the record as a flat list of names and values
local queue, limit, lease_ms, nonce, take_over = QUEUE .. ARGV[1], tonumber(ARGV[2]), ARGV[3], ARGV[4], ARGV[5] == '1'
local now = now_ms()
local claimed = {}
for _, id in ipairs(redis.call('ZRANGEBYSCORE', queue, '-inf', now, 'LIMIT', 0, take_over and limit or 1000)) do
  if #claimed == limit then break end
  local r = redis.call('HMGET', RECORD .. id, 'state', 'attempt')
  if not r[1] or is_terminal(r[1]) then
    redis.call('ZREM', queue, id)
    redis.call('DEL', JOB .. id, RETRY .. id)
  elseif take_over or r[1] == 'queued' then
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
