-- Declare a session dead, once and for all, when its silence is proven by the limits in its own record.
-- Arguments: fresh era id, recoveryMs, era, the silent session, the contender's session, whether its process is proven
-- dead, monotonic ms of the contender, ms since the contender's own connection last broke, contender's session TTL in
-- ms, time to keep the tombstone in ms.
-- Returns ["condemned", reason] | ["alive"] | ["era"]; reason "gone" | "proof" | "silent" | "disconnected" | "era" |
-- "already".
-- Atomic: a ping that came in since the contender looked must win, and nothing is granted to it any more.

CREATE OR REPLACE FUNCTION condemn(p_fresh_era text, p_recovery_ms bigint, p_era text, p_session text,
  p_contender text, p_proof boolean, p_mono_ms bigint, p_broken_ago_ms bigint, p_contender_ttl_ms bigint,
  p_keep_ms bigint) RETURNS json
LANGUAGE plpgsql SET search_path FROM CURRENT SET lock_timeout = '1500ms' AS $$
DECLARE
  ns namespace := open_namespace(p_fresh_era, p_recovery_ms);
  s sessions;
  contender sessions;
  now_ms bigint;
  silent_ms bigint;
  steady_ms bigint;
  added_ms bigint;
  has_gone boolean;
  reason text;
BEGIN
  IF NOT ns.is_open OR ns.era <> p_era THEN
    RETURN json_build_array('era');
  END IF;
  PERFORM make_durable();
  PERFORM pg_advisory_xact_lock(lock_id('s', p_session));
  SELECT * INTO s FROM sessions WHERE id = p_session FOR UPDATE;
  IF s.dead_ms IS NOT NULL THEN
    RETURN json_build_array('condemned', 'already');
  END IF;
  IF s.era IS NULL THEN
    RETURN json_build_array('condemned', 'gone');
  END IF;
  SELECT * INTO contender FROM sessions WHERE id = p_contender;
  now_ms := clock_us() / 1000;
  IF s.last_ms > now_ms THEN -- the store's clock went back: silence counts from now
    UPDATE sessions SET last_ms = now_ms WHERE id = p_session;
  END IF;
  silent_ms := greatest(0, now_ms - s.last_ms);
  has_gone := s.listens AND is_gone('c', p_session);
  steady_ms := least(silent_ms, steady_for(contender, now_ms, p_mono_ms));
  added_ms := overlooked_ms(drift_of(contender), s.drift_ms);
  reason := CASE
    WHEN s.era <> ns.era THEN 'era' -- its era's window has closed: it may not come back, and nothing it held counts
    WHEN p_proof AND (has_gone OR NOT s.listens) THEN 'proof'
    WHEN steady_ms >= s.ttl_ms + added_ms THEN 'silent'
    WHEN has_gone AND steady_ms >= s.grace_ms + added_ms AND p_broken_ago_ms >= p_contender_ttl_ms THEN 'disconnected'
  END;
  IF reason IS NULL THEN
    RETURN json_build_array('alive');
  END IF;
  UPDATE sessions SET dead_ms = now_ms, cause = reason, keep_until_ms = now_ms + p_keep_ms WHERE id = p_session;
  PERFORM pg_notify(channel_of('c', p_session), 'condemned');
  RETURN json_build_array('condemned', reason);
END $$;
