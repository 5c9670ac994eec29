-- Ask a holder to give its key back. By force: mark its lease, so that it no longer holds it, and raise the counter
-- that its next ping brings home; the key goes to nobody before the holder must have heard of it.
-- Uses: holders
-- KEYS[1] namespace   KEYS[2] session   KEYS[3] lease   KEYS[4] holder's session
-- ARGV[1] fresh era id   ARGV[2] recoveryMs   ARGV[3] generation   ARGV[4] era   ARGV[5] session id   ARGV[6] locker id
-- ARGV[7] monotonic ms of the asker   ARGV[8] holder's session id   ARGV[9] holder's locker id   ARGV[10] lease number
-- ARGV[11] token   ARGV[12] channel of its main thread   ARGV[13] channel of its worker   ARGV[14] "1" by force
-- Returns {status, era, element}; the element is {"asked", "1" when somebody listens, else "0"} | {"marked", marked at
-- ms, for how long whoever takes it must have been steady since, ms} | {"absent"} | {"error", message}.
-- Atomic: mark and counter are one, else the holder could hear of a mark that is not there yet and believe on.
local MARK_KEEP_MS = 60000 -- after that nobody has wanted it any more, and the key is free

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

-- The longest that its holder may believe in it without a ping, and how much more of a clock's step this session
-- overlooks than the holder does. Who is dead believes nothing.
local function mustBeSteadyMs()
  local v = redis.call("HMGET", KEYS[4], "dead", "grace", "drift", "lost")
  if v[1] or not v[2] then
    return 0
  end
  redis.call("HSET", KEYS[4], "lost", whole(tonumber(v[4] or "0") + 1))
  local _, driftMs = steadyForMs(KEYS[2], nowMs, ARGV[7])
  return tonumber(v[2]) + overlookedMs(driftMs, v[3])
end

local function mark(held, lease)
  local steadyMs = mustBeSteadyMs()
  if lease.state == "r" then -- marked before, perhaps by one who overlooks less
    steadyMs = math.max(steadyMs, tonumber(lease.steadyMs))
  else
    lease.markedMs = whole(nowMs)
  end
  lease.state, lease.steadyMs = "r", whole(steadyMs)
  if held.mode == "x" then
    local words = { 2, "r", lease.sessionId, lease.number, lease.token, lease.atMs, lease.era, lease.markedMs,
      lease.steadyMs, lease.trace }
    redis.call("SET", KEYS[3], table.concat(words, " "), "PX", whole(steadyMs + MARK_KEEP_MS))
  else
    lease.untilMs = nowMs + steadyMs + MARK_KEEP_MS
    writeHolder(held, lease.id, lease, nowMs)
  end
  redis.pcall("PUBLISH", ARGV[13], "lost")
end

local function revoke()
  local held, problem = readHeld(KEYS[3], "x")
  if held == nil then
    return { "error", problem }
  end
  local lease = counts(held, ns.era) and findLease(held, ARGV[9], ARGV[10])
  local isThat = lease and lease.sessionId == ARGV[8] and lease.token == ARGV[11] and lease.state ~= "k"
  if not isThat or (lease.untilMs or nowMs + 1) <= nowMs then
    return { "absent" }
  end
  if ARGV[14] == "1" then
    mark(held, lease)
  end
  local heard = redis.pcall("PUBLISH", ARGV[12], "revoked " .. lease.number .. " " .. lease.token)
  if ARGV[14] == "1" then
    return { "marked", lease.markedMs, lease.steadyMs }
  end
  return { "asked", type(heard) == "number" and heard > 0 and "1" or "0" }
end

return { "ok", ns.era, revoke() }
