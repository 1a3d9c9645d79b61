-- Count a request against every level of its asker, or against none: the levels are a key, a tenant, an address.
--
-- KEYS  1 the clock of the cell
-- ARGV  1 the tenant  2 what is asked as JSON: id, kind ('message' | 'read'), tokens and cost to reserve, day and month
--         (their names), levels (a list of `name` and what may be used up of it; what is absent has no limit), and where
--         the reply is to be streamed at once `stream` (its id) and `stream_lives_ms`: the place that hold.lua keeps
-- gives JSON: `refused` (level, limit, retry_ms; 0 where waiting for less than a day is of no use) or nothing; `held`, how
--         many of the tenant's replies have not been settled; `requests` and `tokens` as {most, left, reset_ms} of the
--         level that has least left
--
-- Of one level, below `hr:use:{tenant}:{level}:`:
--   requests, reads  zset    what was asked within a minute, by when
--   minute           hash    tokens by the second in which they were reserved
--   held             zset    replies that have not ended, by when they were accepted
--   waiting          set     of them, those that are not known to have begun
--   day:…, month:…   hash    messages, tokens (reserved or settled), and of settled ones prompt, completion, cost
local tenant, asked = ARGV[1], cjson.decode(ARGV[2])
local now, minute = wall_ms(), 60000
local second = math.floor(now / 1000)
local refused, requests, tokens

local function key(level, what)
  return USE .. tenant .. ':' .. level.name .. ':' .. what
end

-- What is told is what has to be waited for longest.
local function refuse(level, limit, retry_ms)
  if not refused or (refused.retry_ms > 0 and (retry_ms == 0 or retry_ms > refused.retry_ms)) then
    refused = {level = level.name, limit = limit, retry_ms = retry_ms}
  end
end

local function tightest(known, most, left, reset_ms)
  if known and known[2] <= left then return known end
  return {most, left, reset_ms}
end

local function look_at_requests(level, what, most)
  local all = key(level, what)
  redis.call('ZREMRANGEBYSCORE', all, '-inf', now - minute)
  local count = redis.call('ZCARD', all)
  local oldest = redis.call('ZRANGE', all, 0, 0, 'WITHSCORES')[2]
  local reset_ms = math.max(1, (tonumber(oldest) or now) + minute - now)
  if count >= most then refuse(level, what, reset_ms) end
  requests = tightest(requests, most, math.max(0, most - count - 1), reset_ms)
end

local function look_at_minute(level, most)
  local all, used, seconds = redis.call('HGETALL', key(level, 'minute')), 0, {}
  for i = 1, #all, 2 do
    local at, count = tonumber(all[i]), tonumber(all[i + 1])
    if at <= second - 60 then
      redis.call('HDEL', key(level, 'minute'), all[i])
    else
      used = used + count
      seconds[#seconds + 1] = {at, count}
    end
  end
  table.sort(seconds, function(a, b) return a[1] < b[1] end)
  local reset_ms = seconds[1] and math.max(1, (seconds[1][1] + 60) * 1000 - now) or minute
  if used + asked.tokens > most then
    local free, wait_ms = most - used, minute
    for _, one in ipairs(seconds) do
      free = free + one[2]
      if free >= asked.tokens then
        wait_ms = math.max(1, (one[1] + 60) * 1000 - now)
        break
      end
    end
    refuse(level, 'tokens', wait_ms)
  end
  tokens = tightest(tokens, most, math.max(0, most - used - asked.tokens), reset_ms)
end

local function look_at_budget(level, limit, what, field, most, adds)
  if not most then return end
  local used = tonumber(redis.call('HGET', key(level, what), field)) or 0
  if used + adds > most then refuse(level, limit, 0) end
end

local message = asked.kind == 'message'
local day, month = 'day:' .. asked.day, 'month:' .. asked.month
for _, level in ipairs(asked.levels) do
  if not message then
    if level.requests then look_at_requests(level, 'reads', level.requests) end
  else
    if level.requests then look_at_requests(level, 'requests', level.requests) end
    if level.concurrent and redis.call('ZCARD', key(level, 'held')) >= level.concurrent then
      refuse(level, 'concurrent', 1000)
    end
    if level.queued and redis.call('SCARD', key(level, 'waiting')) >= level.queued then
      refuse(level, 'queued', 1000)
    end
    if asked.stream and level.streams then
      redis.call('ZREMRANGEBYSCORE', key(level, 'streams'), '-inf', now)
      if redis.call('ZCARD', key(level, 'streams')) >= level.streams then refuse(level, 'streams', 1000) end
    end
    if level.tokens then look_at_minute(level, level.tokens) end
    look_at_budget(level, 'tokens_day', day, 'tokens', level.tokens_day, asked.tokens)
    look_at_budget(level, 'tokens_month', month, 'tokens', level.tokens_month, asked.tokens)
    -- Whoever has any money left may ask: what a reply costs is known once it has ended.
    look_at_budget(level, 'cost_day', day, 'cost', level.cost_day, 1)
    look_at_budget(level, 'cost_month', month, 'cost', level.cost_month, 1)
  end
end

if not refused then
  local names = {}
  for _, level in ipairs(asked.levels) do
    names[#names + 1] = level.name
    if level.requests then
      local all = key(level, message and 'requests' or 'reads')
      redis.call('ZADD', all, now, asked.id)
      redis.call('PEXPIRE', all, minute)
    end
    if message then
      redis.call('ZADD', key(level, 'held'), now, asked.id)
      redis.call('PEXPIRE', key(level, 'held'), GENERATION_TTL_MS * 2)
      redis.call('SADD', key(level, 'waiting'), asked.id)
      redis.call('PEXPIRE', key(level, 'waiting'), GENERATION_TTL_MS * 2)
      if asked.stream and level.streams then
        redis.call('ZADD', key(level, 'streams'), now + asked.stream_lives_ms, asked.stream)
        redis.call('PEXPIRE', key(level, 'streams'), asked.stream_lives_ms)
      end
      if level.tokens then
        redis.call('HINCRBY', key(level, 'minute'), second, asked.tokens)
        redis.call('PEXPIRE', key(level, 'minute'), minute)
      end
      for what, lives_ms in pairs({[day] = 3 * 86400000, [month] = 93 * 86400000}) do
        redis.call('HINCRBY', key(level, what), 'messages', 1)
        redis.call('HINCRBY', key(level, what), 'tokens', asked.tokens)
        redis.call('PEXPIRE', key(level, what), lives_ms)
      end
    end
  end
  if message then
    redis.call('HSET', HELD .. tenant, asked.id, cjson.encode({
      levels = names, tokens = asked.tokens, second = second, day = day, month = month, at = now,
    }))
    redis.call('PEXPIRE', HELD .. tenant, GENERATION_TTL_MS * 2)
  end
end
return cjson.encode({
  refused = refused or nil, held = redis.call('HLEN', HELD .. tenant), requests = requests, tokens = tokens,
})
