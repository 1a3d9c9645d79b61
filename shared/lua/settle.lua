-- Settle what replies have reserved with what they have used; each once, whoever comes first.
--
-- KEYS  1 the clock of the cell
-- ARGV  1 the tenant, then of each reply: id, what became of it ('begun' | 'ended' | 'never', which used nothing),
--       tokens, of them prompt, and completion, and cost in millionths
-- gives of how many something was not known yet, and what they have used: tokens of prompts, of completions, and cost
local tenant, settled, spent = ARGV[1], 0, {0, 0, 0}
local second = math.floor(wall_ms() / 1000)

-- What has expired is not counted anew, or it would stay without a TTL.
local function add(all, field, count)
  if count ~= 0 and redis.call('EXISTS', all) == 1 then redis.call('HINCRBY', all, field, count) end
end

for i = 2, #ARGV, 6 do
  local id, outcome = ARGV[i], ARGV[i + 1]
  local used, prompt, completion, cost =
    tonumber(ARGV[i + 2]), tonumber(ARGV[i + 3]), tonumber(ARGV[i + 4]), tonumber(ARGV[i + 5])
  local held = redis.call('HGET', HELD .. tenant, id)
  if held then
    held = cjson.decode(held)
    local moved = outcome ~= 'begun'
    for _, name in ipairs(held.levels) do
      local level = USE .. tenant .. ':' .. name .. ':'
      if redis.call('SREM', level .. 'waiting', id) == 1 then moved = true end
      if outcome ~= 'begun' then
        redis.call('ZREM', level .. 'held', id)
        if held.second > second - 60 then add(level .. 'minute', held.second, used - held.tokens) end
        for _, what in ipairs({held.day, held.month}) do
          add(level .. what, 'tokens', used - held.tokens)
          add(level .. what, 'prompt', prompt)
          add(level .. what, 'completion', completion)
          add(level .. what, 'cost', cost)
          if outcome == 'never' then add(level .. what, 'messages', -1) end
        end
      end
    end
    if outcome ~= 'begun' then
      redis.call('HDEL', HELD .. tenant, id)
      spent = {spent[1] + prompt, spent[2] + completion, spent[3] + cost}
    end
    if moved then settled = settled + 1 end
  end
end
return {settled, spent[1], spent[2], spent[3]}
