-- What scripts that queue or hand on need: put between the prelude and a script whose header says "Uses: queue".
-- KEYS and ARGV are those of that script. Returns nothing by itself.
-- A queue is a hash: "head" and "tail" are the numbers of its first and last entry, "<n>" is an entry, "<lease id>" its
-- n. An entry: format, mode, lease id, session id, lock TTL, era, fit until (ms), ticket (µs), units, tokens, length of
-- its channel's name, that name and the trace.

local QUEUE_KEEP_MS = 3600000 -- for garbage only: every entry is asked for again within a second or so
local ENTRIES_A_LOOK = 8
local UNFIT_TOLD = 7

local function packEntry(e)
  return table.concat({ FORMAT, "x", e.id, e.sessionId, e.ttlMs, e.era, e.fitUntil, e.ticket, 1, e.tokens, #e.channel,
    e.channel .. e.trace }, " ")
end

local function readEntry(raw)
  local id, sessionId, ttlMs, era, fitUntil, ticket, tokens, length, texts =
    string.match(raw, "^1 x (%S+) (%S+) (%d+) (%S+) (%d+) (%d+) 1 (%d+) (%d+) (.*)$")
  if not id then
    return nil -- of a newer version, or none of ours: nobody whom this one could grant anything
  end
  return { id = id, sessionId = sessionId, ttlMs = ttlMs, era = era, fitUntil = fitUntil, ticket = ticket,
    tokens = tonumber(tokens), channel = string.sub(texts, 1, length), trace = string.sub(texts, length + 1) }
end

-- Returns the queue, empty when there is none, or nil and the error of a value that is not ours.
local function openQueue(key)
  local v = redis.pcall("HMGET", key, "head", "tail")
  if v.err then
    return nil, v.err .. " (HMGET, queue)"
  end
  if not v[1] then
    return { key = key, head = 1, tail = 0 }
  end
  local queue = { key = key, head = tonumber(v[1]), tail = tonumber(v[2] or ""), exists = true, dropped = {} }
  if not queue.head or not queue.tail then
    return nil, "PULSELOCK_FOREIGN the value is not a queue"
  end
  return queue
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

-- The first entry of this era that is fit, or is the asker's own, with its n; and the unfit ones before it, in pairs of
-- lease id and session id. The asker is fit: it asks. Nothing is written.
local function firstFit(queue, era, nowMs, askerId)
  local unfit = {}
  local n = queue.head
  while n <= queue.tail do
    local names = {}
    for i = n, math.min(n + ENTRIES_A_LOOK - 1, queue.tail) do
      names[#names + 1] = whole(i)
    end
    local raws = redis.call("HMGET", queue.key, unpack(names))
    for i = 1, #names do
      local entry = raws[i] and readEntry(raws[i])
      if entry and entry.era == era and not queue.dropped[entry.id] then
        if entry.id == askerId or isFit(entry, nowMs) then
          return entry, n + i - 1, unfit
        end
        if #unfit < 2 * UNFIT_TOLD then
          unfit[#unfit + 1] = entry.id
          unfit[#unfit + 1] = entry.sessionId
        end
      end
    end
    n = n + #names
  end
  return nil, nil, unfit
end

local function readField(queue, field)
  return redis.call("HMGET", queue.key, field)[1]
end

-- Takes an entry out. Where it stood is a hole; holes at the front are left behind, and an empty queue is removed.
local function dropEntry(queue, n, id)
  queue.dropped[id] = true
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

-- The n of a waiter's entry, or nil.
local function findEntry(queue, id)
  local n = queue.exists and readField(queue, id)
  return n and tonumber(n)
end

-- The next tokens: so many, but none further ahead of the store's clock than a tenth of the recovery window, since
-- after a loss of data the clock alone keeps tokens growing. Returns first and last.
local function takeBlock(ns, fence, nowUs, tokens)
  local first = math.max(fence + 1, nowUs)
  local most = nowUs + ns.recoveryMs * 100
  return first, math.max(first, math.min(first + tokens - 1, most))
end

-- What the waiter of an entry is told, by its channel. A hint: its next asking finds the lease as well.
local function tellGranted(entry, number, first, last, lease)
  local words = { "granted", number, first, last, lease.atMs, lease.era, lease.sessionId }
  redis.pcall("PUBLISH", entry.channel, table.concat(words, " "))
end
