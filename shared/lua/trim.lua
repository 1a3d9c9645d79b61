-- Delete one of an owner's conversations, to make room; one that is being answered stays.
--
-- KEYS  1 the clock of the cell
-- ARGV  1 owner  2 conversation
-- gives 1 | 0 it stays, or there is none
local scope = ARGV[1] .. ':' .. ARGV[2]
pass_memory_limit()
if active_in(scope) then return 0 end
redis.call('DEL', CONVERSATION .. scope, MESSAGES .. scope, ASIDE .. scope, NEXT .. scope)
return redis.call('ZREM', CONVERSATIONS .. ARGV[1], ARGV[2])
