-- Ask a holder to give its key back. By force: mark its lease, so that it no longer holds it, and raise the counter
-- that its next ping brings home; the key goes to nobody before the holder must have heard of it.
-- Arguments: fresh era id, recoveryMs, generation, era, session, monotonic ms of the asker, holder's session, key,
-- lease number, token, whether by force.
-- Returns [status, store's ms, [element]]; the element is ["asked", whether somebody listens] | ["marked", marked at
-- ms, for how long whoever takes it must have been steady since, ms] | ["absent"] | ["error", message].
-- Atomic: mark and counter are one, else the holder could hear of a mark that is not there yet and believe on.

CREATE OR REPLACE FUNCTION revoke_one(p_ns namespace, s sessions, p_mono_ms bigint, p_holder text, p_key text,
  p_number bigint, p_token bigint, p_force boolean) RETURNS json LANGUAGE plpgsql AS $$
DECLARE
  now_ms bigint := clock_us() / 1000;
  k keys := counted(read_key(p_key, now_ms), p_ns.era);
  lease shares := find_lease(k, locker_of(p_holder), p_number, now_ms);
  holder sessions;
  must_be_steady_ms bigint := 0;
BEGIN
  IF problem_of(k) IS NOT NULL THEN
    RETURN problem_of(k);
  ELSIF lease.key IS NULL OR lease.session <> p_holder OR k.token <> p_token OR lease.state = 'k' THEN
    RETURN json_build_array('absent');
  END IF;
  IF p_force THEN
    PERFORM make_durable();
    UPDATE sessions SET lost = lost + 1 WHERE id = p_holder AND dead_ms IS NULL AND era IS NOT NULL
      RETURNING * INTO holder;
    -- The longest that its holder may believe in it without a ping, and how much more of a clock's step this session
    -- overlooks than the holder does. Who is dead believes nothing.
    IF holder.id IS NOT NULL THEN
      must_be_steady_ms := holder.grace_ms + overlooked_ms(drift_of(s), holder.drift_ms);
    END IF;
    -- Marked before, perhaps by one who overlooks less
    lease.steady_ms := greatest(must_be_steady_ms, CASE WHEN lease.state = 'r' THEN lease.steady_ms ELSE 0 END);
    lease.marked_ms := CASE WHEN lease.state = 'r' THEN lease.marked_ms ELSE now_ms END;
    lease.state := 'r';
    lease.until_ms := now_ms + lease.steady_ms + 60000; -- after that nobody has wanted it any more, and the key is free
    PERFORM write_lease(k, lease);
    PERFORM pg_notify(channel_of('c', p_holder), 'lost');
  END IF;
  PERFORM tell_locker(lease.locker, concat_ws(' ', 'revoked', lease.number, k.token));
  IF p_force THEN
    RETURN json_build_array('marked', lease.marked_ms, lease.steady_ms);
  END IF;
  RETURN json_build_array('asked', lease.locker = locker_of(s.id) OR NOT is_gone('g', lease.locker));
END $$;

CREATE OR REPLACE FUNCTION revoke(p_fresh_era text, p_recovery_ms bigint, p_generation bigint, p_era text,
  p_session text, p_mono_ms bigint, p_holder text, p_key text, p_number bigint, p_token bigint, p_force boolean)
RETURNS json
LANGUAGE plpgsql SET search_path FROM CURRENT SET lock_timeout = '1500ms' AS $$
DECLARE
  ns namespace := open_namespace(p_fresh_era, p_recovery_ms);
  s sessions := open_session(p_session, p_generation);
  refused text := refusal(s, ns, p_era, p_generation);
BEGIN
  IF refused IS NOT NULL THEN
    RETURN json_build_array(refused, clock_us() / 1000);
  END IF;
  IF p_force THEN
    PERFORM FROM sessions WHERE id = p_holder FOR UPDATE; -- sessions before keys
  END IF;
  PERFORM lock_keys(ARRAY[p_key]);
  RETURN json_build_array('ok', clock_us() / 1000,
    json_build_array(revoke_one(ns, s, p_mono_ms, p_holder, p_key, p_number, p_token, p_force)));
END $$;
