-- Take due jobs: lease each, and raise its attempt, which fences whoever had it before.
--
-- KEYS  1 the clock of the cell
-- ARGV  1 queue  2 how many at most  3 lease in ms  4 the worker's nonce
--       5 '' to take whatever is due; else only what was queued at most this many ms ago: what is older
--         may be another worker's, whose lease lapsed, or whose claim was lost, while the broker was away
--       6 how many at most that have lost all workers but one: one of them may be what kills workers, and
--         the others must not be beside it when it does
-- Whose lease ran out has had its turn, and comes first. Of those that wait, tenants take turns by what they have had
-- over their weight, then a tenant's users; whoever waits in the background comes after all others. What stands in no
-- line, because an older version has accepted it, is taken by its age once no line is left.
-- gives what was claimed: for each id, lease, log length, ms since it was queued, ms since it was first claimed,
--   whether a worker was lost on it, then the record as a flat list of names and values; and the ids of those due whose record or log is another
--   kind of key: they stay as they are, and hold up nobody else
local name, queue, limit, lease_ms, nonce, newest_ms = ARGV[1], QUEUE .. ARGV[1], tonumber(ARGV[2]), ARGV[3], ARGV[4], tonumber(ARGV[5])
local suspects = tonumber(ARGV[6])
pass_memory_limit()
local now = now_ms()
local claimed, broken, known = {}, {}, {}

local function claim(id, r, top)
  local attempt = tonumber(r[2]) or 0
  if top then attempt = math.max(attempt, tonumber(string.match(top[1], '^%d+'))) end
  local lost = r[1] == 'running'
  -- Readers may have more than this broker: see worker/torn.py. The last claim may be lost as well, and its number must not
  -- be given twice.
  local torn = lost and r[5] and r[5] ~= server()
  attempt = attempt + 1 + (torn and MAX_ATTEMPTS or 0)
  local held = attempt .. ':' .. nonce
  if lost then redis.call('HINCRBY', RECORD .. id, 'lost', 1) end
  redis.call('HSET', RECORD .. id, 'state', 'running', 'attempt', attempt, 'lease', held, 'server', server())
  if torn then redis.call('HSET', RECORD .. id, 'torn', attempt) end
  redis.call('HSETNX', RECORD .. id, 'started_ms', wall_ms())
  -- `started_ms` is for people; this is counted from.
  redis.call('HSETNX', RECORD .. id, 'begun', now)
  give_lease(name, id, now + lease_ms)
  local since = redis.call('HMGET', RECORD .. id, 'queued_ms', 'begun')
  claimed[#claimed + 1] = {
    id, held, redis.call('XLEN', LOG .. id), now - (tonumber(since[1]) or now), now - (tonumber(since[2]) or now),
    lost and 1 or 0, redis.call('HGETALL', RECORD .. id),
  }
end

-- Gives how many of *jobs* were left.
local function claim_from(jobs)
  local left = 0
  for _, job in ipairs(jobs) do
    if #claimed == limit then break end
    local id = string.sub(job, #TAG + 1)
    local r = redis.pcall('HMGET', RECORD .. id, 'state', 'attempt', 'queued_ms', 'lost', 'server')
    local log = redis.pcall('XREVRANGE', LOG .. id, '+', '-', 'COUNT', 1)
    local lost = (tonumber(r[4]) or 0) + (r[1] == 'running' and 1 or 0)
    local suspect = lost > 0 and lost == MAX_ATTEMPTS - 1
    if r.err or log.err then
      if not known[id] then broken[#broken + 1] = id end
      known[id] = true
      left = left + 1
    elseif not r[1] or is_terminal(r[1]) then
      redis.call('ZREM', queue, job)
      redis.call('ZREM', LEASED .. name, job)
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

local function claim_lapsed()
  for _, job in ipairs(redis.call('ZRANGEBYSCORE', LEASED .. name, '-inf', now, 'LIMIT', 0, limit + 100)) do
    local due = tonumber(redis.call('ZSCORE', queue, job))
    if not due then
      redis.call('ZREM', LEASED .. name, job)
    elseif due > now then
      redis.call('ZADD', LEASED .. name, due, job)
    else
      claim_from({job})
    end
  end
end

-- What an older version has accepted stands in no line, and what an older worker had is not among the leased: lest a
-- backlog hold it up for ever, what has waited longest is looked at.
local function look_at_oldest()
  local job = redis.call('ZRANGEBYSCORE', queue, '-inf', now, 'LIMIT', 0, 1)[1]
  if not job or #claimed == limit then return end
  local id = string.sub(job, #TAG + 1)
  local state = redis.pcall('HGET', RECORD .. id, 'state')
  if state == 'running' then
    claim_from({job})
  elseif state == 'queued' then
    local class, tenant, owner = line_of(id)
    if not redis.call('LPOS', line_in(name, class, tenant, owner), id) then stand_in_line(name, id, 'LPUSH') end
  end
end

local function take_turns(class)
  local turns, back = turns_in(name, class), {}
  while #claimed < limit do
    local tenant = redis.call('ZRANGE', turns, 0, 0)[1]
    if not tenant then break end
    local users = users_in(name, class, tenant)
    local owner = redis.call('ZRANGE', users, 0, 0)[1]
    local line = owner and line_in(name, class, tenant, owner)
    local id = line and redis.call('LPOP', line)
    if not owner then
      redis.call('ZREM', turns, tenant)
    elseif not id then
      redis.call('ZREM', users, owner)
    else
      local before, state = #claimed, redis.pcall('HGET', RECORD .. id, 'state')
      if state == 'queued' or type(state) == 'table' then
        claim_from({TAG .. id})
        if #claimed == before and redis.call('ZSCORE', queue, TAG .. id) then back[#back + 1] = {line, id, tenant, owner} end
      end
      if #claimed > before then
        local _, _, _, weight = line_of(id)
        redis.call('ZINCRBY', turns, 1 / weight, tenant)
        redis.call('ZINCRBY', users, 1, owner)
      end
    end
  end
  -- What cannot be taken just now stays where it was.
  for i = #back, 1, -1 do
    redis.call('LPUSH', back[i][1], back[i][2])
    redis.call('PEXPIRE', back[i][1], GENERATION_TTL_MS)
    join(users_in(name, class, back[i][3]), back[i][4])
    join(turns, back[i][3])
  end
end

-- How long one turn takes while there are others waiting, so that who comes can be told how long it would wait.
local function keep_pace(turns)
  if turns == 0 then return end
  local pace = redis.call('HMGET', PACE .. name, 'at', 'ms', 'left')
  local left = redis.call('ZCOUNT', queue, '-inf', now)
  if left == 0 and not pace[3] then return end
  if (tonumber(pace[3]) or 0) > 0 then
    local took = math.min(60000, now - tonumber(pace[1])) / turns
    local ms = tonumber(pace[2])
    redis.call('HSET', PACE .. name, 'ms', ms and ms * 0.8 + took * 0.2 or took)
  end
  if left == 0 then
    redis.call('HDEL', PACE .. name, 'left')
    return
  end
  redis.call('HSET', PACE .. name, 'at', now, 'left', left)
  redis.call('PEXPIRE', PACE .. name, 60000)
end

if not newest_ms then
  claim_lapsed()
  look_at_oldest()
  local lapsed = #claimed
  take_turns('interactive')
  take_turns('background')
  keep_pace(#claimed - lapsed)
  if #claimed == limit then return {claimed, broken} end
end
-- What is left may stand before what is not.
if claim_from(redis.call('ZRANGEBYSCORE', queue, '-inf', now, 'LIMIT', 0, limit)) > 0 then
  claim_from(redis.call('ZRANGEBYSCORE', queue, '-inf', now, 'LIMIT', 0, 1000))
end
return {claimed, broken}
