-- Grant leases: free keys, keys that may be held together, keys whose lease is of an older era, and keys whose
-- condemned or revoked holder is named. Or queue for them. Who is in the queue asks again and again: it is granted the
-- key, or shows that it still waits.
-- KEYS[1] namespace   KEYS[2] session   KEYS[3...] per element: lease, queue
-- ARGV[1] fresh era id   ARGV[2] recoveryMs   ARGV[3] generation   ARGV[4] era   ARGV[5] session id   ARGV[6] locker id
-- ARGV[7] channel where this locker hears of grants, or ""   ARGV[8] monotonic ms of the asker
-- ARGV[9...] per element, in one word: "<lease number> <lock TTL in ms> <mode>;<tokens>;<fit for>;<replace>;<dead>;
-- <trace>". Mode: "x", "s" or "p <units> <limit>"; tokens wanted; for how long the asker counts as fit, ms (0: it does
-- not wait); session id, token and mark of holders to replace; lease id and session id of dead waiters
-- Returns {status, era, element, ...}; status "ok" | "condemned" | "era" | "generation"; an element is
-- "<token> <granted at ms>", of a key that was free | {"granted", token, granted at ms, last token} |
-- {"held", count, record, ...} | {"queued", ticket, "first" or "", count, record, ..., lease id and session id of unfit
-- waiters before it, ...} | {"recovering"} | {"error", message, record of a holder that it is about, ...}.
-- Atomic: the session must not be condemned, nor the era end, between the look at a key and its grant; and nobody may
-- pass one that waits. The first write is one that a full memory refuses, and with it the whole batch.
local era, sessionId, lockerId, channel = ARGV[4], ARGV[5], ARGV[6], ARGV[7]
local nowUs, nowMs = readClock()
local ns, err = openNamespace(KEYS[1], ARGV[1], ARGV[2])
if not ns then return err end
local refused = refusal(KEYS[2], ns, era, ARGV[3])
if refused then
  return { refused, ns.era }
end
local out, fence, atMs = { "ok", ns.era }, ns.fence, whole(nowMs)

local allFree = redis.call("EXISTS", unpack(KEYS, 3)) == 0 -- as it mostly is
-- What is asked for most often, in as few commands as it takes: one lease of a key that is free, and for which nobody
-- waits. Returns nothing when it is not that; then all the rules look at it, and the rest. NX: a key may come twice.
local function grantFree(key, queueKey, wish)
  local number, ttlMs, trace = string.match(wish, "^(%d+) (%d+) x;1;[^;]*;[^;]*;[^;]*;(.*)$")
  if not number or ns.recovering or not (allFree or redis.call("EXISTS", queueKey) == 0) then
    return nil
  end
  local before, token = ns.fence, whole((takeBlock(ns, nowUs, 1)))
  local set = redis.pcall("SET", key, packLease(sessionId, number, token, atMs, ns.era, trace), "PX", ttlMs, "NX")
  if set and set.ok then
    return token .. " " .. atMs
  end
  ns.fence = before
end

local function writeFence()
  if ns.fence > fence then
    redis.call("HSET", KEYS[1], "fence", whole(ns.fence))
  end
end

local nextKey = 3
while nextKey < #KEYS do
  local granted = grantFree(KEYS[nextKey], KEYS[nextKey + 1], ARGV[9 + (nextKey - 3) / 2])
  if not granted then break end -- none of those behind it is looked at before it is
  out[#out + 1] = granted
  nextKey = nextKey + 2
end
if nextKey > #KEYS then
  writeFence()
  return out
end

-- Uses: holders, queue
local later, steadyMs = {}, nil

-- Whether a lease may be taken: its session was found dead, or it bears the mark of a revocation by force and this
-- session has been steady for as long as its holder might still have believed in it.
local function isReplaced(lease, replaced)
  if lease.state ~= "k" and replaced[replacedName(lease.sessionId, lease.token, "0")] then
    return true
  end
  if lease.state ~= "r" or not replaced[replacedName(lease.sessionId, lease.token, lease.markedMs)] then
    return false
  end
  steadyMs = steadyMs or steadyForMs(KEYS[2], nowMs, ARGV[8])
  return math.min(steadyMs, nowMs - tonumber(lease.markedMs)) >= tonumber(lease.steadyMs)
end

-- Returns its ticket.
local function enqueue(queue, want)
  local n = findEntry(queue, want.id)
  local raw = n and readField(queue, whole(n))
  local known = raw and readEntry(raw)
  if not known then
    queue.tail, queue.exists = queue.tail + 1, true
    n = queue.tail
  end
  local ticket = known and known.ticket or whole(nowUs)
  local entry = packEntry({ mode = want.mode, id = want.id, sessionId = sessionId, ttlMs = want.ttlMs, era = ns.era,
    fitUntil = whole(nowMs + want.fitForMs), ticket = ticket, units = want.units, tokens = want.tokens,
    channel = channel, trace = want.trace })
  redis.call("HSET", queue.key, "head", whole(queue.head), "tail", whole(queue.tail), "limit", whole(want.limit),
    whole(n), entry, want.id, whole(n))
  redis.call("PEXPIRE", queue.key, QUEUE_KEEP_MS)
  return ticket
end

-- Asked again: its lease lives from now on, and is this session's, also if that followed a condemned one.
local function grantAgain(key, held, lease, want)
  if held.mode ~= "x" then
    lease.sessionId, lease.untilMs = sessionId, endOf(nowMs, want.ttlMs)
    writeHolder(held, want.id, lease, nowMs)
  elseif lease.sessionId ~= sessionId then
    local raw = packLease(sessionId, lease.number, lease.token, lease.atMs, ns.era, lease.trace)
    redis.call("SET", key, raw, "PX", want.ttlMs)
  else
    later[#later + 1] = function() -- at the end: as a first write it would let grants through when memory is full
      redis.call("PEXPIRE", key, want.ttlMs)
    end
  end
  return { "granted", lease.token, lease.atMs, lease.token }
end

-- What holds the key, less what counts for nothing any more.
local function look(key, want)
  local held, problem = readHeld(key, want.mode)
  if held == nil then
    return nil, problem
  end
  if not counts(held, ns.era) then
    return false
  end
  if held.mode ~= "x" then
    local isOver = next(want.replaced) and not ns.recovering and function(id, lease)
      lease.token = held.token
      return id ~= want.id and isReplaced(lease, want.replaced)
    end
    return prune(held, nowMs, isOver or nil)
  end
  return held
end

-- Permits are given out by one limit, and go with no other mode. Whoever holds the key so is told: if they are dead, it
-- is asked again in their place.
local function misfit(want, mode, limit, held)
  if (want.mode == "p") ~= (mode == "p") or want.limit ~= limit or want.units > math.max(1, want.limit) then
    return { "error", "PULSELOCK_MODE " .. want.modeWord .. ", " .. mode .. " " .. whole(limit),
      unpack(describe(held, nowUs)) }
  end
end

local function answer(words, held, unfit)
  local told = describe(held, nowUs)
  words[#words + 1] = whole(#told)
  for _, list in ipairs({ told, unfit }) do
    for _, word in ipairs(list) do
      words[#words + 1] = word
    end
  end
  return words
end

-- Those who wait are granted what they can be first. Returns what holds the key then, the entry before which it ended,
-- or nil and an error.
local function letOthersFirst(key, held, queue, want, unfit)
  if queue.limit ~= want.limit then
    local first = firstFit(queue, ns.era, nowMs)
    if first then
      return nil, misfit(want, queue.limit > 0 and "p" or "x", queue.limit, false)
    end
    redis.call("DEL", queue.key) -- nobody in it can be granted anything, and its limit is no longer in use
    queue.head, queue.tail, queue.exists, queue.stale = 1, 0, nil, {}
    return held
  end
  dropDead(queue, want.dead)
  if ns.recovering then
    return held, (firstFit(queue, ns.era, nowMs, want.id, nil, unfit))
  end
  return grantNext(ns, key, held, queue, nowUs, nowMs, want.id, unfit)
end

local function readWish(wish)
  local number, ttlMs, modeWord, tokens, fitForMs, replace, dead, trace =
    string.match(wish, "^(%S+) (%S+) ([^;]*);(%d+);(%d+);([^;]*);([^;]*);(.*)$")
  if not number then return nil end
  local mode, units, limit = readMode(modeWord)
  return { id = lockerId .. "#" .. number, number = number, ttlMs = ttlMs, mode = mode, units = units, limit = limit,
    modeWord = modeWord, replaced = readReplaced(replace), tokens = tonumber(tokens), fitForMs = tonumber(fitForMs),
    dead = dead, trace = trace }
end

local function element(key, queueKey, want)
  if not want then return { "error", "ERR the wish cannot be read" } end
  local held, problem = look(key, want)
  if held == nil then
    return { "error", problem }
  end
  local own = findLease(held, lockerId, want.number)
  if own and own.state == "x" then
    return grantAgain(key, held, own, want)
  end
  if held and held.mode == "x" and isReplaced(held, want.replaced) then
    held = false
  end
  if want.mode == "p" or (held and held.mode == "p") then
    local limit = held and held.mode ~= "x" and held.limit or want.limit
    local mistake = misfit(want, held and held.mode or want.mode, limit, held)
    if mistake then
      return mistake
    end
  end
  local isFree = isCompatible(held, want)
  if not isFree and want.fitForMs == 0 then
    return answer({ "held" }, held, {})
  end
  if isFree and ns.recovering then
    return { "recovering" }
  end
  local queue, first, unfit = nil, nil, {}
  queue, problem = openQueue(queueKey, want.id)
  if not queue then
    return { "error", problem }
  end
  if queue.exists then
    held, first = letOthersFirst(key, held, queue, want, unfit)
    if held == nil then
      return first
    end
  end
  local isFirst = not first or first.id == want.id
  if isFirst and isCompatible(held, want) then
    local lease, token, last = { sessionId = sessionId, number = want.number, trace = want.trace }, nil, nil
    held, token, last = grant(ns, key, held, want, lease, nowUs, nowMs)
    local n = findEntry(queue, want.id)
    if n then
      dropEntry(queue, n, want.id)
    end
    if want.mode ~= "x" then
      grantNext(ns, key, held, queue, nowUs, nowMs) -- those behind it that may hold the key with it
    end
    tellFirst(ns, queue, nowMs)
    dropStale(queue)
    return { "granted", token, lease.atMs, last }
  end
  if want.fitForMs == 0 then
    dropStale(queue)
    return answer({ "held" }, held, {})
  end
  local ticket = enqueue(queue, want)
  dropStale(queue)
  return answer({ "queued", ticket, isFirst and "first" or "" }, held, unfit)
end

for i = nextKey, #KEYS, 2 do
  out[#out + 1] = element(KEYS[i], KEYS[i + 1], readWish(ARGV[9 + (i - 3) / 2]))
end
writeFence()
for _, act in ipairs(later) do
  act()
end
tellGrants()
return out
