-- What every script needs: the store's clock, the namespace with its era, steadiness, the lease record.
-- KEYS and ARGV are those of the script this text is put in front of. Returns nothing by itself.
-- Numbers leave a script as text made with %.0f: tostring() would cut a token in microseconds to 14 digits.

local FORMAT = 1

local function whole(n)
  return string.format("%.0f", n)
end

local function readClock()
  local t = redis.call("TIME")
  local us = tonumber(t[1]) * 1000000 + tonumber(t[2])
  return us, math.floor(us / 1000)
end

-- Keeps a session's record for another while, if there is one. As a script's first write it is one that is allowed when
-- memory is full, and opens the way for the others. A value of another type fails before its time to live is touched.
local function keepSession(session, keepMs)
  redis.call("HLEN", session)
  return redis.call("PEXPIRE", session, keepMs)
end

-- What the record knows of pings and of older data: few scripts ask for it.
local function readMemory(ns)
  if ns.lastEra then
    return
  end
  local v = redis.call("HMGET", ns.key, "lastEra", "lastMs", "seenEra", "seenMs", "dataEra", "dataMs")
  ns.lastEra = tonumber(v[1] or "0") -- of the youngest ping while keys could be granted
  ns.lastMs = tonumber(v[2] or "0")
  ns.seenEra = tonumber(v[3] or "0") -- of the youngest of which the data or anybody who entered again knows
  ns.seenMs = tonumber(v[4] or "0")
  ns.dataEra = tonumber(v[5] or "0") -- of the youngest of which the data knew when this era began
  ns.dataMs = tonumber(v[6] or "0")
end

-- Somebody was served then, in that era.
local function noteServed(ns, eraNumber, atMs)
  readMemory(ns)
  if eraNumber > ns.seenEra or (eraNumber == ns.seenEra and atMs > ns.seenMs) then
    ns.seenEra, ns.seenMs = eraNumber, atMs
    redis.call("HSET", ns.key, "seenEra", whole(eraNumber), "seenMs", whole(atMs))
  end
end

local function beginEra(ns, era)
  readMemory(ns)
  ns.era = era
  ns.recovering = true
  ns.eraNumber = ns.eraNumber + 1
  redis.call("HSET", ns.key, "v", FORMAT, "run", ns.run, "era", era, "state", "recovering", "eraNumber",
    whole(ns.eraNumber), "dataEra", whole(ns.lastEra), "dataMs", whole(ns.lastMs))
  noteServed(ns, ns.lastEra, ns.lastMs)
end

-- Whether a session missed an era in which keys could be granted: its own may have gone to others since. Told by what
-- outlived the loss; where nothing did, nobody can tell.
local function hasMissedEra(ns, eraNumber)
  return eraNumber and tonumber(eraNumber) < ns.openedNumber
end

-- Once the window has closed: whether a session that is there provisionally may have been condemned before the loss, by
-- what all who entered know, and what the data knows. Another may have been served, and have condemned it, when it was
-- not any more. If no connection broke, the data must show also that it is not from before. Settled either way.
local function isDoubted(ns, session, nowMs)
  local v = redis.call("HMGET", session, "provisional", "lived", "served", "trust", "silent")
  if ns.recovering or v[1] ~= "1" or not v[2] then
    return false
  end
  readMemory(ns)
  local lived, served, trust = tonumber(v[2]), tonumber(v[3]), tonumber(v[4])
  local isOutlived = ns.seenEra > lived or (ns.seenEra == lived and ns.seenMs > served + trust)
  local isFresh = ns.dataEra == lived and ns.dataMs >= served - trust
  if isOutlived or (v[5] == "1" and not isFresh) then
    redis.call("HSET", session, "dead", whole(nowMs), "cause", "era")
    return true
  end
  redis.call("HSET", session, "provisional", 0)
  return false
end

-- Found plainly first: a pattern would be tried at each of the hundreds of letters before it.
local function readRunId()
  local info = redis.call("INFO", "server")
  local at = string.find(info, "run_id:", 1, true)
  return at and string.match(info, "^%x+", at + 7) or ""
end

-- Reads the namespace record and compares the server's run id with the one it keeps: a store that was restarted,
-- promoted or wiped is noticed by the very script that would grant or condemn (a client that compares is too late).
local function openNamespace(key, freshEra, recoveryMs)
  local v = redis.pcall("HMGET", key, "v", "run", "era", "state", "fence", "recovery", "eraNumber", "opened")
  if v.err then
    return nil, redis.error_reply(v.err .. " (HMGET, namespace record " .. key .. ")")
  end
  if v[1] and tonumber(v[1]) > FORMAT then
    return nil, redis.error_reply("PULSELOCK_NEWER namespace record has format " .. v[1])
  end
  local ns = {
    key = key,
    run = readRunId(),
    era = v[3],
    recovering = v[4] ~= "open",
    fence = tonumber(v[5] or "0"),
    recoveryMs = tonumber(v[6] or "0"),
    eraNumber = tonumber(v[7] or "0"),
    openedNumber = tonumber(v[8] or "0"), -- of the last era whose window has closed
  }
  if not v[3] or v[2] ~= ns.run then
    beginEra(ns, freshEra)
  end
  if tonumber(recoveryMs) > ns.recoveryMs then
    ns.recoveryMs = tonumber(recoveryMs)
    redis.call("HSET", key, "recovery", recoveryMs)
  end
  return ns
end

-- For how long this session has been served without a gap, up to this very moment; 0 when it is not steady now. Also
-- how far the store's clock may have run ahead meanwhile without this session calling it a step, ms.
local function steadyForMs(session, nowMs, monoMs)
  local v = redis.call("HMGET", session, "dead", "last", "steady", "offset", "interval", "drift")
  if v[1] or not v[2] then
    return 0, 0
  end
  local gapMs, allowed = nowMs - tonumber(v[2]), tonumber(v[6])
  local drift = (nowMs - tonumber(monoMs)) - tonumber(v[4])
  if gapMs < 0 or gapMs > 2 * tonumber(v[5]) or math.abs(drift) > allowed then
    return 0, allowed
  end
  return nowMs - tonumber(v[3]), allowed
end

-- A contender with larger limits overlooks larger steps of the store's clock than the victim's margin allows for: by
-- so many ms its silence must be longer.
local function overlookedMs(driftMs, victimDriftMs)
  return math.max(0, driftMs - tonumber(victimDriftMs))
end

-- Why a command of this session is not to be executed, or nil. A connection's generation only grows: what an older,
-- dead connection still delivers is refused once the next one has been heard.
local function refusal(session, ns, era, generation)
  local v = redis.call("HMGET", session, "dead", "era", "generation")
  if v[1] or not v[2] then
    return "condemned"
  end
  if v[2] ~= ns.era or era ~= ns.era then
    return "era"
  end
  local known = tonumber(v[3] or "0")
  if tonumber(generation) < known then
    return "generation"
  end
  if tonumber(generation) > known then
    redis.call("HSET", session, "generation", generation)
  end
  return nil
end

-- The next tokens: so many, but none further ahead of the store's clock than a tenth of the recovery window, since
-- after a loss of data the clock alone keeps tokens growing. Returns first and last.
local function takeBlock(ns, nowUs, tokens)
  local first = math.max(ns.fence + 1, nowUs)
  local most = nowUs + ns.recoveryMs * 100
  ns.fence = math.max(first, math.min(first + tokens - 1, most))
  return first, ns.fence
end

-- A lease record: format, mode, session id, lease number, token, granted at (ms), era, trace.
local function packLease(sessionId, number, token, atMs, era, trace)
  return FORMAT .. " x " .. sessionId .. " " .. number .. " " .. token .. " " .. atMs .. " " .. era .. " " .. trace
end

-- Returns the record as a table, false when there is none, or nil and the error of a value that is not ours. Its state
-- is "x" held, and in format 2 "k" kept, though its job is over, or "r" revoked by force, since markedMs.
local function readLease(key)
  local raw = redis.pcall("GET", key)
  if type(raw) == "table" and raw.err then
    return nil, raw.err .. " (GET)"
  end
  if not raw then
    return false
  end
  local format, state = string.match(raw, "^(%d+) (%a) ")
  local isMarked = format == "2" and (state == "k" or state == "r")
  if format and tonumber(format) > FORMAT and not isMarked then
    return nil, "PULSELOCK_NEWER lease record has format " .. format
  end
  local sessionId, number, token, atMs, era, trace =
    string.match(raw, "^%d+ %a (%S+) (%d+) (%d+) (%d+) (%S+) (.*)$")
  if not sessionId then
    return nil, "PULSELOCK_FOREIGN the value is not a lease record"
  end
  local lease = { mode = "x", state = isMarked and state or "x", sessionId = sessionId, number = number, token = token,
    atMs = atMs, era = era, trace = trace, raw = raw }
  if lease.state == "r" then
    lease.markedMs, lease.steadyMs, lease.trace = string.match(trace, "^(%d+) (%d+) (.*)$")
    if not lease.trace then
      return nil, "PULSELOCK_FOREIGN the value is not a lease record"
    end
  end
  return lease
end

-- A lease id is the locker and a number; the session under it may have changed since.
local function sameLease(lease, lockerId, number)
  return lease.number == number and string.sub(lease.sessionId, 1, #lockerId + 1) == lockerId .. "."
end
