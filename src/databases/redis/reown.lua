-- Take the leases that nobody has taken from this locker's condemned session over to its new one.
-- Uses: holders
-- KEYS[1] namespace   KEYS[2] new session   KEYS[3...] lease, one an element
-- ARGV[1] fresh era id   ARGV[2] recoveryMs   ARGV[3] generation   ARGV[4] era   ARGV[5] new session id   ARGV[6]
-- locker id
-- ARGV[7...] per element: lease number, token, lock TTL in ms
-- Returns {status, era, element, ...}; an element is {"held"} | {"lost", record or ""} | {"error", message}.
-- Atomic: compare-and-swap on the lease (locker and number) and its token; on less, a lease that somebody had since
-- would be revived. Not on the session: it may have been re-owned by one that came in between.
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
local function own(key, held, lease, ttlMs)
  if held.mode == "x" then
    redis.call("SET", key, packLease(ARGV[5], lease.number, lease.token, lease.atMs, ns.era, lease.trace), "PX", ttlMs)
  else
    lease.sessionId, lease.untilMs = ARGV[5], endOf(nowMs, ttlMs)
    writeHolder(held, lease.id, lease, nowMs)
  end
end

for i = 3, #KEYS do
  local a = 7 + (i - 3) * 3
  local lease, held, problem = findOurs(KEYS[i], ns, nowMs, ARGV[6], ARGV[a], ARGV[a + 1])
  if lease then
    own(KEYS[i], held, lease, ARGV[a + 2])
  end
  out[i] = problem or { "held" }
end
return out
