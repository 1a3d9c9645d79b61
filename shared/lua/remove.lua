-- Delete a conversation, and stop whatever answers it or waits to, lest the caller be gone before it has seen to that.
-- A reply that ends later finds itself no longer active, and stays out. For a moment it can be brought back: `undo.lua`.
--
-- KEYS  1 the clock of the cell
-- ARGV  1 owner  2 conversation  3 terminal event and  4 closing as JSON of what is stopped before it has begun
-- gives what was stopped: id, what `stop` gave, … | nil where there is no such conversation
pass_memory_limit()
return remove(ARGV[1], ARGV[2], ARGV[3], ARGV[4])
