-- Give a conversation another title. It is not the last used for that.
--
-- KEYS  1 the clock of the cell
-- ARGV  1 owner  2 conversation  3 title
-- gives 1 | 0 there is no such conversation
local scope = ARGV[1] .. ':' .. ARGV[2]
if redis.call('EXISTS', CONVERSATION .. scope) == 0 then return 0 end
redis.call('HSET', CONVERSATION .. scope, 'title', ARGV[3])
revise(scope)
return 1
