-- Tell a locker's main thread something that it did not ask for. A hint: where publishing is not permitted, nothing.
-- KEYS none
-- ARGV[1] its channel   ARGV[2] the words
-- Returns how many heard it.
local heard = redis.pcall("PUBLISH", ARGV[1], ARGV[2])
return type(heard) == "number" and heard or 0
