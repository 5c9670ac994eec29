-- What a contender needs to know of a holder's session, and of its own, at one instant of the store.
-- KEYS[1] holder's session   KEYS[2] contender's session
-- ARGV[1] holder's channel   ARGV[2] monotonic ms of the contender
-- Returns {store's ms, "1" when the holder's connection is gone ("0" when not, "" when it cannot be told),
-- ms the contender has been steady, ms that it must wait on top of the holder's limits, field, value, ...}; no fields
-- when the record is absent. It writes nothing.
local _, nowMs = readClock()
local gone = ""
local count = redis.pcall("PUBSUB", "NUMSUB", ARGV[1])
if not count.err then
  gone = count[2] == 0 and "1" or "0"
end
local steadyMs, driftMs = steadyForMs(KEYS[2], nowMs, ARGV[2])
local victimDriftMs = redis.call("HMGET", KEYS[1], "drift")[1] or driftMs -- absent: there is nothing to wait for
local out = { whole(nowMs), gone, whole(steadyMs), whole(overlookedMs(driftMs, victimDriftMs)) }
for _, v in ipairs(redis.call("HGETALL", KEYS[1])) do
  out[#out + 1] = v
end
return out
