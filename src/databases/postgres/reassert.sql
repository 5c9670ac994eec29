-- The store lost its memory: the living say again what they hold, with the tokens they hold it under.
-- Arguments: fresh era id, recoveryMs, generation, era, session, locker; and of each element: key, lease number, token,
-- lock TTL in ms, granted at ms, mode ("x", "s", "p"), units, limit, last token of its block, trace.
-- Returns [status, store's ms, [element, ...]]; an element is ["held"] | ["lost", record or null] | ["error", message].
-- Atomic: only while the window is open, for after it a key without a record is free. Of two that claim one key the
-- larger token was granted later, so it is the one that holds.

CREATE OR REPLACE FUNCTION reassert_one(p_ns namespace, w wish, p_token bigint, p_last bigint, p_at_ms bigint)
RETURNS json LANGUAGE plpgsql AS $$
DECLARE
  now_ms bigint := clock_us() / 1000;
  k keys := read_key(w.key, now_ms);
  is_current boolean := k.mode IS NOT NULL AND k.era = p_ns.era;
  can_join boolean;
  lease shares;
BEGIN
  IF problem_of(k) IS NOT NULL THEN
    RETURN problem_of(k);
  END IF;
  IF is_current THEN
    lease := find_lease(k, w.locker, w.number, now_ms);
    IF lease.state = 'x' AND k.token = p_token AND lease.session = w.session THEN
      lease.until_ms := now_ms + w.ttl_ms;
      PERFORM write_lease(k, lease);
      RETURN json_build_array('held');
    END IF;
  ELSE
    k.mode := NULL;
  END IF;
  -- Those who held it together may all come back; more permits than there are cannot have been given out.
  can_join := is_current AND k.mode = w.mode AND k.token = p_token AND k.permits = w.permits
    AND is_compatible(k, w, now_ms);
  -- What is of an older era holds nothing any more, but a larger token in it shows that somebody had the key since.
  IF p_ns.is_open OR NOT (coalesce(k.token, -1) < p_token OR (k.token = p_token AND NOT is_current)
    OR (can_join AND lease.key IS NULL)) THEN
    RETURN json_build_array('lost', taken_by(k));
  END IF;
  IF NOT can_join THEN
    k.mode := NULL;
  END IF;
  PERFORM write_grant(k, w, p_ns.era, p_token, p_last, p_at_ms, now_ms);
  -- The clock keeps tokens growing where it can: the fence is for those that are ahead of it.
  UPDATE namespace SET fence = p_last WHERE fence < p_last AND p_last >= clock_us();
  RETURN json_build_array('held');
END $$;

CREATE OR REPLACE FUNCTION reassert(p_fresh_era text, p_recovery_ms bigint, p_generation bigint, p_era text,
  p_session text, p_locker text, p_keys text[], p_numbers bigint[], p_tokens bigint[], p_ttls_ms bigint[],
  p_at_ms bigint[], p_modes text[], p_units bigint[], p_limits bigint[], p_lasts bigint[], p_traces text[])
RETURNS json
LANGUAGE plpgsql SET search_path FROM CURRENT SET lock_timeout = '1500ms' AS $$
DECLARE
  ns namespace := open_namespace(p_fresh_era, p_recovery_ms);
  refused text := refusal(open_session(p_session, p_generation), ns, p_era, p_generation);
  answers json[];
BEGIN
  IF refused IS NOT NULL THEN
    RETURN json_build_array(refused, clock_us() / 1000);
  END IF;
  PERFORM lock_keys(p_keys);
  PERFORM make_durable();
  FOR i IN 1..cardinality(p_keys) LOOP
    answers := answers || reassert_one(ns, ROW(p_keys[i], p_locker, p_numbers[i], p_session, p_ttls_ms[i], p_modes[i],
      p_units[i], p_limits[i], 1, NULL, 0, NULL, p_traces[i], false, 0)::wish, p_tokens[i], p_lasts[i], p_at_ms[i]);
  END LOOP;
  RETURN json_build_array('ok', clock_us() / 1000, array_to_json(answers));
END $$;
