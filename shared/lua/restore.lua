-- Write a running generation's record again after the broker lost it, as its worker remembers it: with its
-- job and its turn in the conversation. The log follows with the worker's next append.
--
-- KEYS  1 the clock of the cell
-- ARGV  1 id  2 lease in ms  3 lease  4 the record as JSON  5 the arq job payload  6 the conversation's title
-- gives 1 restored | 0 there is a record
local id, held, record, payload, title = ARGV[1], ARGV[3], cjson.decode(ARGV[4]), ARGV[5], ARGV[6]
pass_memory_limit()
if redis.call('EXISTS', RECORD .. id) == 1 then return 0 end
local fields = {}
for name, value in pairs(record) do
  fields[#fields + 1] = name
  fields[#fields + 1] = value
end
redis.call('HSET', RECORD .. id, unpack(fields))
redis.call('HSET', RECORD .. id, 'state', 'running', 'lease', held, 'attempt', attempt_of(held))
redis.call('PEXPIRE', RECORD .. id, GENERATION_TTL_MS)
redis.call('SET', JOB .. id, payload, 'PX', GENERATION_TTL_MS)
if record.idempotency then
  redis.call('SET', IDEMPOTENCY .. record.owner .. ':' .. record.idempotency, id .. ' ' .. record.digest,
    'PX', GENERATION_TTL_MS, 'NX')
end
if record.conversation then
  local active = redis.call('HGET', CONVERSATION .. record.owner .. ':' .. record.conversation, 'active')
  local state = active and redis.call('HGET', RECORD .. active, 'state')
  -- Who has asked meanwhile is answered first; this reply then stays out of the conversation.
  if not state or is_terminal(state) then
    converse(record.owner, record.conversation, title)
    activate(id)
  end
end
give_lease(record.queue, id, now_ms() + tonumber(ARGV[2]))
return 1
