-- Declare a session dead, once and for all, when its silence is proven by the limits in its own record.
-- KEYS[1] namespace   KEYS[2] the silent session   KEYS[3] contender's session
-- ARGV[1] fresh era id   ARGV[2] recoveryMs   ARGV[3] era   ARGV[4] the silent session's channel
-- ARGV[5] "1" when its process is proven dead   ARGV[6] monotonic ms of the contender
-- ARGV[7] ms since the contender's own connection last broke   ARGV[8] contender's session TTL, ms
-- ARGV[9] time to keep the tombstone, ms
-- Returns {"condemned", reason} | {"alive"} | {"era"}; reason "gone" | "proof" | "silent" | "disconnected" | "era" |
-- "already".
-- Atomic: a ping that came in since the contender looked must win.
local session, proof, brokenAgoMs = KEYS[2], ARGV[5], tonumber(ARGV[7])
local _, nowMs = readClock()
keepSession(KEYS[3], 3600000) -- also when memory is full
local ns, err = openNamespace(KEYS[1], ARGV[1], ARGV[2])
if not ns then
  return err
end
if ns.recovering or ns.era ~= ARGV[3] then
  return { "era" }
end
local v = redis.call("HMGET", session, "dead", "era", "last", "ttl", "grace", "channel", "drift")
if v[1] then
  return { "condemned", "already" }
end
if not v[2] then
  return { "condemned", "gone" }
end
local function condemn(reason)
  redis.call("HSET", session, "dead", whole(nowMs), "cause", reason)
  redis.call("PEXPIRE", session, ARGV[9])
  redis.pcall("PUBLISH", ARGV[4], "condemned")
  return { "condemned", reason }
end
if v[2] ~= ns.era then
  return condemn("era") -- its era's window has closed: it may not come back, and nothing it held counts
end
local silentMs = nowMs - tonumber(v[3])
if silentMs < 0 then
  redis.call("HSET", session, "last", whole(nowMs)) -- the store's clock went back: silence counts from now
  silentMs = 0
end
local gone = false
if v[6] == "1" then
  local count = redis.pcall("PUBSUB", "NUMSUB", ARGV[4])
  gone = not count.err and count[2] == 0
end
if proof == "1" and (gone or v[6] ~= "1") then
  return condemn("proof")
end
local steadyMs, driftMs = steadyForMs(KEYS[3], nowMs, ARGV[6])
local addedMs = overlookedMs(driftMs, v[7])
local function outlasts(limitMs)
  return math.min(silentMs, steadyMs) >= tonumber(limitMs) + addedMs
end
if outlasts(v[4]) then
  return condemn("silent")
end
if gone and outlasts(v[5]) and brokenAgoMs >= tonumber(ARGV[8]) then
  return condemn("disconnected")
end
return { "alive" }
