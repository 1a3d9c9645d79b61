-- Stop a generation: see `stop`.
--
-- KEYS  1 the clock of the cell
-- ARGV  1 id  2 owner, '' for any  3 reason  4 terminal event and  5 closing as JSON of one that has written nothing
-- gives 'missing' | 'ended' | 'pushed' | 'closed <model>' | 'unheld'
local id, owner, reason, event, closing = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
pass_memory_limit()
if owner ~= '' and redis.call('HGET', RECORD .. id, 'owner') ~= owner then return 'missing' end
return stop(id, reason, event, closing)
