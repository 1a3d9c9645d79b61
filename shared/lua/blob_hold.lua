-- A holder needs blobs for so long from now on, be that longer than before or shorter. A blob lives as long as the
-- last of its holders needs it.
--
-- KEYS  1 the clock of the cell
-- ARGV  1 owner  2 holder  3 for how many ms  4 … hashes
-- gives content type and size of each in turn; '' and 0 for one that is not there
pass_memory_limit()
local answer = {}
for i = 4, #ARGV do
  local blob = redis.call('HMGET', BLOB .. ARGV[1] .. ':' .. ARGV[i], 'type', 'size')
  if blob[1] then hold_blob(ARGV[1], ARGV[i], ARGV[2], tonumber(ARGV[3])) end
  answer[#answer + 1] = blob[1] or ''
  answer[#answer + 1] = tonumber(blob[2] or 0)
end
return answer
