-- End a generation that no worker holds: it is queued, or its lease ran out.
--
-- KEYS  1 the clock of the cell
-- ARGV  1 id  2 length of the log the caller has read, -1 where it is another kind of key, which then gives way  3 terminal event
--       4 closing as JSON (fields, reply)  5 how long its lease must have run out, in ms
-- gives 'closed <model>' | 'ended' | 'held' (a worker has it) | 'changed' (read the log again)
local id, read, event, closing, overdue_ms = ARGV[1], tonumber(ARGV[2]), ARGV[3], cjson.decode(ARGV[4]), tonumber(ARGV[5])
pass_memory_limit()
local now = now_ms()
local r = redis.call('HMGET', RECORD .. id, 'state', 'queue')
if not r[1] or is_terminal(r[1]) then return 'ended' end
local due = tonumber(redis.call('ZSCORE', QUEUE .. r[2], TAG .. id))
if due and due + overdue_ms > now and not (r[1] == 'queued' and overdue_ms == 0) then return 'held' end
if read < 0 then
  if redis.call('TYPE', LOG .. id).ok == 'stream' then return 'changed' end
  redis.call('DEL', LOG .. id)
elseif redis.call('XLEN', LOG .. id) ~= read then
  return 'changed'
end
return close(id, event, closing)
