-- Take the leases that nobody has taken from this locker's condemned session over to its new one.
-- Arguments: fresh era id, recoveryMs, generation, era, new session, locker; and of each element: key, lease number,
-- token, lock TTL in ms.
-- Returns [status, store's ms, [element, ...]]; an element is ["held"] | ["lost", record or null] | ["error", message].
-- Atomic: compare-and-swap on the lease (locker and number) and its token; on less, a lease that somebody had since
-- would be revived. Not on the session: it may have been re-owned by one that came in between.

CREATE OR REPLACE FUNCTION reown_one(p_ns namespace, p_session text, p_locker text, p_key text, p_number bigint,
  p_token bigint, p_ttl_ms bigint) RETURNS json LANGUAGE plpgsql AS $$
DECLARE
  now_ms bigint := clock_us() / 1000;
  ours record := find_ours(p_ns, p_locker, p_key, p_number, p_token, NULL, now_ms);
  lease shares := ours.lease;
BEGIN
  IF ours.problem IS NULL THEN
    lease.session := p_session;
    lease.until_ms := now_ms + p_ttl_ms;
    PERFORM write_lease(ours.k, lease);
  END IF;
  RETURN coalesce(ours.problem, json_build_array('held'));
END $$;

CREATE OR REPLACE FUNCTION reown(p_fresh_era text, p_recovery_ms bigint, p_generation bigint, p_era text,
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
  PERFORM make_durable();
  FOR i IN 1..cardinality(p_keys) LOOP
    answers := answers || reown_one(ns, p_session, p_locker, p_keys[i], p_numbers[i], p_tokens[i], p_ttls_ms[i]);
  END LOOP;
  RETURN json_build_array('ok', clock_us() / 1000, array_to_json(answers));
END $$;
