-- Is it still ours? And, for a lease whose job has beaten: keep it for another lock TTL.
-- Uses: holders
-- KEYS[1] namespace   KEYS[2] session   KEYS[3...] lease, one an element
-- ARGV[1] fresh era id   ARGV[2] recoveryMs   ARGV[3] generation   ARGV[4] era   ARGV[5] session id   ARGV[6] locker id
-- ARGV[7...] per element: lease number, token, lock TTL in ms (0: only look)
-- Returns {status, era, element, ...}; an element is {"held"} | {"lost", record or ""} | {"error", message}.
-- Atomic: the owner must not change between the look and PEXPIRE.
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
local function prolong(key, held, lease, ttlMs)
  if held.mode == "x" then
    redis.call("PEXPIRE", key, ttlMs)
  else
    lease.untilMs = endOf(nowMs, ttlMs)
    writeHolder(held, lease.id, lease, nowMs)
  end
end

for i = 3, #KEYS do
  local a = 7 + (i - 3) * 3
  local lease, held, problem = findOurs(KEYS[i], ns, nowMs, ARGV[6], ARGV[a], ARGV[a + 1], ARGV[5])
  if lease and ARGV[a + 2] ~= "0" then
    prolong(KEYS[i], held, lease, ARGV[a + 2])
  end
  out[i] = problem or { "held" }
end
return out
