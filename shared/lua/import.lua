-- Make a conversation of messages that were said elsewhere.
--
-- KEYS  1 the clock of the cell
-- ARGV  1 owner  2 conversation  3 title  4 settings as JSON, or ''  5 branches that are not shown as JSON, or ''  6 how
--         many messages; then the messages; then of each branch the generation it begins with, and its messages as JSON
-- gives 1 | 0 there is one of that name
local owner, name, count = ARGV[1], ARGV[2], tonumber(ARGV[6])
local scope = owner .. ':' .. name
if redis.call('EXISTS', CONVERSATION .. scope) == 1 then return 0 end
converse(owner, name, ARGV[3])
if ARGV[4] ~= '' then redis.call('HSET', CONVERSATION .. scope, 'settings', ARGV[4]) end
for i = 7, 6 + count do say(scope, ARGV[i]) end
if ARGV[5] ~= '' then
  redis.call('HSET', CONVERSATION .. scope, 'forks', ARGV[5])
  for i = 7 + count, #ARGV, 2 do
    redis.call('HSET', ASIDE .. scope, ARGV[i], ARGV[i + 1])
    note_blobs(scope, (string.gsub(ARGV[i + 1], '\\"', '"')))
  end
  redis.call('PEXPIRE', ASIDE .. scope, CONVERSATION_TTL_MS)
end
return 1
