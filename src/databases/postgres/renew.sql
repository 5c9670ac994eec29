-- Is it still ours? And, for a lease whose job has beaten: keep it for another lock TTL.
-- Arguments: fresh era id, recoveryMs, generation, era, session, locker; and of each element: key, lease number, token,
-- lock TTL in ms (0: only look).
-- Returns [status, store's ms, [element, ...]]; an element is ["held"] | ["lost", record or null] | ["error", message].
-- Atomic: the owner must not change between the look and the note that it lives on.

CREATE OR REPLACE FUNCTION renew_one(p_ns namespace, p_session text, p_locker text, p_key text, p_number bigint,
  p_token bigint, p_ttl_ms bigint) RETURNS json LANGUAGE plpgsql AS $$
DECLARE
  now_ms bigint := clock_us() / 1000;
  ours record := find_ours(p_ns, p_locker, p_key, p_number, p_token, p_session, now_ms);
  lease shares := ours.lease;
BEGIN
  IF ours.problem IS NULL AND p_ttl_ms > 0 THEN
    lease.until_ms := now_ms + p_ttl_ms;
    PERFORM write_lease(ours.k, lease);
  END IF;
  RETURN coalesce(ours.problem, json_build_array('held'));
END $$;

CREATE OR REPLACE FUNCTION renew(p_fresh_era text, p_recovery_ms bigint, p_generation bigint, p_era text,
  p_session text, p_locker text, p_keys text[], p_numbers bigint[], p_tokens bigint[], p_ttls_ms bigint[]) RETURNS json
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
  PERFORM need_not_be_durable();
  FOR i IN 1..cardinality(p_keys) LOOP
    answers := answers || renew_one(ns, p_session, p_locker, p_keys[i], p_numbers[i], p_tokens[i], p_ttls_ms[i]);
  END LOOP;
  RETURN json_build_array('ok', clock_us() / 1000, array_to_json(answers));
END $$;
