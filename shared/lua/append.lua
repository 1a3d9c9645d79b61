-- Append a batch of events of many generations, none of which ends with it, and publish them. See append_last.lua.
--
-- KEYS  1 the clock of the cell
-- ARGV  for each generation: id, lease, index of the first event in the log, number of events,
--       '' (append_last.lua: or the closing as JSON, which is fields and reply), then position and event of each
-- gives for each generation: status, log length
--       ok      all of it is in the log (what already was there is not written twice)
--       fenced  a newer attempt owns the generation, or it has ended: nothing was written
--       short   the broker lost the log's tail: send again from the given length
--       missing the broker lost the whole generation
pass_memory_limit()
return append_batches()
