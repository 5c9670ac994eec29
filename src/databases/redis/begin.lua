-- Write a session's record: a new session, or one that enters a new era again while its recovery window is open.
-- KEYS[1] namespace   KEYS[2] session
-- ARGV[1] fresh era id   ARGV[2] recoveryMs   ARGV[3] "new" | "trusted" | "provisional"   ARGV[4] era to enter (not
-- for "new")
-- ARGV[5] monotonic ms of the sender   ARGV[6] time to keep the record, ms
-- ARGV[7] a token above which all of this namespace are to be   ARGV[8...] field, value, ...
-- Returns {status, era, state, store's ms, lost counter, recoveryMs, ms until the window may close}; status is
-- "alive" | "recovering" | "reenter" | "condemned".
-- Atomic: whether the window is open and whether the session was condemned must not change before the record is
-- written.
local session, mode, keepMs = KEYS[2], ARGV[3], ARGV[6]
local _, nowMs = readClock()
keepSession(session, keepMs) -- also when memory is full
local ns, err = openNamespace(KEYS[1], ARGV[1], ARGV[2])
if not ns then
  return err
end
if tonumber(ARGV[7]) > ns.fence then
  redis.call("HSET", ns.key, "fence", ARGV[7])
end
local function answer(status)
  return { status, ns.era, ns.recovering and "recovering" or "open", whole(nowMs), "0", whole(ns.recoveryMs),
    whole(ns.recoveryMs) }
end
local old = redis.call("HMGET", session, "dead", "era", "provisional", "eraNumber")
if old[1] or hasMissedEra(ns, old[4]) then
  return answer("condemned")
end
if old[2] == ns.era then
  -- Asked again, since the first answer was lost. It counts as a ping, and what lies between them as a gap.
  redis.call("HSET", session, "last", whole(nowMs), "steady", whole(nowMs))
  return answer(ns.recovering and old[3] == "1" and "recovering" or "alive")
end
if mode ~= "new" and (ns.era ~= ARGV[4] or not ns.recovering) then
  return answer(ns.recovering and "reenter" or "condemned")
end
redis.call("DEL", session)
redis.call("HSET", session, "v", FORMAT, "era", ns.era, "eraNumber", whole(ns.eraNumber), "last", whole(nowMs),
  "steady", whole(nowMs), "offset", whole(nowMs - tonumber(ARGV[5])), "offsetAt", whole(nowMs), "ahead", 0, "lost", 0,
  "provisional", mode == "provisional" and 1 or 0)
redis.call("HSET", session, unpack(ARGV, 8))
redis.call("PEXPIRE", session, keepMs)
return answer(mode == "provisional" and "recovering" or "alive")
