-- What scripts need that meet keys in any mode: put where a script says "Uses: holders".
-- KEYS and ARGV are those of that script. Returns nothing by itself.
-- A key that several hold together is a hash: "v" 2, "mode" s (shared) or p (permits), "era", "token" of all (p: 0),
-- "limit" (s: 0), "used" units, "least" and "last": no lease ends before the one, none after the other (ms). And a
-- field for each lease, by its id: state (x held, k kept, r revoked by force), session id, until (ms), granted at (ms),
-- units, marked at (ms), steady (ms), trace.

local HOLDERS_FORMAT = 2
local HOLDERS_TOLD = 8
local HOLDERS_LOOKED_AT = 64

-- A mode as a client says it: "x", "s" or "p <units> <limit>". Returns mode, units, limit; of any other word more units
-- than the limit, so that nothing is granted.
local function readMode(word)
  if word == "x" or word == "s" then
    return word, 1, 0
  end
  local units, limit = string.match(word, "^p (%d+) (%d+)$")
  return "p", tonumber(units or "2"), tonumber(limit or "0")
end

local function packHolder(h)
  return table.concat({ h.state, h.sessionId, whole(h.untilMs), h.atMs, whole(h.units), h.markedMs, h.steadyMs,
    h.trace }, " ")
end

local function readHolder(raw)
  local state, sessionId, untilMs, atMs, units, markedMs, steadyMs, trace =
    string.match(raw, "^(%a) (%S+) (%d+) (%d+) (%d+) (%d+) (%d+) (.*)$")
  return state and { state = state, sessionId = sessionId, untilMs = tonumber(untilMs), atMs = atMs,
    units = tonumber(units), markedMs = markedMs, steadyMs = steadyMs, trace = trace }
end

-- Returns the hash, false when there is none, or nil and the error of a value that is not ours.
local function openHolders(key)
  local v = redis.pcall("HMGET", key, "v", "mode", "era", "token", "limit", "used", "least", "last")
  if v.err then
    return nil, v.err .. " (HMGET, lease)"
  end
  if not v[1] and redis.call("HLEN", key) == 0 then
    return false
  end
  if v[1] and (tonumber(v[1]) or 0) > HOLDERS_FORMAT then
    return nil, "PULSELOCK_NEWER lease record has format " .. v[1]
  end
  local held = { key = key, mode = v[2], era = v[3], token = v[4], limit = tonumber(v[5] or ""),
    used = tonumber(v[6] or ""), least = tonumber(v[7] or ""), last = tonumber(v[8] or "") }
  local isOurs = (held.mode == "s" or held.mode == "p") and held.era and held.token
  if not isOurs or not (held.limit and held.used and held.least and held.last) then
    return nil, "PULSELOCK_FOREIGN the value is not a record of leases"
  end
  return held
end

-- What holds the key: a lease or a hash, false when nothing does, or nil and an error. `mode` says where to look first.
local function readHeld(key, mode)
  local one, other = readLease, openHolders
  if mode ~= "x" then
    one, other = openHolders, readLease
  end
  local held, problem = one(key)
  if held == nil and string.find(problem, "WRONGTYPE", 1, true) then
    return other(key)
  end
  return held, problem
end

-- Whether a grant of that era still counts: what is kept does in any, since nobody could say it again.
local function counts(held, era)
  return held and (held.era == era or held.state == "k")
end

-- The lease of that id, whatever the key is held as, or nil. Its session and state may be others by now.
local function findLease(held, lockerId, number)
  if not held then
    return nil
  end
  if held.mode == "x" then
    return sameLease(held, lockerId, number) and held or nil
  end
  local id = lockerId .. "#" .. number
  local raw = redis.call("HMGET", held.key, id)[1]
  local lease = raw and readHolder(raw)
  if lease then
    lease.id, lease.number, lease.token = id, number, held.token
  end
  return lease
end

-- A lease that is to be replaced: its mark is 0 when its session is dead.
local function replacedName(ofSession, token, mark)
  return ofSession .. " " .. token .. " " .. mark
end

local function readReplaced(words)
  local replaced = {}
  for ofSession, token, mark in string.gmatch(words, "(%S+) (%d+) (%d+)") do
    replaced[replacedName(ofSession, token, mark)] = true
  end
  return replaced
end

-- The record that a lost lease is told of, or "": who revoked it by force has not taken it yet, and those who hold a
-- key together are no cause.
local function takenBy(held)
  return held and held.mode == "x" and held.state ~= "r" and held.raw or ""
end

-- A lease of this locker that is still held, and what holds the key; else nil, nil and what the locker is told.
-- `ofSession`: under which session, nil for any.
local function findOurs(key, ns, nowMs, lockerId, number, token, ofSession)
  local held, problem = readHeld(key, "x")
  if held == nil then
    return nil, nil, { "error", problem }
  end
  if held and held.era ~= ns.era then
    held = false
  end
  local lease = findLease(held, lockerId, number)
  local isOurs = lease and lease.state == "x" and lease.token == token
    and lease.sessionId == (ofSession or lease.sessionId)
  if isOurs and (lease.untilMs or nowMs + 1) > nowMs then
    return lease, held
  end
  return nil, nil, { "lost", takenBy(held) }
end

-- When a lease of a hash ends that is granted or renewed now. A time to live that is none fails here, as SET and
-- PEXPIRE do.
local function endOf(nowMs, ttlMs)
  return nowMs + tonumber(string.match(ttlMs, "^[1-9]%d*$"))
end

-- Writes a lease of a hash, and keeps the key as long as its last one.
local function writeHolder(held, id, lease, nowMs)
  held.least = math.min(held.least, lease.untilMs)
  if lease.untilMs > held.last then
    held.last = lease.untilMs
  end
  redis.call("HSET", held.key, "used", whole(held.used), "least", whole(held.least), "last", whole(held.last), id,
    packHolder(lease))
  if held.last == lease.untilMs then
    redis.call("PEXPIRE", held.key, whole(lease.untilMs - nowMs))
  end
end

-- A hash with its first lease. What lay there before counts for nothing any more, of whatever type it is. The first
-- write is the fence, since DEL would let the others through when memory is full.
local function beginHolders(ns, key, mode, limit, token, id, lease, nowMs)
  redis.call("HSET", ns.key, "fence", whole(ns.fence))
  redis.call("DEL", key)
  redis.call("HSET", key, "v", HOLDERS_FORMAT, "mode", mode, "era", ns.era, "token", token, "limit", whole(limit))
  local held = { key = key, mode = mode, era = ns.era, token = token, limit = limit, used = lease.units,
    least = lease.untilMs, last = 0 }
  writeHolder(held, id, lease, nowMs)
  return held
end

-- Returns what is left, false when nothing is.
local function removeHolder(held, lease)
  held.used = held.used - lease.units
  redis.call("HDEL", held.key, lease.id)
  if held.used <= 0 then
    redis.call("DEL", held.key)
    return false
  end
  redis.call("HSET", held.key, "used", whole(held.used))
  return held
end

-- Takes out of a hash what has run out, and what `isOver` says: only when there can be any. Returns what is left.
local function prune(held, nowMs, isOver)
  if not held or held.mode == "x" or (held.least > nowMs and not isOver) then
    return held
  end
  local all = redis.call("HGETALL", held.key)
  local used, least = 0, nil
  for i = 1, #all, 2 do
    local lease = string.find(all[i], "#", 1, true) and readHolder(all[i + 1])
    if lease then
      if lease.untilMs <= nowMs or (isOver and lease.state ~= "k" and isOver(all[i], lease)) then
        redis.call("HDEL", held.key, all[i])
      else
        used, least = used + lease.units, math.min(least or lease.untilMs, lease.untilMs)
      end
    end
  end
  if not least then
    redis.call("DEL", held.key)
    return false
  end
  held.used, held.least = used, least
  redis.call("HSET", held.key, "used", whole(used), "least", whole(least))
  return held
end

-- Whether a wish can be granted beside what holds the key. Not while its own lease is there: it was revoked by force
-- before its waiter heard of it, and would be counted twice.
local function isCompatible(held, want)
  if not held then
    return true
  end
  if want.mode == "x" or want.mode ~= held.mode then
    return false
  end
  local isRoom = want.mode == "s" or held.used + want.units <= held.limit
  return isRoom and not redis.call("HMGET", held.key, want.id)[1]
end

-- The leases that hold the key, for the answer: all of them; or only some, each of another session, and not always the
-- same. A lease of a hash is told as "2", its mode, session id, lease number, token, granted at, era, units, state,
-- trace.
local function describe(held, nowUs, isForAll)
  if not held then
    return {}
  end
  if held.mode == "x" then
    return { held.raw }
  end
  local all, ids, raws = redis.call("HGETALL", held.key), {}, {}
  for i = 1, #all, 2 do
    if string.find(all[i], "#", 1, true) then
      ids[#ids + 1], raws[all[i]] = all[i], all[i + 1]
    end
  end
  if #ids <= HOLDERS_LOOKED_AT then
    table.sort(ids) -- a hash keeps no order of its own
  end
  local told, seen, from = {}, {}, math.floor(nowUs / 1000)
  for i = 1, isForAll and #ids or math.min(#ids, HOLDERS_LOOKED_AT) do
    local id = ids[(from + i) % #ids + 1]
    local lease = readHolder(raws[id])
    local isTold = isForAll or (lease and #told < HOLDERS_TOLD and not seen[lease.sessionId])
    if isTold and lease and lease.untilMs * 1000 > nowUs then
      seen[lease.sessionId] = true
      told[#told + 1] = table.concat({ HOLDERS_FORMAT, held.mode, lease.sessionId, string.match(id, "#(%d+)$"),
        held.token, lease.atMs, held.era, whole(lease.units), lease.state, lease.trace }, " ")
    end
  end
  return told
end
