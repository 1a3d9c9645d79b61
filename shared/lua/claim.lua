-- Take due jobs: lease each, and raise its attempt, which fences whoever had it before.
--
-- KEYS  1 the clock of the cell
-- ARGV  1 queue  2 how many at most  3 lease in ms  4 the worker's nonce
--       5 '' to take whatever is due; else only what was queued at most this many ms ago: what is older
--         may be another worker's, whose lease lapsed, or whose claim was lost, while the broker was away
--       6 how many at most that have lost all workers but one: one of them may be what kills workers, and
--         the others must not be beside it when it does
-- gives what was claimed: for each id, lease, log length, ms since it was queued, ms since it was first claimed,
--   then the record as a flat list of names and values; and the ids of those due whose record or log is another
--   kind of key: they stay as they are, and hold up nobody else
local queue, limit, lease_ms, nonce, newest_ms = QUEUE .. ARGV[1], tonumber(ARGV[2]), ARGV[3], ARGV[4], tonumber(ARGV[5])
local suspects = tonumber(ARGV[6])
pass_memory_limit()
local now = now_ms()
local claimed, broken = {}, {}

local function claim(id, r, top)
  local attempt = tonumber(r[2]) or 0
  if top then attempt = math.max(attempt, tonumber(string.match(top[1], '^%d+'))) end
  attempt = attempt + 1
  local lease = attempt .. ':' .. nonce
  if r[1] == 'running' then redis.call('HINCRBY', RECORD .. id, 'lost', 1) end
  redis.call('HSET', RECORD .. id, 'state', 'running', 'attempt', attempt, 'lease', lease)
  redis.call('HSETNX', RECORD .. id, 'started_ms', wall_ms())
  -- `started_ms` is for people; this is counted from.
  redis.call('HSETNX', RECORD .. id, 'begun', now)
  redis.call('ZADD', queue, now + lease_ms, TAG .. id)
  local since = redis.call('HMGET', RECORD .. id, 'queued_ms', 'begun')
  claimed[#claimed + 1] = {
    id, lease, redis.call('XLEN', LOG .. id), now - (tonumber(since[1]) or now), now - (tonumber(since[2]) or now),
    redis.call('HGETALL', RECORD .. id),
  }
end

-- Gives how many of *jobs* were left.
local function claim_from(jobs)
  local left = 0
  broken = {}
  for _, job in ipairs(jobs) do
    if #claimed == limit then break end
    local id = string.sub(job, #TAG + 1)
    local r = redis.pcall('HMGET', RECORD .. id, 'state', 'attempt', 'queued_ms', 'lost')
    local log = redis.pcall('XREVRANGE', LOG .. id, '+', '-', 'COUNT', 1)
    local lost = (tonumber(r[4]) or 0) + (r[1] == 'running' and 1 or 0)
    local suspect = lost > 0 and lost == MAX_ATTEMPTS - 1
    if r.err or log.err then
      broken[#broken + 1] = id
      left = left + 1
    elseif not r[1] or is_terminal(r[1]) then
      redis.call('ZREM', queue, job)
      redis.call('DEL', JOB .. id)
    elseif newest_ms and not (r[1] == 'queued' and now - (tonumber(r[3]) or 0) <= newest_ms) then
      left = left + 1
    elseif suspect and suspects == 0 then
      left = left + 1
    else
      if suspect then suspects = suspects - 1 end
      claim(id, r, log[1])
    end
  end
  return left
end

-- What is left may stand before what is not.
if claim_from(redis.call('ZRANGEBYSCORE', queue, '-inf', now, 'LIMIT', 0, limit)) > 0 then
  claim_from(redis.call('ZRANGEBYSCORE', queue, '-inf', now, 'LIMIT', 0, 1000))
end
return {claimed, broken}
