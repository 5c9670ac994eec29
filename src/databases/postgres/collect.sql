-- Remove what nobody needs any more: records of sessions that ended an hour ago, keys that nobody held for as long,
-- what waits no longer. One process does it a minute, whoever asks first; each time for a part of the keys.
-- Arguments none. Returns how many rows went, or null when it was somebody else's turn.

CREATE OR REPLACE FUNCTION collect() RETURNS bigint
LANGUAGE plpgsql SET search_path FROM CURRENT SET lock_timeout = '200ms' AS $$
DECLARE
  now_ms bigint := clock_us() / 1000;
  old_ms bigint := now_ms - 3600000;
  idle text[];
  parts bigint;
  page bigint;
  largest bigint;
  count_ bigint;
  gone bigint := 0;
BEGIN
  IF EXISTS (SELECT FROM namespace WHERE collected_ms > now_ms - 60000 AND collected_ms <= now_ms)
    OR NOT pg_try_advisory_xact_lock(lock_id('collect', '')) THEN
    RETURN NULL;
  END IF;
  PERFORM need_not_be_durable();
  DELETE FROM sessions WHERE keep_until_ms < now_ms;
  GET DIAGNOSTICS count_ = ROW_COUNT;
  gone := gone + count_;
  DELETE FROM lived WHERE session <> '' AND NOT EXISTS (SELECT FROM sessions WHERE id = session);
  DELETE FROM blocked WHERE until_ms < now_ms;
  GET DIAGNOSTICS count_ = ROW_COUNT;
  gone := gone + count_;
  -- 16 MB of the keys each time, one part after the other, so that no ping behind it waits for long.
  parts := greatest(1, (pg_relation_size('keys') + 16777215) / 16777216);
  page := (now_ms / 60000 % parts) * 2048;
  idle := ARRAY (SELECT key FROM keys WHERE ctid >= format('(%s,0)', page)::tid
    AND ctid < format('(%s,0)', page + 2048)::tid AND until_ms < old_ms);
  -- Nothing is granted for the moment in which keys are forgotten: their tokens go on above the fence, whatever the
  -- clock does.
  PERFORM pg_advisory_xact_lock(lock_id('n', ''));
  DELETE FROM waiters WHERE fit_until_ms < old_ms;
  DELETE FROM shares WHERE until_ms < old_ms;
  WITH forgotten AS (DELETE FROM keys WHERE key = ANY (idle) AND until_ms < old_ms
    AND NOT EXISTS (SELECT FROM shares AS s WHERE s.key = keys.key) RETURNING last_token)
    SELECT count(*), max(last_token) INTO count_, largest FROM forgotten;
  UPDATE namespace SET collected_ms = now_ms, fence = greatest(fence, largest);
  RETURN gone + count_;
END $$;
