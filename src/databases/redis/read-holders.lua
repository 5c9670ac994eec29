-- All who hold a key, and whether somebody stands in its queue.
-- Uses: holders
-- KEYS[1] lease   KEYS[2] queue
-- ARGV[1] lease id of the one that may stand there, or ""   ARGV[2] its ticket
-- Returns {"1" when it stands there under that ticket, or "0", record, ...}. Of any era. It writes nothing.
local held, problem = readHeld(KEYS[1], "x")
if held == nil then
  return redis.error_reply(problem)
end
local isQueued = "0"
if ARGV[1] ~= "" then
  local n = redis.call("HMGET", KEYS[2], ARGV[1])[1]
  local raw = n and redis.call("HMGET", KEYS[2], n)[1]
  local id, ticket = string.match(raw or "", "^1 %a (%S+) %S+ %d+ %S+ %d+ (%d+) ")
  isQueued = id == ARGV[1] and ticket == ARGV[2] and "1" or "0"
end
local out = describe(held, (readClock()), true)
table.insert(out, 1, isQueued) -- not by unpack(), whose results must fit on Lua's stack
return out
