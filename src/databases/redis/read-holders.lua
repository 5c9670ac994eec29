-- Who holds a key, and whether somebody stands in its queue.
-- Uses: holders
-- KEYS[1] lease   KEYS[2] queue
-- ARGV[1] lease id of the one that may stand there, or ""   ARGV[2] its ticket   ARGV[3] "1": every lease, else few
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
local reply = { isQueued }
for _, record in ipairs(describe(held, (readClock()), ARGV[3] == "1")) do
  reply[#reply + 1] = record -- unpack() takes no more than some thousands
end
return reply
