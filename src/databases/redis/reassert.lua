-- The store lost its memory: the living say again what they hold, with the tokens they hold it under.
-- Uses: holders
-- KEYS[1] namespace   KEYS[2] session   KEYS[3...] lease, one an element
-- ARGV[1] fresh era id   ARGV[2] recoveryMs   ARGV[3] generation   ARGV[4] era   ARGV[5] session id   ARGV[6] locker id
-- ARGV[7...] per element: lease number, token, lock TTL in ms, granted at ms, mode ("x", "s"
-- or "p <units> <limit>"), last token of its block, trace
-- Returns {status, era, element, ...}; an element is {"held"} | {"lost", record or ""} | {"error", message}.
-- Atomic: only while the window is open, for after it a key without a record is free. Of two that claim one key the
-- larger token was granted later, so it is the one that holds.
keepSession(KEYS[2], 3600000) -- also when memory is full
local ns, err = openNamespace(KEYS[1], ARGV[1], ARGV[2])
if not ns then
  return err
end
local refused = refusal(KEYS[2], ns, ARGV[4], ARGV[3])
if refused then
  return { refused, ns.era }
end
local _, nowMs = readClock()
local out = { "ok", ns.era }

-- Whether a claim is not older than what the key is held by. What is of an older era holds nothing any more, but a
-- larger token in it shows that somebody had the key since.
local function isLatest(held, token, isCurrent)
  local known = held and tonumber(held.token) or -1
  return known < token or (known == token and not isCurrent)
end

-- Those who held it together may all come back; more permits than there are cannot have been given out.
local function canJoin(held, want)
  return held.mode == want.mode and held.token == want.token and held.limit == want.limit and isCompatible(held, want)
end

local function write(key, held, isCurrent, want)
  if want.mode == "x" then
    local raw = packLease(ARGV[5], want.number, want.token, want.atMs, ns.era, want.trace)
    redis.call("SET", key, raw, "PX", want.ttlMs)
    return
  end
  local lease = { state = "x", sessionId = ARGV[5], untilMs = endOf(nowMs, want.ttlMs), atMs = want.atMs,
    units = want.units, markedMs = "0", steadyMs = "0", trace = want.trace }
  if isCurrent and canJoin(held, want) then
    held.used = held.used + want.units
    writeHolder(held, want.id, lease, nowMs)
  else
    beginHolders(ns, key, want.mode, want.limit, want.token, want.id, lease, nowMs)
  end
end

local function element(key, want)
  local held, problem = readHeld(key, want.mode)
  if held == nil then
    return { "error", problem }
  end
  local isCurrent = held and held.era == ns.era
  local lease = isCurrent and findLease(held, ARGV[6], want.number)
  if lease and lease.state == "x" and lease.token == want.token and lease.sessionId == ARGV[5] then
    if held.mode == "x" then
      redis.call("PEXPIRE", key, want.ttlMs)
    else
      lease.untilMs = endOf(nowMs, want.ttlMs)
      writeHolder(held, lease.id, lease, nowMs)
    end
    return { "held" }
  end
  local canClaim = isLatest(held, tonumber(want.token), isCurrent) or (isCurrent and canJoin(held, want))
  if not ns.recovering or not canClaim then
    return { "lost", isCurrent and takenBy(held) or "" }
  end
  write(key, held, isCurrent, want)
  ns.fence = math.max(ns.fence, want.last)
  return { "held" }
end

local fence = ns.fence
for i = 3, #KEYS do
  local a = 7 + (i - 3) * 7
  local mode, units, limit = readMode(ARGV[a + 4])
  out[i] = element(KEYS[i], { id = ARGV[6] .. "#" .. ARGV[a], number = ARGV[a], token = ARGV[a + 1],
    ttlMs = ARGV[a + 2], atMs = ARGV[a + 3], mode = mode, units = units, limit = limit, last = tonumber(ARGV[a + 5]),
    trace = ARGV[a + 6] })
end
if ns.fence > fence then
  redis.call("HSET", KEYS[1], "fence", whole(ns.fence))
end
return out
