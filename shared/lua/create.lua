-- Accept a generation: its record, its place in the conversation and its job, in one step.
--
-- KEYS  1 the clock of the cell
-- ARGV  1 what to create as JSON: id, owner, conversation, on_busy, idempotency, digest, queue,
--         max_queued, title, idempotency_ttl_ms, settings (of the conversation, as JSON), record (a map of fields; its `replaces` names a turn
--         of this conversation, its `continues` the reply that is to be its last message)
--       2 the arq job payload  3 terminal event and  4 closing as JSON of what is interrupted before it has begun
--       its `max_wait_ms` is how long it may have to wait for its turn, as far as anybody can tell; 0 for any time
-- gives {'overloaded', ms that it would have to wait too long} | {'created', 1 if its conversation is new, else 0, the hashes of its blobs} | {'waiting', what was interrupted: id, what `stop` gave, …} | {'known', '<id> <digest>'} | {'busy', active id} | {'too_busy'} | {'no_turn'} | {'not_last'}
local new, payload, event, closing = cjson.decode(ARGV[1]), ARGV[2], ARGV[3], ARGV[4]
local idempotency = new.idempotency and IDEMPOTENCY .. new.owner .. ':' .. new.idempotency

if idempotency then
  local known = redis.call('GET', idempotency)
  if known then return {'known', known} end
end
if redis.call('ZCOUNT', QUEUE .. new.queue, '-inf', now_ms()) >= new.max_queued then return {'too_busy'} end

-- An early refusal instead of a promise that cannot be kept. Who has little waiting itself does not wait for all others.
local function expected_wait_ms()
  local pace = tonumber(redis.call('HGET', PACE .. new.queue, 'ms'))
  if not pace then return 0 end
  local class, tenant = new.record.priority or 'interactive', new.record.tenant or new.owner
  local turns = redis.call('ZCARD', turns_in(new.queue, class)) + 1
  local users = redis.call('ZCARD', users_in(new.queue, class, tenant)) + 1
  local own = redis.call('LLEN', line_in(new.queue, class, tenant, new.owner))
  local all = redis.call('ZCOUNT', QUEUE .. new.queue, '-inf', now_ms())
  if class == 'background' then return all * pace end
  return math.min(all, (own + 1) * users * turns) * pace
end

if new.max_wait_ms > 0 then
  local wait_ms = expected_wait_ms()
  if wait_ms > new.max_wait_ms then return {'overloaded', math.ceil(wait_ms - new.max_wait_ms)} end
end

local scope, active
if new.conversation then
  scope = new.owner .. ':' .. new.conversation
  active = active_in(scope)
  if active and new.on_busy == 'reject' then return {'busy', active} end
  if new.record.replaces and not turn_of(scope, new.record.replaces) then return {'no_turn'} end
  if new.record.continues and not is_last(scope, new.record.continues) then return {'not_last'} end
  if active and redis.call('LLEN', NEXT .. scope) >= MAX_WAITING then return {'too_busy'} end
end

local fields = {'state', 'queued', 'created_ms', wall_ms()}
for name, value in pairs(new.record) do
  fields[#fields + 1] = name
  fields[#fields + 1] = value
end
redis.call('HSET', RECORD .. new.id, unpack(fields))
redis.call('PEXPIRE', RECORD .. new.id, GENERATION_TTL_MS)
redis.call('SET', JOB .. new.id, payload, 'PX', GENERATION_TTL_MS)
if idempotency then
  redis.call('SET', idempotency, new.id .. ' ' .. new.digest, 'PX', new.idempotency_ttl_ms)
end
-- Whoever stops a reply silences its speeches.
local spoken = new.record.speaks and RECORD .. new.record.speaks
if spoken and redis.call('EXISTS', spoken) == 1 then
  local before = redis.call('HGET', spoken, 'spoken_by')
  redis.call('HSET', spoken, 'spoken_by', before and string.sub(before, -400) .. ' ' .. new.id or new.id)
end
local fresh = 0
if scope then
  fresh = converse(new.owner, new.conversation, new.title)
  if new.settings then redis.call('HSET', CONVERSATION .. scope, 'settings', new.settings) end
end
if active then
  local ahead = redis.call('LRANGE', NEXT .. scope, 0, -1)
  redis.call('RPUSH', NEXT .. scope, new.id)
  redis.call('PEXPIRE', NEXT .. scope, GENERATION_TTL_MS)
  local answer = {'waiting'}
  if new.on_busy == 'interrupt' then
    -- In this step, lest the caller be gone before the next. Those that wait go first, or the end of the active one
    -- would start them.
    table.insert(ahead, 1, active)
    for i = #ahead, 1, -1 do
      answer[#answer + 1] = ahead[i]
      answer[#answer + 1] = stop(ahead[i], 'interrupted', event, closing)
    end
  end
  return answer
end
activate(new.id)
return {'created', fresh, scope and redis.call('HGET', CONVERSATION .. scope, 'blobs') or ''}
