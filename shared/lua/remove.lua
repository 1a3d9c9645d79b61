-- Delete a conversation, and stop whatever answers it or waits to: durably, lest the caller die before it
-- has seen to that. A reply that ends later finds itself no longer active, and stays out.
--
-- ARGV  1 owner  2 conversation
-- gives the ids of what is to be cancelled, the last to wait first | nil where there is no such conversation
local owner, name = ARGV[1], ARGV[2]
local scope = owner .. ':' .. name
pass_memory_limit()
if redis.call('EXISTS', CONVERSATION .. scope) == 0 then return nil end
local stopping = redis.call('LRANGE', NEXT .. scope, 0, -1)
local active = redis.call('HGET', CONVERSATION .. scope, 'active')
if active then table.insert(stopping, 1, active) end
redis.call('DEL', CONVERSATION .. scope, MESSAGES .. scope, NEXT .. scope)
redis.call('ZREM', CONVERSATIONS .. owner, name)
local ids = {}
for i = #stopping, 1, -1 do
  local state = redis.call('HGET', RECORD .. stopping[i], 'state')
  if state and not is_terminal(state) then
    redis.call('HSETNX', RECORD .. stopping[i], 'cancel', 'user')
    ids[#ids + 1] = stopping[i]
  end
end
return ids
