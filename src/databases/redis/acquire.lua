-- Grant leases: free keys, keys whose lease is of an older era, and keys whose condemned holder is named. Or queue for
-- them. Who is in the queue asks again and again: it is granted the key, or shows that it still waits.
-- Uses: queue
-- KEYS[1] namespace   KEYS[2] session   KEYS[3...] per element: lease, queue
-- ARGV[1] fresh era id   ARGV[2] recoveryMs   ARGV[3] generation   ARGV[4] era   ARGV[5] session id   ARGV[6] locker id
-- ARGV[7] channel where this locker hears of grants, or ""   ARGV[8] monotonic ms of the asker
-- ARGV[9...] per element: lease number, lock TTL in ms, mode ("x", "s" or "p <units> <limit>"), session id, token and
-- mark of holders to replace, tokens wanted, for how long the asker counts as fit, ms (0: it does not wait), lease id
-- and session id of dead waiters, trace
-- Returns {status, era, element, ...}; status "ok" | "condemned" | "era" | "generation"; an element is
-- {"granted", token, granted at ms, last token} | {"held", 1, record} | {"queued", ticket, "first" or "", 1, record,
-- lease id and session id of unfit waiters before it, ...} | {"recovering"} | {"error", message}.
-- Atomic: the session must not be condemned, nor the era end, between the look at a key and its grant; and nobody may
-- pass one that waits. All that can fail for one element alone is read first; the fence is written before the leases,
-- so that a full memory refuses the whole batch.
local era, sessionId, lockerId, channel = ARGV[4], ARGV[5], ARGV[6], ARGV[7]
local nowUs, nowMs = readClock()
local ns, err = openNamespace(KEYS[1], ARGV[1], ARGV[2])
if not ns then
  return err
end
local refused = refusal(KEYS[2], ns, era, ARGV[3])
if refused then
  return { refused, ns.era }
end

local out, writes, later, drops, taken, queues, fence = { "ok", ns.era }, {}, {}, {}, {}, {}, ns.fence

local function write(key, ttlMs, lease)
  lease.raw = packLease(lease.sessionId, lease.number, lease.token, lease.atMs, lease.era, lease.trace)
  taken[key] = lease
  writes[#writes + 1] = { key, lease.raw, ttlMs }
end

local function grant(key, ttlMs, tokens, lease)
  local first, last = takeBlock(ns, fence, nowUs, tokens)
  fence = last
  lease.token, lease.atMs, lease.era = whole(first), whole(nowMs), ns.era
  write(key, ttlMs, lease)
  return whole(last)
end

local function drop(queue, n, id)
  queue.dropped[id] = true
  drops[#drops + 1] = function()
    dropEntry(queue, n, id)
  end
end

-- Those whose session a contender found dead, if it is still theirs.
local function dropDead(queue, dead)
  for id, deadSession in string.gmatch(dead, "(%S+) (%S+)") do
    local n = findEntry(queue, id)
    local raw = n and readField(queue, whole(n))
    local entry = raw and readEntry(raw)
    if entry and entry.sessionId == deadSession then
      drop(queue, n, id)
    end
  end
end

local function isReplaced(lease, replace)
  for deadSession, token in string.gmatch(replace, "(%S+) (%d+) %d+") do
    if lease.sessionId == deadSession and lease.token == token then
      return true
    end
  end
  return false
end

-- Returns its ticket.
local function enqueue(queue, want)
  local n = findEntry(queue, want.id)
  local raw = n and readField(queue, whole(n))
  local known = raw and readEntry(raw)
  if not known then
    queue.tail, queue.exists, queue.dropped = queue.tail + 1, true, queue.dropped or {}
    n = queue.tail
  end
  local ticket = known and known.ticket or whole(nowUs)
  later[#later + 1] = function()
    local entry = packEntry({ id = want.id, sessionId = sessionId, ttlMs = want.ttlMs, era = ns.era,
      fitUntil = whole(nowMs + want.fitForMs), ticket = ticket, tokens = want.tokens, channel = channel,
      trace = want.trace })
    redis.call("HSET", queue.key, "head", whole(queue.head), "tail", whole(queue.tail), whole(n), entry, want.id,
      whole(n))
    redis.call("PEXPIRE", queue.key, QUEUE_KEEP_MS)
  end
  return ticket
end

local function element(key, queueKey, want)
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
  if lease and sameLease(lease, lockerId, want.number) then
    if lease.sessionId == sessionId then
      later[#later + 1] = function() -- its owner counts from this asking, not from the one whose answer was lost
        redis.call("PEXPIRE", key, want.ttlMs)
      end
    else
      lease.sessionId = sessionId -- asked again by the session that followed the condemned one
      write(key, want.ttlMs, lease)
    end
    return { "granted", lease.token, lease.atMs, lease.token }
  end
  local isHeld = lease and not isReplaced(lease, want.replace)
  if isHeld and want.fitForMs == 0 then
    return { "held", "1", lease.raw }
  end
  if not isHeld and ns.recovering then
    return { "recovering" }
  end

  local queue = queues[queueKey]
  if not queue then
    queue, problem = openQueue(queueKey)
    if not queue then
      return { "error", problem }
    end
    queues[queueKey] = queue
  end
  local first, n, unfit
  if queue.exists then
    dropDead(queue, want.dead)
    first, n, unfit = firstFit(queue, ns.era, nowMs, want.id)
  end
  if not isHeld then
    local own = { sessionId = sessionId, number = want.number, trace = want.trace }
    if not first or first.id == want.id then
      if n then
        drop(queue, n, want.id)
      end
      local last = grant(key, want.ttlMs, want.tokens, own)
      return { "granted", own.token, own.atMs, last }
    end
    lease = { sessionId = first.sessionId, number = string.match(first.id, "#(%d+)$"), trace = first.trace }
    local last = grant(key, first.ttlMs, first.tokens, lease)
    drop(queue, n, first.id)
    tellGranted(first, lease.number, lease.token, last, lease)
    if want.fitForMs == 0 then
      return { "held", "1", lease.raw }
    end
    return { "queued", enqueue(queue, want), "", "1", lease.raw } -- whether it is the first now, its next asking tells
  end
  local isFirst = not first or first.id == want.id
  return { "queued", enqueue(queue, want), isFirst and "first" or "", "1", lease.raw, unpack(unfit or {}) }
end

for i = 3, #KEYS, 2 do
  local a = 9 + (i - 3) * 4
  local want = { id = lockerId .. "#" .. ARGV[a], number = ARGV[a], ttlMs = ARGV[a + 1], replace = ARGV[a + 3],
    tokens = tonumber(ARGV[a + 4]), fitForMs = tonumber(ARGV[a + 5]), dead = ARGV[a + 6], trace = ARGV[a + 7] }
  out[#out + 1] = element(KEYS[i], KEYS[i + 1], want)
end
if fence > ns.fence then
  redis.call("HSET", KEYS[1], "fence", whole(fence))
end
for _, w in ipairs(writes) do
  redis.call("SET", w[1], w[2], "PX", w[3])
end
-- Last, since as a first write some of these would let the grants through when memory is full; and what leaves after
-- what enters, so that a queue is not removed in between.
for _, act in ipairs(later) do
  act()
end
for _, act in ipairs(drops) do
  act()
end
return out
