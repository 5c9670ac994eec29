-- The store lost its memory: the living say again what they hold, with the tokens they hold it under.
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
local out, fence = { "ok", ns.era }, ns.fence

-- A record of an older era holds nothing any more, but a larger token in it shows that somebody had the key since.
local function isLatest(lease, token, current)
  local known = lease and tonumber(lease.token) or -1
  return known < token or (known == token and not current)
end

for i = 3, #KEYS do
  local a = 7 + (i - 3) * 7
  local number, token, ttlMs = ARGV[a], ARGV[a + 1], ARGV[a + 2]
  local lease, problem = readLease(KEYS[i])
  local current = lease and lease.era == ns.era
  if lease == nil then
    out[i] = { "error", problem }
  elseif current and sameLease(lease, ARGV[6], number) and lease.token == token and lease.sessionId == ARGV[5] then
    redis.call("PEXPIRE", KEYS[i], ttlMs)
    out[i] = { "held" }
  elseif ns.recovering and isLatest(lease, tonumber(token), current) then
    redis.call("SET", KEYS[i], packLease(ARGV[5], number, token, ARGV[a + 3], ns.era, ARGV[a + 6]), "PX", ttlMs)
    fence = math.max(fence, tonumber(ARGV[a + 5]))
    out[i] = { "held" }
  else
    out[i] = { "lost", current and lease.raw or "" }
  end
end
if fence > ns.fence then
  redis.call("HSET", KEYS[1], "fence", whole(fence))
end
return out
