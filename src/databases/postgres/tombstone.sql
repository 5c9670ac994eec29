-- The store lost its memory: write again that these sessions were condemned, before one of them comes back to life.
-- Arguments: fresh era id, recoveryMs, era, sessions, time to keep a tombstone in ms.
-- Returns "ok" | "era". Atomic: only while the window of that era is open; later nobody can come back anyhow.

CREATE OR REPLACE FUNCTION tombstone(p_fresh_era text, p_recovery_ms bigint, p_era text, p_sessions text[],
  p_keep_ms bigint) RETURNS text
LANGUAGE plpgsql SET search_path FROM CURRENT SET lock_timeout = '1500ms' AS $$
DECLARE
  ns namespace := open_namespace(p_fresh_era, p_recovery_ms);
  now_ms bigint := clock_us() / 1000;
BEGIN
  IF ns.era <> p_era OR ns.is_open THEN
    RETURN 'era';
  END IF;
  PERFORM pg_advisory_xact_lock(id)
    FROM (SELECT DISTINCT lock_id('s', t) AS id FROM unnest(p_sessions) AS t ORDER BY 1) AS ids;
  INSERT INTO sessions AS s (id, dead_ms, cause, keep_until_ms)
    SELECT DISTINCT t, now_ms, 'already', now_ms + p_keep_ms FROM unnest(p_sessions) AS t
    ON CONFLICT (id) DO UPDATE SET dead_ms = now_ms, cause = 'already', keep_until_ms = excluded.keep_until_ms;
  RETURN 'ok';
END $$;
