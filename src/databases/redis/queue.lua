-- What scripts that queue or hand on need: put where a script says "Uses: queue".
-- KEYS and ARGV are those of that script. Returns nothing by itself.
-- A queue is a hash: "head" and "tail" are the numbers of its first and last entry, "limit" that of a queue for
-- permits, "<n>" is an entry, "<lease id>" its n. An entry: format, mode, lease id, session id, lock TTL, era, fit
-- until (ms), ticket (µs), units, tokens, length of its channel's name, that name and the trace.

local QUEUE_KEEP_MS = 3600000 -- for garbage only: every entry is asked for again within a second or so
local ENTRIES_A_LOOK = 8
local UNFIT_TOLD = 7
local GRANTS_A_CALL = 64 -- the polls of those who are left bring the next

local function packEntry(e)
  return table.concat({ FORMAT, e.mode, e.id, e.sessionId, e.ttlMs, e.era, e.fitUntil, e.ticket, whole(e.units),
    e.tokens, #e.channel, e.channel .. e.trace }, " ")
end

local function readEntry(raw)
  local mode, id, sessionId, ttlMs, era, fitUntil, ticket, units, tokens, length, texts =
    string.match(raw, "^1 ([xsp]) (%S+) (%S+) (%d+) (%S+) (%d+) (%d+) (%d+) (%d+) (%d+) (.*)$")
  if not id then
    return nil -- of a newer version, or none of ours: nobody whom this one could grant anything
  end
  return { mode = mode, id = id, sessionId = sessionId, ttlMs = ttlMs, era = era, fitUntil = fitUntil, ticket = ticket,
    units = tonumber(units), tokens = tonumber(tokens), channel = string.sub(texts, 1, length),
    trace = string.sub(texts, length + 1) }
end

-- Returns the queue, empty when there is none, and the n of a waiter's entry, if it has one; or nil and the error of a
-- value that is not ours.
local function openQueue(key, id)
  local v = redis.pcall("HMGET", key, "head", "tail", "limit", id)
  if v.err then
    return nil, v.err .. " (HMGET, queue)"
  end
  if not v[1] then
    return { key = key, head = 1, tail = 0, limit = 0 }
  end
  local queue = { key = key, head = tonumber(v[1]), tail = tonumber(v[2] or ""), limit = tonumber(v[3] or "0"),
    exists = true, stale = {} }
  if not queue.head or not queue.tail or not queue.limit then
    return nil, "PULSELOCK_FOREIGN the value is not a queue"
  end
  return queue, tonumber(v[4] or "")
end

-- Whether its main thread asked a moment ago and still listens. Where listening is not permitted only the time tells.
local function isFit(entry, nowMs)
  if tonumber(entry.fitUntil) <= nowMs then
    return false
  end
  if entry.channel == "" then
    return true
  end
  local count = redis.pcall("PUBSUB", "NUMSUB", entry.channel)
  return count.err ~= nil or count[2] > 0
end

-- The first entry of this era that is fit, or is the asker's own, with its n. The unfit ones before it are added to
-- `unfit`, in pairs of lease id and session id. The asker is fit: it asks. Nothing is written.
local function firstFit(queue, era, nowMs, askerId, from, unfit)
  local n = from or queue.head
  while n <= queue.tail do
    local names = {}
    for i = n, math.min(n + ENTRIES_A_LOOK - 1, queue.tail) do
      names[#names + 1] = whole(i)
    end
    local raws = redis.call("HMGET", queue.key, unpack(names))
    for i = 1, #names do
      local entry = raws[i] and readEntry(raws[i])
      if entry and entry.era == era then
        if entry.id == askerId or isFit(entry, nowMs) then
          return entry, n + i - 1
        end
        if unfit and #unfit < 2 * UNFIT_TOLD then
          unfit[#unfit + 1] = entry.id
          unfit[#unfit + 1] = entry.sessionId
        end
      elseif entry and entry.id ~= askerId then
        queue.stale[#queue.stale + 1] = { n = n + i - 1, id = entry.id }
      end
    end
    n = n + #names
  end
end

local function readField(queue, field)
  return redis.call("HMGET", queue.key, field)[1]
end

-- Takes an entry out. Where it stood is a hole; holes at the front are left behind, and an empty queue is removed.
local function dropEntry(queue, n, id)
  redis.call("HDEL", queue.key, whole(n), id)
  local head = queue.head
  while queue.head <= queue.tail and not readField(queue, whole(queue.head)) do
    queue.head = queue.head + 1
  end
  if queue.head > queue.tail then
    redis.call("DEL", queue.key)
    queue.head, queue.tail, queue.exists = 1, 0, nil
  elseif queue.head > head then
    redis.call("HSET", queue.key, "head", whole(queue.head))
  end
end

-- Entries of an older era, as they were met: who waits has asked again since, or will.
local function dropStale(queue)
  for _, one in ipairs(queue.stale or {}) do
    if queue.exists and readField(queue, one.id) == whole(one.n) then
      dropEntry(queue, one.n, one.id)
    end
  end
end

-- The n of a waiter's entry, or nil.
local function findEntry(queue, id)
  local n = queue.exists and readField(queue, id)
  return n and tonumber(n)
end

-- Those whose session a contender found dead, if it is still theirs.
local function dropDead(queue, dead)
  for id, deadSession in string.gmatch(dead, "(%S+) (%S+)") do
    local n = findEntry(queue, id)
    local raw = n and readField(queue, whole(n))
    local entry = raw and readEntry(raw)
    if entry and entry.sessionId == deadSession then
      dropEntry(queue, n, id)
    end
  end
end

-- Grants a wish, which must be compatible, to a lease: its session, number and trace. Returns what holds the key now,
-- the token and the last token. Whoever calls it writes the fence.
local function grant(ns, key, held, want, lease, nowUs, nowMs)
  lease.atMs, lease.era = whole(nowMs), ns.era
  if want.mode == "x" then
    local first, last = takeBlock(ns, nowUs, want.tokens)
    lease.mode, lease.state, lease.token = "x", "x", whole(first)
    lease.raw = packLease(lease.sessionId, lease.number, lease.token, lease.atMs, ns.era, lease.trace)
    redis.call("SET", key, lease.raw, "PX", want.ttlMs)
    return lease, lease.token, whole(last)
  end
  local holder = { state = "x", sessionId = lease.sessionId, untilMs = endOf(nowMs, want.ttlMs), atMs = lease.atMs,
    units = want.units, markedMs = "0", steadyMs = "0", trace = lease.trace }
  if held then
    held.used = held.used + want.units
    writeHolder(held, want.id, holder, nowMs)
    return held, held.token, held.token
  end
  local token = "0"
  if want.mode == "s" then
    token = whole(takeBlock(ns, nowUs, 1))
  end
  return beginHolders(ns, key, want.mode, want.limit, token, want.id, holder, nowMs), token, token
end

-- What the waiters of entries are told, by their channels. A hint: their next asking finds the lease as well.
local grantsToTell = {}

local function tellGranted(entry, number, first, last, lease)
  local words = { "granted", number, first, last, lease.atMs, lease.era, lease.sessionId }
  grantsToTell[#grantsToTell + 1] = { entry.channel, table.concat(words, " ") }
end

-- At the end of the script: the server writes to its connections in the reverse order, and who holds a key now is to
-- hear of it before the others do.
local function tellGrants()
  for i = #grantsToTell, 1, -1 do
    redis.pcall("PUBLISH", unpack(grantsToTell[i]))
  end
end

-- Tells the first that can be granted the key that nobody is before it any more: it is to watch whoever holds the key.
local function tellFirst(ns, queue, nowMs)
  local entry = queue.exists and firstFit(queue, ns.era, nowMs)
  if entry then
    redis.pcall("PUBLISH", entry.channel, "first " .. string.match(entry.id, "#(%d+)$"))
  end
end

-- Grants the key to those who wait, in their order, until it comes to the asker, to one who must wait on, or to nobody.
-- Who comes after that one is not looked at: so nobody is passed, and neither a writer nor a wish for many permits
-- starves. Returns what holds the key now and the entry where it ended. Not while recovering.
local function grantNext(ns, key, held, queue, nowUs, nowMs, askerId, unfit)
  local from
  for _ = 1, GRANTS_A_CALL do
    if not queue.exists or (held and held.mode == "x" and not askerId) then
      return held
    end
    local entry, n = firstFit(queue, ns.era, nowMs, askerId, from, unfit)
    if not entry or entry.id == askerId or not isCompatible(held, entry) then
      return held, entry
    end
    local number = string.match(entry.id, "#(%d+)$")
    local lease, first, last = { sessionId = entry.sessionId, number = number, trace = entry.trace }, nil, nil
    entry.limit = queue.limit
    held, first, last = grant(ns, key, held, entry, lease, nowUs, nowMs)
    dropEntry(queue, n, entry.id)
    tellGranted(entry, number, first, last, lease)
    from = n + 1
  end
  return held, { id = "" }
end
