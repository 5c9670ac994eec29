-- Give leases back, withdraw what may have been granted, leave queues: one word for all, as an asker that goes cannot
-- know which of them it is. Only the lease and the entry of that number: never others of the same owner.
-- Uses: queue
-- KEYS[1] namespace   KEYS[2] session   KEYS[3...] per element: lease, queue
-- ARGV[1] fresh era id   ARGV[2] recoveryMs   ARGV[3] generation   ARGV[4] locker id   ARGV[5...] per element: lease
-- number, for how long after its grant the key is kept, ms
-- Returns one element a key: {"released"} | {"absent"} | {"other", record} | {"error", message}; or {"generation"}
-- alone.
-- Atomic: the owner must not change between the look and DEL, and nobody may come between it and the first that waits:
-- who is granted the key here has it before anybody else can ask. It also tells the session's record which connection
-- speaks now, so that an acquire which a dead connection still delivers is refused.
local session, lockerId = KEYS[2], ARGV[4]
local exists = keepSession(session, 3600000) -- also when memory is full
if exists == 1 then
  local known = tonumber(redis.call("HMGET", session, "generation")[1] or "0")
  if tonumber(ARGV[3]) < known then
    return { "generation" }
  end
  if tonumber(ARGV[3]) > known then
    redis.call("HSET", session, "generation", ARGV[3])
  end
end

local ns, nowUs, nowMs
-- Whether something may be granted now. The server's run id is asked for only when somebody waits, and once a batch.
local function isOpen()
  if ns == nil then
    nowUs, nowMs = readClock()
    ns = openNamespace(KEYS[1], ARGV[1], ARGV[2]) or false -- a record that is not ours: the key is free, and those who
  end -- wait will hear of it when they ask
  return ns and not ns.recovering
end

local function handOn(key, queue)
  local entry, n = firstFit(queue, ns.era, nowMs, nil)
  if not entry then
    return -- the dead keep nobody else out: the first that asks is granted it
  end
  local first, last = takeBlock(ns, ns.fence, nowUs, entry.tokens)
  ns.fence = last
  local number = string.match(entry.id, "#(%d+)$")
  local lease = { atMs = whole(nowMs), era = ns.era, sessionId = entry.sessionId }
  redis.call("HSET", KEYS[1], "fence", whole(last))
  redis.call("SET", key, packLease(entry.sessionId, number, whole(first), lease.atMs, ns.era, entry.trace), "PX",
    entry.ttlMs)
  dropEntry(queue, n, entry.id)
  tellGranted(entry, number, whole(first), whole(last), lease)
end

local function element(key, queueKey, number)
  local queue = openQueue(queueKey) -- nil: not ours. A key can be given back nevertheless
  local id = lockerId .. "#" .. number
  local n = queue and findEntry(queue, id)
  if n then
    dropEntry(queue, n, id)
  end
  local lease, problem = readLease(key)
  if lease == nil then
    return { "error", problem }
  end
  local isOwn = lease and sameLease(lease, lockerId, number)
  if lease and not isOwn then
    return { "other", lease.raw }
  end
  if isOwn then
    redis.call("DEL", key)
  end
  if queue and queue.exists and isOpen() then
    handOn(key, queue)
  end
  return { isOwn and "released" or "absent" }
end

local out = {}
for i = 3, #KEYS, 2 do
  out[#out + 1] = element(KEYS[i], KEYS[i + 1], ARGV[2 + i])
end
return out
