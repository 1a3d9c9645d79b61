-- Renew the leases of running generations together.
--
-- KEYS  1 the clock of the cell
-- ARGV  1 lease in ms, then for each: queue, id, lease
-- gives for each: 'kept', 'lost' (to a newer attempt), 'ended' (by this lease), 'missing' (the record is gone) or 'broken'
--   (its record or log is another kind of key), log length, cancel reason or '', gateways that listen
pass_memory_limit()
local due = now_ms() + tonumber(ARGV[1])
local answer = {}
for i = 2, #ARGV, 3 do
  local queue, id, held = ARGV[i], ARGV[i + 1], ARGV[i + 2]
  local r = redis.pcall('HMGET', RECORD .. id, 'lease', 'state', 'cancel', 'server', 'next_server')
  local length = redis.pcall('XLEN', LOG .. id)
  local state = 'lost'
  if r.err or type(length) == 'table' then
    state, length = 'broken', 0
  elseif holds(id, held, r[1], r[2]) then
    state = 'kept'
    give_lease(queue, id, due)
    -- By its second renewal at another broker a worker has written again what that was without.
    if r[4] ~= server() then
      redis.call('HSET', RECORD .. id, r[5] == server() and 'server' or 'next_server', server())
    end
  elseif r[1] == held and is_terminal(r[2]) then
    state = 'ended'
  elseif not r[2] then
    state = 'missing'
  end
  answer[#answer + 1] = state
  answer[#answer + 1] = length
  answer[#answer + 1] = r[3] or ''
  answer[#answer + 1] = redis.call('PUBSUB', NUMSUB, LIVE .. id)[2]
end
return answer
