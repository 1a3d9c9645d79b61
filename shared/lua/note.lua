-- Begin a conversation, or add to one that there is, without a generation.
--
-- KEYS  1 the clock of the cell
-- ARGV  1 owner  2 conversation  3 '1': only where there is one  4 its title, if it begins  5 its metadata as JSON, or ''
--       6… messages as JSON
-- gives 1 | 0 there is no such conversation
local scope = ARGV[1] .. ':' .. ARGV[2]
if ARGV[3] == '1' and redis.call('EXISTS', CONVERSATION .. scope) == 0 then return 0 end
converse(ARGV[1], ARGV[2], ARGV[4])
if ARGV[5] ~= '' then redis.call('HSET', CONVERSATION .. scope, 'metadata', ARGV[5]) end
for i = 6, #ARGV do say(scope, ARGV[i]) end
return 1
