-- What append.lua does, for a batch in which generations end: it ends them.
-- A script of its own, because all that an end takes would be made anew for every append.
--
-- KEYS  1 the clock of the cell
-- ARGV  as of append.lua; the closing of those that end
-- gives as append.lua

pass_memory_limit()
return append_batches(function(id, closing) finish(id, cjson.decode(closing)) end)
