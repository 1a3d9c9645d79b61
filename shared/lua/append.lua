-- Append a batch of events of many generations, publish them, and end those that end.
--
-- KEYS  1 the clock of the cell
-- ARGV  for each generation: id, lease, index of the first event in the log, number of events,
--       '' or the closing as JSON (fields, reply), then position and event of each
-- gives for each generation: status, log length
--       ok      all of it is in the log (what already was there is not written twice)
--       fenced  a newer attempt owns the generation, or it has ended: nothing was written
--       short   the broker lost the log's tail: send again from the given length
--       missing the broker lost the whole generation
pass_memory_limit()
local answer, i = {}, 1
while i <= #ARGV do
  local id, lease, first, count, closing = ARGV[i], ARGV[i + 1], tonumber(ARGV[i + 2]), tonumber(ARGV[i + 3]), ARGV[i + 4]
  local events = i + 5
  i = events + 2 * count
  local record = redis.call('HMGET', RECORD .. id, 'lease', 'state')
  local length = redis.call('XLEN', LOG .. id)
  local status = 'ok'
  if not record[2] then
    status = 'missing'
  elseif is_terminal(record[2]) and record[1] == lease and length == first + count then
    status = 'ok'
  elseif not holds(id, lease, record[1], record[2]) then
    status = 'fenced'
  elseif length < first then
    status = 'short'
  else
    local lines = {}
    for n = length - first, count - 1 do
      local position, event = ARGV[events + 2 * n], ARGV[events + 2 * n + 1]
      append(id, position, event)
      lines[#lines + 1] = position .. ' ' .. event
    end
    if length == 0 then redis.call('PEXPIRE', LOG .. id, GENERATION_TTL_MS) end
    if closing ~= '' then finish(id, cjson.decode(closing)) end
    length = math.max(length, first + count)
    if #lines > 0 then
      redis.call(PUBLISH, LIVE .. id, table.concat(lines, '\n'))
    end
  end
  answer[#answer + 1] = status
  answer[#answer + 1] = length
end
return answer
