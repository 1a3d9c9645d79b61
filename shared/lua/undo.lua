-- Bring back a conversation that was deleted a moment ago, where it stood in its owner's list.
--
-- KEYS  1 the clock of the cell
-- ARGV  1 owner  2 conversation
-- gives 'ok' | 'missing' (it never was, or is gone for good) | 'taken' (there is another of that name)
local owner, name = ARGV[1], ARGV[2]
local scope = owner .. ':' .. name
pass_memory_limit()
if redis.call('EXISTS', CONVERSATION .. scope) == 1 then return 'taken' end
if redis.call('EXISTS', GONE .. 'c:' .. scope) == 0 then return 'missing' end
for kind, key in pairs({c = CONVERSATION, m = MESSAGES, a = ASIDE}) do
  local gone = GONE .. kind .. ':' .. scope
  if redis.call('EXISTS', gone) == 1 then
    redis.call('RENAME', gone, key .. scope)
    redis.call('PEXPIRE', key .. scope, CONVERSATION_TTL_MS)
  end
end
local all = CONVERSATIONS .. owner
redis.call('ZADD', all, redis.call('HGET', CONVERSATION .. scope, 'used'), name)
redis.call('HDEL', CONVERSATION .. scope, 'used')
revise(scope)
let_go(owner, name, redis.call('ZCARD', all) - MAX_CONVERSATIONS)
redis.call('PEXPIRE', all, CONVERSATION_TTL_MS)
return 'ok'
