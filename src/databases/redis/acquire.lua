-- Grant leases: free keys, keys whose lease is of an older era, and keys whose condemned holder is named.
-- KEYS[1] namespace   KEYS[2] session   KEYS[3...] lease, one an element
-- ARGV[1] fresh era id   ARGV[2] recoveryMs   ARGV[3] generation   ARGV[4] era   ARGV[5] session id   ARGV[6] locker id
-- ARGV[7...] per element: lease number, lock TTL in ms, session id to replace or "", its token or "", trace
-- Returns {status, era, element, ...}; status "ok" | "condemned" | "era" | "generation"; an element is
-- {"granted", token, granted at ms} | {"held", record} | {"recovering"} | {"error", message}.
-- Atomic: the session must not be condemned, nor the era end, between the look at a key and its grant. All that can
-- fail for one element alone is read first; the fence is written before the leases, so that a full memory refuses
-- the whole batch.
local era, sessionId, lockerId = ARGV[4], ARGV[5], ARGV[6]
local nowUs, nowMs = readClock()
local ns, err = openNamespace(KEYS[1], ARGV[1], ARGV[2])
if not ns then
  return err
end
local refused = refusal(KEYS[2], ns, era, ARGV[3])
if refused then
  return { refused, ns.era }
end

local out, writes, asked, taken, fence = { "ok", ns.era }, {}, {}, {}, ns.fence

local function write(key, ttlMs, lease)
  lease.raw = packLease(lease.sessionId, lease.number, lease.token, lease.atMs, lease.era, lease.trace)
  taken[key] = lease
  writes[#writes + 1] = { key, lease.raw, ttlMs }
  return { "granted", lease.token, lease.atMs }
end

local function element(key, number, ttlMs, oldSession, oldToken, trace)
  local lease, problem = taken[key], nil
  if not lease then
    lease, problem = readLease(key)
  end
  if lease == nil then
    return { "error", problem }
  end
  if lease and lease.era ~= ns.era then
    lease = false
  end
  if lease and sameLease(lease, lockerId, number) then
    if lease.sessionId == sessionId then
      asked[#asked + 1] = { key, ttlMs } -- its owner counts from this asking, not from the one whose answer was lost
      return { "granted", lease.token, lease.atMs }
    end
    lease.sessionId = sessionId -- asked again by the session that followed the condemned one
    return write(key, ttlMs, lease)
  end
  if lease and not (lease.token == oldToken and lease.sessionId == oldSession) then
    return { "held", lease.raw }
  end
  if ns.recovering then
    return { "recovering" }
  end
  fence = math.max(fence + 1, nowUs)
  return write(key, ttlMs, { sessionId = sessionId, number = number, token = whole(fence), atMs = whole(nowMs),
    era = ns.era, trace = trace })
end

for i = 3, #KEYS do
  local a = 7 + (i - 3) * 5
  out[i] = element(KEYS[i], ARGV[a], ARGV[a + 1], ARGV[a + 2], ARGV[a + 3], ARGV[a + 4])
end
if fence > ns.fence then
  redis.call("HSET", KEYS[1], "fence", whole(fence))
end
for _, w in ipairs(writes) do
  redis.call("SET", w[1], w[2], "PX", w[3])
end
for _, a in ipairs(asked) do
  redis.call("PEXPIRE", a[1], a[2]) -- last: as a first write it would let the grants through when memory is full
end
return out
