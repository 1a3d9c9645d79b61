-- Show another branch of a conversation; the one that is shown is set aside.
--
-- KEYS  1 the clock of the cell
-- ARGV  1 owner  2 conversation  3 the generation that the branch begins with
-- gives {'ok'} | {'missing'} (there is no such conversation) | {'no_branch'} | {'busy', active id}
local scope, wanted = ARGV[1] .. ':' .. ARGV[2], ARGV[3]
pass_memory_limit()
if redis.call('EXISTS', CONVERSATION .. scope) == 0 then return {'missing'} end
if turn_of(scope, wanted) then return {'ok'} end
local active = active_in(scope)
if active then return {'busy', active} end
local forks, fork = forks_of(scope), nil
for i, each in ipairs(forks) do
  if each.first == wanted then fork = table.remove(forks, i) break end
end
local kept = fork and redis.call('HGET', ASIDE .. scope, wanted)
if not kept then return {'no_branch'} end
local place = 0
if fork.after ~= '' then
  local before = turn_of(scope, fork.after)
  -- It begins in a branch that is not shown itself.
  if not before then return {'no_branch'} end
  place = before + 1
  if generation_of(redis.call('LINDEX', MESSAGES .. scope, place)) == fork.after then place = place + 1 end
elseif redis.call('HEXISTS', CONVERSATION .. scope, 'beheaded') == 1 then
  return {'no_branch'}
end
keep_forks(scope, forks)
redis.call('HDEL', ASIDE .. scope, wanted)
set_aside(scope, place)
for _, message in ipairs(cjson.decode(kept)) do redis.call('RPUSH', MESSAGES .. scope, message) end
redis.call('HINCRBY', CONVERSATION .. scope, 'bytes', fork.bytes)
redis.call('PEXPIRE', MESSAGES .. scope, CONVERSATION_TTL_MS)
redis.call('PEXPIRE', CONVERSATION .. scope, CONVERSATION_TTL_MS)
revise(scope)
return {'ok'}
