-- Delete a conversation, and stop whatever answers it or waits to, lest the caller be gone before it has seen to that.
-- A reply that ends later finds itself no longer active, and stays out. For a moment it can be brought back: `undo.lua`.
--
-- KEYS  1 the clock of the cell
-- ARGV  1 owner  2 conversation  3 terminal event and  4 closing as JSON of what is stopped before it has begun
-- gives what was stopped: id, what `stop` gave, … | nil where there is no such conversation
local owner, name, event, closing = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local scope = owner .. ':' .. name
pass_memory_limit()
if redis.call('EXISTS', CONVERSATION .. scope) == 0 then return nil end
local stopping = redis.call('LRANGE', NEXT .. scope, 0, -1)
local active = redis.call('HGET', CONVERSATION .. scope, 'active')
if active then table.insert(stopping, 1, active) end
redis.call('DEL', NEXT .. scope)
redis.call('HSET', CONVERSATION .. scope, 'used', redis.call('ZSCORE', CONVERSATIONS .. owner, name) or now_ms())
for kind, key in pairs({c = CONVERSATION, m = MESSAGES, a = ASIDE}) do
  local gone = GONE .. kind .. ':' .. scope
  redis.call('DEL', gone)
  if redis.call('EXISTS', key .. scope) == 1 then
    redis.call('RENAME', key .. scope, gone)
    redis.call('PEXPIRE', gone, UNDO_MS)
  end
end
redis.call('ZREM', CONVERSATIONS .. owner, name)
local answer = {}
for i = #stopping, 1, -1 do
  answer[#answer + 1] = stopping[i]
  answer[#answer + 1] = stop(stopping[i], 'user', event, closing)
end
return answer
