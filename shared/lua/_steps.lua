-- What several scripts do in the same way. Loaded in front of each of them, after the names of
-- shared/keys.py and the limits of shared/steps.py. Keys are made up here, all of them in the cell of KEYS[1].
-- Queues hold arq's job ids: a generation's with its cell's tag in front, so that arq's own key is in the cell too.

-- A step is one moment: both are asked for once in it, although it may need them a dozen times.
local wall_once, now_once

-- The broker's clock, which may be set: for what people read, and for nothing that is counted.
local function wall_ms()
  if not wall_once then
    local t = redis.call('TIME')
    wall_once = t[1] * 1000 + math.floor(t[2] / 1000)
  end
  return wall_once
end

-- Time as leases, queues and limits count it, whatever happens to the broker's clock: a step back is made up
-- for, and of time in which nobody looked only half a lease counts, for it may have been a step forward, a
-- pause or a failover, and the leases of those alive must outlast that.
local function now_ms()
  if now_once then return now_once end
  local wall = wall_ms()
  local clock = redis.call('HMGET', CLOCK, 'seen', 'ahead')
  local seen, ahead = tonumber(clock[1]) or wall, tonumber(clock[2]) or 0
  local passed = math.max(0, math.min(wall - seen, MOST_UNSEEN_MS))
  if not clock[1] or wall < seen or wall - seen >= MOST_UNSEEN_MS / 6 then
    ahead = ahead + passed - (wall - seen)
    redis.call('HSET', CLOCK, 'seen', wall, 'ahead', ahead, 'cells', CELLS)
    if redis.call('PTTL', CLOCK) < CONVERSATION_TTL_MS / 2 then
      redis.call('PEXPIRE', CLOCK, CONVERSATION_TTL_MS)
    end
  end
  now_once = wall + ahead
  return now_once
end

-- Which process the broker is; '' where it does not say. Another one than before may be without the tail of what was
-- written: a replica, or the same from its disk.
local server_once
local function server()
  if not server_once then
    local info = redis.pcall('INFO', 'server')
    server_once = type(info) == 'string' and string.match(info, 'run_id:(%w+)') or ''
  end
  return server_once
end

-- A script whose first write needs no memory may write on beyond the broker's limit: what runs already
-- must be able to end. Only `create` is not let through, so a full broker takes nothing new.
local function pass_memory_limit()
  redis.call('DEL', WAKE)
end

local function is_terminal(state)
  return state == 'done' or state == 'failed' or state == 'cancelled'
end

local function attempt_of(lease)
  return tonumber(string.match(lease or '', '^(%d+):')) or 0
end

-- Whether the caller's lease is the newest. A broker that lost its tail may know only an older one:
-- the newer attempt then takes its place again, because nobody can have claimed since.
local function holds(id, lease, held, state)
  if not state or is_terminal(state) then return false end
  if held == lease then return true end
  if attempt_of(lease) <= attempt_of(held) then return false end
  redis.call('HSET', RECORD .. id, 'lease', lease, 'attempt', attempt_of(lease), 'state', 'running')
  return true
end

-- Where a job waits: the class, the tenant and the user it is of, and its tenant's weight. What a version without
-- tenants has accepted is of its owner alone.
local function line_of(id)
  local r = redis.call('HMGET', RECORD .. id, 'tenant', 'owner', 'weight', 'priority')
  local owner = r[2] or ''
  return r[4] == 'background' and 'background' or 'interactive', r[1] or owner, owner, tonumber(r[3]) or 1
end

local function turns_in(queue, class) return TURNS .. class .. ':' .. queue end
local function users_in(queue, class, tenant) return USERS .. class .. ':' .. tenant .. ':' .. queue end
local function line_in(queue, class, tenant, owner)
  return LINE .. class .. ':' .. tenant .. ':' .. owner .. ':' .. queue
end

-- Who comes new begins where those are who have had the least; who is known goes on from what it has had.
local function join(all, who)
  local least = redis.call('ZRANGE', all, 0, 0, 'WITHSCORES')[2]
  if not redis.call('ZSCORE', all, who) then redis.call('ZADD', all, least or 0, who) end
  redis.call('PEXPIRE', all, GENERATION_TTL_MS)
end

-- *push*: RPUSH for what is new, LPUSH for what was handed back or left out.
local function stand_in_line(queue, id, push)
  local class, tenant, owner = line_of(id)
  local line = line_in(queue, class, tenant, owner)
  join(turns_in(queue, class), tenant)
  join(users_in(queue, class, tenant), owner)
  redis.call(push, line, id)
  redis.call('PEXPIRE', line, GENERATION_TTL_MS)
end

local function enqueue(queue, id, push)
  stand_in_line(queue, id, push or 'RPUSH')
  redis.call('ZADD', QUEUE .. queue, now_ms(), TAG .. id)
  redis.call('PEXPIRE', QUEUE .. queue, GENERATION_TTL_MS)
  if CELLS > 1 then
    redis.call(PUBLISH, WAKE .. queue, '')
    return
  end
  redis.call('LPUSH', WAKE .. queue, '1')
  redis.call('LTRIM', WAKE .. queue, 0, WAKE_CAP - 1)
  redis.call('PEXPIRE', WAKE .. queue, GENERATION_TTL_MS)
end

-- A job's lease, in arq's queue and among those that have had their turn.
local function give_lease(queue, id, until_ms)
  for _, all in ipairs({QUEUE .. queue, LEASED .. queue}) do
    redis.call('ZADD', all, until_ms, TAG .. id)
    redis.call('PEXPIRE', all, GENERATION_TTL_MS)
  end
end

-- Whoever knows a conversation by its revision sees that it is another now.
local function revise(scope)
  redis.call('HINCRBY', CONVERSATION .. scope, 'revision', 1)
end

-- Most blobs of one conversation that live with it; of more, the first are let go in their own time.
local MAX_BLOBS = 500

-- A conversation's blobs live as long as it does: it knows them by their hashes.
local function note_blobs(scope, message)
  -- A quote that somebody wrote is escaped, so no text looks like this.
  if not string.find(message, '"blob":"', 1, true) then return end
  local known = redis.call('HGET', CONVERSATION .. scope, 'blobs') or ''
  for hash in string.gmatch(message, '"blob":"(%x+)"') do
    if #hash == 64 and not string.find(known, hash, 1, true) then known = known .. hash end
  end
  if known ~= '' then redis.call('HSET', CONVERSATION .. scope, 'blobs', string.sub(known, -64 * MAX_BLOBS)) end
end

-- *holder* needs a blob for so long from now on: it lives as long as the last of its holders needs it.
local function hold_blob(owner, hash, holder, ms)
  local name = owner .. ':' .. hash
  local holders, now = BLOB_HOLDERS .. name, wall_ms()
  redis.call('ZADD', holders, now + ms, holder)
  redis.call('ZREMRANGEBYSCORE', holders, '-inf', now - 1)
  local last = tonumber(redis.call('ZREVRANGE', holders, 0, 0, 'WITHSCORES')[2] or now + 1)
  redis.call('PEXPIRE', BLOB .. name, math.max(1, last - now))
  redis.call('PEXPIRE', holders, math.max(1, last - now))
  local size = redis.call('HGET', BLOB .. name, 'size')
  redis.call('ZADD', BLOBS .. owner, now, hash .. ' ' .. size)
  if redis.call('PTTL', BLOBS .. owner) < last - now then redis.call('PEXPIRE', BLOBS .. owner, last - now) end
end

-- Only so many messages are kept, and so many bytes of them: but the last one always.
local function say(scope, message)
  note_blobs(scope, message)
  local length = redis.call('RPUSH', MESSAGES .. scope, message)
  local excess = redis.call('HINCRBY', CONVERSATION .. scope, 'bytes', #message) - MAX_CONVERSATION_BYTES
  local freed = 0
  while length > 1 and (length > MAX_MESSAGES or freed < excess) do
    freed = freed + #redis.call('LPOP', MESSAGES .. scope)
    length = length - 1
  end
  if freed > 0 then
    redis.call('HINCRBY', CONVERSATION .. scope, 'bytes', -freed)
    redis.call('HSET', CONVERSATION .. scope, 'beheaded', 1)
  end
  revise(scope)
  redis.call('PEXPIRE', MESSAGES .. scope, CONVERSATION_TTL_MS)
  redis.call('PEXPIRE', CONVERSATION .. scope, CONVERSATION_TTL_MS)
end

-- Where in its conversation a generation's turn begins, looked for from the end; nil where it does not.
local function turn_of(scope, id)
  local head = '{"role":"user","generation_id":"' .. id .. '"'
  local last = redis.call('LLEN', MESSAGES .. scope) - 1
  while last >= 0 do
    local first = math.max(0, last - 49)
    local page = redis.call('LRANGE', MESSAGES .. scope, first, last)
    for i = #page, 1, -1 do
      if string.sub(page[i], 1, #head) == head then return first + i - 1 end
    end
    last = first - 1
  end
end

-- The generation that a message belongs to, '' for none.
local function generation_of(message)
  return message and string.match(message, '^{"role":"%a+","generation_id":"([^"]*)"') or ''
end

-- The branches of a conversation that are not shown, oldest first: the turn each comes after ('' at the beginning),
-- the generation that it begins with, when it was said, its bytes.
local function forks_of(scope)
  local forks = redis.call('HGET', CONVERSATION .. scope, 'forks')
  return forks and cjson.decode(forks) or {}
end

local function keep_forks(scope, forks)
  if #forks == 0 then
    redis.call('HDEL', CONVERSATION .. scope, 'forks')
  else
    redis.call('HSET', CONVERSATION .. scope, 'forks', cjson.encode(forks))
  end
end

-- Keep a conversation's messages from number *first* on as a branch that is not shown. Of so many, or so many bytes
-- of them, the oldest are let go.
local function set_aside(scope, first)
  local tail = redis.call('LRANGE', MESSAGES .. scope, first, -1)
  if #tail == 0 then return end
  local fork = {after = '', first = generation_of(tail[1]), ts = cjson.decode(tail[1]).ts, bytes = 0}
  for _, message in ipairs(tail) do fork.bytes = fork.bytes + #message end
  if first > 0 then fork.after = generation_of(redis.call('LINDEX', MESSAGES .. scope, first - 1)) end
  redis.call('LTRIM', MESSAGES .. scope, 0, first - 1)
  if first == 0 then redis.call('DEL', MESSAGES .. scope) end
  redis.call('HINCRBY', CONVERSATION .. scope, 'bytes', -fork.bytes)
  local forks, total = forks_of(scope), 0
  forks[#forks + 1] = fork
  for _, each in ipairs(forks) do total = total + each.bytes end
  redis.call('HSET', ASIDE .. scope, fork.first, cjson.encode(tail))
  while #forks > MAX_BRANCHES or total > MAX_CONVERSATION_BYTES do
    local oldest = table.remove(forks, 1)
    total = total - oldest.bytes
    redis.call('HDEL', ASIDE .. scope, oldest.first)
  end
  keep_forks(scope, forks)
  redis.call('PEXPIRE', ASIDE .. scope, CONVERSATION_TTL_MS)
end

-- A generation's turn, and all that followed, gives way. What is gone by then, nobody has to take back.
local function cut(scope, id)
  local first = turn_of(scope, id)
  if first then set_aside(scope, first) end
end

-- Whether a conversation's last message is the reply of generation *id*.
local function is_last(scope, id)
  local head = '{"role":"assistant","generation_id":"' .. id .. '"'
  local last = redis.call('LINDEX', MESSAGES .. scope, -1)
  return last and string.sub(last, 1, #head) == head
end

-- The reply of generation *id*, which continued that of *before*, in the place of it: the turn is *id*'s now.
local function rejoin(scope, id, before, reply)
  if is_last(scope, before) then
    local freed = #redis.call('RPOP', MESSAGES .. scope)
    local first = turn_of(scope, before)
    if first then
      local head = '{"role":"user","generation_id":"'
      local said = redis.call('LINDEX', MESSAGES .. scope, first)
      redis.call('LSET', MESSAGES .. scope, first, head .. id .. string.sub(said, #head + #before + 1))
      freed = freed + #before - #id
    end
    redis.call('HINCRBY', CONVERSATION .. scope, 'bytes', -freed)
  end
  local forks = forks_of(scope)
  for _, fork in ipairs(forks) do
    if fork.after == before then fork.after = id end
  end
  keep_forks(scope, forks)
  say(scope, reply)
end

-- The generation that answers a conversation right now, or nil.
local function active_in(scope)
  local active = redis.call('HGET', CONVERSATION .. scope, 'active')
  local state = active and redis.call('HGET', RECORD .. active, 'state')
  return state and not is_terminal(state) and active or nil
end

-- Delete what was used least recently, of an owner's conversations beyond the most there may be. One that is being
-- answered, or is *asked* just now, stays, listed like any other: nothing may be kept that no list has.
local function let_go(owner, asked, excess)
  local all, at = CONVERSATIONS .. owner, 0
  while excess > 0 do
    local name = redis.call('ZRANGE', all, at, at)[1]
    if not name then return end
    local scope = owner .. ':' .. name
    if name == asked or active_in(scope) then
      at = at + 1
    else
      redis.call('DEL', CONVERSATION .. scope, MESSAGES .. scope, ASIDE .. scope, NEXT .. scope)
      redis.call('ZREM', all, name)
      excess = excess - 1
    end
  end
end

-- An owner's conversation exists, and is the last used. Gives 1 if it is new, else 0.
local function converse(owner, name, title)
  local conversation, all = CONVERSATION .. owner .. ':' .. name, CONVERSATIONS .. owner
  local new = redis.call('HSETNX', conversation, 'created_ms', wall_ms())
  if new == 1 then redis.call('HSET', conversation, 'title', title) end
  redis.call('HSET', conversation, 'updated_ms', wall_ms())
  revise(owner .. ':' .. name)
  redis.call('PEXPIRE', conversation, CONVERSATION_TTL_MS)
  -- Lists of several cells are merged, and each cell counts time by itself: only the clock on the wall is common.
  redis.call('ZADD', all, TAG == '' and now_ms() or wall_ms(), name)
  let_go(owner, name, redis.call('ZCARD', all) - MAX_CONVERSATIONS)
  redis.call('PEXPIRE', all, CONVERSATION_TTL_MS)
  return new
end

-- Whether all keys of a conversation are of our kinds. Where something else has taken the place of one, what answers
-- there runs to its end without its conversation, and the broker's log says so.
local function is_sound(scope, id)
  for name, kind in pairs({[CONVERSATION] = 'hash', [MESSAGES] = 'list', [ASIDE] = 'hash', [NEXT] = 'list'}) do
    local found = redis.call('TYPE', name .. scope).ok
    if found ~= 'none' and found ~= kind then
      redis.log(redis.LOG_WARNING, 'a key of another kind is in the place of a conversation: ' .. id .. ' is not in it')
      return false
    end
  end
  return true
end

-- A generation's turn in its conversation begins: its message is said, its job can be claimed.
local function activate(id)
  local r = redis.call('HMGET', RECORD .. id, 'queue', 'owner', 'conversation', 'turn', 'replaces')
  if r[3] and is_sound(r[2] .. ':' .. r[3], id) then
    local scope = r[2] .. ':' .. r[3]
    redis.call('HSET', CONVERSATION .. scope, 'active', id, 'updated_ms', wall_ms())
    if r[5] then cut(scope, r[5]) end
    if r[4] then say(scope, r[4]) end
  end
  redis.call('HSET', RECORD .. id, 'queued_ms', now_ms())
  enqueue(r[1], id)
end

-- Whoever waits for a conversation has its turn.
local function next_turn(scope)
  while true do
    local waiting = redis.call('LPOP', NEXT .. scope)
    if not waiting then return end
    if redis.call('HGET', RECORD .. waiting, 'state') == 'queued' then
      return activate(waiting)
    end
  end
end

local function append(id, position, event)
  redis.call('XADD', LOG .. id, position, 'e', event)
end

-- Append batches of events of many generations, as append.lua says, and publish them. *close_with* ends those that
-- end: what ends none is not told how, for that is most of all there is to tell.
local function append_batches(close_with)
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
      if closing ~= '' then close_with(id, closing) end
      length = math.max(length, first + count)
      if #lines > 0 then
        redis.call(PUBLISH, LIVE .. id, table.concat(lines, '\n'))
      end
    end
    answer[#answer + 1] = status
    answer[#answer + 1] = length
  end
  return answer
end

-- What a conversation's replies have cost so far, those included that are not shown, or let go.
local function spend(scope, fields)
  local used = cjson.decode(fields.usage or '{}')
  for name, count in pairs({prompt = used.prompt_tokens, completion = used.completion_tokens}) do
    redis.call('HINCRBY', CONVERSATION .. scope, 'spent_' .. name, count)
  end
  if used.estimated then redis.call('HSET', CONVERSATION .. scope, 'spent_estimated', 1) end
  if fields.cost then redis.call('HINCRBYFLOAT', CONVERSATION .. scope, 'spent_cost', fields.cost) end
end

-- Terminal is final: the outcome is recorded, the reply joins its conversation, the keys get their
-- last TTL, and whoever waits for the conversation has its turn.
local function finish(id, closing)
  local r = redis.call('HMGET', RECORD .. id, 'queue', 'owner', 'conversation', 'continues', 'hook')
  local fields = {'ended_ms', wall_ms()}
  for name, value in pairs(closing.fields) do
    fields[#fields + 1] = name
    fields[#fields + 1] = value
  end
  redis.call('HSET', RECORD .. id, unpack(fields))
  redis.call('PEXPIRE', RECORD .. id, RECORD_TTL_MS)
  redis.call('PEXPIRE', LOG .. id, LOG_TTL_MS)
  redis.call('ZREM', QUEUE .. r[1], TAG .. id)
  if redis.call('ZREM', LEASED .. r[1], TAG .. id) == 0 then
    local class, tenant, owner = line_of(id)
    redis.call('LREM', line_in(r[1], class, tenant, owner), 1, id)
  end
  redis.call('DEL', JOB .. id)
  if r[5] then
    redis.call('ZADD', HOOKS, now_ms(), id)
    redis.call('PEXPIRE', HOOKS, RECORD_TTL_MS)
  end
  if not r[3] then return end
  local scope = r[2] .. ':' .. r[3]
  if not is_sound(scope, id) then
    if redis.call('TYPE', NEXT .. scope).ok == 'list' then next_turn(scope) end
    return
  end
  if redis.call('HGET', CONVERSATION .. scope, 'active') ~= id then
    redis.call('LREM', NEXT .. scope, 0, id)
    local gone = GONE .. 'c:' .. scope
    if redis.call('HGET', gone, 'active') ~= id then return end
    -- Its conversation may still come back.
    redis.call('HDEL', gone, 'active')
    if closing.reply and not r[4] and redis.call('RPUSHX', GONE .. 'm:' .. scope, closing.reply) > 0 then
      redis.call('HINCRBY', gone, 'bytes', #closing.reply)
    end
    return
  end
  redis.call('HDEL', CONVERSATION .. scope, 'active')
  redis.call('HSET', CONVERSATION .. scope, 'updated_ms', wall_ms())
  spend(scope, closing.fields)
  revise(scope)
  if closing.reply and not r[4] then
    say(scope, closing.reply)
  elseif closing.reply and closing.said then
    rejoin(scope, id, r[4], closing.reply)
  end
  -- A conversation must not outlive the list that names it.
  redis.call('PEXPIRE', CONVERSATIONS .. r[2], CONVERSATION_TTL_MS)
  next_turn(scope)
end

-- End a generation that nobody holds. What it has written stands. Gives 'closed <model>', for whoever counts it.
local function close(id, event, closing)
  local attempt = (tonumber(redis.call('HGET', RECORD .. id, 'attempt')) or 0) + 1
  local position = attempt .. '-0'
  append(id, position, event)
  redis.call('HSET', RECORD .. id, 'attempt', attempt, 'lease', attempt .. ':')
  closing.fields.position = position
  finish(id, closing)
  redis.call(PUBLISH, LIVE .. id, position .. ' ' .. event)
  return 'closed ' .. redis.call('HGET', RECORD .. id, 'model')
end

-- Stop a generation, with all of it that needs no log to be read: the durable intent, the push to its worker, the
-- end of one that has written nothing and that nobody holds. *event* and *closing* are that end, for an id of `{id}`.
-- Gives 'missing' | 'ended' | 'pushed' (its worker will end it) | 'closed <model>' | 'unheld' (no worker has it, but a
-- log: the next to claim it ends it, unless it is closed before).
local function stop(id, reason, event, closing)
  local r = redis.call('HMGET', RECORD .. id, 'state', 'queue')
  if not r[1] then return 'missing' end
  if is_terminal(r[1]) then return 'ended' end
  redis.call('HSETNX', RECORD .. id, 'cancel', reason)
  local due = tonumber(redis.call('ZSCORE', QUEUE .. r[2], TAG .. id))
  if r[1] == 'running' and due and due > now_ms() then
    redis.call(PUBLISH, CANCEL, id .. ' ' .. reason)
    return 'pushed'
  end
  if redis.call('EXISTS', LOG .. id) == 1 then return 'unheld' end
  return close(id, event, cjson.decode((string.gsub(closing, '{id}', id))))
end

-- Delete a conversation, for a moment in which `undo.lua` brings it back, and stop whatever answers it or waits to.
-- Gives what was stopped: id, what `stop` gave, …; nil where there is no such conversation.
local function remove(owner, name, event, closing)
  local scope = owner .. ':' .. name
  if redis.call('EXISTS', CONVERSATION .. scope) == 0 then return nil end
  local stopping = redis.call('LRANGE', NEXT .. scope, 0, -1)
  local active = redis.call('HGET', CONVERSATION .. scope, 'active')
  if active then table.insert(stopping, 1, active) end
  redis.call('DEL', NEXT .. scope)
  redis.call('HSET', CONVERSATION .. scope, 'used', redis.call('ZSCORE', CONVERSATIONS .. owner, name) or now_ms())
  for kind, key in pairs({c = CONVERSATION, m = MESSAGES, a = ASIDE}) do
    local gone = GONE .. kind .. ':' .. scope
    redis.call('DEL', gone)
    if redis.call('EXISTS', key .. scope) == 1 then
      redis.call('RENAME', key .. scope, gone)
      redis.call('PEXPIRE', gone, UNDO_MS)
    end
  end
  redis.call('ZREM', CONVERSATIONS .. owner, name)
  local answer = {}
  for i = #stopping, 1, -1 do
    answer[#answer + 1] = stopping[i]
    answer[#answer + 1] = stop(stopping[i], 'user', event, closing)
  end
  return answer
end
