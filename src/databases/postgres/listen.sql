-- Listen under a name, and hold its lock for as long as this connection lasts: by it peers see that it is there.
-- Arguments: kind ("c" a session's worker, "g" a locker's main thread), name, the name that it listened under before or
-- "". Returns the channel. Never through a pooler, where both would fall to whoever comes next.

CREATE OR REPLACE FUNCTION listen(p_kind text, p_name text, p_before text) RETURNS text
LANGUAGE plpgsql SET search_path FROM CURRENT SET lock_timeout = '1500ms' AS $$
BEGIN
  PERFORM pg_advisory_lock_shared(lock_id(p_kind, p_name));
  EXECUTE format('LISTEN %I', channel_of(p_kind, p_name));
  IF p_before <> '' THEN
    EXECUTE format('UNLISTEN %I', channel_of(p_kind, p_before));
    PERFORM pg_advisory_unlock_shared(lock_id(p_kind, p_before));
  END IF;
  RETURN channel_of(p_kind, p_name);
END $$;
