-- Give leases back, or withdraw what may have been granted. Only the lease itself: never another one of the same owner.
-- KEYS[1] session   KEYS[2...] lease, one an element
-- ARGV[1] generation   ARGV[2] locker id   ARGV[3...] per element: lease number
-- Returns one element a key: {"released"} | {"absent"} | {"other", record} | {"error", message}; or {"generation"}
-- alone.
-- Atomic: the owner must not change between the look and DEL. It also tells the session's record which connection
-- speaks now, so that an acquire which a dead connection still delivers is refused.
local exists = keepSession(KEYS[1], 3600000) -- also when memory is full
if exists == 1 then
  local known = tonumber(redis.call("HMGET", KEYS[1], "generation")[1] or "0")
  if tonumber(ARGV[1]) < known then
    return { "generation" }
  end
  if tonumber(ARGV[1]) > known then
    redis.call("HSET", KEYS[1], "generation", ARGV[1])
  end
end
local out = {}
for i = 2, #KEYS do
  local lease, problem = readLease(KEYS[i])
  if lease == nil then
    out[i - 1] = { "error", problem }
  elseif not lease then
    out[i - 1] = { "absent" }
  elseif sameLease(lease, ARGV[2], ARGV[i + 1]) then
    redis.call("DEL", KEYS[i])
    out[i - 1] = { "released" }
  else
    out[i - 1] = { "other", lease.raw }
  end
end
return out
