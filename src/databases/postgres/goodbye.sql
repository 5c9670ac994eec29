-- Leave in good order: the session ends, and whatever still carries its id can be taken at once.
-- Arguments: session. Returns whether there was a record.

CREATE OR REPLACE FUNCTION goodbye(p_session text) RETURNS boolean
LANGUAGE plpgsql SET search_path FROM CURRENT SET lock_timeout = '1500ms' AS $$
BEGIN
  PERFORM pg_advisory_xact_lock(lock_id('s', p_session));
  DELETE FROM sessions WHERE id = p_session;
  RETURN FOUND;
END $$;
