-- The store lost its memory: write again that these sessions were condemned, before one of them comes back to life.
-- KEYS[1] namespace   KEYS[2...] sessions this locker condemned
-- ARGV[1] fresh era id   ARGV[2] recoveryMs   ARGV[3] era   ARGV[4] time to keep a tombstone, ms
-- Returns "ok" | "era". Atomic: only while the window of that era is open; later nobody can come back anyhow.
keepSession(KEYS[2], ARGV[4]) -- also when memory is full
local _, nowMs = readClock()
local ns, err = openNamespace(KEYS[1], ARGV[1], ARGV[2])
if not ns then
  return err
end
if ns.era ~= ARGV[3] or not ns.recovering then
  return "era"
end
for i = 2, #KEYS do
  redis.call("HSET", KEYS[i], "v", FORMAT, "dead", whole(nowMs), "cause", "already")
  redis.call("PEXPIRE", KEYS[i], ARGV[4])
end
return "ok"
