-- Write a session's record: a new session, or one that enters a new era again while its recovery window is open.
-- Arguments: fresh era id, recoveryMs, session, mode ("new", "trusted" or "provisional"), era to enter (not for "new"),
-- monotonic ms of the sender, whether its worker's lock is held, what the record tells peers; and, null for "new":
-- number of the era that it lived in, when it was last served there, for how long that is believed, whether no
-- connection broke, but it got no answers.
-- Returns [status, era, whether it is recovering, store's ms, lost counter, recoveryMs, ms until the window may close,
-- the era's number]; status is "alive" | "recovering" | "reenter" | "condemned".
-- Atomic: whether the window is open and whether the session was condemned must not change before the record is
-- written.

CREATE OR REPLACE FUNCTION "begin"(p_fresh_era text, p_recovery_ms bigint, p_session text, p_mode text, p_era text,
  p_mono_ms bigint, p_listens boolean, p_ttl_ms bigint, p_grace_ms bigint, p_interval_ms bigint, p_drift_ms bigint,
  p_host text, p_pid bigint, p_labels text, p_proofs text[], p_lived bigint, p_served_ms bigint, p_trust_ms bigint,
  p_is_silent boolean) RETURNS json
LANGUAGE plpgsql SET search_path FROM CURRENT SET lock_timeout = '1500ms' AS $$
DECLARE
  ns namespace := open_namespace(p_fresh_era, p_recovery_ms, p_lived >= (SELECT era_number FROM namespace) IS TRUE);
  old sessions;
  now_ms bigint;
  status text;
BEGIN
  PERFORM pg_advisory_xact_lock(lock_id('s', p_session));
  SELECT * INTO old FROM sessions WHERE id = p_session FOR UPDATE;
  now_ms := clock_us() / 1000;
  IF old.dead_ms IS NOT NULL OR old.era <> ns.era AND has_missed_era(ns, old.era_number) THEN
    status := 'condemned';
  ELSIF old.era = ns.era THEN
    -- Asked again, since the first answer was lost. It counts as a ping, and what lies between them as a gap.
    UPDATE sessions SET last_ms = now_ms, steady_ms = now_ms WHERE id = p_session;
    IF NOT ns.is_open AND p_mode = 'provisional' AND NOT old.is_provisional THEN
      -- Its first begin came late, and made it anew
      PERFORM bring_lived(p_session, p_lived, p_served_ms, p_trust_ms, p_is_silent);
      UPDATE sessions SET is_provisional = true WHERE id = p_session;
      old.is_provisional := true;
    END IF;
    status := CASE WHEN is_doubted(ns, old, now_ms) THEN 'condemned'
      WHEN NOT ns.is_open AND old.is_provisional THEN 'recovering' ELSE 'alive' END;
  ELSIF p_mode <> 'new' AND (ns.era <> p_era OR ns.is_open) THEN
    status := CASE WHEN ns.is_open THEN 'condemned' ELSE 'reenter' END;
  ELSE
    PERFORM bring_lived(p_session, p_lived, p_served_ms, p_trust_ms, p_is_silent);
    SELECT * INTO ns FROM namespace;
    DELETE FROM sessions WHERE id = p_session;
    INSERT INTO sessions (id, era, era_number, last_ms, steady_ms, offset_ms, offset_at_ms, ahead, is_provisional,
        listens, ttl_ms, grace_ms, interval_ms, drift_ms, host, pid, labels, proofs, keep_until_ms)
      VALUES (p_session, ns.era, ns.era_number, now_ms, now_ms, now_ms - p_mono_ms, now_ms, 0, p_mode = 'provisional',
        p_listens, p_ttl_ms, p_grace_ms, p_interval_ms, p_drift_ms, p_host, p_pid, p_labels, p_proofs,
        now_ms + 3600000);
    status := CASE WHEN p_mode = 'provisional' THEN 'recovering' ELSE 'alive' END;
  END IF;
  RETURN json_build_array(status, ns.era, NOT ns.is_open, now_ms, 0, ns.recovery_ms, ns.recovery_ms,
    ns.era_number);
END $$;
