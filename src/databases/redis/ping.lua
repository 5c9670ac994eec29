-- A session's sign of life. It never creates a record: an absent one is a condemned one.
-- KEYS[1] namespace   KEYS[2] session
-- ARGV[1] fresh era id   ARGV[2] recoveryMs   ARGV[3] era the sender lives in   ARGV[4] monotonic ms of the sender
-- ARGV[5] "1" when the sender saw the store's clock step forward   ARGV[6] time to keep the record, ms
-- Returns {status, era, state, store's ms, lost counter, recoveryMs, ms until the window may close, the era's
-- number}; status is "alive" | "recovering" | "reenter" | "condemned".
-- Atomic: nobody may condemn between the look at the record and the note that it lives.
local session, era, monoMs, keepMs = KEYS[2], ARGV[3], tonumber(ARGV[4]), ARGV[6]
local _, nowMs = readClock()
keepSession(session, keepMs) -- also when memory is full
local ns, err = openNamespace(KEYS[1], ARGV[1], ARGV[2])
if not ns then
  return err
end
if ARGV[5] == "1" and ns.era == era then
  -- Leases may have run out before their time, in an open window as well: grant nothing until the living have said what
  -- they hold
  beginEra(ns, ARGV[1])
end
local v = redis.call("HMGET", session, "dead", "era", "last", "steady", "offset", "offsetAt", "ahead", "interval",
  "drift", "lost", "provisional", "eraNumber")
local function answer(status, openInMs)
  return { status, ns.era, ns.recovering and "recovering" or "open", whole(nowMs), v[10] or "0", whole(ns.recoveryMs),
    whole(openInMs or 0), whole(ns.eraNumber) }
end
if v[1] then
  return answer("condemned")
end
if v[2] ~= ns.era then
  if ns.recovering and not hasMissedEra(ns, v[12]) then
    return answer("reenter")
  end
  if v[2] then
    redis.call("HSET", session, "dead", whole(nowMs), "cause", "era")
  end
  return answer("condemned")
end

-- Steadiness: no gap over two intervals, none negative, and the store's clock in step with the sender's. A late ping
-- looks like a clock that ran ahead, so one such ping is only counted; the second in a row is a step.
local gapMs, offset = nowMs - tonumber(v[3]), nowMs - monoMs
local steady, reference, referenceAt, ahead = tonumber(v[4]), tonumber(v[5]), tonumber(v[6]), tonumber(v[7])
local drift = tonumber(v[9])
if offset > reference + drift then
  ahead = ahead + 1
else
  ahead = 0
end
if gapMs < 0 or gapMs > 2 * tonumber(v[8]) or offset < reference - drift or ahead >= 2 then
  steady, reference, referenceAt, ahead = nowMs, offset, nowMs, 0
elseif ahead == 0 and (offset < reference or nowMs - referenceAt > 10000) then
  reference, referenceAt = offset, nowMs -- the least delayed ping is the best reference; renewed, since clocks drift
end
redis.call("HSET", session, "last", whole(nowMs))
if steady ~= tonumber(v[4]) or reference ~= tonumber(v[5]) or referenceAt ~= tonumber(v[6]) or ahead ~= tonumber(v[7])
  or ns.eraNumber ~= tonumber(v[12]) then -- mostly not: what does not change is not written
  redis.call("HSET", session, "steady", whole(steady), "offset", whole(reference), "offsetAt", whole(referenceAt),
    "ahead", ahead, "eraNumber", whole(ns.eraNumber))
end
local openInMs = 0
if ns.recovering then
  openInMs = math.max(0, ns.recoveryMs - (nowMs - steady))
  if openInMs == 0 and ahead == 0 then -- else the clock may have run ahead, and only the next ping can tell
    ns.recovering = false
    redis.call("HSET", ns.key, "state", "open", "opened", whole(ns.eraNumber))
  end
end
if v[11] == "1" and isDoubted(ns, session, nowMs) then
  return answer("condemned")
end
if not ns.recovering then
  redis.call("HSET", ns.key, "lastEra", whole(ns.eraNumber), "lastMs", whole(nowMs))
end
return answer(ns.recovering and v[11] == "1" and "recovering" or "alive", openInMs)
