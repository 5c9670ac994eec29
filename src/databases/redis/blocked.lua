-- Say of leases that their task waits for a key, for others that look for a circle of such waits; or that it does not.
-- KEYS[1...] what is said of each lease
-- ARGV[1] ticket, lease id and key of the wait, or "" when it is over   ARGV[2] for how long it is said, ms
-- Returns how many there are. Atomic: one command for all that the task holds, so that nobody sees half of it.
for i = 1, #KEYS do
  if ARGV[1] == "" then
    redis.call("DEL", KEYS[i])
  else
    redis.call("SET", KEYS[i], ARGV[1], "PX", ARGV[2])
  end
end
return #KEYS
