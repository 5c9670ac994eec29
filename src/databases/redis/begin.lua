-- Write a session's record: a new session, or one that enters a new era again while its recovery window is open.
-- KEYS[1] namespace   KEYS[2] session
-- ARGV[1] fresh era id   ARGV[2] recoveryMs   ARGV[3] "new" | "trusted" | "provisional"   ARGV[4] era to enter (not
-- for "new")
-- ARGV[5] monotonic ms of the sender   ARGV[6] time to keep the record, ms
-- ARGV[7] a token above which all of this namespace are to be
-- ARGV[8] number of the era that it lived in, or "" for "new"   ARGV[9] when it was last served there, that store's ms
-- ARGV[10] for how long that is believed, ms   ARGV[11] "1" when its connection did not break: it got no answers
-- ARGV[12...] field, value, ...
-- Returns {status, era, state, store's ms, lost counter, recoveryMs, ms until the window may close, the era's
-- number}; status is "alive" | "recovering" | "reenter" | "condemned".
-- Atomic: whether the window is open and whether the session was condemned must not change before the record is
-- written.
local session, mode, keepMs = KEYS[2], ARGV[3], ARGV[6]
local _, nowMs = readClock()
keepSession(session, keepMs) -- also when memory is full
local ns, err = openNamespace(KEYS[1], ARGV[1], ARGV[2])
if not ns then
  return err
end
local least = tonumber(ARGV[7]) or 0
if least > ns.fence and least < 2 ^ 53 then
  redis.call("HSET", ns.key, "fence", whole(least))
end
local function answer(status)
  return { status, ns.era, ns.recovering and "recovering" or "open", whole(nowMs), "0", whole(ns.recoveryMs),
    whole(ns.recoveryMs), whole(ns.eraNumber) }
end

-- What it knows of the time before, for the judgement of all who enter.
local function bringLived()
  local lived = tonumber(ARGV[8])
  if not lived then
    return
  end
  redis.call("HSET", session, "lived", ARGV[8], "served", ARGV[9], "trust", ARGV[10], "silent", ARGV[11])
  noteServed(ns, lived, tonumber(ARGV[9]))
  if lived >= ns.eraNumber then -- what the store came back with is older than that era
    ns.eraNumber = lived + 1
    redis.call("HSET", ns.key, "eraNumber", whole(ns.eraNumber))
  end
end

local old = redis.call("HMGET", session, "dead", "era", "provisional", "eraNumber")
if old[1] or (old[2] ~= ns.era and hasMissedEra(ns, old[4])) then
  return answer("condemned")
end
if old[2] == ns.era then
  -- Asked again, since the first answer was lost. It counts as a ping, and what lies between them as a gap.
  redis.call("HSET", session, "last", whole(nowMs), "steady", whole(nowMs))
  if ns.recovering and mode == "provisional" and old[3] ~= "1" then -- its first begin came late, and made it anew
    bringLived()
    old[3] = "1"
    redis.call("HSET", session, "provisional", 1)
  end
  if isDoubted(ns, session, nowMs) then
    return answer("condemned")
  end
  return answer(ns.recovering and old[3] == "1" and "recovering" or "alive")
end
if mode ~= "new" and (ns.era ~= ARGV[4] or not ns.recovering) then
  return answer(ns.recovering and "reenter" or "condemned")
end
redis.call("DEL", session)
redis.call("HSET", session, "v", FORMAT, "era", ns.era, "eraNumber", whole(ns.eraNumber), "last", whole(nowMs),
  "steady", whole(nowMs), "offset", whole(nowMs - tonumber(ARGV[5])), "offsetAt", whole(nowMs), "ahead", 0, "lost", 0,
  "provisional", mode == "provisional" and 1 or 0)
redis.call("HSET", session, unpack(ARGV, 12))
bringLived()
redis.call("PEXPIRE", session, keepMs)
return answer(mode == "provisional" and "recovering" or "alive")
