-- Change a conversation's title or settings. It is not the last used for that.
--
-- KEYS  1 the clock of the cell
-- ARGV  1 owner  2 conversation, then name and value of each field
-- gives 1 | 0 there is no such conversation
local scope = ARGV[1] .. ':' .. ARGV[2]
if redis.call('EXISTS', CONVERSATION .. scope) == 0 then return 0 end
for i = 3, #ARGV, 2 do redis.call('HSET', CONVERSATION .. scope, ARGV[i], ARGV[i + 1]) end
revise(scope)
return 1
