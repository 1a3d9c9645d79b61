-- Keep a blob, which its holder needs for so long; of its owner's that are too many bytes, those are let go that
-- nobody has needed for longest.
--
-- KEYS  1 the clock of the cell
-- ARGV  1 owner  2 hash  3 content type  4 bytes  5 holder  6 for how many ms  7 how many bytes an owner may have
-- gives nothing
local owner, hash, bytes = ARGV[1], ARGV[2], ARGV[4]
local name, all = owner .. ':' .. hash, BLOBS .. owner
if redis.call('EXISTS', BLOB .. name) == 0 then
  local total, kept = #bytes, redis.call('ZRANGE', all, 0, -1)
  local there = {}
  for _, entry in ipairs(kept) do
    local known, size = string.match(entry, '^(%x+) (%d+)$')
    if redis.call('EXISTS', BLOB .. owner .. ':' .. known) == 1 then
      total = total + tonumber(size)
      there[#there + 1] = {entry, known, tonumber(size)}
    else
      redis.call('ZREM', all, entry)
    end
  end
  for _, oldest in ipairs(there) do
    if total <= tonumber(ARGV[7]) then break end
    redis.call('DEL', BLOB .. owner .. ':' .. oldest[2], BLOB_HOLDERS .. owner .. ':' .. oldest[2])
    redis.call('ZREM', all, oldest[1])
    total = total - oldest[3]
  end
  redis.call('HSET', BLOB .. name, 'type', ARGV[3], 'size', #bytes, 'bytes', bytes)
end
hold_blob(owner, hash, ARGV[5], tonumber(ARGV[6]))
