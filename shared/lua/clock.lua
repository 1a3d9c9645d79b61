-- Look at the clock, so that it goes on.
--
-- KEYS  1 the clock of the cell
-- ARGV  none
-- gives now as leases, queues and limits count it, and what the broker's own clock says, both in ms
pass_memory_limit()
return {now_ms(), wall_ms()}
