-- Leave in good order: the session ends, and whatever still carries its id can be taken at once.
-- KEYS[1] session   ARGV none
-- Returns 1 when there was a record, else 0. One command; a script only so that every verb goes the same way.
return redis.call("DEL", KEYS[1])
