-- Give leases back, withdraw what may have been granted, leave queues: one word for all, as an asker that goes cannot
-- know which of them it is. Only the lease and the entry of that number: never others of the same owner.
-- KEYS[1] namespace   KEYS[2] session   KEYS[3...] per element: lease, queue
-- ARGV[1] fresh era id   ARGV[2] recoveryMs   ARGV[3] generation   ARGV[4] locker id   ARGV[5...] per element, in one
-- word: "<lease number> <for how long after its grant the key is kept, ms>"
-- Returns one element a key: "released" | {"released"} | {"absent"} | {"other", record} | {"error", message}; or
-- {"generation"} alone.
-- Atomic: the owner must not change between the look and DEL, and nobody may come between it and the first that waits:
-- who is granted the key here has it before anybody else can ask. It also tells the session's record which connection
-- speaks now, so that an acquire which a dead connection still delivers is refused.
local session, lockerId = KEYS[2], ARGV[4]
local known = tonumber(redis.call("HMGET", session, "generation")[1] or "0")
if redis.call("PEXPIRE", session, 3600000) == 1 then -- the first write, allowed also when memory is full
  if tonumber(ARGV[3]) < known then
    return { "generation" }
  end
  if tonumber(ARGV[3]) > known then
    redis.call("HSET", session, "generation", ARGV[3])
  end
end

local function readWish(i)
  local number, keepMs = string.match(ARGV[5 + (i - 3) / 2], "^(%S+) (%d+)$")
  return number, tonumber(keepMs)
end

local function isPlain(raw, number, keepMs)
  local sessionId, known = string.match(type(raw) == "string" and raw or "", "^1 x (%S+) (%d+) ")
  return keepMs == 0 and known == number and sameLease({ sessionId = sessionId, number = known }, lockerId, number)
end

-- What is given back most often, in as few commands as it takes: plain leases of keys for which nobody waits. Returns
-- how many, up to the first that is not that; so the functions for all the others are mostly not even made.
local function releasePlain()
  local leases, queues, plain, seen = {}, {}, {}, {}
  for i = 3, #KEYS, 2 do
    leases[#leases + 1], queues[#queues + 1] = KEYS[i], KEYS[i + 1]
  end
  if redis.call("EXISTS", unpack(queues)) ~= 0 then
    return 0
  end
  for n, key in ipairs(leases) do
    if seen[key] or not isPlain(redis.pcall("GET", key), readWish(2 * n + 1)) then break end
    seen[key], plain[n] = true, key
  end
  if #plain > 0 then
    redis.call("DEL", unpack(plain))
  end
  return #plain
end

local out, nextKey = {}, 3 + 2 * releasePlain()
for i = 3, nextKey - 1, 2 do
  out[#out + 1] = "released"
end
if nextKey > #KEYS then
  return out
end

-- Uses: holders, queue
local ns, nowUs, nowMs
-- Whether something may be granted now. The server's run id is asked for only when somebody waits, and once a batch.
local function isOpen()
  if ns == nil then
    nowUs, nowMs = readClock()
    ns = openNamespace(KEYS[1], ARGV[1], ARGV[2]) or false -- a record that is not ours: the key is free, and those who
  end -- wait will hear of it when they ask
  return ns and not ns.recovering
end

-- Also when a waiter merely leaves: behind a writer that gives up stand readers.
local function handOn(key, held, queue)
  if not counts(held, ns.era) then
    held = false
  end
  local fence = ns.fence
  grantNext(ns, key, prune(held, nowMs), queue, nowUs, nowMs)
  tellFirst(ns, queue, nowMs)
  dropStale(queue)
  if ns.fence > fence then
    redis.call("HSET", KEYS[1], "fence", whole(ns.fence))
  end
end

-- Until its time is over since the grant the key stays taken, whoever ends meanwhile; of a clock that was set back
-- since then, from now on. Returns what holds it now.
local function keep(key, held, lease, leftMs, storeMs)
  if held.mode ~= "x" then
    lease.state, lease.untilMs = "k", storeMs + leftMs
    writeHolder(held, lease.id, lease, storeMs)
    return held
  end
  redis.call("SET", key, string.gsub(lease.raw, "^%d+ %a", "2 k", 1), "PX", whole(leftMs))
  lease.state = "k"
  return lease
end

local function giveBack(key, held, lease, keepMs)
  if lease.state == "k" then
    return held -- asked again
  end
  if keepMs > 0 and lease.state == "x" then
    local _, storeMs = readClock()
    local leftMs = math.min(tonumber(lease.atMs), storeMs) + keepMs - storeMs
    if leftMs > 0 then
      return keep(key, held, lease, leftMs, storeMs)
    end
  end
  if held.mode ~= "x" then
    return removeHolder(held, lease)
  end
  redis.call("DEL", key)
  return false
end

local function element(key, queueKey, number, keepMs)
  local id = lockerId .. "#" .. number
  local queue, n = openQueue(queueKey, id) -- nil: not ours. A key can be given back nevertheless
  if queue and n then
    dropEntry(queue, n, id)
  end
  local held, problem = readHeld(key, "x")
  if held == nil then
    return { "error", problem }
  end
  local lease = findLease(held, lockerId, number)
  if lease then
    held = giveBack(key, held, lease, keepMs)
  end
  if queue and queue.exists and isOpen() then
    handOn(key, held, queue)
  end
  if not lease and held and held.mode == "x" then
    return { "other", held.raw }
  end
  return { lease and "released" or "absent" }
end

for i = nextKey, #KEYS, 2 do
  out[#out + 1] = element(KEYS[i], KEYS[i + 1], readWish(i))
end
tellGrants()
return out
